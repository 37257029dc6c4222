/**
 * Relays between packages in frames and the link: the shell's half of Cockpit's frame protocol.
 *
 * One router for the page, started by `packages.tsx`. `postMessage` goes between windows of our own origin only; what
 * a frame may not say is refused and named in the console. When the link is lost each frame hears that its channels
 * are closed, keeps what is typed in it, and is greeted again when the link is back.
 */

import { transport } from "../cockpit/transport";
import type { HostName } from "../routes";
import { cutOff, type FrameIdentity, frameSeed, fromFrame, greeting, type Hint, isOwn, type PackageHosts, seedOf, visibilityHint } from "./frames_model";

/** What a frame may ask of the shell, or tell it. */
export interface FrameRequests {
    readonly jump: (frame: RunningFrame, location: string, host: string | null) => void;
    readonly hint: (frame: RunningFrame, hint: Hint) => void;
    readonly status: (frame: RunningFrame, status: unknown) => void;
    readonly oops: (frame: RunningFrame) => void;
    readonly logout: () => void;
    /** A document has loaded in the frame and speaks. */
    readonly greeted: (frame: RunningFrame) => void;
    /** The document's own part of the address has changed. */
    readonly moved: (frame: RunningFrame, hash: string) => void;
    readonly touched: () => void;
}

export interface RunningFrame {
    readonly window: Window;
    readonly name: string;
    readonly host: HostName;
}

interface OpenFrame extends RunningFrame {
    readonly hosts: PackageHosts;
    seen: "shown" | "hidden";
    greeting: "none" | "wanted" | "given";
    identity: FrameIdentity | null;
    readonly channels: Set<string>;
}

const frames = new Set<OpenFrame>();
let count = 0;

/** Starts relaying. Once for the page. */
export function startFrames(handlers: FrameRequests): void {
    addEventListener("message", (event: MessageEvent<unknown>) => {
        if (event.source === window) return; // Our own, or an extension's.
        const frame = [...frames].find((open) => open.window === event.source);
        if (event.origin !== location.origin) warn(`refused a message of ${event.origin}: it is another origin`);
        else if (frame === undefined) warn("refused a message of a window that is no frame of a package");
        else receive(frame, event.data, handlers);
    });
    transport.filter((message, channel, control) => {
        const named = control === null ? channel : control.channel;
        const seed = named === undefined ? null : seedOf(named);
        if (named === undefined || seed === null) return true;
        for (const frame of frames) {
            if (frame.identity === null || !isOwn(named, frame.identity)) continue;
            if (control?.command === "close") frame.channels.delete(named);
            frame.window.postMessage(forWindow(message), location.origin);
        }
        return false; // Not ours, and an answer to a frame that is gone is for nobody.
    });
    transport.onState((state) => {
        if (state.kind === "closed") for (const frame of frames) close(frame, state.problem);
        if (state.kind === "ready") for (const frame of frames) if (frame.greeting !== "none") greet(frame, []);
    });
}

/** Lets the frame take part. The returned functions tell it whether it is seen, and end it with its channels. */
export function addFrame(window: Window, name: string, host: HostName, hosts: PackageHosts): { readonly see: (seen: "shown" | "hidden") => void; readonly remove: () => void } {
    const frame: OpenFrame = { window, name, host, hosts, seen: "shown", greeting: "none", identity: null, channels: new Set() };
    frames.add(frame);
    return {
        see: (seen) => {
            if (frame.seen === seen) return;
            frame.seen = seen;
            if (frame.identity !== null) window.postMessage(visibilityHint(seen), location.origin);
        },
        remove: () => {
            frames.delete(frame);
            end(frame);
        },
    };
}

