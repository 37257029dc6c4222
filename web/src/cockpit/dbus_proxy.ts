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

/** What a proxy needs of its client. */
export interface ProxyClient extends Pick<api.DBusClient, "call" | "watch" | "subscribe" | "addEventListener"> {
    readonly cache: DBusCache;
}

export interface PageProxy {
    readonly valid: boolean;
    readonly data: Properties;
    readonly path: string;
    dispatchEvent(event: string, ...args: unknown[]): boolean;
}

/** `client.proxy()`. */
export function makeProxy(client: ProxyClient, iface: string, path: string, options: api.DBusProxyOptions = {}): PageProxy {
    const waiting = defer<undefined>();
    const data: Record<string, unknown> = {};
    const state = { valid: false };
    const proxy = event_target({}) as unknown as PageProxy;
    hidden(proxy, { client: () => client, path: () => path, iface: () => iface, data: () => data, valid: () => state.valid });
    fixed(proxy, {
        call: (method: string, args?: readonly unknown[] | null, callOptions?: api.DBusCallOptions) => client.call(path, iface, method, args, callOptions),
        wait: (callback?: () => void) => {
            if (callback !== undefined) waiting.promise.always(callback);
            return waiting.promise;
        },
        toJSON: () => ({ path, iface, valid: state.valid, properties: data }),
    });

    const update = (changed: Properties | null) => {
        if (changed === null) {
            state.valid = false;
            proxy.dispatchEvent("changed", { valid: false });
            return;
        }
        Object.assign(data, changed);
        defineMembers(client, proxy, iface, path, data);
        state.valid = true;
        proxy.dispatchEvent("changed", changed);
    };
    client.cache.onChange((changedPath, changedIface, changed) => {
        if (changedPath === path && changedIface === iface) update(changed);
    });
    const known = client.cache.lookUp(path, iface);
    if (known !== null) update(known);

    client.subscribe({ path, interface: iface }, (_path, _iface, member, args) => {
        proxy.dispatchEvent("signal", member, args);
        if (isPublicName(member)) proxy.dispatchEvent(member, ...args);
    }, options.watch !== false);

    if (options.watch === false) {
        state.valid = true;
        waiting.resolve(proxy);
    } else {
        client
            .watch({ path, interface: iface })
            .done(() => waiting.resolve())
            .fail((error) => waiting.reject(error));
    }
    return proxy;
}

/** Gives `proxy` the members that the interface is known to have by now. */
function defineMembers(client: ProxyClient, proxy: PageProxy, iface: string, path: string, data: Record<string, unknown>): void {
    const meta = client.cache.meta(iface);
    for (const method of Object.keys(meta?.methods ?? {})) {
        if (!isPublicName(method) || Object.hasOwn(proxy, method)) continue;
        // Several return values come as several arguments of the callback.
        const call = (...args: readonly unknown[]) => {
            const result = defer<unknown>();
            client
                .call(path, iface, method, args)
                .done((values) => result.resolve(...values))
                .fail((error) => result.reject(error));
            return result.promise;
        };
        fixed(proxy, { [method]: call });
    }
    for (const name of new Set([...Object.keys(meta?.properties ?? {}), ...Object.keys(data)])) {
        if (!isPublicName(name) || Object.hasOwn(proxy, name)) continue;
        Object.defineProperty(proxy, name, {
            enumerable: true,
            configurable: true,
            get: () => data[name],
            set: (value: unknown) => {
                const type = meta?.properties?.[name]?.type ?? "v";
                client.call(path, "org.freedesktop.DBus.Properties", "Set", [iface, name, { t: type, v: value }]);
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
            if (existing === undefined) return;
            // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the object is the documented dictionary
            delete proxies[path];
            proxies.dispatchEvent("removed", existing);
        } else if (existing === undefined) {
            const proxy = makeProxy(client, iface, path, { watch: false });
            (proxies as Record<string, unknown>)[path] = proxy;
            proxies.dispatchEvent("added", proxy);
        } else proxies.dispatchEvent("changed", existing, changed);
    };
    client.cache.onChange((path, changedIface, changed) => {
        if (changedIface === iface) update(path, changed);
    });
    for (const [path, properties] of client.cache.having(iface)) update(path, properties);

    if (options.watch === false) waiting.resolve();
    else {
        // One rule for the signals of all of them; the proxies themselves ask for none.
        client.subscribe({ path_namespace: namespace, interface: iface }, () => undefined);
        client
            .watch({ path_namespace: namespace, interface: iface })
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
