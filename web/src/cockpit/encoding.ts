/** Bytes and text: base64, UTF-8, and the cutting of data into blocks that every server accepts. */

import { DATA_BLOCK } from "../link/limits";
import type { SendablePayload } from "./api";

type ByteContainer = string | Uint8Array | ArrayBuffer | readonly number[];

/** How decoded bytes are wanted: `Uint8Array`, `Array`, or a text with one character a byte. */
type Wanted = Uint8ArrayConstructor | ArrayConstructor | StringConstructor;

/** Any form of bytes as `Uint8Array`; a text is encoded as UTF-8. */
export function bytesOf(data: SendablePayload): Uint8Array {
    if (typeof data === "string") return new TextEncoder().encode(data);
    if (data instanceof Uint8Array) return data;
    return data instanceof ArrayBuffer ? new Uint8Array(data) : Uint8Array.from(data);
}

export function joinBytes(blocks: readonly Uint8Array[]): Uint8Array {
    const [only] = blocks;
    if (only !== undefined && blocks.length === 1) return only;
    const joined = new Uint8Array(blocks.reduce((length, block) => length + block.length, 0));
    let at = 0;
    for (const block of blocks) {
        joined.set(block, at);
        at += block.length;
    }
    return joined;
}

/** `cockpit.base64_encode()`; characters of a text are bytes, as in `btoa`. */
export function base64_encode(data: ByteContainer): string {
    if (typeof data === "string") return btoa(data);
    return btoa(binaryText(bytesOf(data)));
}

/** `cockpit.base64_decode()`; an `Array` unless something else is asked for. Throws on what is not base64. */
export function base64_decode(text: string, wanted: Uint8ArrayConstructor): Uint8Array;
export function base64_decode(text: string, wanted: StringConstructor): string;
export function base64_decode(text: string, wanted?: ArrayConstructor): number[];
export function base64_decode(text: string, wanted: Wanted = Array): Uint8Array | string | number[] {
    return wantedForm(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)), wanted);
}

export interface Utf8Encoder<Data> {
    readonly encoding: "utf-8";
    encode(text: string): Data;
}

/** `cockpit.utf8_encoder()`; an `Array` unless something else is asked for. */
export function utf8_encoder(wanted: Uint8ArrayConstructor): Utf8Encoder<Uint8Array>;
export function utf8_encoder(wanted: StringConstructor): Utf8Encoder<string>;
export function utf8_encoder(wanted?: ArrayConstructor): Utf8Encoder<number[]>;
export function utf8_encoder(wanted: Wanted = Array): Utf8Encoder<Uint8Array | string | number[]> {
    const encoder = new TextEncoder();
    return { encoding: "utf-8", encode: (text) => wantedForm(encoder.encode(text), wanted) };
}

export interface Utf8Decoder {
    readonly encoding: "utf-8";
    decode(data?: ByteContainer | null, options?: { readonly stream?: boolean }): string;
}

/** `cockpit.utf8_decoder()`; `fatal` throws on bytes that are not UTF-8. */
export function utf8_decoder(fatal?: boolean): Utf8Decoder {
    const decoder = new TextDecoder("utf-8", { fatal: fatal === true });
    return {
        encoding: "utf-8",
        decode: (data, options) => decoder.decode(data == null ? undefined : rawBytes(data), { stream: options?.stream === true }),
    };
}

/** Blocks that fit into a message: bytes as they are, a text so that no character is cut in two. */
export function* blocksOf(data: string | Uint8Array): Generator<string | Uint8Array, void> {
    if (typeof data !== "string") {
        for (let at = 0; at < data.length; at += DATA_BLOCK) yield data.subarray(at, at + DATA_BLOCK);
        return;
    }
    // A UTF-16 unit has at most three bytes of UTF-8.
    const units = Math.floor(DATA_BLOCK / 3);
    for (let at = 0; at < data.length; ) {
        let end = Math.min(at + units, data.length);
        if (end < data.length && isHighSurrogate(data.charCodeAt(end - 1))) end--;
        yield data.slice(at, end);
        at = end;
    }
}

function isHighSurrogate(unit: number): boolean {
    return unit >= 0xd800 && unit < 0xdc00;
}

/** As {@link bytesOf}, but the characters of a text are bytes. */
function rawBytes(data: ByteContainer): Uint8Array<ArrayBuffer> {
    return (typeof data === "string" ? Uint8Array.from(data, (char) => char.charCodeAt(0)) : bytesOf(data)) as Uint8Array<ArrayBuffer>;
}

function wantedForm(bytes: Uint8Array, wanted: Wanted): Uint8Array | string | number[] {
    if (wanted === Uint8Array) return bytes;
    return wanted === String ? binaryText(bytes) : Array.from(bytes);
}

/** One character for each byte; in blocks, because a call takes a limited number of arguments. */
function binaryText(bytes: Uint8Array): string {
    let text = "";
    for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
    return text;
}
