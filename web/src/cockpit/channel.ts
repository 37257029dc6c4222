/** `cockpit.channel()`: one stream of messages of one kind to a bridge. Everything else in this folder stands on it. */

import type { Control } from "../link/control";
import type { Link } from "../link/link";
import type * as api from "./api";
import { bytesOf, joinBytes } from "./encoding";
import { Emitter } from "./events";
import { BasicError } from "./errors";
import { defer } from "./promise";
import { transport } from "./transport";

/** A channel is asked for, is being opened by the link, and ends; it never comes back. */
type ChannelState =
    | { readonly kind: "waiting"; readonly queue: (() => void)[] }
    | { readonly kind: "open"; readonly link: Link; readonly id: string }
    | { readonly kind: "closed" };

export class PageChannel extends Emitter<api.ChannelEvents> implements api.Channel {
    readonly binary: boolean;
    onmessage: ((event: CustomEvent, data: api.Payload) => void) | null = null;
    oncontrol: ((event: CustomEvent, options: api.ControlMessage) => void) | null = null;
    onready: ((event: CustomEvent, options: api.ControlMessage) => void) | null = null;
    onclose: ((event: CustomEvent, options: api.ControlMessage) => void) | null = null;
    readonly #ready = defer<api.ControlMessage>();
    #state: ChannelState = { kind: "waiting", queue: [] };
    #doneReceived = false;
    #id: string | null = null;

    constructor(readonly options: api.ChannelOptions) {
        super();
        this.binary = options.binary === true || (options.binary as unknown) === "raw";
        const open = () => transport.withLink((link) => this.#open(link));
        if (transport.state.kind === "ready") open();
        // Later, so that whoever made the channel has its listeners in place if it is closed at once.
        else queueMicrotask(open);
    }

    get id(): string | null {
        return this.#id;
    }

    get valid(): boolean {
        return this.#state.kind !== "closed";
    }

    send(message: api.SendablePayload): void {
        const payload = this.binary ? bytesOf(message) : textOf(message);
        this.#whenOpen((link, id) => link.sendData(id, payload));
    }

    control(options: api.JsonObject): void {
        const command = typeof options["command"] === "string" ? options["command"] : "options";
        this.#whenOpen((link, channel) => link.sendControl({ ...options, command, channel }));
    }

    close(problemOrOptions?: string | api.JsonObject): void {
        const given = typeof problemOrOptions === "string" ? { problem: problemOrOptions } : problemOrOptions;
        if (this.#state.kind === "closed") return;
        if (this.#state.kind === "open") {
            const { link, id } = this.#state;
            link.sendControl({ ...given, command: "close", channel: id });
        }
        this.#closed({ ...given, command: "close", ...(this.#id === null ? {} : { channel: this.#id }) });
    }

    wait(callback?: (options: api.ControlMessage) => void): api.CockpitPromise<api.ControlMessage> {
        if (callback !== undefined) this.#ready.promise.always(callback);
        return this.#ready.promise;
    }

    buffer(callback?: ((data: api.Payload) => unknown) | null): api.ChannelBuffer {
        const buffer = new Buffer(this.binary, callback ?? null);
        this.addEventListener("message", (_event, data) => buffer.add(data));
        return buffer;
    }

    override toString(): string {
        return `[channel ${this.#id ?? "-"} ${this.options.payload ?? ""}]`;
    }

    #whenOpen(act: (link: Link, id: string) => void): void {
        switch (this.#state.kind) {
            case "waiting":
                this.#state.queue.push(() => this.#whenOpen(act));
                break;
            case "open":
                act(this.#state.link, this.#state.id);
                break;
            // The other side may have closed it a moment ago: a normal race.
            case "closed":
                break;
        }
    }

    #open(link: Link): void {
        if (this.#state.kind !== "waiting") return;
        if (link.state.kind !== "ready") {
            const problem = link.state.kind === "closed" ? link.state.problem : "disconnected";
            this.#closed({ command: "close", problem });
            return;
        }
        const { queue } = this.#state;
        const id = link.addChannel({
            data: (payload) => this.#message(payload),
            control: (control) => this.#control(control),
        });
        this.#id = id;
        this.#state = { kind: "open", link, id };
        link.sendControl(this.#openMessage(id));
        for (const act of queue) act();
    }

    #openMessage(channel: string): { readonly command: string } & Readonly<Record<string, unknown>> {
        const target = this.options.host ?? transport.host ?? undefined;
        return {
            "flow-control": true,
            ...this.options,
            command: "open",
            channel,
            ...(target === undefined ? {} : { host: target }),
            binary: this.binary ? "raw" : undefined,
        };
    }

    #message(payload: string | Uint8Array): void {
        if (this.#doneReceived || this.#state.kind !== "open") return;
        if (this.binary) this.dispatchEvent("message", bytesOf(payload));
        else this.dispatchEvent("message", typeof payload === "string" ? payload : new TextDecoder().decode(payload));
    }

    #control(control: Control): void {
        const message = control.message as unknown as api.ControlMessage;
        switch (control.kind) {
            case "close":
                this.#closed(message);
                break;
            case "ready":
                this.#ready.resolve(message);
                this.dispatchEvent("ready", message);
                // Pages that only listen for control messages wait for this one among them.
                this.dispatchEvent("control", message);
                break;
            case "done":
                this.#doneReceived = true;
                this.dispatchEvent("control", message);
                break;
            case "init":
            case "open":
            case "options":
            case "ack":
            case "ping":
            case "pong":
            case "kill":
            case "authorize":
            case "logout":
            case "superuser-init-done":
            case "other":
                this.dispatchEvent("control", message);
                break;
        }
    }

    #closed(message: api.ControlMessage): void {
        if (this.#state.kind === "closed") return;
        if (this.#state.kind === "open") this.#state.link.removeChannel(this.#state.id);
        this.#state = { kind: "closed" };
        this.dispatchEvent("close", message);
        if (message.problem === undefined) this.#ready.resolve(message);
        else this.#ready.reject(Object.assign(new BasicError(message.problem, message.message), message));
    }
}

/** Data that came and was not yet used. */
class Buffer implements api.ChannelBuffer {
    #blocks: api.Payload[] = [];

    constructor(
        readonly binary: boolean,
        public callback: ((data: api.Payload) => unknown) | null,
    ) {}

    add(block: api.Payload): void {
        this.#blocks.push(block);
        if (this.callback === null) return;
        const data = this.squash();
        const used = this.callback(data);
        if (typeof used === "number" && used < data.length) {
            this.#blocks.unshift(typeof data === "string" ? data.slice(used) : data.subarray(used));
        }
    }

    squash(): api.Payload {
        const blocks = this.#blocks;
        this.#blocks = [];
        return this.binary ? joinBytes(blocks as Uint8Array[]) : (blocks as string[]).join("");
    }
}

function textOf(message: api.SendablePayload): string {
    if (typeof message === "string") return message;
    return message instanceof Uint8Array || message instanceof ArrayBuffer ? new TextDecoder().decode(message) : String(message);
}

export function channel(options: api.ChannelOptions): PageChannel {
    return new PageChannel(options);
}
