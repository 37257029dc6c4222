/**
 * How the hosts stand that this page has to do with: the little that the shell needs before the rest of this folder
 * is loaded. Written by `logins.ts` alone.
 */

import { computed, type ReadonlySignal, signal } from "@preact/signals";

import { type HostName, LOCALHOST } from "../routes";
import { linkState } from "../shell/connection";
import type { Problem } from "../ui/problem";
import type { HostRecord } from "./model";

/** Every host but the one that the server runs on. */
export const hostRecords = signal<ReadonlyMap<HostName, HostRecord>>(new Map());

const links = new Map<HostName, ReadonlySignal<"up" | "down">>();

/** Whether channels to `host` can be opened. */
export function linkTo(host: HostName): ReadonlySignal<"up" | "down"> {
    if (host === LOCALHOST) return linkState;
    const known = links.get(host);
    if (known !== undefined) return known;
    const link = computed<"up" | "down">(() => {
        const state = hostRecords.value.get(host)?.state.kind;
        return linkState.value === "up" && (state === "connected" || state === "terminals-only") ? "up" : "down";
    });
    links.set(host, link);
    return link;
}

/** Whether there was a connection to `host` since this page was loaded, so that its pages have something to show. */
export function wasThere(host: HostName): boolean {
    return host === LOCALHOST || hostRecords.value.get(host)?.lastSeen != null;
}

/** Set by `logins.ts`: takes a failed channel of a host as the first sign that the way there broke. */
export const lossDetector: { noteFailure: (host: HostName, problem: Problem) => "lost" | "failed" } = { noteFailure: () => "failed" };

/** Whether what failed is the way to `host` and not what was asked of it: a page then keeps what it shows. */
export function isLost(host: HostName, problem: Problem): boolean {
    if (linkTo(host).peek() === "down") return true;
    return host !== LOCALHOST && lossDetector.noteFailure(host, problem) === "lost";
}
