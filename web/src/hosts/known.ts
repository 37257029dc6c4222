/**
 * The hosts that a user has connected to from this browser, as plain addresses in its local storage.
 *
 * Read by the switcher, and by the gate, which connects without a question only to these: an address in a link selects
 * what is shown and starts nothing (T7). An entry is made once the connection was there, never by an address alone.
 */

import { type HostName, LOCALHOST, parseHostName } from "../routes";

/** Hosts that are remembered of one user. */
const MOST_KNOWN = 50;

/** What is remembered of `user`, last used first. What somebody else wrote there is dropped. */
export function readKnown(storage: Storage, user: string): readonly HostName[] {
    try {
        const stored: unknown = JSON.parse(storage.getItem(nameFor(user)) ?? "[]");
        if (!Array.isArray(stored)) return [];
        return stored.map((text) => (typeof text === "string" ? parseHostName(text) : null)).filter((host): host is HostName => host !== null && host !== LOCALHOST);
    } catch {
        return []; // Storage may be forbidden, or hold something else.
    }
}

/** Puts `host` first. */
export function remember(storage: Storage, user: string, host: HostName): readonly HostName[] {
    return write(storage, user, [host, ...readKnown(storage, user).filter((other) => other !== host)].slice(0, MOST_KNOWN));
}

export function forget(storage: Storage, user: string, host: HostName): readonly HostName[] {
    return write(storage, user, readKnown(storage, user).filter((other) => other !== host));
}

function write(storage: Storage, user: string, hosts: readonly HostName[]): readonly HostName[] {
    try {
        storage.setItem(nameFor(user), JSON.stringify(hosts));
    } catch {
        // It is then known until the page is loaded again.
    }
    return hosts;
}

function nameFor(user: string): string {
    return `pilothouse:hosts:${user}`;
}
