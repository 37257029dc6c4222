/**
 * Frames on a byte stream: each with its length in decimal and a newline before it. Twin of `FrameDecoder` in
 * `protocol/src/frame.rs`. A browser never sees this framing; the byte vectors and the tests' bridge do.
 */

import { type FrameError, FrameRefused, checkedChannel } from "./frame";
import { MAX_CONTROL, MAX_FRAME, MAX_LENGTH_DIGITS } from "./limits";

/** A frame of a stream: there text and bytes are not told apart. `channel` is empty for control messages. */
export interface StreamFrame {
    readonly channel: string;
    readonly payload: Uint8Array;
}

const NEWLINE = 0x0a;
const ZERO = 0x30;
const NINE = 0x39;

/** Turns received bytes into frames, however they were cut on the way. */
export class StreamDecoder {
    #received = new Uint8Array(0);

    feed(bytes: Uint8Array): void {
        const joined = new Uint8Array(this.#received.length + bytes.length);
        joined.set(this.#received);
        joined.set(bytes, this.#received.length);
        this.#received = joined;
    }

    /** Bytes that are not yet a whole frame. */
    get waiting(): number {
        return this.#received.length;
    }

    /** The next whole frame; `null` asks for more bytes. Throws {@link FrameRefused} before a too long one is buffered. */
    next(): StreamFrame | null {
        const announced = announcedLength(this.#received);
        if (announced === null) return null;
        const end = announced.line + announced.length;
        if (this.#received.length < end) return null;
        const frame = this.#received.slice(announced.line, end);
        this.#received = this.#received.slice(end);
        return parseFrame(frame);
    }
}

/** The length that the stream announces and the bytes of the line that says so; `null` while the line is not whole. */
function announcedLength(received: Uint8Array): { length: number; line: number } | null {
    let length = 0;
    for (const [at, byte] of received.entries()) {
        if (byte === NEWLINE) {
            if (at === 0) throw refused("bad-length");
            if (length > MAX_FRAME) throw refused("too-long");
            return { length, line: at + 1 };
        }
        const isDigit = byte >= ZERO && byte <= NINE;
        if (!isDigit || (at === 0 && byte === ZERO) || at >= MAX_LENGTH_DIGITS) throw refused("bad-length");
        length = length * 10 + (byte - ZERO);
    }
    return null;
}

function parseFrame(frame: Uint8Array): StreamFrame {
    const end = frame.indexOf(NEWLINE);
    if (end < 0) throw refused("no-channel");
    const payload = frame.slice(end + 1);
    if (end === 0) {
        if (payload.length > MAX_CONTROL) throw refused("control-too-long");
        return { channel: "", payload };
    }
    return { channel: checkedChannel(new TextDecoder("latin1").decode(frame.subarray(0, end))), payload };
}

/** A frame with its length line. */
export function encodeStreamFrame(channel: string, payload: Uint8Array): Uint8Array {
    const head = new TextEncoder().encode(`${channel.length + 1 + payload.length}\n${channel}\n`);
    const frame = new Uint8Array(head.length + payload.length);
    frame.set(head);
    frame.set(payload, head.length);
    return frame;
}

function refused(code: FrameError): FrameRefused {
    return new FrameRefused(code);
}
