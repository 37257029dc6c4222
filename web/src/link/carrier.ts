/**
 * What carries whole messages for a link: a WebSocket to the server, or, in a frame, the window around it.
 * Caller: `link.ts`. Never looks into a message.
 */

export interface CarrierEvents {
    readonly opened: () => void;
    /** Tells whether the message was for a channel of this link, or might be for another one too. */
    readonly received: (message: string | Uint8Array) => "own" | "shared";
    /** `problem` is what the other end gave as reason; empty when it gave none. */
    readonly closed: (problem: string) => void;
}

export interface Carrier {
    send(message: string | Uint8Array): void;
    close(): void;
}

/** Starts a carrier; its events come later, never before this returns. */
export type CarrierFactory = (events: CarrierEvents) => Carrier;

/** The part of `WebSocket` that is used here, so that tests can bring their own. */
export type SocketConstructor = new (url: string, protocols: string) => SocketLike;

export interface SocketLike {
    binaryType: BinaryType;
    readonly readyState: number;
    onopen: ((event: never) => void) | null;
    onmessage: ((event: never) => void) | null;
    onclose: ((event: never) => void) | null;
    send(data: string | ArrayBufferView<ArrayBuffer>): void;
    close(): void;
}

const SUBPROTOCOL = "cockpit1";
const OPEN = 1;

/** A WebSocket to the server at `url`. */
export function socketCarrier(url: string, Socket: SocketConstructor = WebSocket): CarrierFactory {
    return (events) => {
        const socket = new Socket(url, SUBPROTOCOL);
        socket.binaryType = "arraybuffer";
        socket.onopen = events.opened;
        socket.onmessage = (event: { readonly data: unknown }) => {
            const message = messageOf(event.data);
            if (message !== null) events.received(message);
        };
        socket.onclose = (event: { readonly reason: string }) => events.closed(event.reason);
        return {
            send: (message) => {
                if (socket.readyState === OPEN) socket.send(message as string | Uint8Array<ArrayBuffer>);
            },
            close: () => socket.close(),
        };
    };
}

/**
 * The window around this frame, which relays for us. Only messages of our own origin count. Packages carry copies of
 * `cockpit.js` that listen at the same window, after us: what is for our channels is kept from them, as it would break
 * a copy that has not been greeted yet.
 */
export function parentCarrier(frame: Window): CarrierFactory {
    return (events) => {
        const origin = frame.location.origin;
        const listener = (event: MessageEvent<unknown>) => {
            if (event.origin !== origin || event.source !== frame.parent) return;
            const message = messageOf(event.data);
            if (message !== null && events.received(message) === "own") event.stopImmediatePropagation();
        };
        frame.addEventListener("message", listener);
        queueMicrotask(events.opened);
        return {
            send: (message) => frame.parent.postMessage(message, origin),
            close: () => frame.removeEventListener("message", listener),
        };
    };
}

/** Whether this page is a package's, in a frame of the shell, and must talk through it. */
export function isFramed(page: Window): boolean {
    return page.parent !== page && page.name.startsWith("cockpit1:");
}

/** Text or bytes; `null` for what is neither, which is none of ours. */
function messageOf(data: unknown): string | Uint8Array | null {
    if (typeof data === "string" || data instanceof Uint8Array) return data;
    if (data instanceof ArrayBuffer) return new Uint8Array(data);
    return null;
}
