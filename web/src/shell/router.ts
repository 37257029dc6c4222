/**
 * The address bar: which route is shown, and how one gets to another without loading the document again.
 *
 * Links are ordinary links; a click on one of ours is taken over here. Started once by `main.ts`.
 */

import { type ReadonlySignal, signal } from "@preact/signals";

import { parseRoute, type Route, routeAddress } from "../routes";

const current = signal<Route>(readRoute());

export const route: ReadonlySignal<Route> = current;

/** Shows `next`. `replace` leaves no step in the history. */
export function goTo(next: Route, how: "push" | "replace"): void {
    const address = routeAddress(next);
    if (how === "push") history.pushState(null, "", address);
    else history.replaceState(null, "", address);
    current.value = next;
}

export function startRouter(): void {
    // One address for each view: `/` and Cockpit's old ones without a host are written as ours.
    if (current.value.kind !== "unknown") history.replaceState(null, "", routeAddress(current.value));
    addEventListener("popstate", () => {
        current.value = readRoute();
    });
    document.addEventListener("click", (event) => {
        const link = event.target instanceof Element ? event.target.closest("a") : null;
        if (link === null || !isPlainClick(event) || link.target !== "" || link.hasAttribute("download")) return;
        const url = new URL(link.href);
        if (url.origin !== location.origin || isWithinPage(url)) return;
        const next = parseRoute(url.pathname, url.search, url.hash);
        if (next.kind === "unknown") return;
        event.preventDefault();
        goTo(next, "push");
    });
}

function isPlainClick(event: MouseEvent): boolean {
    return event.button === 0 && !event.defaultPrevented && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
}

/** A link to a place in this document, such as the skip link. */
function isWithinPage(url: URL): boolean {
    return url.hash !== "" && url.pathname === location.pathname && url.search === location.search;
}

function readRoute(): Route {
    return parseRoute(location.pathname, location.search, location.hash);
}
