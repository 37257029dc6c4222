/**
 * `cockpit.dbus()`: calls, signals and properties of D-Bus services, over `dbus-json3`.
 *
 * What a call changed is in the cache before its reply arrives; the bridge keeps that order and so do we.
 * Proxies are in `dbus_proxy.ts`.
 */

import type * as api from "./api";
import { PageChannel } from "./channel";
import { DBusCache } from "./dbus_cache";
import { makeProxies, makeProxy } from "./dbus_proxy";
import { base64_encode } from "./encoding";
import { DBusError } from "./errors";
import { Emitter, callSafely } from "./events";
import { MultiPromise } from "./promise";

type CallPromise = MultiPromise<readonly unknown[], [options: { readonly type?: string; readonly flags?: string }]>;

/** What the asker hears of the answer. */
type Told = "all" | "without-flags" | "nothing";

/** One message of the payload. Exactly one of its subjects is there. */
interface Incoming {
    readonly id?: string;
    readonly reply?: readonly [args: readonly unknown[]];
    readonly error?: readonly [name: string, args?: readonly unknown[]];
    readonly type?: string;
    readonly flags?: string;
    readonly signal?: readonly [path: string, iface: string, member: string, args: readonly unknown[]];
    readonly notify?: api.DBusNotification;
    readonly meta?: api.DBusMeta;
    readonly owner?: string | null;
    readonly call?: readonly [path: string, iface: string, method: string, args: readonly unknown[]];
}

interface Subscription {
    readonly match: api.DBusMatch;
    readonly callback: api.DBusSignalCallback;
}

export class PageDBusClient extends Emitter<api.DBusClientEvents> implements api.DBusClient {
    readonly options: api.DBusOptions;
    unique_name: string | null = null;
    onclose: ((event: CustomEvent, options: api.ControlMessage) => void) | null = null;
    onowner: ((event: CustomEvent, owner: string | null) => void) | null = null;
    onnotify: ((event: CustomEvent, data: api.DBusNotification) => void) | null = null;
    onmeta: ((event: CustomEvent, data: api.DBusMeta) => void) | null = null;
    readonly cache = new DBusCache();
    readonly #channel: PageChannel;
    readonly #calls = new Map<string, { readonly promise: CallPromise; readonly told: Told }>();
    readonly #subscriptions = new Set<Subscription>();
    readonly #published = new Map<string, object>();
    #lastId = 0;
    #owner: string | null = null;
    #closed: api.ControlMessage | null = null;

