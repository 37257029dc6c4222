/**
 * Events as Cockpit's API has them: listeners get the event and then its arguments. Used by every object of the API
 * that has events.
 *
 * The `on…` property runs first, then the listeners in their order, all at once; one that throws
 * does not keep the others from running.
 */

import type { EventSource } from "./api";

type Listener = (event: CustomEvent, ...args: never[]) => void;
type AnyListener = (this: unknown, event: CustomEvent, ...args: readonly unknown[]) => void;

/** Base of the classes with events. */
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

/** Gives any object the three methods; `cockpit.event_target()`. `handlers` keeps the listeners, by type. */
export function event_target<T extends object>(object: T, handlers: Handlers = {}): T & EventSource<Record<string, readonly unknown[]>> {
    const listeners = new Listeners(handlers);
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

type Handlers = Record<string, Listener[]>;

class Listeners {
    constructor(private readonly byType: Handlers = {}) {}

    add(type: string, listener: Listener): void {
        this.byType[type] = [...(this.byType[type] ?? []), listener];
    }

    remove(type: string, listener: Listener): void {
        this.byType[type] = (this.byType[type] ?? []).filter((other) => other !== listener);
    }

    /** Whether nobody prevented the event's default. */
    dispatch(target: object, event: Event | string, args: readonly unknown[]): boolean {
        const detail = args.length > 1 ? args : args[0];
        const given = typeof event === "string" ? new CustomEvent(event, { cancelable: true, detail }) : event;
        const handler = (target as Readonly<Record<string, unknown>>)[`on${given.type}`];
        for (const listener of [handler, ...(this.byType[given.type] ?? [])]) {
            if (typeof listener === "function") callSafely(() => (listener as AnyListener).call(target, given as CustomEvent, ...args));
            else if (isListenerObject(listener)) callSafely(() => listener.handleEvent(given, ...args));
        }
        return !given.defaultPrevented;
    }
}

/** The other kind of listener that the DOM knows. */
function isListenerObject(listener: unknown): listener is { handleEvent: (event: Event, ...args: readonly unknown[]) => void } {
    return typeof listener === "object" && listener !== null && "handleEvent" in listener && typeof listener.handleEvent === "function";
}

/** Runs `callback`; what it throws is reported like any uncaught error, and goes no further. */
export function callSafely(callback: () => void): void {
    try {
        callback();
    } catch (error) {
        reportError(error);
    }
}
