/** `cockpit.format…()`: texts with values in them, numbers and sizes, as the guide describes them. */

import { language } from "../i18n";

/** Puts `args` in place of `$0`, `${0}`, `$name`, `${name}`. One object or list of values, or the values themselves. */
export function format(template: string, ...args: readonly unknown[]): string {
    const [first] = args;
    const values = args.length === 1 && typeof first === "object" && first !== null ? first : args;
    return template.replace(/\$(?:(\w+)|\{([^}]+)\})/g, (_whole, plain?: string, braced?: string) =>
        shown((values as Readonly<Record<string, unknown>>)[plain ?? braced ?? ""]),
    );
}

/** Falsy values are empty, but numbers are numbers. */
function shown(value: unknown): string {
    if (value === undefined || value === null || value === false) return "";
    return `${value as string | number}`;
}

/** At most `precision` decimals; what is nearly zero stays visible as the smallest step. */
export function format_number(value: number | null | undefined, precision = 3): string {
    if (value == null) return "";
    const smallest = 10 ** -precision;
    const nearZero = value !== 0 && Math.abs(value) < smallest;
    const rounded = nearZero ? Math.sign(value) * smallest : value;
    return new Intl.NumberFormat(language(), { maximumFractionDigits: Number.isInteger(value) ? 0 : precision }).format(rounded);
}

type Factor = 1000 | 1024 | string | undefined;

export interface FormatOptions {
    /** The number and its unit as a list, for pages that show them apart. */
    readonly separate?: boolean;
    readonly precision?: number;
}

const BYTES: Readonly<Record<number, readonly string[]>> = {
    1000: ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB"],
    1024: ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB"],
};
const BITS: Readonly<Record<number, readonly string[]>> = { 1000: ["bps", "Kbps", "Mbps", "Gbps", "Tbps", "Pbps"] };

export function format_bytes(bytes: number | null | undefined, factor?: Factor, options?: FormatOptions | boolean): string;
export function format_bytes(bytes: number | null | undefined, factor: Factor, options: FormatOptions & { readonly separate: true }): string[];
export function format_bytes(bytes: number | null | undefined, factor?: Factor, options?: FormatOptions | boolean): string | string[] {
    return withUnit(bytes, factor, BYTES, "", optionsOf(options));
}

export function format_bytes_per_sec(bytes: number | null | undefined, factor?: Factor, options?: FormatOptions | boolean): string | string[] {
    return withUnit(bytes, factor, BYTES, "/s", optionsOf(options));
}

export function format_bits_per_sec(bits: number | null | undefined, factor?: Factor, options?: FormatOptions | boolean): string | string[] {
    return withUnit(bits, factor, BITS, "", optionsOf(options));
}

/** Older callers pass `separate` alone. */
function optionsOf(options: FormatOptions | boolean | undefined): FormatOptions {
    return typeof options === "boolean" ? { separate: options } : (options ?? {});
}

function withUnit(
    value: number | null | undefined,
    factor: Factor,
    units: Readonly<Record<number, readonly string[]>>,
    suffix: string,
    { separate = false, precision = 3 }: FormatOptions,
): string | string[] {
    if (value == null) return separate ? [] : "";
    const [step, list] = scaleOf(factor, units, suffix);
    const exponent = typeof factor === "string" ? list.indexOf(factor) : exponentOf(value, step, list.length);
    const unit = exponent < 0 ? undefined : list[exponent];
    const number = format_number(exponent <= 0 ? value : value / step ** exponent, precision);
    if (separate) return unit === undefined ? [number] : [number, unit];
    return unit === undefined ? number : `${number} ${unit}`;
}

/** The factor and its units: of a number itself, of a unit the factor that has it. */
function scaleOf(factor: Factor, units: Readonly<Record<number, readonly string[]>>, suffix: string): readonly [number, readonly string[]] {
    const wanted = factor ?? 1000;
    for (const [step, names] of Object.entries(units)) {
        const list = names.map((name) => name + suffix);
        if (typeof wanted === "string" ? list.includes(wanted) : Number(step) === wanted) return [Number(step), list];
    }
    return [1000, []];
}

function exponentOf(value: number, step: number, count: number): number {
    let exponent = 0;
    let rest = Math.abs(value);
    while (rest >= step && exponent < count - 1) {
        rest /= step;
        exponent++;
    }
    return count === 0 ? -1 : exponent;
}
