/**
 * Control messages: what is said about channels and about the link itself. Twin of `protocol/src/control.rs`.
 *
 * A control message is one JSON object with the member `command`. Members that this version does not know stay in
 * it. Callers: `link.ts`, the scripted bridge of the tests. Text: docs/protocol.md, "Control messages".
 */

import { FrameRefused, checkedChannel } from "./frame";
import { JsonRefused, type JsonError, parseJson } from "./json";

/** The one version of the protocol there is. */
export const VERSION = 1;

/** A message as it crosses the wire; `undefined` members are left out. */
export type Message = Readonly<Record<string, unknown>> & { readonly command: string };
export type ChannelMessage = Message & { readonly channel: string };

/** The first message of each side; may be sent again. */
export type InitMessage = Message & {
    readonly version: number;
    readonly host?: string;
    readonly problem?: string;
    readonly "channel-seed"?: string;
    readonly "csrf-token"?: string;
};

/** A message by what it does. `other` is anything this version does not know. */
export type Control =
    | { readonly kind: "init"; readonly message: InitMessage }
    | { readonly kind: "open" | "ready" | "done" | "close" | "options" | "ack"; readonly message: ChannelMessage }
    | { readonly kind: "ping" | "pong" | "logout"; readonly message: Message; readonly channel: string | null }
    | { readonly kind: "kill" | "authorize" | "superuser-init-done"; readonly message: Message }
    | { readonly kind: "other"; readonly message: Message; readonly channel: string | null };

/** Why a control message is refused. Always the sender's fault. */
export type ControlError =
    | { readonly kind: "json"; readonly reason: JsonError | "not-an-object" }
    | { readonly kind: "bad-member"; readonly member: string }
    | { readonly kind: "missing"; readonly member: string }
    | { readonly kind: "bad-channel" };

export class ControlRefused extends Error {
    constructor(readonly reason: ControlError) {
        super(`malformed control message: ${JSON.stringify(reason)}`);
    }
}

type Check = (value: unknown) => boolean;
const text: Check = (value) => typeof value === "string";
const count: Check = (value) => typeof value === "number" && Number.isInteger(value) && value >= 0;
const flag: Check = (value) => typeof value === "boolean";
const oneOf =
    (...values: readonly unknown[]): Check =>
    (value) =>
        values.includes(value);

/** Members whose kind is fixed, by command. An absent or `null` member is fine unless it is required. */
const MEMBERS: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
    init: { version: count, host: text, problem: text },
    open: {
        payload: text,
        host: text,
        user: text,
        session: text,
        group: text,
        superuser: oneOf(true, false, "require", "try"),
        binary: oneOf(true, false, "raw"),
        "flow-control": flag,
        "send-acks": oneOf("bytes"),
    },
    close: { problem: text },
    ack: { bytes: count },
    kill: { group: text, host: text },
    authorize: { challenge: text, cookie: text, response: text },
};

const REQUIRED: Readonly<Record<string, readonly string[]>> = {
    init: ["version"],
    open: ["channel"],
    ready: ["channel"],
    done: ["channel"],
    close: ["channel"],
    options: ["channel"],
    ack: ["channel", "bytes"],
};

/** Reads the payload of a control frame. Throws {@link ControlRefused}. */
export function parseControl(payload: string): Control {
    const message = parseObject(payload);
    const command = message["command"] ?? null;
    if (command === null) throw new ControlRefused({ kind: "missing", member: "command" });
    if (typeof command !== "string") throw new ControlRefused({ kind: "bad-member", member: "command" });
    const channel = channelOf(message);
    for (const member of ownEntry(REQUIRED, command) ?? []) {
        if ((message[member] ?? null) === null) throw new ControlRefused({ kind: "missing", member });
    }
    for (const [member, check] of Object.entries(ownEntry(MEMBERS, command) ?? {})) {
        const value = message[member] ?? null;
        if (value !== null && !check(value)) throw new ControlRefused({ kind: "bad-member", member });
    }
    return classified(message as Message, command, channel);
}

function classified(message: Message, command: string, channel: string | null): Control {
    switch (command) {
        case "init":
            return { kind: command, message: message as InitMessage };
        case "open":
        case "ready":
        case "done":
        case "close":
        case "options":
        case "ack":
            return { kind: command, message: message as ChannelMessage };
        case "ping":
        case "pong":
        case "logout":
            return { kind: command, message, channel };
        case "kill":
        case "authorize":
        case "superuser-init-done":
            return { kind: command, message };
        default:
            return { kind: "other", message, channel };
    }
}

/** The payload of a control frame. */
export function encodeControl(message: Message): string {
    return JSON.stringify(message);
}

function parseObject(payload: string): Readonly<Record<string, unknown>> {
    let value: unknown;
    try {
        value = parseJson(payload);
    } catch (error) {
        if (error instanceof JsonRefused) throw new ControlRefused({ kind: "json", reason: error.code });
        throw error;
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
        throw new ControlRefused({ kind: "json", reason: "not-an-object" });
    }
    return value as Readonly<Record<string, unknown>>;
}

function channelOf(message: Readonly<Record<string, unknown>>): string | null {
    const channel = message["channel"] ?? null;
    if (channel === null) return null;
    if (typeof channel !== "string") throw new ControlRefused({ kind: "bad-member", member: "channel" });
    try {
        return checkedChannel(channel);
    } catch (error) {
        if (error instanceof FrameRefused) throw new ControlRefused({ kind: "bad-channel" });
        throw error;
    }
}

function ownEntry<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
    return Object.hasOwn(table, key) ? table[key] : undefined;
}
