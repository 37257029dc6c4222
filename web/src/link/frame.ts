/**
 * Frames: the unit every link carries. Twin of `protocol/src/frame.rs`; format: docs/protocol.md, "Framing".
 *
 * A frame is one channel id, a newline and one payload; the empty id is the control channel. On a WebSocket one
 * message is one frame. On a byte stream its length in decimal and a newline stand before it: `stream.ts`. Owns no
 * socket and no clock. Callers: `link.ts`, the scripted bridge of the tests.
 */

import { MAX_CHANNEL_ID, MAX_CONTROL, MAX_FRAME } from "./limits";

/** One WebSocket message, taken apart. `channel` is empty for control messages, which are always text. */
export type Frame =
    | { readonly kind: "control"; readonly text: string }
    | { readonly kind: "text"; readonly channel: string; readonly payload: string }
    | { readonly kind: "binary"; readonly channel: string; readonly payload: Uint8Array };

/** Why bytes are not a frame. Always the sender's fault. */
export type FrameError = "bad-length" | "too-long" | "control-too-long" | "control-not-text" | "no-channel" | "bad-channel";

export class FrameRefused extends Error {
    constructor(readonly code: FrameError) {
        super(`malformed frame: ${code}`);
    }
}

const NEWLINE = 0x0a;
const encoder = new TextEncoder();

/** Takes one WebSocket message apart. Throws {@link FrameRefused}. */
export function parseMessage(message: string | Uint8Array): Frame {
    return typeof message === "string" ? parseText(message) : parseBinary(message);
}

function parseText(message: string): Frame {
    if (utf8LengthExceeds(message, MAX_FRAME)) throw new FrameRefused("too-long");
    const end = message.indexOf("\n");
    if (end < 0) throw new FrameRefused("no-channel");
    const payload = message.slice(end + 1);
    if (end === 0) {
        if (utf8LengthExceeds(payload, MAX_CONTROL)) throw new FrameRefused("control-too-long");
        return { kind: "control", text: payload };
    }
    return { kind: "text", channel: checkedChannel(message.slice(0, end)), payload };
}

function parseBinary(message: Uint8Array): Frame {
    if (message.length > MAX_FRAME) throw new FrameRefused("too-long");
    const end = message.indexOf(NEWLINE);
    if (end < 0) throw new FrameRefused("no-channel");
    if (end === 0) throw new FrameRefused("control-not-text");
    const channel = checkedChannel(String.fromCharCode(...message.subarray(0, Math.min(end, MAX_CHANNEL_ID + 1))));
    return { kind: "binary", channel, payload: message.subarray(end + 1) };
}

/** `id` when it is graphic ASCII of at most {@link MAX_CHANNEL_ID} characters, not empty. Throws {@link FrameRefused}. */
export function checkedChannel(id: string): string {
    if (id.length > MAX_CHANNEL_ID || !/^[!-~]+$/.test(id)) throw new FrameRefused("bad-channel");
    return id;
}

/** One WebSocket message: text for text, bytes for bytes. */
export function encodeMessage(channel: string, payload: string | Uint8Array): string | Uint8Array {
    if (typeof payload === "string") return `${channel}\n${payload}`;
    const head = encoder.encode(`${channel}\n`);
    const message = new Uint8Array(head.length + payload.length);
    message.set(head);
    message.set(payload, head.length);
    return message;
}

/** Whether `text` has more than `limit` bytes of UTF-8; counts only where the number of characters leaves a doubt. */
function utf8LengthExceeds(text: string, limit: number): boolean {
    if (text.length > limit) return true;
    if (text.length * 3 <= limit) return false;
    return encoder.encode(text).length > limit;
}
