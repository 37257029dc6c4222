/**
 * `cockpit.cache()`: one provider of a value for all consumers of its key, in this page and in the other frames of
 * the tab.
 *
 * Frames of one origin in one tab share the browser's session storage and hear of each other's changes. The entry of
 * a key there says who provides it and what the latest value is. Who finds an entry uses its value and asks whether
 * its owner is still there; an owner that does not answer is replaced. Where there is no storage, or no room in it,
 * each page has its own provider.
 */

import { callSafely } from "./events";

type Consumer = (value: unknown, key: string) => void;
type Provider = (result: (value: unknown) => void, key: string) => { close?: () => void } | null | undefined;

/** What is used of the session storage, so that tests can bring their own. */
export interface Shelf {
    get(name: string): string | null;
    /** False when there is no room. */
    set(name: string, text: string): boolean;
    remove(name: string): void;
    /** Calls back when another frame changed the entry of a name; null when it removed it. */
    onChange(listener: (name: string, text: string | null) => void): void;
}

/** The entry of a key. Time and again `asked` names a newcomer, and the owner answers by writing it anew without. */
interface Shelved {
    readonly owner: string;
    readonly value?: unknown;
    readonly asked?: string;
}

/** How long an owner may take to answer, in milliseconds; a frame in the background answers as fast as any. */
const PATIENCE = 1_000;

interface Entry {
    readonly consumers: Set<Consumer>;
    readonly provider: Provider;
    /** Null while another frame provides. */
    provided: { readonly end: { close?: () => void } | null | undefined } | null;
    latest: { readonly value: unknown } | null;
    /** Runs while an owner is asked whether it is there. */
    waiting: ReturnType<typeof setTimeout> | null;
}

export class Cache {
    readonly #entries = new Map<string, Entry>();

    /** `page` is a name that no other page has. */
    constructor(
        private readonly page: string,
        private readonly shelf: Shelf,
    ) {
        shelf.onChange((name, text) => this.#changedElsewhere(name, text));
    }

    /** Runs `provider` unless the key has one; `consumer` gets each value. `close()` ends it for this consumer. */
    add(key: string, provider: Provider, consumer: Consumer): { claim: () => void; close: () => void } {
        const existing = this.#entries.get(key);
        const entry = existing ?? { consumers: new Set(), provider, provided: null, latest: null, waiting: null };
        entry.consumers.add(consumer);
        if (existing === undefined) {
            this.#entries.set(key, entry);
            this.#start(key, entry);
        } else if (entry.latest !== null) consumer(entry.latest.value, key);
        return {
            claim: () => this.#provide(key, entry),
            close: () => {
                if (entry.consumers.delete(consumer) && entry.consumers.size === 0) this.#end(key, entry);
            },
        };
    }

    /** The page goes away: others take over what it provides. */
    close(): void {
        for (const [key, entry] of [...this.#entries]) this.#end(key, entry);
    }

    #start(key: string, entry: Entry): void {
        const found = shelved(this.shelf.get(nameOf(key)));
        if (found === null) {
            this.#provide(key, entry);
            return;
        }
        if ("value" in found) this.#consume(key, entry, found.value);
        this.#ask(key, entry, found);
    }

    #ask(key: string, entry: Entry, found: Shelved): void {
        if (!this.shelf.set(nameOf(key), JSON.stringify({ ...found, asked: this.page }))) return;
        entry.waiting = setTimeout(() => this.#provide(key, entry), PATIENCE);
    }

    #provide(key: string, entry: Entry): void {
        this.#stopWaiting(entry);
        if (entry.provided !== null || this.#entries.get(key) !== entry) return;
        this.shelf.set(nameOf(key), this.#shelved(entry));
        // In place before it runs: a provider may answer at once.
        const provided: { end: { close?: () => void } | null | undefined } = { end: null };
        entry.provided = provided;
        provided.end = entry.provider((value) => {
            if (entry.provided !== provided) return;
            this.#consume(key, entry, value);
            if (!this.shelf.set(nameOf(key), this.#shelved(entry))) this.shelf.remove(nameOf(key));
        }, key);
    }

    #consume(key: string, entry: Entry, value: unknown): void {
        entry.latest = { value };
        for (const consumer of [...entry.consumers]) callSafely(() => consumer(value, key));
    }

    #shelved(entry: Entry): string {
        return JSON.stringify({ owner: this.page, ...entry.latest } satisfies Shelved);
    }

    #changedElsewhere(name: string, text: string | null): void {
        const key = keyOf(name);
        const entry = key === null ? undefined : this.#entries.get(key);
        if (key === null || entry === undefined) return;
        const found = shelved(text);
        if (found === null) {
            this.#provide(key, entry);
        } else if (found.owner === this.page) {
            if (found.asked !== undefined) this.shelf.set(name, this.#shelved(entry));
        } else {
            // Two that claimed at the same time: the one that wrote last provides.
            this.#stopProviding(entry);
            if (found.asked === undefined) this.#stopWaiting(entry);
            if ("value" in found && !sameValue(entry.latest, found.value)) this.#consume(key, entry, found.value);
        }
    }

    #end(key: string, entry: Entry): void {
        this.#entries.delete(key);
        this.#stopWaiting(entry);
        const mine = entry.provided !== null;
        this.#stopProviding(entry);
        if (mine) this.shelf.remove(nameOf(key));
    }

    #stopProviding(entry: Entry): void {
        const { provided } = entry;
        entry.provided = null;
        provided?.end?.close?.();
    }

    #stopWaiting(entry: Entry): void {
        if (entry.waiting !== null) clearTimeout(entry.waiting);
        entry.waiting = null;
    }
}

const MARK = "cache:";

function nameOf(key: string): string {
    return MARK + key;
}

function keyOf(name: string): string | null {
    return name.startsWith(MARK) ? name.slice(MARK.length) : null;
}

/** An asked owner writes what was there; only what differs is news. */
function sameValue(latest: { readonly value: unknown } | null, value: unknown): boolean {
    return latest !== null && JSON.stringify(latest.value) === JSON.stringify(value);
}

function shelved(text: string | null): Shelved | null {
    if (text === null) return null;
    try {
        const entry: unknown = JSON.parse(text);
        return typeof entry === "object" && entry !== null && "owner" in entry && typeof entry.owner === "string" ? (entry as Shelved) : null;
    } catch {
        return null;
    }
}

/** The tab's session storage. Keys begin with `prefix`. */
export function sessionShelf(window: Window, prefix: string): Shelf {
    const { sessionStorage } = window;
    return {
        get: (name) => sessionStorage.getItem(prefix + name),
        set: (name, text) => {
            try {
                sessionStorage.setItem(prefix + name, text);
                return true;
            } catch {
                return false; // Full.
            }
        },
        remove: (name) => sessionStorage.removeItem(prefix + name),
        onChange: (listener) =>
            window.addEventListener("storage", ({ key, newValue, storageArea }) => {
                if (storageArea === sessionStorage && key?.startsWith(prefix) === true) listener(key.slice(prefix.length), newValue);
            }),
    };
}

/** Of one page alone. */
export const noShelf: Shelf = { get: () => null, set: () => true, remove: () => undefined, onChange: () => undefined };
