/**
 * D-Bus objects as JavaScript objects: properties, methods and signals under their own names. Made by `dbus.ts`.
 *
 * Names that start with a capital letter become members; all others are reached by `data`, `call()` and `onsignal`.
 */

import type * as api from "./api";
import type { DBusCache } from "./dbus_cache";
import { event_target } from "./events";
import { defer } from "./promise";

type Properties = Readonly<Record<string, unknown>>;

type CallOn = (iface: string, method: string, args: readonly unknown[]) => api.CockpitPromise<readonly unknown[]>;

/** What a proxy needs of its client. */
export interface ProxyClient extends Pick<api.DBusClient, "call" | "watch" | "subscribe" | "addEventListener"> {
    readonly cache: DBusCache;
}

export interface PageProxy {
    readonly valid: boolean;
    readonly data: Properties;
    readonly path: string;
    addEventListener(type: string, listener: (event: CustomEvent, ...args: readonly unknown[]) => void): void;
    dispatchEvent(event: string, ...args: unknown[]): boolean;
}

/** Ends what a proxy holds and makes it invalid, for those whose object went away. */
const ends = new WeakMap<PageProxy, () => void>();

/** `client.proxy()`. */
export function makeProxy(client: ProxyClient, iface: string, path: string, options: api.DBusProxyOptions = {}): PageProxy {
    const waiting = defer<undefined>();
    const data: Record<string, unknown> = {};
    const state = { valid: false };
    const named = options.name === undefined ? {} : { name: options.name };
    const proxy = event_target({}) as unknown as PageProxy;
    hidden(proxy, { client: () => client, path: () => path, iface: () => iface, data: () => data, valid: () => state.valid });
    fixed(proxy, {
        call: (method: string, args?: readonly unknown[] | null, callOptions?: api.DBusCallOptions) => client.call(path, iface, method, args, { ...named, ...callOptions }),
        wait: (callback?: () => void) => {
            if (callback !== undefined) waiting.promise.always(callback);
            return waiting.promise;
        },
        toJSON: () => ({ path, iface, valid: state.valid, properties: data }),
    });

    const update = (changed: Properties | null) => {
        if (changed === null) {
            if (!state.valid) return;
            state.valid = false;
            proxy.dispatchEvent("changed", null);
            return;
        }
        Object.assign(data, changed);
        defineMembers(proxy, client.cache.meta(iface), data, (onIface, method, args) => client.call(path, onIface, method, args, named), iface);
        state.valid = true;
        proxy.dispatchEvent("changed", changed);
    };
    const stop = client.cache.onChange((changedPath, changedIface, changed) => {
        if (changedPath === path && changedIface === iface) update(changed);
    });
    const known = client.cache.lookUp(path, iface);
    if (known !== null) update(known);

    const subscription = client.subscribe({ ...named, path, interface: iface }, (_path, _iface, member, args) => {
        proxy.dispatchEvent("signal", member, args);
        if (isPublicName(member)) proxy.dispatchEvent(member, ...args);
    }, options.watch !== false);
    ends.set(proxy, () => {
        state.valid = false;
        stop();
        subscription.remove();
    });

    if (options.watch === false) {
        state.valid = true;
        waiting.resolve(proxy);
    } else {
        client
            .watch({ ...named, path, interface: iface })
            .done(() => waiting.resolve())
            .fail((error) => waiting.reject(error));
    }
    return proxy;
}

