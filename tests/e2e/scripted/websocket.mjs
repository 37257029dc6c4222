/**
 * The server's half of a WebSocket (RFC 6455), as far as a test needs it: whole messages, text and binary.
 *
 * Called by `serve.mjs`. It never compresses and takes no message over 1 MiB.
 */

import { createHash } from "node:crypto";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455, 1.3
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const MAX_MESSAGE = 1 << 20;

/** Answers an upgrade; `handlers` gets `message(text or bytes)` and `closed()`. Returns `send` and `close`. */
export function accept(request, socket, handlers) {
    const key = createHash("sha1").update(request.headers["sec-websocket-key"] + GUID).digest("base64");
    socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
            `Sec-WebSocket-Accept: ${key}\r\nSec-WebSocket-Protocol: cockpit1\r\n\r\n`,
    );
    let received = Buffer.alloc(0);
    let parts = [];
    let opcode = TEXT;
    socket.on("data", (bytes) => {
        received = Buffer.concat([received, bytes]);
        for (let frame = take(); frame !== null; frame = take()) handle(frame);
    });
    socket.on("close", handlers.closed);
    socket.on("error", () => socket.destroy());

    function take() {
        if (received.length < 6) return null;
        let length = received[1] & 127;
        let at = 2;
        if (length === 126) {
            length = received.readUInt16BE(2);
            at = 4;
        } else if (length === 127) {
            if (received.length < 14) return null;
            length = Number(received.readBigUInt64BE(2));
            at = 10;
        }
        if (length > MAX_MESSAGE) socket.destroy();
        if (received.length < at + 4 + length) return null;
        const mask = received.subarray(at, at + 4);
        const payload = Buffer.from(received.subarray(at + 4, at + 4 + length));
        for (let index = 0; index < length; index += 1) payload[index] ^= mask[index % 4];
        const frame = { final: (received[0] & 128) !== 0, opcode: received[0] & 15, payload };
        received = received.subarray(at + 4 + length);
        return frame;
    }

    function handle(frame) {
        if (frame.opcode === CLOSE) {
            socket.end();
        } else if (frame.opcode === PING) {
            write(PONG, frame.payload);
        } else if (frame.opcode !== PONG) {
            if (frame.opcode !== 0) opcode = frame.opcode;
            parts.push(frame.payload);
            if (!frame.final) return;
            const whole = Buffer.concat(parts);
            parts = [];
            handlers.message(opcode === TEXT ? whole.toString("utf8") : whole);
        }
    }

    function write(code, payload) {
        const head = payload.length < 126 ? Buffer.from([128 | code, payload.length]) : Buffer.alloc(payload.length < 65536 ? 4 : 10);
        if (head.length === 4) {
            head[0] = 128 | code;
            head[1] = 126;
            head.writeUInt16BE(payload.length, 2);
        } else if (head.length === 10) {
            head[0] = 128 | code;
            head[1] = 127;
            head.writeBigUInt64BE(BigInt(payload.length), 2);
        }
        if (!socket.destroyed) socket.write(Buffer.concat([head, payload]));
    }

    return {
        send: (message) => (typeof message === "string" ? write(TEXT, Buffer.from(message)) : write(BINARY, message)),
        close: (reason) => {
            const code = Buffer.alloc(2);
            code.writeUInt16BE(1001);
            write(CLOSE, Buffer.concat([code, Buffer.from(reason)]));
            socket.end();
        },
    };
}
