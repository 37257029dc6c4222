/**
 * Promises that carry several values, with `done`, `fail`, `always` and `progress` beside the standard methods.
 *
 * Everything asynchronous in the API returns one. Their own rejection is never reported as unhandled: many pages
 * start things without caring how they end. What `then`, `catch` and `finally` return is reported as usual.
 *
 * Packages get these promises in another dress, which can be called: `callable.ts`.
 */

import type { CockpitError, CockpitPromise, Deferred } from "./api";
import { callSafely } from "./events";

type Values = readonly unknown[];
type Callback = (...values: never[]) => unknown;

interface Outcome {
    readonly state: "resolved" | "rejected";
    readonly values: Values;
}

export class MultiPromise<T, Rest extends readonly unknown[] = []> implements CockpitPromise<T, Rest> {
    readonly [Symbol.toStringTag] = "Promise";
    /** Never rejected: what happened is in the value. */
    readonly #outcome: Promise<Outcome>;
    #finished: (outcome: Outcome) => void = () => undefined;
    #state: "pending" | "resolved" | "rejected" = "pending";
    #settled = false;
    #handled: boolean;
    readonly #observers: Callback[] = [];
    #lent: Readonly<Record<string, Callback>> = {};

    /** `"derived"`: a rejection that nobody handles is reported. */
    constructor(origin: "root" | "derived" = "root") {
        this.#handled = origin === "root";
        this.#outcome = new Promise<Outcome>((finished) => {
            this.#finished = finished;
        });
    }

    /** Methods that stay within reach on what `then`, `catch` and `finally` return: `spawn(…).then(…).input("")`. */
    protected lend(methods: Readonly<Record<string, Callback>>): void {
        this.#lent = methods;
    }

    /** Settles this promise; the first time counts. A promise as the only value is waited for. */
    settle(state: "resolved" | "rejected", values: Values): void {
        if (this.#settled) return;
        this.#settled = true;
        const [first] = values;
        if (state === "resolved" && values.length <= 1 && isThenable(first)) {
            void first.then(
                (...more: unknown[]) => this.#finish("resolved", more),
                (...more: unknown[]) => this.#finish("rejected", more),
            );
        } else this.#finish(state, values);
    }

    observe(values: Values): void {
        if (this.#state === "pending") for (const observer of this.#observers) observer(...(values as never[]));
    }

    #finish(state: "resolved" | "rejected", values: Values): void {
        this.#state = state;
        this.#finished({ state, values });
        if (state === "rejected" && !this.#handled) {
            setTimeout(() => {
                if (this.#handled) return;
                reportError(values[0]);
            });
        }
    }

    state(): "pending" | "resolved" | "rejected" {
        return this.#state;
    }

    promise(): this {
        return this;
    }

    then<A = T, B = never>(
        fulfilled?: ((value: T, ...rest: never[]) => A | PromiseLike<A>) | null,
        rejected?: ((reason: CockpitError, ...rest: never[]) => B | PromiseLike<B>) | null,
    ): CockpitPromise<A | B> {
        const derived = new MultiPromise<A | B>("derived");
        derived.#borrow(this.#lent);
        this.#handled = true;
        const continued = (callback: Callback, values: Values) => {
            try {
                derived.settle("resolved", [callback(...(values as never[]))]);
            } catch (error) {
                derived.settle("rejected", [error]);
            }
        };
        void this.#outcome.then(({ state, values }) => {
            const callback = state === "resolved" ? fulfilled : rejected;
            if (callback == null) derived.settle(state, values);
            else continued(callback, values);
        });
        return derived;
    }

    #borrow(methods: Readonly<Record<string, Callback>>): void {
        this.#lent = methods;
        for (const [name, method] of Object.entries(methods)) {
            const borrowed = (...args: never[]) => {
                method(...args);
                return this;
            };
            Object.defineProperty(this, name, { value: borrowed });
        }
    }

    catch<B = never>(rejected?: ((reason: never, ...rest: never[]) => B | PromiseLike<B>) | null): CockpitPromise<T | B> {
        return this.then(undefined, rejected as (reason: CockpitError) => B | PromiseLike<B>);
    }

    finally(callback?: (() => void) | null): CockpitPromise<T> {
        const same = () => {
            callback?.();
            return this;
        };
        return this.then(same, same);
    }

    done(callback: (value: T, ...rest: Rest) => void): this {
        return this.#when(["resolved"], callback);
    }

    fail(callback: (error: never, ...rest: never[]) => void): this {
        this.#handled = true;
        return this.#when(["rejected"], callback);
    }

    always(callback: (...values: never[]) => void): this {
        this.#handled = true;
        return this.#when(["resolved", "rejected"], callback);
    }

    #when(states: readonly Outcome["state"][], callback: Callback): this {
        void this.#outcome.then(({ state, values }) => {
            if (states.includes(state)) callSafely(() => void callback(...(values as never[])));
        });
        return this;
    }

    progress(callback: (...values: never[]) => void): this {
        this.#observers.push(callback);
        return this;
    }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
    const canHaveMembers = (typeof value === "object" && value !== null) || typeof value === "function";
    return canHaveMembers && "then" in value && typeof value.then === "function";
}

/** `cockpit.defer()`: a promise and the right to settle it. */
export class PageDeferred<T> implements Deferred<T> {
    readonly promise = new MultiPromise<T>();

    resolve(...values: unknown[]): this {
        this.promise.settle("resolved", values);
        return this;
    }

    reject(...values: unknown[]): this {
        this.promise.settle("rejected", values);
        return this;
    }

    notify(...values: unknown[]): this {
        this.promise.observe(values);
        return this;
    }
}

export function defer<T>(): PageDeferred<T> {
    return new PageDeferred<T>();
}

/** A promise that is resolved already. */
export function resolve<T>(...values: unknown[]): CockpitPromise<T> {
    return defer<T>().resolve(...values).promise;
}

/** A promise that is rejected already. */
export function reject<T = never>(...values: unknown[]): CockpitPromise<T> {
    return defer<T>().reject(...values).promise;
}

/** Resolves with the values of all, in order, or is rejected with the first failure. */
export function all(...given: readonly unknown[]): CockpitPromise<unknown> {
    const promises: readonly unknown[] = given.length === 1 && Array.isArray(given[0]) ? (given[0] as unknown[]) : given;
    const result = defer<unknown>();
    Promise.all(promises).then(
        (values) => result.resolve(...values),
        (error: unknown) => result.reject(error),
    );
    return result.promise;
}
