/** What the guide does not name and stock pages use. Nothing else in this folder calls it. */

import { dbus } from "./dbus";

/** `cockpit.assert()`: throws unless `condition` holds. */
export function assert(condition: unknown, text?: string): asserts condition {
    if (!condition) throw new Error(`Assertion failed: ${text ?? ""}`);
}

/** `cockpit.extend()`: copies members; with `true` first, objects within objects are joined too. */
export function extend(...args: readonly unknown[]): object {
    const [first, ...rest] = args;
    const [target = {}, ...sources] = first === true ? rest : args;
    for (const source of sources) {
        if (typeof source !== "object" || source === null) continue;
        for (const [name, value] of Object.entries(source)) put(target as object, name, value, first === true ? "deep" : "flat");
    }
    return target as object;
}

function put(target: object, name: string, value: unknown, how: "deep" | "flat"): void {
    // Otherwise data of a host could reach the prototype of every object.
    if (value === undefined || name === "__proto__") return;
    const before = Object.hasOwn(target, name) ? (target as Readonly<Record<string, unknown>>)[name] : undefined;
    const joined = how === "deep" && isPlain(value) ? extend(true, isPlain(before) ? before : {}, value) : value;
    Object.assign(target, { [name]: joined });
}

function isPlain(value: unknown): value is object {
    return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** `cockpit.drop_privileges()`: turns superuser access off. */
export function drop_privileges(): void {
    dbus(null, { bus: "internal" }).call("/superuser", "cockpit.Superuser", "Stop", []);
}
