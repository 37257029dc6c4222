/**
 * Samples of a `metrics1` channel, unpacked. The bridge sends only what changed: `null` stands for the value before,
 * and what is missing at the end of a list as well. Callers: `metrics.ts` and pages with graphs.
 */

import type { MetricsMeta, Sample, Samples } from "./api";

type PackedValue = number | false | null | readonly (number | false | null)[];

/** What one message of the channel said. */
export type MetricsMessage =
    | { readonly kind: "meta"; readonly meta: MetricsMeta }
    /** Oldest first; one entry for each metric of the last meta, in its order. */
    | { readonly kind: "samples"; readonly samples: readonly Samples[] };

export class SampleDecoder {
    #last: Samples = [];
    #meta: MetricsMeta | null = null;

    get meta(): MetricsMeta | null {
        return this.#meta;
    }

    decode(message: string): MetricsMessage {
        const parsed = JSON.parse(message) as MetricsMeta | readonly (readonly PackedValue[])[];
        if (!isSamples(parsed)) {
            this.#meta = parsed;
            this.#last = [];
            return { kind: "meta", meta: parsed };
        }
        return { kind: "samples", samples: parsed.map((packed) => this.#unpack(packed)) };
    }

    #unpack(packed: readonly PackedValue[]): Samples {
        const width = Math.max(packed.length, this.#last.length, this.#meta?.metrics.length ?? 0);
        this.#last = Array.from({ length: width }, (_unused, index) => unpackValue(packed[index] ?? null, this.#last[index]));
        return this.#last;
    }
}

function unpackValue(packed: PackedValue, last: Sample | readonly Sample[] | undefined): Sample | readonly Sample[] {
    if (packed === null) return last ?? false;
    if (typeof packed === "number" || packed === false) return packed;
    const before = Array.isArray(last) ? (last as readonly Sample[]) : [];
    const width = Math.max(packed.length, before.length);
    return Array.from({ length: width }, (_unused, index) => packed[index] ?? before[index] ?? false);
}

function isSamples(parsed: MetricsMeta | readonly (readonly PackedValue[])[]): parsed is readonly (readonly PackedValue[])[] {
    return Array.isArray(parsed);
}
