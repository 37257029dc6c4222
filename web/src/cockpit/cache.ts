/** `cockpit.cache()`: one provider of a value for all consumers of the same key in this page. */

type Consumer = (value: unknown, key: string) => void;
type Provider = (result: (value: unknown) => void, key: string) => { close?: () => void } | null | undefined;

interface Entry {
    readonly consumers: Set<Consumer>;
    provided: { close?: () => void } | null | undefined;
    latest: { readonly value: unknown } | null;
}

const entries = new Map<string, Entry>();

/** Runs `provider` unless another consumer of `key` did; `consumer` gets each value. `close()` ends it for this one. */
export function cache(key: string, provider: Provider, consumer: Consumer): { close(): void } {
    const existing = entries.get(key);
    const entry = existing ?? { consumers: new Set(), provided: null, latest: null };
    entries.set(key, entry);
    entry.consumers.add(consumer);
    if (existing === undefined) {
        entry.provided = provider((value) => {
            entry.latest = { value };
            for (const one of [...entry.consumers]) one(value, key);
        }, key);
    } else if (entry.latest !== null) consumer(entry.latest.value, key);
    return {
        close: () => {
            entry.consumers.delete(consumer);
            if (entry.consumers.size > 0 || entries.get(key) !== entry) return;
            entries.delete(key);
            entry.provided?.close?.();
        },
    };
}
