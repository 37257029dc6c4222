/**
 * How messages of packages' frames are relayed: which go on, and what is changed in them. No DOM.
 *
 * A frame speaks the same protocol as the shell, through the shell's link. Its channel ids begin with a seed of
 * its own, by which answers find it; its group is its name, so that its channels end with it. What a frame may not
 * say is refused, with a reason for the console. Caller: `frames.ts`.
 */

import type { HostName } from "../routes";

/** What to do with a message of a frame. */
export type Verdict =
    | { readonly kind: "greet" }
    /** `opened` and `closed` name the channel that the message opens or closes. */
    | { readonly kind: "forward"; readonly message: string | Uint8Array; readonly opened?: string; readonly closed?: string }
    /** For the shell alone: the frame gets this back. */
    | { readonly kind: "answer"; readonly message: string }
    | { readonly kind: "jump"; readonly location: string; readonly host: string | null }
    | { readonly kind: "hint"; readonly hint: Hint }
    /** What the package says of its page: an icon and words for the menu; `null` takes them back. */
    | { readonly kind: "status"; readonly status: unknown }
    | { readonly kind: "oops" }
    | { readonly kind: "logout" }
    /** Harmless and without effect, such as a hint that nobody knows. */
    | { readonly kind: "ignore" }
    | { readonly kind: "refuse"; readonly reason: string };

/** What a frame tells the shell, without an answer. */
export type Hint =
    | { readonly kind: "hash"; readonly hash: string }
    /** Silence of the link means nothing for now: the network is being changed. */
    | { readonly kind: "silence"; readonly silence: "tolerated" | "fatal" }
    /** The host is about to restart. */
    | { readonly kind: "restart" };

/** Whether a package may open channels to other hosts than the one that it is shown for. */
export type PackageHosts = "any" | "own";

export interface FrameIdentity {
    /** The window's name, `cockpit1:host/package/path`. */
    readonly name: string;
    readonly host: HostName;
    /** Begins every channel id of the frame and ends with `!`. */
    readonly seed: string;
    /** What began them before: packages carry copies of `cockpit.js` with them, and each asks for a seed. */
    readonly earlier: readonly string[];
    readonly hosts: PackageHosts;
}

/** The seed of a frame: the link's own, a number that no other frame had, and the mark that ends it. */
export function frameSeed(linkSeed: string, number: number): string {
    return `${linkSeed}${number}!`;
}

/** Judges a message that a frame sent. */
export function fromFrame(data: unknown, frame: FrameIdentity): Verdict {
    if (data instanceof ArrayBuffer) return fromFrame(new Uint8Array(data), frame);
    const channel = typeof data === "string" || data instanceof Uint8Array ? channelOf(data) : null;
    if (channel === null) return { kind: "refuse", reason: "it is no message of the protocol" };
    if (channel !== "") return isOwn(channel, frame) ? { kind: "forward", message: data as string | Uint8Array } : foreign(channel);
    const control = typeof data === "string" ? parseControl(data.slice(1)) : null;
    return control === null ? { kind: "refuse", reason: "its control message cannot be read" } : judgeControl(control, data as string, frame);
}

/** Whether the frame was given the seed that `channel` begins with. */
export function isOwn(channel: string, frame: FrameIdentity): boolean {
    return [frame.seed, ...frame.earlier].some((seed) => channel.startsWith(seed));
}

/** The seed of the frame that a message from the server is for; null when it is the shell's own or everybody's. */
export function seedOf(channel: string): string | null {
    const end = channel.indexOf("!"); // A frame inside a frame is the outer one's business.
    return end < 0 ? null : channel.slice(0, end + 1);
}

/** The answer to a frame's `init`: the link's own options with the frame's host and seed. */
export function greeting(options: Readonly<Record<string, unknown>>, frame: FrameIdentity): string {
    return written({ ...options, command: "init", version: 1, host: frame.host, "channel-seed": frame.seed });
}

/** The message that ends a channel of a frame because the link is gone. */
export function cutOff(channel: string, problem: string): string {
    return written({ command: "close", channel, problem });
}

/** The message that tells a frame whether it is seen. */
export function visibilityHint(seen: "shown" | "hidden"): string {
    return written({ command: "hint", hidden: seen === "hidden" });
}

function judgeControl(control: Readonly<Record<string, unknown>>, data: string, frame: FrameIdentity): Verdict {
    const { command, channel } = control;
    if (typeof channel === "string" && channel !== "") {
        if (!isOwn(channel, frame)) return foreign(channel);
        if (command === "open") return judgeOpen(control, channel, frame);
        return { kind: "forward", message: data, ...(command === "close" && { closed: channel }) };
    }
    switch (command) {
        case "init":
            return { kind: "greet" };
        case "ping":
            return { kind: "answer", message: written({ ...control, command: "pong" }) };
        case "jump":
            return judgeJump(control);
        case "hint":
            return judgeHint(control);
        case "notify":
            return "page_status" in control ? { kind: "status", status: control["page_status"] } : { kind: "ignore" };
        case "oops":
            return { kind: "oops" };
        case "logout":
            return { kind: "logout" };
        case "kill":
            // A frame may end its own channels, never those of others.
            return { kind: "forward", message: written({ command: "kill", group: frame.name }) };
        case "pong":
            return { kind: "ignore" };
        default:
            return { kind: "refuse", reason: `a package may not say ${JSON.stringify(command ?? null)}` };
    }
}

function judgeOpen(control: Readonly<Record<string, unknown>>, channel: string, frame: FrameIdentity): Verdict {
    const host = typeof control["host"] === "string" ? control["host"] : frame.host;
    if (frame.hosts === "own" && host !== frame.host) return { kind: "answer", message: cutOff(channel, "access-denied") };
    return { kind: "forward", message: written({ ...control, group: frame.name, host }), opened: channel };
}

function judgeJump({ location, host }: Readonly<Record<string, unknown>>): Verdict {
    if (typeof location !== "string" || /^[a-z][a-z0-9+.-]*:|^\/\//i.test(location)) return { kind: "refuse", reason: "it asks for an address outside" };
    return { kind: "jump", location: location.startsWith("/") ? location : `/${location}`, host: typeof host === "string" && host !== "" ? host : null };
}

function judgeHint({ hint, hash, data }: Readonly<Record<string, unknown>>): Verdict {
    if (hint === "ignore_transport_health_check") return { kind: "hint", hint: { kind: "silence", silence: data === true ? "tolerated" : "fatal" } };
    if (hint === "restart") return { kind: "hint", hint: { kind: "restart" } };
    if (typeof hash === "string") return { kind: "hint", hint: { kind: "hash", hash } };
    return { kind: "ignore" };
}

function foreign(channel: string): Verdict {
    return { kind: "refuse", reason: `the channel ${JSON.stringify(channel)} is not its own` };
}

function written(control: Readonly<Record<string, unknown>>): string {
    return `\n${JSON.stringify(control)}`;
}

function parseControl(text: string): Readonly<Record<string, unknown>> | null {
    try {
        const value: unknown = JSON.parse(text);
        return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
    } catch {
        return null;
    }
}

/** The channel id before the first newline; empty for a control message, null when there is none. */
function channelOf(message: string | Uint8Array): string | null {
    const end = typeof message === "string" ? message.indexOf("\n") : message.indexOf(10);
    if (end < 0) return null;
    return typeof message === "string" ? message.slice(0, end) : new TextDecoder().decode(message.subarray(0, end));
}
