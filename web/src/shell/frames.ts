/**
 * Relays between packages in frames and the link: the shell's half of Cockpit's frame protocol.
 *
 * One router for the page, started by `main.ts`. `postMessage` goes between windows of our own origin only.
 */

import { transport } from "../cockpit/transport";
import type { HostName } from "../routes";
import { type FrameIdentity, frameSeed, fromFrame, greeting, seedOf } from "./frames_model";

/** What a frame may ask of the shell. */
export interface FrameRequests {
    readonly jump: (location: string, host: HostName, named: string | null) => void;
    readonly hash: (hash: string) => void;
    readonly logout: () => void;
}

interface OpenFrame {
    readonly window: Window;
    readonly name: string;
    readonly host: HostName;
    identity: FrameIdentity | null;
}

const frames = new Set<OpenFrame>();
let count = 0;

/** Starts relaying. Once for the page. */
export function startFrames(requests: FrameRequests): void {
    addEventListener("message", (event: MessageEvent<unknown>) => {
        if (event.origin !== location.origin) return;
        const frame = [...frames].find((open) => open.window === event.source);
        if (frame !== undefined) receive(frame, event.data, requests);
    });
    transport.filter((message, channel, control) => {
        const named = control === null ? channel : control.channel;
        const seed = named === undefined ? null : seedOf(named);
        if (seed === null) return true;
        for (const frame of frames) if (frame.identity?.seed === seed) frame.window.postMessage(message, location.origin);
        return false; // Not ours, and an answer to a frame that is gone is for nobody.
    });
}

/** Lets the frame take part. The returned function ends its channels. */
export function addFrame(element: HTMLIFrameElement, name: string, host: HostName): () => void {
    const window = element.contentWindow;
    if (window === null) return () => undefined;
    const frame: OpenFrame = { window, name, host, identity: null };
    frames.add(frame);
    return () => {
        frames.delete(frame);
        transport.control("kill", { group: name });
    };
}

function receive(frame: OpenFrame, data: unknown, requests: FrameRequests): void {
    const identity = frame.identity ?? { name: frame.name, host: frame.host, seed: "\u0000" }; // A seed that no id has.
    const verdict = fromFrame(data, identity);
    switch (verdict.kind) {
        case "greet":
            transport.wait(() => greet(frame));
            break;
        case "forward":
            transport.inject(verdict.message, true);
            break;
        case "jump":
            requests.jump(verdict.location, frame.host, verdict.host);
            break;
        case "hash":
            requests.hash(verdict.hash);
            break;
        case "logout":
            requests.logout();
            break;
        case "drop":
            break;
    }
}

/** A frame greets again after each load of its document: what the last one had open is ended. */
function greet(frame: OpenFrame): void {
    if (frame.identity !== null) transport.control("kill", { group: frame.name });
    count += 1;
    const linkSeed = transport.options["channel-seed"];
    frame.identity = { name: frame.name, host: frame.host, seed: frameSeed(typeof linkSeed === "string" ? linkSeed : "", count) };
    frame.window.postMessage(greeting(transport.options, frame.identity), location.origin);
}
