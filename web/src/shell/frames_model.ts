/**
 * How messages of packages' frames are relayed: which go on, and what is changed in them. No DOM.
 *
 * A frame speaks the same protocol as the shell, through the shell's link. Its channel ids begin with a seed of
 * its own, by which answers find it; its group is its name, so that its channels end with it.
 */

import type { HostName } from "../routes";

/** What to do with a message of a frame. */
export type Verdict =
    | { readonly kind: "greet" }
    | { readonly kind: "forward"; readonly message: string | Uint8Array }
    | { readonly kind: "jump"; readonly location: string; readonly host: string | null }
    | { readonly kind: "hash"; readonly hash: string }
    | { readonly kind: "logout" }
    | { readonly kind: "drop" };

export interface FrameIdentity {
    /** The window's name, `cockpit1:host/package/path`. */
    readonly name: string;
    readonly host: HostName;
    /** Begins every channel id of the frame and ends with `!`. */
    readonly seed: string;
}

/** The seed of a frame: the link's own, a number that no other frame had, and the mark that ends it. */
export function frameSeed(linkSeed: string, number: number): string {
    return `${linkSeed}${number}!`;
}

/** Judges a message that a frame sent. */
export function fromFrame(data: unknown, frame: FrameIdentity): Verdict {
    if (data instanceof Uint8Array) return channelOf(data)?.startsWith(frame.seed) === true ? { kind: "forward", message: data } : { kind: "drop" };
    if (typeof data !== "string") return { kind: "drop" };
    if (!data.startsWith("\n")) return data.startsWith(frame.seed) ? { kind: "forward", message: data } : { kind: "drop" };
    const control = parseControl(data.slice(1));
    return control === null ? { kind: "drop" } : judgeControl(control, data, frame);
}

/** The seed of the frame that a message from the server is for; null when it is the shell's own or everybody's. */
export function seedOf(channel: string): string | null {
    const end = channel.indexOf("!"); // A frame inside a frame is the outer one's business.
    return end < 0 ? null : channel.slice(0, end + 1);
}

/** The answer to a frame's `init`: the link's own options with the frame's host and seed. */
export function greeting(options: Readonly<Record<string, unknown>>, frame: FrameIdentity): string {
    return `\n${JSON.stringify({ ...options, command: "init", version: 1, host: frame.host, "channel-seed": frame.seed })}`;
}

function judgeControl(control: Readonly<Record<string, unknown>>, data: string, frame: FrameIdentity): Verdict {
    const { command, channel, location, host } = control;
    if (typeof channel === "string") {
        if (!channel.startsWith(frame.seed)) return { kind: "drop" };
        if (command !== "open") return { kind: "forward", message: data };
        const open = { ...control, group: frame.name, host: typeof host === "string" ? host : frame.host };
        return { kind: "forward", message: `\n${JSON.stringify(open)}` };
    }
    switch (command) {
        case "init":
            return { kind: "greet" };
        case "jump":
            return typeof location === "string" && location.startsWith("/")
                ? { kind: "jump", location, host: typeof host === "string" ? host : null }
                : { kind: "drop" };
        case "hint":
            return typeof control["hash"] === "string" ? { kind: "hash", hash: control["hash"] } : { kind: "drop" };
        case "logout":
            return { kind: "logout" };
        case "kill":
            // A frame may end its own channels, never those of others.
            return { kind: "forward", message: `\n${JSON.stringify({ command: "kill", group: frame.name })}` };
        default:
            return { kind: "drop" };
    }
}

function parseControl(text: string): Readonly<Record<string, unknown>> | null {
    try {
        const value: unknown = JSON.parse(text);
        return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
    } catch {
        return null;
    }
}

function channelOf(bytes: Uint8Array): string | null {
    const end = bytes.indexOf(10);
    return end < 0 ? null : new TextDecoder().decode(bytes.subarray(0, end));
}
