/** What is known of D-Bus objects: properties by path and interface, and what the interfaces look like. */

import type { DBusInterfaceMeta, DBusMeta, DBusNotification } from "./api";
import { callSafely } from "./events";

type Properties = Readonly<Record<string, unknown>>;

/** One interface of one object changed; `null` when it went away. */
export type CacheListener = (path: string, iface: string, changed: Properties | null) => void;

export class DBusCache {
    readonly #objects = new Map<string, Map<string, Properties>>();
    readonly #meta = new Map<string, DBusInterfaceMeta>();
    readonly #listeners = new Set<CacheListener>();
    #over = false;

    lookUp(path: string, iface: string): Properties | null {
        return this.#objects.get(path)?.get(iface) ?? null;
    }

    /** Every object that has `iface`, in the order in which they became known. */
    *having(iface: string): Generator<readonly [path: string, properties: Properties], void> {
        for (const [path, interfaces] of this.#objects) {
            const properties = interfaces.get(iface);
            if (properties !== undefined) yield [path, properties];
        }
    }

    meta(iface: string): DBusInterfaceMeta | undefined {
        return this.#meta.get(iface);
    }

    learn(meta: DBusMeta): void {
        for (const [iface, description] of Object.entries(meta)) this.#meta.set(iface, description);
    }

    onChange(listener: CacheListener): () => void {
        this.#listeners.add(listener);
        return () => void this.#listeners.delete(listener);
    }

    notify(data: DBusNotification): void {
        for (const [path, interfaces] of Object.entries(data)) {
            for (const [iface, changed] of Object.entries(interfaces)) this.#change(path, iface, changed);
        }
    }

    /** Whether the client is gone: what is no longer known did not go away for that. */
    get isOver(): boolean {
        return this.#over;
    }

    /** The client closed: nothing is known any more. */
    clear(): void {
        this.#over = true;
        for (const [path, interfaces] of [...this.#objects]) {
            for (const iface of [...interfaces.keys()]) this.#change(path, iface, null);
        }
    }

    #change(path: string, iface: string, changed: Properties | null): void {
        const interfaces = this.#objects.get(path) ?? new Map<string, Properties>();
        this.#objects.set(path, interfaces);
        if (changed === null) interfaces.delete(iface);
        else interfaces.set(iface, { ...interfaces.get(iface), ...changed });
        if (interfaces.size === 0) this.#objects.delete(path);
        for (const listener of [...this.#listeners]) callSafely(() => listener(path, iface, changed));
    }
}
