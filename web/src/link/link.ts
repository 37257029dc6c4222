/**
 * One link: from the first byte of `init` until it is closed. It is not opened again; who wants to go on makes a
 * new one. Callers: `cockpit/transport.ts`.
 *
 * ```
 * connecting ──init──▶ ready ──close, error, silence──▶ closed
 *      └───────────────problem, close────────────────────┘
 * ```
 *
 * Text: docs/protocol.md, "Handshakes". Answers every `ping`; never opens a channel by itself.
 */

import type { Carrier, CarrierFactory } from "./carrier";
import { type Control, ControlRefused, type InitMessage, type Message, VERSION, encodeControl, parseControl } from "./control";
import { type Frame, FrameRefused, encodeMessage, parseMessage } from "./frame";

export type LinkState =
    | { readonly kind: "connecting" }
    | { readonly kind: "ready"; readonly init: InitMessage }
    | { readonly kind: "closed"; readonly problem: string; readonly message: string | null };

/** Gets what comes for one channel. */
export interface ChannelReceiver {
    readonly data: (payload: string | Uint8Array) => void;
    readonly control: (control: Control & { readonly message: Message }) => void;
}

/** Sees each message as it crosses the wire; `false` keeps it from going further. */
export type Filter = (message: string | Uint8Array, channel: string, control: Message | null) => unknown;

/** How long the link may be silent, and how often we ask, in milliseconds. */
export const WATCHDOG_INTERVAL = 30_000;

export class Link {
    #state: LinkState = { kind: "connecting" };
    readonly #carrier: Carrier;
    readonly #channels = new Map<string, ChannelReceiver>();
    readonly #watchers = new Set<(state: LinkState) => void>();
    readonly #filters: Record<"in" | "out", Filter[]> = { in: [], out: [] };
    readonly #watchdog: ReturnType<typeof setInterval>;
    #heardSinceTick = true;
    #silence: "fatal" | "tolerated" = "fatal";
    #lastChannel = 0;

    constructor(start: CarrierFactory) {
        this.#carrier = start({
            opened: () => this.sendControl({ command: "init", version: VERSION }),
            received: (message) => this.receive(message),
            closed: (reason) => this.#end(reason === "" ? "disconnected" : reason, null),
        });
        this.#watchdog = setInterval(() => this.#tick(), WATCHDOG_INTERVAL);
    }

    get state(): LinkState {
        return this.#state;
    }

    /** Whether an interval without a word ends the link; not while the network is being changed. */
    tolerateSilence(silence: "fatal" | "tolerated"): void {
        this.#silence = silence;
        this.#heardSinceTick = true;
    }

    /** Calls back at every change of state until the returned function is called. */
    onState(watcher: (state: LinkState) => void): () => void {
        this.#watchers.add(watcher);
        return () => void this.#watchers.delete(watcher);
    }

    /** A channel id that nobody on this session uses, and its receiver. Only when ready. */
    addChannel(receiver: ChannelReceiver): string {
        if (this.#state.kind !== "ready") throw new Error("a channel needs a link that is ready");
        this.#lastChannel++;
        const id = `${this.#state.init["channel-seed"] ?? ""}${this.#lastChannel}`;
        this.#channels.set(id, receiver);
        return id;
    }

    removeChannel(id: string): void {
        this.#channels.delete(id);
    }

    sendControl(message: Message): void {
        const text = encodeControl(message);
        this.#send(encodeMessage("", text), "", message);
    }

    sendData(channel: string, payload: string | Uint8Array): void {
        this.#send(encodeMessage(channel, payload), channel, null);
    }

    /** Sends what a filter got, as it is. */
    sendRaw(message: string | Uint8Array): void {
        if (this.#state.kind !== "closed") this.#carrier.send(message);
    }

    addFilter(direction: "in" | "out", filter: Filter): void {
        this.#filters[direction].push(filter);
    }

    close(problem: string): void {
        this.#carrier.close();
        this.#end(problem, null);
    }

    /** Treats `message` as if it had just arrived. Tells whether it is about a channel of this link. */
    receive(message: string | Uint8Array): "own" | "shared" {
        if (this.#state.kind === "closed") return "shared";
        this.#heardSinceTick = true;
        try {
            return this.#dispatch(message, parseMessage(message));
        } catch (error) {
            if (!(error instanceof FrameRefused) && !(error instanceof ControlRefused)) throw error;
            this.#carrier.close();
            this.#end("protocol-error", error.message);
            return "shared";
        }
    }

    #dispatch(raw: string | Uint8Array, frame: Frame): "own" | "shared" {
        const has = (channel: unknown) => (typeof channel === "string" && this.#channels.has(channel) ? "own" : "shared");
        if (frame.kind === "control") {
            const control = parseControl(frame.text);
            const whose = has(control.message["channel"]);
            if (this.#passes("in", raw, "", control.message)) this.#control(control);
            return whose;
        }
        const whose = has(frame.channel);
        if (this.#passes("in", raw, frame.channel, null)) this.#channels.get(frame.channel)?.data(frame.payload);
        return whose;
    }

    #control(control: Control): void {
        switch (control.kind) {
            case "init":
                this.#init(control.message);
                break;
            case "ping":
                this.sendControl({ ...control.message, command: "pong" });
                break;
            case "close":
            case "ready":
            case "done":
            case "options":
            case "ack":
                this.#channels.get(control.message.channel)?.control(control);
                break;
            case "logout":
            case "other":
                if (control.channel !== null) this.#channels.get(control.channel)?.control(control);
                break;
            // The server sends none of these to a page; a newer one that does means no harm.
            case "open":
            case "pong":
            case "kill":
            case "authorize":
            case "superuser-init-done":
                break;
        }
    }

    #init(init: InitMessage): void {
        const problem = init.problem ?? (init.version === VERSION ? "" : "not-supported");
        if (problem !== "") {
            this.#carrier.close();
            const message = init["message"];
            this.#end(problem, typeof message === "string" ? message : null);
            return;
        }
        // Another copy of us in the document was greeted: its seed is its own. A new link of the shell has another beginning.
        const before = this.#state.kind === "ready" ? this.#state.init["channel-seed"] : undefined;
        const isSameLink = before !== undefined && before.split(":")[0] === init["channel-seed"]?.split(":")[0];
        this.#enter({ kind: "ready", init: isSameLink ? { ...init, "channel-seed": before } : init });
    }

    #send(message: string | Uint8Array, channel: string, control: Message | null): void {
        if (this.#state.kind === "closed") return;
        if (this.#passes("out", message, channel, control)) this.#carrier.send(message);
    }

    #passes(direction: "in" | "out", message: string | Uint8Array, channel: string, control: Message | null): boolean {
        return this.#filters[direction].every((filter) => filter(message, channel, control) !== false);
    }

    /** Once in an interval: silence for a whole one means that nobody is there. */
    #tick(): void {
        if (!this.#heardSinceTick && this.#silence === "fatal") {
            this.close("timeout");
            return;
        }
        this.#heardSinceTick = false;
        if (this.#state.kind === "ready") this.sendControl({ command: "ping" });
    }

    #end(problem: string, message: string | null): void {
        if (this.#state.kind === "closed") return;
        clearInterval(this.#watchdog);
        this.#enter({ kind: "closed", problem, message });
        const orphans = [...this.#channels];
        this.#channels.clear();
        for (const [channel, receiver] of orphans) {
            receiver.control({ kind: "close", message: { command: "close", channel, problem } });
        }
    }

    #enter(state: LinkState): void {
        this.#state = state;
        for (const watcher of [...this.#watchers]) watcher(state);
    }
}
