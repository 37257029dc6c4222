/**
 * A scripted server and bridge for tests: speaks frames over a double of `WebSocket`, so that everything above the
 * socket is the real thing. `connectTo()` puts it under the page's transport.
 */

import { after } from "node:test";
import { socketCarrier, type SocketLike } from "../link/carrier";
import { type ChannelMessage, type Message, encodeControl, parseControl } from "../link/control";
import { encodeMessage, parseMessage } from "../link/frame";
import { transport } from "../cockpit/transport";

// A link that stays open keeps the process alive.
after(() => transport.close());

// Browsers have it, node has not. A test that expects a report puts its own in place.
globalThis.reportError = (error: unknown) => {
    queueMicrotask(() => {
        throw error;
    });
};

/** What a test does with one channel that the page opened. */
export interface BridgeChannel {
    readonly id: string;
    readonly open: ChannelMessage;
    /** What the page sent, in order. */
    readonly received: (string | Uint8Array)[];
    /** Control messages of the page about the channel, without its `open`. */
    readonly controls: Message[];
    send(payload: string | Uint8Array): void;
    control(command: string, fields?: object): void;
    close(fields?: object): void;
}

type Answer = (channel: BridgeChannel) => void;
type OnData = (channel: BridgeChannel, payload: string | Uint8Array) => void;
type OnControl = (channel: BridgeChannel, message: Message) => void;

/** How the bridge behaves for one kind of channel. */
export interface Script {
    readonly opened?: Answer;
    readonly data?: OnData;
    readonly control?: OnControl;
}

export class ScriptedBridge {
    readonly channels: BridgeChannel[] = [];
    /** Control messages without a channel. */
    readonly controls: Message[] = [];
    readonly #scripts = new Map<string, Script>();
    socket: FakeSocket | null = null;

    /** From now on channels with this payload behave so. Others stay silent. */
    script(payload: string, script: Script): this {
        this.#scripts.set(payload, script);
        return this;
    }

    channel(payload: string): BridgeChannel {
        const found = [...this.channels].reverse().find(({ open }) => open["payload"] === payload);
        if (found === undefined) throw new Error(`no ${payload} channel was opened`);
        return found;
    }

    sendControl(message: Message): void {
        this.socket?.deliver(encodeMessage("", encodeControl(message)));
    }

    /** What the page sent. */
    receive(raw: string | Uint8Array): void {
        const frame = parseMessage(raw);
        if (frame.kind !== "control") {
            const channel = this.channels.find(({ id }) => id === frame.channel);
            if (channel === undefined) return;
            channel.received.push(frame.payload);
            this.#scripts.get(String(channel.open["payload"]))?.data?.(channel, frame.payload);
            return;
        }
        const control = parseControl(frame.text);
        if (control.kind === "open") {
            const channel = this.#channelOf(control.message);
            this.channels.push(channel);
            this.#scripts.get(String(control.message["payload"]))?.opened?.(channel);
            return;
        }
        const channel = this.channels.find(({ id }) => id === control.message["channel"]);
        if (channel === undefined) {
            this.controls.push(control.message);
            return;
        }
        channel.controls.push(control.message);
        this.#scripts.get(String(channel.open["payload"]))?.control?.(channel, control.message);
    }

    #channelOf(open: ChannelMessage): BridgeChannel {
        const id = open.channel;
        const control = (command: string, fields: object = {}) => this.sendControl({ command, channel: id, ...fields });
        return {
            id,
            open,
            received: [],
            controls: [],
            send: (payload) => this.socket?.deliver(encodeMessage(id, payload)),
            control,
            close: (fields) => control("close", fields),
        };
    }
}

const OPEN = 1;
const CLOSED = 3;

/** A `WebSocket` whose other end is a scripted bridge. Everything arrives later, as on a network. */
export class FakeSocket implements SocketLike {
    binaryType: BinaryType = "blob";
    readyState = 0;
    onopen: ((event: never) => void) | null = null;
    onmessage: ((event: never) => void) | null = null;
    onclose: ((event: never) => void) | null = null;

    constructor(
        readonly url: string,
        readonly protocol: string,
        readonly bridge: ScriptedBridge,
        init: object | null,
    ) {
        bridge.socket = this;
        setImmediate(() => {
            this.readyState = OPEN;
            this.onopen?.({} as never);
            if (init !== null) bridge.sendControl({ command: "init", version: 1, ...init });
        });
    }

    send(data: string | ArrayBufferView): void {
        const copy = typeof data === "string" ? data : new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
        setImmediate(() => this.bridge.receive(copy));
    }

    deliver(message: string | Uint8Array): void {
        const data = typeof message === "string" ? message : message.slice().buffer;
        setImmediate(() => {
            if (this.readyState === OPEN) this.onmessage?.({ data } as never);
        });
    }

    close(): void {
        this.drop("");
    }

    /** The other side goes away. */
    drop(reason: string): void {
        if (this.readyState === CLOSED) return;
        this.readyState = CLOSED;
        setImmediate(() => this.onclose?.({ reason } as never));
    }
}

/** The greeting of a server to a page that is logged in. */
export const GREETING = { host: "localhost", "channel-seed": "7:", "csrf-token": "a-token" };

/** Starts a socket to `bridge`; for a link of its own. */
export function carrierTo(bridge: ScriptedBridge, init: object | null = GREETING) {
    class Socket extends FakeSocket {
        constructor(url: string, protocol: string) {
            super(url, protocol, bridge, init);
        }
    }
    return socketCarrier("wss://admin.example/cockpit/socket", Socket);
}

/** Puts a new bridge under the page's transport. */
export function connectTo(bridge: ScriptedBridge, init: object | null = GREETING): void {
    transport.surround({ origin: "https://admin.example", path: "/", start: carrierTo(bridge, init) });
}

/** Lets everything that is under way arrive. */
export async function settled(): Promise<void> {
    for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
}
