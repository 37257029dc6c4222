/**
 * Which other machines there are for this user, and the acts on their connections: what the views of this folder call.
 *
 * Started once, by `shell.tsx` through `chunk.tsx`.
 */

import { computed, type ReadonlySignal, signal } from "@preact/signals";

import { type HostName, LOCALHOST, parseHostName } from "../routes";
import { linkState } from "../shell/connection";
import { type Answer, watchMachines } from "./api";
import { forget, readKnown, remember } from "./known";
import { type Logins, startLogins } from "./logins";
import type { Question } from "./model";
import { hostRecords } from "./states";

const used = signal<readonly HostName[] | null>(null);
const listed = signal<readonly HostName[]>([]);
const users = signal<ReadonlyMap<HostName, string>>(new Map());

/** Hosts that were used before, then those that the administrator listed; null until it is known who is logged in. */
export const knownHosts: ReadonlySignal<readonly HostName[] | null> = computed(() => used.value && [...new Set([...used.value, ...listed.value])]);

let user = "";
let logins: Logins | null = null;

/** Begins to watch. Once for the page. */
export function startHosts(): void {
    if (logins !== null) return;
    logins = startLogins((host, named) => {
        if (user !== "") used.value = remember(localStorage, user, host);
        void named.then((name) => {
            if (name !== null) users.value = new Map(users.value).set(host, name);
        });
    });
    let stop = (): void => undefined;
    linkState.subscribe((link) => {
        stop();
        stop = link === "down" ? () => undefined : watchMachines(takeListed);
    });
}

function takeListed(addresses: readonly string[]): void {
    listed.value = addresses.map(parseHostName).filter((host): host is HostName => host !== null && host !== LOCALHOST);
}

/** Takes who is logged in here: what is remembered is theirs. */
export function rememberFor(name: string): void {
    if (name === "" || name === user) return;
    user = name;
    used.value = readKnown(localStorage, name);
}

/** Who one is at `host`; null while it has not told. */
export function userAt(host: HostName): string | null {
    return users.value.get(host) ?? null;
}

/** Connects to a host that is shown, if it was used before. Any other waits for a click (T7). */
export function connectIfKnown(host: HostName): void {
    const kind = hostRecords.peek().get(host)?.state.kind ?? "idle";
    if (kind === "idle" && knownHosts.peek()?.includes(host) === true) logins?.connect(host);
}

/** Connects because a person wants it: something was pressed. */
export function connectTo(host: HostName): void {
    if (host !== LOCALHOST) logins?.connect(host);
}

export function disconnectFrom(host: HostName): void {
    logins?.disconnect(host);
}

/** Takes `host` out of the list of this browser. */
export function forgetHost(host: HostName): void {
    if (user !== "") used.value = forget(localStorage, user, host);
}

/** Whether `host` stands in the list only because it was used before. */
export function mayForget(host: HostName): boolean {
    return used.value?.includes(host) === true;
}

export function answerQuestion(host: HostName, question: Question, answer: Answer): void {
    logins?.answer(host, question, answer);
}