    constructor(name: string | null, options: api.DBusOptions) {
        super();
        this.options = { bus: "system", ...options, ...(name === null ? {} : { name }) };
        this.#channel = new PageChannel({ payload: "dbus-json3", ...options, ...(name === null ? {} : { name }) });
        this.#channel.addEventListener("ready", (_event, ready) => {
            this.unique_name = typeof ready["unique-name"] === "string" ? ready["unique-name"] : null;
        });
        this.#channel.addEventListener("message", (_event, data) => this.#incoming(JSON.parse(String(data)) as Incoming));
        this.close = this.close.bind(this); // Pages pass it on: `.finally(client.close)`.
        this.#channel.addEventListener("close", (_event, close) => this.#onClosed(close));
    }

    wait(callback?: (options: api.ControlMessage) => void): api.CockpitPromise<api.ControlMessage> {
        return this.#channel.wait(callback);
    }

    close(problemOrOptions?: string | api.JsonObject): void {
        this.#channel.close(problemOrOptions);
    }

    call(path: string, iface: string, method: string, args?: readonly unknown[] | null, options: api.DBusCallOptions = {}): CallPromise {
        const { flags = "i", ...rest } = options;
        // The flags of a reply are for who asked for them.
        const told = options.flags === undefined ? "without-flags" : "all";
        return this.#ask({ ...rest, flags, call: [path, iface, method, args ?? []] }, told);
    }

    proxy<Properties extends object = Record<string, unknown>>(iface?: string, path?: string, options?: api.DBusProxyOptions): api.DBusProxy<Properties> {
        const name = typeof this.options["name"] === "string" ? this.options["name"] : "";
        return makeProxy(this, iface ?? name, path ?? `/${name.replaceAll(".", "/")}`, options) as unknown as api.DBusProxy<Properties>;
    }

    proxies<Properties extends object = Record<string, unknown>>(iface?: string, pathNamespace?: string, options?: api.DBusProxyOptions): api.DBusProxies<Properties> {
        const name = typeof this.options["name"] === "string" ? this.options["name"] : "";
        return makeProxies(this, iface ?? name, pathNamespace ?? "/", options) as unknown as api.DBusProxies<Properties>;
    }

    subscribe(match: api.DBusMatch, callback: api.DBusSignalCallback, rule?: boolean): api.Removable {
        const subscription: Subscription = { match: { ...match }, callback };
        this.#subscriptions.add(subscription);
        if (rule !== false) this.#send({ "add-match": subscription.match });
        return {
            remove: () => {
                if (this.#subscriptions.delete(subscription) && rule !== false) this.#send({ "remove-match": subscription.match });
            },
        };
    }

    watch(path: string | api.DBusWatchMatch): api.CockpitPromise<void> & api.Removable {
        const match = typeof path === "string" ? { path } : { ...path };
        const reply = this.#ask({ watch: match }, "nothing");
        const remove = () => this.#send({ unwatch: match });
        return Object.assign(reply as unknown as MultiPromise<undefined>, { path: match, remove });
    }

    notify(data: api.DBusNotification): void {
        this.cache.notify(data);
        this.dispatchEvent("notify", data);
    }

    meta(data: api.DBusMeta): void {
        this.#send({ meta: data });
        this.#learn(data);
    }

    variant(type: string, value: unknown): api.DBusVariant {
        return variant(type, value);
    }

    publish(path: string, iface: string, object: object): api.CockpitPromise<void> & api.Removable {
        const key = publishedKey(path, iface);
        this.#published.set(key, object);
        const reply = this.#ask({ publish: [path, iface] }, "nothing");
        const remove = () => {
            if (this.#published.get(key) !== object) return;
            this.#published.delete(key);
            this.#send({ unpublish: [path, iface] });
        };
        return Object.assign(reply, { remove }) as unknown as api.CockpitPromise<void> & api.Removable;
    }

    signal(path: string, iface: string, member: string, args: readonly unknown[] = []): void {
        this.#send({ signal: [path, iface, member, args] });
    }

    #send(message: object): void {
        this.#channel.send(JSON.stringify(message));
    }

    #ask(message: object, told: Told): CallPromise {
        const promise: CallPromise = new MultiPromise();
        if (this.#closed !== null) {
            promise.settle("rejected", [new DBusError(this.#closed)]);
            return promise;
        }
        this.#lastId++;
        const id = String(this.#lastId);
        this.#calls.set(id, { promise, told });
        this.#send({ ...message, id });
        return promise;
    }

    #incoming(message: Incoming): void {
        if (message.meta !== undefined) this.#learn(message.meta);
        else if (message.notify !== undefined) this.notify(message.notify);
        else if (message.signal !== undefined) this.#signalled(message.signal);
        else if (message.owner !== undefined) this.#ownerChanged(message.owner);
        else if (message.call !== undefined) this.#called(message.call, message.id);
        else if (message.id !== undefined) this.#answered(message.id, message);
    }

    #answered(id: string, message: Incoming): void {
        const call = this.#calls.get(id);
        this.#calls.delete(id);
        if (call === undefined) return;
        if (message.error !== undefined) {
            call.promise.settle("rejected", [new DBusError(message.error)]);
            return;
        }
        const { type, flags } = message;
        const options = { ...(type === undefined ? {} : { type }), ...(flags === undefined || call.told !== "all" ? {} : { flags }) };
        call.promise.settle("resolved", call.told === "nothing" ? [] : [message.reply?.[0] ?? [], options]);
    }

    #learn(meta: api.DBusMeta): void {
        this.cache.learn(meta);
        this.dispatchEvent("meta", meta);
    }

    #signalled([path, iface, member, args]: readonly [string, string, string, readonly unknown[]]): void {
        for (const { match, callback } of [...this.#subscriptions]) {
            if (matches(match, path, iface, member, args)) callSafely(() => callback(path, iface, member, args));
        }
    }

    /** A caller on the bus wants something of an object that the page published. */
    #called([path, iface, method, args]: readonly [string, string, string, readonly unknown[]], id: string | undefined): void {
        const object = this.#published.get(publishedKey(path, iface));
        const member = object === undefined ? undefined : (object as Readonly<Record<string, unknown>>)[method];
        if (typeof member !== "function") {
            this.#send({ error: ["org.freedesktop.DBus.Error.UnknownMethod", [`No such method: ${iface}.${method}`]], id });
            return;
        }
        const declared = this.cache.meta(iface)?.methods?.[method]?.out?.length;
        const outOf = (value: unknown) => (value === undefined ? [] : declared !== undefined && declared > 1 ? value : [value]);
        new Promise((resolve) => {
            resolve((member as (...args: readonly unknown[]) => unknown).apply(object, [...args]));
        }).then(
            (value) => this.#send({ reply: [outOf(value)], id }),
            (error: unknown) => this.#send({ error: ["org.freedesktop.DBus.Error.Failed", [error instanceof Error ? error.message : ""]], id }),
        );
    }

    /** With `track` the client ends when the service does, instead of going on with its successor. */
    #ownerChanged(owner: string | null): void {
        const left = this.#owner !== null && owner !== this.#owner;
        this.#owner = owner;
        this.dispatchEvent("owner", owner);
        if (left && this.options.track === true) this.close();
    }

    #onClosed(close: api.ControlMessage): void {
        this.#closed = close;
        const calls = [...this.#calls.values()];
        this.#calls.clear();
        for (const { promise } of calls) promise.settle("rejected", [new DBusError(close)]);
        this.cache.clear();
        this.dispatchEvent("close", close);
    }
}

