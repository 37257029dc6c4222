/**
 * The one link of this page, as `cockpit.transport` and for the channels.
 *
 * The first channel starts it. After it was closed, new channels are closed at once with the same problem until
 * `connect()` is called: when to try again is the shell's decision, and nobody else's.
 */

import { type Carrier, type CarrierFactory, isFramed, parentCarrier, socketCarrier } from "../link/carrier";
import type { Message } from "../link/control";
import { type Filter, Link, type LinkState } from "../link/link";
import type { ControlMessage, JsonObject, Removable } from "./api";
import { callSafely } from "./events";

export type TransportState = { readonly kind: "idle" } | LinkState;

/** Which server, and by what way; tests bring their own. */
export interface Surroundings {
    readonly origin: string;
    readonly path: string;
    readonly start: CarrierFactory;
}

/** The page we are in. Without one (in tests) there is no link until they bring it. */
function browserSurroundings(): Surroundings {
    const page = typeof window === "undefined" ? null : window;
    if (page === null) return { origin: "", path: "/", start: unreachable };
    const { origin, pathname } = page.location;
    if (isFramed(page)) return { origin, path: pathname, start: parentCarrier(page) };
    const url = `${origin.replace(/^http/, "ws")}/${applicationOf(pathname)}/socket`;
    return { origin, path: pathname, start: (events) => socketCarrier(url)(events) };
}

const unreachable: CarrierFactory = (events): Carrier => {
    queueMicrotask(() => events.closed("disconnected"));
    return { send: () => undefined, close: () => undefined };
};

/** `/cockpit+app/…` → `cockpit+app`, `/=host/…` → `cockpit+=host`, all else `cockpit`. */
function applicationOf(path: string): string {
    const [, first = ""] = path.split("/");
    if (first.startsWith("cockpit+")) return first;
    return first.startsWith("=") ? `cockpit+${first}` : "cockpit";
}

class Transport {
    #surroundings = browserSurroundings();
    #link: Link | null = null;
    #defaultHost: string | null = null;
    readonly #filters: { readonly filter: Filter; readonly direction: "in" | "out" }[] = [];
    readonly #watchers = new Set<(state: TransportState) => void>();

    get state(): TransportState {
        return this.#link?.state ?? { kind: "idle" };
    }

    /** Calls back at every change of state. */
    onState(watcher: (state: TransportState) => void): Removable {
        this.#watchers.add(watcher);
        return { remove: () => void this.#watchers.delete(watcher) };
    }

    /** A new link, unless one is up or coming up. */
    connect(): void {
        if (this.state.kind === "connecting" || this.state.kind === "ready") return;
        const link = new Link(this.#surroundings.start);
        this.#link = link;
        for (const { filter, direction } of this.#filters) link.addFilter(direction, filter);
        const tell = (state: TransportState) => {
            for (const watcher of [...this.#watchers]) callSafely(() => watcher(state));
        };
        link.onState(tell);
        tell(link.state);
    }

    /** The link, when it is ready or over; started if there was none. */
    withLink(callback: (link: Link) => void): void {
        if (this.#link === null) this.connect();
        const link = this.#link;
        if (link === null) return;
        if (link.state.kind !== "connecting") {
            callback(link);
            return;
        }
        const stop = link.onState(() => {
            stop();
            callback(link);
        });
    }

    /** Where channels go that name no host; `null` lets the bridge decide. */
    useHost(host: string | null): void {
        this.#defaultHost = host;
    }

    get host(): string | null {
        if (this.#defaultHost !== null) return this.#defaultHost;
        return this.state.kind === "ready" ? (this.state.init.host ?? null) : null;
    }

    get origin(): string {
        return this.#surroundings.origin;
    }

    get csrf_token(): string | null {
        return this.state.kind === "ready" ? (this.state.init["csrf-token"] ?? null) : null;
    }

    get options(): JsonObject {
        return this.state.kind === "ready" ? (this.state.init as unknown as JsonObject) : {};
    }

    application(): string {
        return applicationOf(this.#surroundings.path);
    }

    /** The address of `suffix` below the server's own folder, with the WebSocket's scheme. */
    uri(suffix = "socket"): string {
        return `${this.origin.replace(/^http/, "ws")}/${this.application()}/${suffix}`;
    }

    wait(callback: (transport: Transport) => void): void {
        this.withLink((link) => {
            if (link.state.kind === "ready") callback(this);
        });
    }

    /** Whether silence of the server ends the link. */
    tolerateSilence(silence: "fatal" | "tolerated"): void {
        this.#link?.tolerateSilence(silence);
    }

    close(problem?: string | { readonly problem?: string }): void {
        const code = typeof problem === "object" ? problem.problem : problem;
        this.#link?.close(code ?? "disconnected");
    }

    filter(filter: (message: string | Uint8Array, channel: string, control: ControlMessage | null) => unknown, out?: boolean): void {
        const entry = { filter: filter as Filter, direction: out === true ? ("out" as const) : ("in" as const) };
        this.#filters.push(entry);
        this.#link?.addFilter(entry.direction, entry.filter);
    }

    inject(message: string | Uint8Array, out?: boolean): void {
        if (out === false) this.#link?.receive(message);
        else this.#link?.sendRaw(message);
    }

    /** Sends a control message of the link itself. */
    control(command: string, options?: JsonObject): void {
        this.withLink((link) => link.sendControl({ ...options, command } satisfies Message));
    }

    /** For tests: another server. The link that was up is closed. */
    surround(surroundings: Surroundings): void {
        this.#link?.close("disconnected");
        this.#link = null;
        this.#defaultHost = null;
        this.#surroundings = surroundings;
    }
}

export type PageTransport = Transport;

/** The transport of this page. */
export const transport = new Transport();
