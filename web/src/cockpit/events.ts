/**
 * Events as Cockpit's API has them: listeners get the event and then its arguments. Used by every object of the API
 * that has events. Listeners run at once, in order; one that throws does not keep the others from running.
 */

import type { EventSource } from "./api";

type Listener = (event: CustomEvent, ...args: never[]) => void;
type AnyListener = (this: unknown, event: CustomEvent, ...args: readonly unknown[]) => void;

/** Base of the classes with events. `on…` properties of the object are called after the listeners. */
export class Emitter<Events extends Record<string, readonly unknown[]>> implements EventSource<Events> {
    readonly #listeners = new Listeners();

    addEventListener<K extends keyof Events & string>(type: K, listener: (event: CustomEvent, ...args: Events[K]) => void): void {
        this.#listeners.add(type, listener as unknown as Listener);
    }

    removeEventListener<K extends keyof Events & string>(type: K, listener: (event: CustomEvent, ...args: Events[K]) => void): void {
        this.#listeners.remove(type, listener as unknown as Listener);
    }

    dispatchEvent(event: Event | string, ...args: unknown[]): boolean {
        return this.#listeners.dispatch(this, event, args);
    }
}

/** Gives any object the three methods; `cockpit.event_target()`. */
export function event_target<T extends object>(object: T): T & EventSource<Record<string, readonly unknown[]>> {
    const listeners = new Listeners();
    const methods = {
        addEventListener: (type: string, listener: Listener) => listeners.add(type, listener),
        removeEventListener: (type: string, listener: Listener) => listeners.remove(type, listener),
        dispatchEvent: (event: Event | string, ...args: unknown[]) => listeners.dispatch(object, event, args),
    };
    for (const [name, value] of Object.entries(methods)) {
        // Not enumerable: some objects (the proxies of a D-Bus client) are looked through by their keys.
        Object.defineProperty(object, name, { value, enumerable: false, writable: true });
    }
    return object as T & EventSource<Record<string, readonly unknown[]>>;
}

class Listeners {
    readonly #byType = new Map<string, Listener[]>();

    add(type: string, listener: Listener): void {
        this.#byType.set(type, [...(this.#byType.get(type) ?? []), listener]);
    }

    remove(type: string, listener: Listener): void {
        const others = (this.#byType.get(type) ?? []).filter((other) => other !== listener);
        this.#byType.set(type, others);
    }

    /** Whether nobody prevented the event's default. */
    dispatch(target: object, event: Event | string, args: readonly unknown[]): boolean {
        const given = typeof event === "string" ? new CustomEvent(event, { bubbles: false, cancelable: true, detail: args }) : event;
        const handler = (target as Readonly<Record<string, unknown>>)[`on${given.type}`];
        const all: readonly unknown[] = [...(this.#byType.get(given.type) ?? []), handler];
        for (const listener of all) {
            if (typeof listener === "function") callSafely(() => (listener as AnyListener).call(target, given as CustomEvent, ...args));
        }
        return !given.defaultPrevented;
    }
}

/** Runs `callback`; what it throws is reported like any uncaught error, and goes no further. */
export function callSafely(callback: () => void): void {
    try {
        callback();
    } catch (error) {
        queueMicrotask(() => {
            throw error;
        });
    }
}
