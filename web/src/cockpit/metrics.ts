/** `cockpit.metrics()`: live and archived metrics as a series that grids can show. */

import type * as api from "./api";
import { PageChannel } from "./channel";
import { Emitter } from "./events";
import { SampleDecoder } from "./samples";
import { Series } from "./series";

interface MetricsEvents extends Record<string, readonly unknown[]> {
    changed: readonly [];
}

export class PageMetrics extends Emitter<MetricsEvents> {
    readonly series: Series;
    meta: api.MetricsMeta | null = null;
    /** Whether archived data came; null until then. */
    archives: boolean | null = null;
    onchanged: ((event: CustomEvent) => void) | null = null;
    readonly #choices: readonly api.MetricsOptions[];
    readonly #channels = new Set<PageChannel>();
    /** Every source of archived data was refused: grids that walk are not to ask again and again. */
    #archivesRefused = false;

    constructor(
        readonly interval: number,
        options: api.MetricsOptions | readonly api.MetricsOptions[],
    ) {
        super();
        this.#choices = isList(options) ? options : [options];
        this.series = new Series(interval, (beg, end) => this.fetch(beg, end));
    }

    /** Live data, from the first source that has them. */
    follow(): void {
        this.#try("live", this.#choices.map((choice) => ({ ...choice, source: choice.source ?? "internal", interval: this.interval })));
    }

    /** Archived data between two times, which are dates or numbers of intervals. */
    fetch(beg: number | Date, end: number | Date): void {
        const first = this.#offset(beg);
        const limit = this.#offset(end) - first;
        const choices = this.#choices.flatMap((choice) => {
            const source = choice["archive_source"];
            return typeof source === "string" ? [{ ...choice, source, interval: this.interval, timestamp: first * this.interval, limit }] : [];
        });
        if (!this.#archivesRefused && limit > 0) this.#try("archived", choices);
    }

    close(): void {
        for (const channel of [...this.#channels]) channel.close();
    }

    #offset(time: number | Date): number {
        return typeof time === "number" ? time : Math.floor(time.getTime() / this.interval);
    }

    /** How far our clock is ahead, in milliseconds. What was asked for by time stands at that time. */
    #drift(kind: "live" | "archived", meta: api.MetricsMeta): number {
        return kind === "archived" ? 0 : Date.now() - meta.now;
    }

    /** Opens the first choice; the next one when it is refused before any data came. */
    #try(kind: "live" | "archived", choices: readonly api.MetricsOptions[]): void {
        const [choice, ...others] = choices;
        if (choice === undefined) return;
        const channel = new PageChannel({ payload: "metrics1", ...choice, archive_source: undefined });
        const decoder = new SampleDecoder();
        let next = 0;
        this.#channels.add(channel);
        channel.addEventListener("message", (_event, data) => {
            const message = decoder.decode(String(data));
            if (message.kind === "meta") {
                this.meta = message.meta;
                // The bridge's clock may differ from ours; grids count in our time.
                next = Math.floor((message.meta.timestamp + this.#drift(kind, message.meta)) / this.interval);
                this.dispatchEvent("changed");
                return;
            }
            if (kind === "archived" && this.archives === null) {
                this.archives = true;
                this.dispatchEvent("changed");
            }
            this.series.input(next, message.samples, mappingOf(decoder.meta));
            next += message.samples.length;
        });
        channel.addEventListener("close", (_event, close) => {
            this.#channels.delete(channel);
            if (close.problem === undefined || decoder.meta !== null) return;
            if (kind === "archived" && others.length === 0) this.#archivesRefused = close.problem === "not-supported";
            this.#try(kind, others);
        });
    }
}

/** Where the values of a metric, and of its instances, stand in a sample. */
function mappingOf(meta: api.MetricsMeta | null): object {
    const entries = (meta?.metrics ?? []).map((metric, index) => {
        const instances = (metric.instances ?? []).map((name, at) => [name, { "": at }] as const);
        return [metric.name, { "": index, ...Object.fromEntries(instances) }] as const;
    });
    return Object.fromEntries(entries);
}

function isList(options: api.MetricsOptions | readonly api.MetricsOptions[]): options is readonly api.MetricsOptions[] {
    return Array.isArray(options);
}

/** The third argument (sharing between frames) is accepted and not used. */
export const metrics: (interval: number, options: api.MetricsOptions | readonly api.MetricsOptions[], cache?: string) => PageMetrics = (interval, options) =>
    new PageMetrics(interval, options);
