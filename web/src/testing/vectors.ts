/** Reads the byte vectors that Rust and TypeScript share. For tests, which run in `web/`. */

import { readFileSync } from "node:fs";

export interface Repeat {
    readonly byte: string;
    readonly count: number;
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller says what the file holds
export function vectors<T>(name: string): readonly T[] {
    return JSON.parse(readFileSync(`../tests/vectors/${name}.json`, "utf8")) as readonly T[];
}

/** The bytes, with the run that is not written out. */
export function bytesOfHex(hex: string, repeat?: Repeat): Uint8Array<ArrayBuffer> {
    const written = Buffer.from(hex, "hex");
    const run = repeat === undefined ? Buffer.alloc(0) : Buffer.alloc(repeat.count, Buffer.from(repeat.byte, "hex"));
    return new Uint8Array(Buffer.concat([written, run]));
}

export function hexOf(bytes: Uint8Array): string {
    return Buffer.from(bytes).toString("hex");
}
