/**
 * The frames in which packages run: one for each page that was visited, kept while others are shown.
 *
 * The elements are made and moved by hand, because a frame that is moved in the document loads again. Names, classes
 * and data attributes are those by which stock pages and their tests find frames. Caller: `package_stage.tsx`.
 */

import { type ReadonlySignal, type Signal, signal } from "@preact/signals";

import type { HostName } from "../routes";
import { addFrame } from "./frames";
import type { PackageHosts } from "./frames_model";
import { type PackageRoute, pathOf } from "./package_menu_model";

/** How a frame fares. `cut-off`: its channels were closed with a link that was lost. */
export type FrameState = "loading" | "ready" | "cut-off";

export interface PackageFrame {
    readonly name: string;
    readonly route: PackageRoute;
    readonly state: ReadonlySignal<FrameState>;
    /** The package said that something unexpected has happened in it. */
    readonly hasFailed: ReadonlySignal<boolean>;
}

interface Kept extends PackageFrame {
    route: PackageRoute;
    readonly state: Signal<FrameState>;
    readonly hasFailed: Signal<boolean>;
    readonly element: HTMLIFrameElement;
    readonly see: (seen: "shown" | "hidden") => void;
    readonly remove: () => void;
    wasShown: boolean;
}

/** The window's name, by which `cockpit.js` knows that it is in a frame, and of which host. */
export function frameName(host: HostName, route: Pick<PackageRoute, "package" | "component">): string {
    return `cockpit1:${host}/${pathOf(route)}`;
}

const kept = signal<readonly Kept[]>([]);
const shownName = signal<string | null>(null);
let place: HTMLElement | null = null;
let hosts: PackageHosts = "any";

/** Every page of a package that is loaded, in the order in which they were. */
export const packageFrames: ReadonlySignal<readonly PackageFrame[]> = kept;

/** Where frames are put from now on; null when the document has no place for them. */
export function placeFrames(element: HTMLElement | null): void {
    place = element;
}

/** Whether frames that are made from now on may speak to other hosts than their own. */
export function limitFrames(limit: PackageHosts): void {
    hosts = limit;
}

/** Shows the page at `route` and hides all others. The address that it shows now, which is its last one if none is asked for. */
export function showFrame(route: PackageRoute, title: string): PackageRoute {
    const name = frameName(route.host, route);
    const frame = find(name) ?? make(route, name);
    const isBack = shownName.value !== name && frame.wasShown;
    shownName.value = name;
    for (const other of kept.value) setSeen(other, other === frame ? "shown" : "hidden");
    frame.wasShown = true;
    frame.element.title = title;
    if (route.hash === "" && isBack) return frame.route;
    if (route.hash !== frame.route.hash) {
        frame.route = route;
        goInside(frame, route.hash);
    }
    return frame.route;
}

/** Loads a page without showing it. */
export function preloadFrame(route: PackageRoute): void {
    const name = frameName(route.host, route);
    if (find(name) === undefined) setSeen(make(route, name), "hidden");
}

export function hideFrames(): void {
    shownName.value = null;
    for (const frame of kept.value) setSeen(frame, "hidden");
}

/** Ends a page: what it had open is closed, and the next visit begins anew. */
export function closeFrame(name: string): void {
    const frame = find(name);
    if (frame === undefined) return;
    kept.value = kept.value.filter((other) => other !== frame);
    frame.remove();
    frame.element.remove();
}

/** Loads the page again at the same address. */
export function reloadFrame(name: string): void {
    const frame = find(name);
    if (frame === undefined) return;
    frame.state.value = "loading";
    frame.hasFailed.value = false;
    frame.element.contentWindow?.location.reload();
}

/** A document in the frame has begun to speak. */
export function noteGreeting(name: string): void {
    const frame = find(name);
    if (frame === undefined) return;
    frame.hasFailed.value = false;
    if (frame.state.value === "cut-off") frame.state.value = "ready";
}

export function noteFailure(name: string): void {
    const frame = find(name);
    if (frame !== undefined) frame.hasFailed.value = true;
}

/** Takes the address that the page has gone to by itself; the route when it is the one that is shown, else null. */
export function noteHash(name: string, hash: string): PackageRoute | null {
    const frame = find(name);
    if (frame === undefined) return null;
    const plain = hash === "#" || hash === "#/" ? "" : hash;
    frame.route = { ...frame.route, hash: plain };
    return shownName.value === name ? frame.route : null;
}

/** The link was lost: what is typed in a page stays, but nothing in it is alive. What nobody has seen loads again. */
export function noteLostLink(): void {
    for (const frame of kept.value) if (frame.state.value === "ready") frame.state.value = "cut-off";
}

export function noteNewLink(): void {
    for (const frame of kept.value) if (frame.state.value === "cut-off" && !frame.wasShown) reloadFrame(frame.name);
}

function find(name: string): Kept | undefined {
    return kept.value.find((frame) => frame.name === name);
}

function make(route: PackageRoute, name: string): Kept {
    const element = document.createElement("iframe");
    element.className = "container-frame ph-frame";
    element.name = name;
    element.dataset["host"] = route.host;
    element.src = `/cockpit/@${encodeURIComponent(route.host)}/${route.package}/${route.component}.html${route.hash}`;
    const state: Signal<FrameState> = signal("loading");
    element.addEventListener("load", () => {
        element.dataset["loaded"] = "1";
        state.value = "ready";
    });
    place?.append(element);
    const window = element.contentWindow;
    const { see, remove } = window === null ? { see: () => undefined, remove: () => undefined } : addFrame(window, name, route.host, hosts);
    const frame: Kept = { name, route, state, hasFailed: signal(false), element, see, remove, wasShown: false };
    kept.value = [...kept.value, frame];
    return frame;
}

function setSeen(frame: Kept, seen: "shown" | "hidden"): void {
    frame.element.hidden = seen === "hidden";
    frame.element.toggleAttribute("data-active", seen === "shown");
    frame.see(seen);
}

function goInside(frame: Kept, hash: string): void {
    const inside = frame.element.contentWindow?.location;
    if (inside === undefined || inside.href === "about:blank" || inside.hash === hash) return;
    // A relative address would be taken as relative to the shell's own.
    inside.replace(`${inside.href.split("#", 1)[0] ?? ""}${hash || "#/"}`);
}