function receive(frame: OpenFrame, data: unknown, handlers: FrameRequests): void {
    const { name, host, hosts } = frame;
    const verdict = fromFrame(data, frame.identity ?? { name, host, hosts, seed: "\u0000", earlier: [] }); // A seed that no id has.
    switch (verdict.kind) {
        case "greet":
            if (frame.identity === null) {
                end(frame); // A new document: what the last one had open is over.
                listen(frame, handlers);
                handlers.greeted(frame);
            } // Else another copy of cockpit.js in the same document.
            if (transport.state.kind === "ready") greet(frame, frame.identity === null ? [] : [frame.identity.seed, ...frame.identity.earlier]);
            else frame.greeting = "wanted";
            break;
        case "forward":
            if (verdict.opened !== undefined) frame.channels.add(verdict.opened);
            if (verdict.closed !== undefined) frame.channels.delete(verdict.closed);
            forward(frame, verdict.message, verdict.opened);
            break;
        case "answer":
            frame.window.postMessage(verdict.message, location.origin);
            break;
        case "jump":
            // Who is not seen leads nobody anywhere.
            if (frame.seen === "shown") handlers.jump(frame, verdict.location, verdict.host);
            break;
        case "hint":
            handlers.hint(frame, verdict.hint);
            break;
        case "status":
            handlers.status(frame, verdict.status);
            break;
        case "oops":
            handlers.oops(frame);
            break;
        case "logout":
            handlers.logout();
            break;
        case "ignore":
            break;
        case "refuse":
            warn(`refused a message of ${frame.name}: ${verdict.reason}`);
            break;
    }
}

/** Without a link, what is opened is closed at once, as the shell's own channels are. */
function forward(frame: OpenFrame, message: string | Uint8Array, opened: string | undefined): void {
    const state = transport.state;
    if (state.kind === "ready") transport.inject(message, true);
    else if (opened !== undefined) {
        frame.channels.delete(opened);
        frame.window.postMessage(cutOff(opened, state.kind === "closed" ? state.problem : "disconnected"), location.origin);
    }
}

/** For whoever looks into what a package does: the person at the page can do nothing about it. */
function warn(text: string): void {
    console.warn(text); // eslint-disable-line no-console -- refusals are for developers of packages
}

/** Gives the frame a seed of its own: once for each copy of `cockpit.js` in its document, and for each link. */
function greet(frame: OpenFrame, earlier: readonly string[]): void {
    count += 1;
    const linkSeed = transport.options["channel-seed"];
    const { name, host, hosts } = frame;
    frame.greeting = "given";
    frame.identity = { name, host, hosts, earlier, seed: frameSeed(typeof linkSeed === "string" ? linkSeed : "", count) };
    frame.window.postMessage(greeting(transport.options, frame.identity), location.origin);
    if (frame.seen === "hidden") frame.window.postMessage(visibilityHint("hidden"), location.origin);
}

/** Copies of `cockpit.js` in packages know bytes by their being an `ArrayBuffer`, as a WebSocket gives them. */
function forWindow(message: string | Uint8Array): string | ArrayBuffer {
    return typeof message === "string" ? message : new Uint8Array(message).buffer;
}

/** Listeners go with the document that they were put into. */
function listen(frame: OpenFrame, handlers: FrameRequests): void {
    const { window } = frame;
    try {
        window.addEventListener("hashchange", () => handlers.moved(frame, window.location.hash));
        window.addEventListener("pagehide", () => end(frame));
        for (const event of ["keydown", "pointerdown", "pointermove", "wheel"]) window.addEventListener(event, handlers.touched, { passive: true, capture: true });
    } catch {
        // A document of another origin is not ours to listen to; it gets no greeting that it could use either.
    }
}

/** Ends what the frame's document had open. */
function end(frame: OpenFrame): void {
    if (frame.identity !== null && transport.state.kind === "ready") transport.control("kill", { group: frame.name });
    frame.identity = null;
    frame.greeting = "none";
    frame.channels.clear();
}

function close(frame: OpenFrame, problem: string): void {
    for (const channel of frame.channels) frame.window.postMessage(cutOff(channel, problem), location.origin);
    frame.channels.clear();
}