/** Gives `proxy` the members that the interface is known to have by now. */
function defineMembers(proxy: PageProxy, meta: api.DBusInterfaceMeta | undefined, data: Record<string, unknown>, call: CallOn, iface: string): void {
    for (const method of Object.keys(meta?.methods ?? {})) {
        if (!isPublicName(method) || Object.hasOwn(proxy, method)) continue;
        // Several return values come as several arguments of the callback.
        const callMethod = (...args: readonly unknown[]) => {
            const result = defer<unknown>();
            call(iface, method, args)
                .done((values) => result.resolve(...values))
                .fail((error) => result.reject(error));
            return result.promise;
        };
        fixed(proxy, { [method]: callMethod });
    }
    for (const name of new Set([...Object.keys(meta?.properties ?? {}), ...Object.keys(data)])) {
        if (!isPublicName(name) || Object.hasOwn(proxy, name)) continue;
        Object.defineProperty(proxy, name, {
            enumerable: true,
            configurable: true,
            get: () => data[name],
            set: (value: unknown) => {
                const type = meta?.properties?.[name]?.type ?? "v";
                call("org.freedesktop.DBus.Properties", "Set", [iface, name, { t: type, v: value }]).fail((error) => {
                    console.warn(`${name} of ${proxy.path} was not set: ${error.message}`); // eslint-disable-line no-console -- the documented answer
                });
            },
        });
    }
}

export interface PageProxies {
    readonly iface: string;
    readonly path_namespace: string;
    dispatchEvent(event: string, ...args: unknown[]): boolean;
}

/** `client.proxies()`: an object whose enumerable members are the proxies, by path. */
export function makeProxies(client: ProxyClient, iface: string, namespace: string, options: api.DBusProxyOptions = {}): PageProxies {
    const waiting = defer<undefined>();
    const named = options.name === undefined ? {} : { name: options.name };
    const proxies = event_target({}) as unknown as PageProxies & Record<string, PageProxy>;
    hidden(proxies, { client: () => client, iface: () => iface, path_namespace: () => namespace });
    fixed(proxies, {
        wait: (callback?: () => void) => {
            if (callback !== undefined) waiting.promise.always(callback);
            return waiting.promise;
        },
    });
    for (const handler of ["onadded", "onchanged", "onremoved"]) {
        Object.defineProperty(proxies, handler, { value: null, writable: true, enumerable: false });
    }

    const update = (path: string, changed: Properties | null) => {
        if (!isWithin(path, namespace)) return;
        const existing = proxies[path];
        if (changed === null) {
            // A client that closed tells nothing of its objects: they stay, and are not valid.
            if (existing === undefined || client.cache.isOver) return;
            // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the object is the documented dictionary
            delete proxies[path];
            ends.get(existing)?.();
            proxies.dispatchEvent("removed", existing);
        } else if (existing === undefined) {
            const proxy = makeProxy(client, iface, path, { ...named, watch: false });
            (proxies as Record<string, unknown>)[path] = proxy;
            // The proxy's own event: then it has the new values already.
            proxy.addEventListener("changed", (_event, values) => {
                if (proxy.valid) proxies.dispatchEvent("changed", proxy, values);
            });
            proxies.dispatchEvent("added", proxy);
        }
    };
    client.cache.onChange((path, changedIface, changed) => {
        if (changedIface === iface) update(path, changed);
    });
    for (const [path, properties] of client.cache.having(iface)) update(path, properties);

    if (options.watch === false) waiting.resolve();
    else {
        // One rule for the signals of all of them; the proxies themselves ask for none.
        client.subscribe({ ...named, path_namespace: namespace, interface: iface }, () => undefined);
        client
            .watch({ ...named, path_namespace: namespace, interface: iface })
            .done(() => waiting.resolve())
            .fail((error) => waiting.reject(error));
    }
    return proxies;
}

function isWithin(path: string, namespace: string): boolean {
    return namespace === "/" || path === namespace || path.startsWith(`${namespace}/`);
}

function isPublicName(name: string): boolean {
    return /^[A-Z]/.test(name);
}

function hidden(object: object, getters: Readonly<Record<string, () => unknown>>): void {
    for (const [name, get] of Object.entries(getters)) Object.defineProperty(object, name, { get, enumerable: false });
}

function fixed(object: object, members: Readonly<Record<string, unknown>>): void {
    for (const [name, value] of Object.entries(members)) Object.defineProperty(object, name, { value, enumerable: false });
}
