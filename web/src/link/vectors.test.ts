import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { base64_decode, base64_encode, utf8_decoder } from "../cockpit/encoding";
import { type Repeat, bytesOfHex, hexOf, vectors } from "../testing/vectors";
import { ControlRefused, parseControl } from "./control";
import { FrameRefused, encodeMessage, parseMessage } from "./frame";
import { type StreamFrame, StreamDecoder, encodeStreamFrame } from "./stream";

interface ExpectedFrame {
    readonly channel: string;
    readonly payload: string;
    readonly payload_repeat?: Repeat;
}

const hexFrame = ({ channel, payload, payload_repeat }: ExpectedFrame) => ({ channel, payload: hexOf(bytesOfHex(payload, payload_repeat)) });

suite("frames on a stream", () => {
    interface Vector {
        readonly name: string;
        readonly input: string;
        readonly repeat?: Repeat;
        readonly expect: { readonly frames: readonly ExpectedFrame[]; readonly waiting?: number; readonly error?: string };
    }

    function decode(input: Uint8Array, piece: number) {
        const decoder = new StreamDecoder();
        const frames: StreamFrame[] = [];
        let error: string | undefined;
        try {
            for (let at = 0; at < input.length; at += piece) {
                decoder.feed(input.subarray(at, at + piece));
                for (let frame = decoder.next(); frame !== null; frame = decoder.next()) frames.push(frame);
            }
        } catch (thrown) {
            assert.ok(thrown instanceof FrameRefused);
            error = thrown.code;
        }
        return { frames: frames.map(({ channel, payload }) => ({ channel, payload: hexOf(payload) })), ...(error === undefined ? { waiting: decoder.waiting } : { error }) };
    }

    for (const { name, input, repeat, expect } of vectors<Vector>("frames-stream")) {
        test(name, () => {
            const bytes = bytesOfHex(input, repeat);
            const expected = { ...expect, frames: expect.frames.map(hexFrame) };

            assert.deepEqual(decode(bytes, bytes.length), expected);
            assert.deepEqual(decode(bytes, bytes.length > 4096 ? 1021 : 1), expected);
        });

        if (expect.error === undefined && expect.waiting === 0 && repeat === undefined) {
            test(`encoded again: ${name}`, () => {
                const encoded = expect.frames.map(({ channel, payload }) => hexOf(encodeStreamFrame(channel, bytesOfHex(payload))));
                assert.equal(encoded.join(""), input);
            });
        }
    }
});

suite("frames on a WebSocket", () => {
    interface Vector {
        readonly name: string;
        readonly message: "text" | "binary";
        readonly input: string;
        readonly repeat?: Repeat;
        readonly expect: ExpectedFrame | { readonly error: string };
    }

    for (const { name, message, input, repeat, expect } of vectors<Vector>("frames-websocket")) {
        test(name, () => {
            const bytes = bytesOfHex(input, repeat);
            const raw = message === "text" ? Buffer.from(bytes).toString("utf8") : bytes;
            if ("error" in expect) {
                assert.throws(() => parseMessage(raw), { code: expect.error });
                return;
            }

            const frame = parseMessage(raw);

            const channel = frame.kind === "control" ? "" : frame.channel;
            const payload = frame.kind === "control" ? frame.text : frame.payload;
            assert.deepEqual({ channel, payload: hexOf(Buffer.from(payload as string)) }, hexFrame(expect));
            assert.deepEqual(encodeMessage(channel, payload), raw);
        });
    }
});

suite("control messages", () => {
    interface Vector {
        readonly name: string;
        readonly input: string;
        readonly expect:
            | { readonly kind: string; readonly channel: string | null }
            | { readonly error: string; readonly member?: string; readonly reason?: string };
    }

    function read(input: string): object {
        try {
            const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytesOfHex(input));
            const { kind, message } = parseControl(text);
            return { kind, channel: message["channel"] ?? null };
        } catch (error) {
            if (error instanceof TypeError) return { error: "json", reason: "bad-json" };
            assert.ok(error instanceof ControlRefused, String(error));
            const { kind, ...more } = error.reason;
            return { error: kind, ...more };
        }
    }

    for (const { name, input, expect } of vectors<Vector>("control")) {
        test(name, () => assert.deepEqual(read(input), expect));
    }
});

suite("base64", () => {
    interface Vector {
        readonly name: string;
        readonly bytes?: string;
        readonly base64: string;
    }

    for (const { name, bytes, base64 } of vectors<Vector>("base64")) {
        test(name, () => {
            if (bytes === undefined) {
                assert.throws(() => base64_decode(base64, Uint8Array));
                return;
            }
            assert.equal(base64_encode(bytesOfHex(bytes)), base64);
            assert.equal(hexOf(base64_decode(base64, Uint8Array)), bytes);
            assert.deepEqual(base64_decode(base64), [...bytesOfHex(bytes)]);
        });
    }
});

suite("text", () => {
    interface Vector {
        readonly name: string;
        readonly blocks: readonly string[];
        readonly text: string;
        readonly valid: boolean;
    }

    for (const { name, blocks, text, valid } of vectors<Vector>("text")) {
        const decode = (fatal: boolean) => {
            const decoder = utf8_decoder(fatal);
            return blocks.map((block) => decoder.decode(bytesOfHex(block), { stream: true })).join("") + decoder.decode();
        };
        test(name, () => {
            assert.equal(decode(false), text);
            if (valid) assert.equal(decode(true), text);
            else assert.throws(() => decode(true));
        });
    }
});
