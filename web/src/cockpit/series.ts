/**
 * `cockpit.series()` and `cockpit.grid()`: values along an axis of whole intervals, and windows onto them.
 * A row of a grid is an array whose index 0 is the value at the grid's beginning.
 */

import { Emitter } from "./events";

/** Items kept for grids that come or move later, by default. */
const DEFAULT_LIMIT = 64 * 1024;

type Mapping = Readonly<Record<string, unknown>>;
type Path = string | readonly (string | number)[] | null | undefined;

export class Series {
    /** Most items that are kept; the oldest go first. */
    limit = DEFAULT_LIMIT;
    readonly #items = new Map<number, unknown>();
    readonly #grids = new Set<Grid>();
    #mapping: Mapping = {};
    /** What the producer was asked for already, as `[from, to)`. */
    readonly #asked: (readonly [from: number, to: number])[] = [];

    constructor(
        readonly interval: number,
        private readonly fetch?: (beg: number, end: number) => void,
    ) {}

    /** New items from `beg` on; every grid that shows them is filled. */
    input(beg: number, items: readonly unknown[], mapping?: object): void {
        if (mapping !== undefined) this.#mapping = mapping as Mapping;
        for (const [at, item] of items.entries()) this.#items.set(beg + at, item);
        for (const offset of this.#items.keys()) {
            if (this.#items.size <= this.limit) break;
            this.#items.delete(offset);
        }
        for (const grid of this.#grids) grid.fill(this, beg, beg + items.length);
    }

    /** Fills grids with what is kept, and asks the producer for the rest: once for each part. */
    load(beg: number, end: number): void {
        for (const grid of this.#grids) grid.fill(this, beg, end);
        if (this.fetch === undefined) return;
        for (let at = beg; at < end; ) {
            let to = at;
            while (to < end && !this.#items.has(to) && !this.#isAsked(to)) to++;
            if (to > at) {
                this.#remember(at, to);
                this.fetch(at, to);
            }
            at = Math.max(to, at) + 1;
        }
    }

    /** Ends the series for every grid. */
    close(): void {
        for (const grid of [...this.#grids]) grid.remove_sink(this);
        this.#items.clear();
    }

    #isAsked(offset: number): boolean {
        return this.#asked.some(([from, to]) => from <= offset && offset < to);
    }

    #remember(from: number, to: number): void {
        const before = this.#asked.findIndex(([, end]) => end === from);
        const [start] = this.#asked[before] ?? [from];
        if (before >= 0) this.#asked.splice(before, 1);
        this.#asked.push([start, to]);
    }

    /** The value at `offset`, below `path`; undefined when it is not known. */
    at(offset: number, path: readonly (string | number)[]): unknown {
        let value = this.#items.get(offset);
        let mapping: unknown = this.#mapping;
        for (const name of path) {
            mapping = member(mapping, name);
            const index = member(mapping, "");
            value = member(value, typeof index === "number" || typeof index === "string" ? index : name);
        }
        return value;
    }

    attach(grid: Grid): void {
        this.#grids.add(grid);
    }

    detach(grid: Grid): void {
        this.#grids.delete(grid);
    }
}

function member(value: unknown, name: string | number): unknown {
    return typeof value === "object" && value !== null && Object.hasOwn(value, name) ? (value as Readonly<Record<string | number, unknown>>)[name] : undefined;
}

export type Row = unknown[];
type RowCallback = (this: Grid, row: Row, index: number, count: number) => void;

type RowSource =
    | { readonly kind: "series"; readonly series: Series; readonly path: readonly (string | number)[] }
    | { readonly kind: "callback"; readonly callback: RowCallback; readonly order: "early" | "late" }
    | { readonly kind: "none" };

interface GridEvents extends Record<string, readonly unknown[]> {
    notify: readonly [index: number, count: number];
}

export class Grid extends Emitter<GridEvents> {
    beg = 0;
    end = 0;
    onnotify: ((event: CustomEvent, index: number, count: number) => void) | null = null;
    readonly #rows = new Map<Row, RowSource>();
    #syncing = false;
    #walking: ReturnType<typeof setInterval> | null = null;

    constructor(
        readonly interval: number,
        beg?: number,
        end?: number,
    ) {
        super();
        if (beg !== undefined) this.move(beg, end);
    }

    /** A new row: of a series and a path in its items, of a callback, or empty. */
    add(source?: Series | { readonly series: Series } | RowCallback, pathOrEarly?: Path | boolean): Row {
        const row: Row = [];
        if (source === undefined) this.#rows.set(row, { kind: "none" });
        else if (typeof source === "function") this.#rows.set(row, { kind: "callback", callback: source, order: pathOrEarly === true ? "early" : "late" });
        else {
            const series = source instanceof Series ? source : source.series;
            if (series.interval !== this.interval) throw new Error(`the series has ${series.interval} ms, the grid ${this.interval} ms`);
            const path = typeof pathOrEarly === "boolean" ? null : pathOrEarly;
            this.#rows.set(row, { kind: "series", series, path: typeof path === "string" ? (path === "" ? [] : path.split(".")) : (path ?? []) });
            series.attach(this);
        }
        return row;
    }

    remove(row: Row): void {
        const source = this.#rows.get(row);
        this.#rows.delete(row);
        if (source?.kind !== "series") return;
        const stillUsed = [...this.#rows.values()].some((other) => other.kind === "series" && other.series === source.series);
        if (!stillUsed) source.series.detach(this);
    }

    /** Loads every series anew. */
    sync(): void {
        this.#syncing = true;
        try {
            for (const series of this.#series()) series.load(this.beg, this.end);
        } finally {
            this.#syncing = false;
        }
        this.notify(0, this.end - this.beg);
    }

    /** Removes every row of a series. */
    remove_sink(series: Series): void {
        for (const [row, source] of [...this.#rows]) if (source.kind === "series" && source.series === series) this.remove(row);
    }

    /** Another range; negative numbers count back from now, in intervals. Walking ends. */
    move(beg: number, end?: number): void {
        this.#stopWalking();
        this.#moveTo(beg, end ?? beg);
    }

    walk(): void {
        this.#stopWalking();
        this.#walking = setInterval(() => this.#moveTo(this.beg + 1, this.end + 1), this.interval);
    }

    notify(index: number, count: number): void {
        for (const order of ["early", "late"]) {
            for (const [row, source] of this.#rows) {
                if (source.kind === "callback" && source.order === order) source.callback.call(this, row, index, count);
            }
        }
        this.dispatchEvent("notify", index, count);
    }

    close(): void {
        this.#stopWalking();
        for (const series of this.#series()) series.detach(this);
    }

    /** Takes from `series` what lies between `beg` and `end` and in this grid. */
    fill(series: Series, beg: number, end: number): void {
        const first = Math.max(beg, this.beg);
        const last = Math.min(end, this.end);
        if (first >= last) return;
        for (const [row, source] of this.#rows) {
            if (source.kind !== "series" || source.series !== series) continue;
            for (let offset = first; offset < last; offset++) {
                const value = series.at(offset, source.path);
                if (value !== undefined) row[offset - this.beg] = value;
            }
        }
        // While all of it is loaded, callbacks run once, at the end.
        if (!this.#syncing) this.notify(first - this.beg, last - first);
    }

    #moveTo(beg: number, end: number): void {
        const now = Math.floor(Date.now() / this.interval);
        const absolute = (offset: number) => (offset < 0 || Object.is(offset, -0) ? now + offset : offset);
        this.beg = absolute(beg);
        this.end = absolute(end);
        for (const row of this.#rows.keys()) row.length = 0;
        this.sync();
    }

    #series(): ReadonlySet<Series> {
        return new Set([...this.#rows.values()].flatMap((source) => (source.kind === "series" ? [source.series] : [])));
    }

    #stopWalking(): void {
        if (this.#walking !== null) clearInterval(this.#walking);
        this.#walking = null;
    }
}

export function grid(interval: number, beg?: number, end?: number): Grid {
    return new Grid(interval, beg, end);
}

/** A sink of items; the second argument (sharing between frames) is accepted and not used. */
export function series(interval: number, _cache?: string | null, fetch?: (beg: number, end: number) => void): Series {
    return new Series(interval, fetch);
}