function publishedKey(path: string, iface: string): string {
    return `${path}\n${iface}`;
}

function matches(match: api.DBusMatch, path: string, iface: string, member: string, args: readonly unknown[]): boolean {
    if (match.path !== undefined && match.path !== path) return false;
    if (match.path_namespace !== undefined && !isBelow(path, match.path_namespace)) return false;
    if (match.interface !== undefined && match.interface !== iface) return false;
    if (match.member !== undefined && match.member !== member) return false;
    return match.arg0 === undefined || match.arg0 === args[0];
}

/** Whether `path` is `namespace` or lies below it. */
function isBelow(path: string, namespace: string): boolean {
    return namespace === "/" || path === namespace || path.startsWith(`${namespace}/`);
}

/** Clients without a name are shared: one for each bus, host and privilege. */
const shared = new Map<string, PageDBusClient>();

export function dbus(name: string | null, options: api.DBusOptions = {}): PageDBusClient {
    const isPlain = Object.keys(options).every((key) => key === "bus");
    if (name !== null || !isPlain) return new PageDBusClient(name, options);
    const key = options.bus ?? "system";
    const existing = shared.get(key);
    if (existing !== undefined) return existing;
    const client = new PageDBusClient(null, options);
    shared.set(key, client);
    client.addEventListener("close", () => shared.delete(key));
    return client;
}

export function variant(type: string, value: unknown): api.DBusVariant {
    return { t: type, v: value };
}

/** Bytes as the base64 in which an `ay` crosses the wire; characters of a text are bytes, as in `base64_encode`. */
export function byte_array(bytes: string | Uint8Array | readonly number[]): string {
    return base64_encode(bytes);
}

