/**
 * `cockpit.defer()` as packages know it: its promise has the methods of every promise of the API and can be called
 * too. `deferred.promise()` is the promise; `deferred.promise(target)` gives `target` its methods.
 */

import type { CockpitPromise, Deferred } from "./api";
import { MultiPromise } from "./promise";

/** A promise that is also a function. */
export interface CallablePromise<T> extends CockpitPromise<T> {
    (): this;
    <Target extends object>(target: Target): CockpitPromise<T> & Target;
}

type Method = (...args: readonly unknown[]) => unknown;

const METHODS = ["then", "catch", "finally", "done", "fail", "always", "progress", "state"] as const;

/** `promise` in that dress. Methods that return their promise return the dressed one. */
export function callable<T>(promise: MultiPromise<T>): CallablePromise<T> {
    const members: Record<string, unknown> = {};
    const self = (target?: object): unknown => (target === undefined ? self : Object.assign(target, members));
    for (const name of METHODS) {
        const method = promise[name].bind(promise) as Method;
        members[name] = (...args: readonly unknown[]) => {
            const returned = method(...args);
            return returned === promise ? self : returned;
        };
    }
    members["promise"] = self;
    return Object.assign(self, members) as unknown as CallablePromise<T>;
}

/** The right to settle a promise. */
export class PackageDeferred<T> implements Deferred<T> {
    readonly #promise = new MultiPromise<T>();
    readonly promise = callable(this.#promise);

    resolve(...values: unknown[]): this {
        this.#promise.settle("resolved", values);
        return this;
    }

    reject(...values: unknown[]): this {
        this.#promise.settle("rejected", values);
        return this;
    }

    notify(...values: unknown[]): this {
        this.#promise.observe(values);
        return this;
    }
}

export function defer<T>(): PackageDeferred<T> {
    return new PackageDeferred<T>();
}
