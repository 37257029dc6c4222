/**
 * Everything of the shell that packages need, as one chunk that is loaded behind the first page.
 *
 * Loaded and started once by `shell.tsx`: follows what is installed, relays for frames, keeps the session's time.
 */

import { effect, untracked } from "@preact/signals";

import { transport } from "../cockpit/transport";
import { type HostName, LOCALHOST, parseHostName, parseRoute, routeAddress } from "../routes";
import { visibleLine } from "../ui/host_text";
import { connection, linkState, noteRestart, tolerateSilence } from "./connection";
import { startFrames } from "./frames";
import type { Hint, PackageHosts } from "./frames_model";
import { logOut } from "./logout";
import { limitFrames, noteFailure, noteGreeting, noteHash, noteLostLink, noteNewLink, packageFrames, preloadFrame } from "./package_frames";
import { followPackages, packageMenu } from "./package_menu";
import { entryOfRoute, ownTwin, type PackageRoute, routeOf } from "./package_menu_model";
import { setPageStatus } from "./page_status";
import { goTo, route } from "./router";
import { touched, watchSessionTime } from "./session_time";

export { AccountExtras, ActivePages, HelpButton } from "./package_extras";
export { FullNavigation } from "./package_navigation";
export { PackageStage } from "./package_stage";
export { SessionTimeNotice } from "./session_time_notice";

/** How long the page that was asked for has the link to itself, in milliseconds. */
const PRELOAD_AFTER = 5_000;

/** Starts it all. Once for the page. */
export function startPackages(): void {
    startFrames({
        jump: (frame, location, host) => jump(location, host ?? LOCALHOST, frame.host),
        hint: (frame, hint) => takeHint(frame.name, hint),
        status: (frame, status) => setPageStatus(frame.host, frame.name.slice(frame.name.indexOf("/") + 1), status),
        oops: (frame) => noteFailure(frame.name),
        logout: logOut,
        greeted: (frame) => noteGreeting(frame.name),
        moved: (frame, hash) => moved(frame.name, hash),
        touched,
    });
    effect(() => {
        const link = linkState.value;
        return link === "up" ? untracked(withLink) : undefined;
    });
}

/** What goes on while the link is up. The returned function ends it. */
function withLink(): () => void {
    limitFrames(packageHosts());
    noteNewLink();
    const stops = [followPackages(), watchSessionTime(() => transport.control("logout", { disconnect: true }))];
    const preload = setTimeout(preloadPages, PRELOAD_AFTER);
    return () => {
        untracked(noteLostLink);
        clearTimeout(preload);
        for (const stop of stops) stop();
    };
}

/** What stands first in the title of the document. */
export function packageTitle(shown: PackageRoute): string {
    const menu = packageMenu.value;
    return visibleLine((menu && entryOfRoute(menu, shown)?.label) ?? shown.package);
}

/** Goes where a package asks to be taken: a page of a package, or the host's first one. */
function jump(location: string, host: string, from: HostName): void {
    const target = parseHostName(host) ?? from;
    const at = location.indexOf("#");
    const path = at < 0 ? location : location.slice(0, at);
    const next = parseRoute(path === "/" || path.startsWith("/@") ? path : `/@${target}${path}`, "", at < 0 ? "" : location.slice(at));
    if (next.kind !== "unknown" && routeAddress(next) !== routeAddress(route.value)) goTo(next, "push");
}

function moved(name: string, hash: string): void {
    const now = noteHash(name, hash);
    if (now !== null && routeAddress(now) !== routeAddress(route.value)) goTo(now, "replace");
}

function takeHint(name: string, hint: Hint): void {
    switch (hint.kind) {
        case "hash":
            moved(name, hint.hash === "" ? "" : `#${hint.hash.replace(/^#/, "")}`);
            break;
        case "silence":
            tolerateSilence(hint.silence);
            break;
        case "restart":
            noteRestart();
            break;
    }
}

/** Loads what packages want loaded to say something in the menu, but not what ours says already. */
function preloadPages(): void {
    const menu = packageMenu.value;
    if (menu === null || connection.value.kind !== "up" || document.hidden) return;
    for (const path of menu.preload) {
        const entry = menu.entries.find((candidate) => candidate.path === path && ownTwin(path) === null);
        if (entry !== undefined && packageFrames.value.length < MOST_PRELOADED) preloadFrame(routeOf(LOCALHOST, entry));
    }
}

/** Frames beyond this are not loaded before somebody asks for them. */
const MOST_PRELOADED = 6;

/** What the administrator of the server allows packages (`package-hosts`). */
function packageHosts(): PackageHosts {
    return transport.options["package-hosts"] === "own" ? "own" : "any";
}
