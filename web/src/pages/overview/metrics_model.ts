/**
 * The live figures of a host: what the `metrics1` channel sends, as series over five minutes.
 *
 * Called by `page.ts` with every message of the channel, and by the view for what to draw and say.
 * No DOM, no channels, no clock: the time of a sample is passed in.
 */

/** Samples kept for each series: five minutes at one a second. */
export const KEPT_SAMPLES = 300;

/** A jump of more than this between two samples is drawn as a gap, in milliseconds. */
const GAP_AFTER = 2500;

/** The metrics that the overview asks for, in the order in which samples carry them. */
export const METRICS = [
    { name: "cpu.basic.user", derive: "rate" },
    { name: "cpu.basic.nice", derive: "rate" },
    { name: "cpu.basic.system", derive: "rate" },
    { name: "cpu.basic.iowait", derive: "rate" },
    { name: "memory.used" },
    { name: "disk.all.read", derive: "rate" },
    { name: "disk.all.written", derive: "rate" },
    { name: "network.interface.rx", derive: "rate" },
    { name: "network.interface.tx", derive: "rate" },
] as const;

/** One cell of a sample: a figure, or one for each instance; null where there is none. */
export type Cell = number | null | readonly (number | null)[];

/** The samples of one moment, complete: one cell for each of `METRICS`. */
export type Sample = readonly Cell[];

/**
 * Rebuilds whole samples from a channel's compressed ones: `null` and a missing end mean "as before",
 * `false` means "not available".
 *
 * One decoder belongs to one stretch between two meta messages.
 */
export class SampleDecoder {
    #last: (number | false | (number | false)[])[] = METRICS.map(() => false);

    /** Takes one sample as it stands in a message; anything but an array yields a sample of unknowns. */
    decode(raw: unknown): Sample {
        const cells = asList(raw);
        this.#last = this.#last.map((before, index) => merge(before, cells[index]));
        return this.#last.map((cell) => (Array.isArray(cell) ? cell.map(known) : known(cell)));
    }
}

/** What the four graphs show at one moment. A figure that is not known is null. */
export interface Figures {
    /** Share of all processors that is busy, in percent, 0 to 100. */
    readonly cpu: number | null;
    /** Share of all processors that waits for disks, in percent. */
    readonly wait: number | null;
    /** Bytes in use by programs, and bytes there are. */
    readonly memoryUsed: number | null;
    readonly memoryTotal: number | null;
    /** Bytes per second of all disks together. */
    readonly diskRead: number | null;
    readonly diskWritten: number | null;
    /** Bytes per second of all interfaces together, `lo` left out by the channel. */
    readonly received: number | null;
    readonly sent: number | null;
}

/** What a host has; the channel does not tell. */
export interface Capacity {
    /** How many processors, at least 1. */
    readonly processors: number;
    /** Bytes of memory; null where the host does not say. */
    readonly memory: number | null;
}

/** Reads a sample of a host of that capacity. */
export function figuresOf(sample: Sample, { processors, memory }: Capacity): Figures {
    const [user, nice, system, wait, used, read, written, received, sent] = sample.map(total);
    // The processor metrics are milliseconds of work in each second, summed over all processors.
    const percent = (value: number | null): number | null =>
        value === null ? null : Math.min(100, Math.max(0, value / (10 * processors)));
    return {
        cpu: percent(sum(user, nice, system)),
        wait: percent(sum(wait)),
        memoryUsed: sum(used),
        memoryTotal: memory,
        diskRead: sum(read),
        diskWritten: sum(written),
        received: sum(received),
        sent: sum(sent),
    };
}

/** Five minutes of figures, oldest first. Times are milliseconds since 1970 by the browser's clock. */
export interface History {
    readonly times: readonly number[];
    readonly figures: readonly (Figures | null)[];
}

export const NO_HISTORY: History = { times: [], figures: [] };

/**
 * The history with one more moment, at most `KEPT_SAMPLES` long.
 *
 * Where samples were missing (a hidden tab, a cut link) an empty moment is put in, so that the line breaks.
 */
export function remember(history: History, time: number, figures: Figures): History {
    const last = history.times.at(-1);
    const gap = last !== undefined && time - last > GAP_AFTER;
    const times = gap ? [...history.times, last + 1, time] : [...history.times, time];
    const all = gap ? [...history.figures, null, figures] : [...history.figures, figures];
    const oldest = time - KEPT_SAMPLES * 1000;
    const from = Math.max(times.findIndex((moment) => moment > oldest), times.length - KEPT_SAMPLES, 0);
    return { times: times.slice(from), figures: all.slice(from) };
}

/** One line of a graph, as long as the history; null where nothing is known. */
export function series(history: History, name: keyof Figures): (number | null)[] {
    return history.figures.map((moment) => moment?.[name] ?? null);
}

/** Current, lowest and highest value of a line; null when nothing is known of it. */
export interface Range {
    readonly now: number | null;
    readonly lowest: number;
    readonly highest: number;
}

/** What a line amounts to in words; null while there is no value at all. */
export function rangeOf(values: readonly (number | null)[]): Range | null {
    const there = values.filter((value) => value !== null);
    if (there.length === 0) return null;
    return { now: values.at(-1) ?? null, lowest: Math.min(...there), highest: Math.max(...there) };
}

/** Rows for *Show as table*: every `step`-th moment, newest first. */
export function tableRows(history: History, step: number): { time: number; figures: Figures }[] {
    return history.times
        .map((time, index) => ({ time, figures: history.figures[index] ?? null }))
        .filter((row): row is { time: number; figures: Figures } => row.figures !== null)
        .reverse()
        .filter((_row, index) => index % step === 0);
}

/**
 * How many processors a list such as `0-3,5` names (the kernel's cpulist, `/sys/devices/system/cpu/online`).
 *
 * A text that is none counts as one processor.
 */
export function countProcessors(list: string): number {
    let count = 0;
    for (const range of list.trim().split(",")) {
        const match = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(range);
        if (match === null) return 1;
        const first = Number(match[1]);
        const last = match[2] === undefined ? first : Number(match[2]);
        if (last < first) return 1;
        count += last - first + 1;
    }
    return Math.max(1, count);
}

/** Bytes of memory that `/proc/meminfo` names as `MemTotal`; null when it does not. */
export function bytesOfMemory(meminfo: string): number | null {
    const kibibytes = /^MemTotal:\s+([0-9]{1,12}) kB$/m.exec(meminfo)?.[1];
    return kibibytes === undefined ? null : Number(kibibytes) * 1024;
}

function merge(before: number | false | (number | false)[], cell: unknown): number | false | (number | false)[] {
    if (cell === null || cell === undefined) return before;
    if (!Array.isArray(cell)) return figure(cell, false);
    const old = Array.isArray(before) ? before : [];
    const length = Math.max(old.length, cell.length);
    return Array.from({ length }, (_none, index) => figure(asList(cell)[index], old[index] ?? false));
}

function figure(value: unknown, before: number | false): number | false {
    if (value === null || value === undefined) return before;
    return typeof value === "number" && Number.isFinite(value) ? value : false;
}

function asList(value: unknown): readonly unknown[] {
    return Array.isArray(value) ? (value as readonly unknown[]) : [];
}

function known(value: number | false): number | null {
    return value === false ? null : value;
}

function total(cell: Cell): number | null {
    return typeof cell === "number" || cell === null ? cell : sum(...cell);
}

/** The sum of what is known; null when nothing is. */
function sum(...values: (number | null | undefined)[]): number | null {
    const there = values.filter((value) => value !== null && value !== undefined);
    return there.length === 0 ? null : there.reduce((left, right) => left + right, 0);
}
