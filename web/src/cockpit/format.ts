/**
 * `cockpit.format…()`: texts with values in them, numbers and sizes.
 *
 * The guide speaks of decimal places; every implementation counts significant digits, and so do we: layouts depend on
 * it. Both ways of calling are taken: with a factor (older versions) and with `base2` among the options (newer ones).
 */

import { language } from "../i18n";

/** Puts `args` in place of `$0`, `${0}`, `$name`, `${name}`. One object or list of values, or the values themselves. */
export function format(template: string, ...args: readonly unknown[]): string {
    const [first] = args;
    const values = args.length === 1 && typeof first === "object" && first !== null ? first : args;
    return template.replace(/\$(?:(\w+)|\{([^}]+)\})/g, (_whole, plain?: string, braced?: string) =>
        shown((values as Readonly<Record<string, unknown>>)[plain ?? braced ?? ""]),
    );
}

/** Falsy values are empty, but zero is a number. */
function shown(value: unknown): string {
    return value === 0 || Boolean(value) ? `${value as string | number}` : "";
}

/** Whole numbers as they are, others with `precision` digits; what is nearly zero stays visible as the smallest step. */
export function format_number(value: number | null | undefined, precision = 3): string {
    if (value == null || Number.isNaN(value)) return "";
    if (Number.isInteger(value) || !Number.isFinite(value)) return String(value);
    const smallest = 10 ** -precision;
    // The whole part is never cut.
    const whole = Math.trunc(Math.abs(value)) === 0 ? 1 : Math.floor(Math.log10(Math.abs(value))) + 1;
    const digits = Math.min(Math.max(Math.trunc(precision), whole, 1), 21);
    const [number, shape] =
        Math.abs(value) < smallest
            ? [Math.sign(value) * smallest, { minimumFractionDigits: Math.min(precision, 20), maximumFractionDigits: Math.min(precision, 20) }]
            : [value, { minimumSignificantDigits: digits, maximumSignificantDigits: digits }];
    return new Intl.NumberFormat(language(), { ...shape, useGrouping: false }).format(number);
}

export interface FormatOptions {
    /** The number and its unit as a list, for pages that show them apart. */
    readonly separate?: boolean;
    readonly precision?: number;
    /** Steps of 1024 in place of 1000. Not for bits. */
    readonly base2?: boolean;
}

/** A step, the unit that is wanted, or, in its place, the options. */
type Factor = 1000 | 1024 | string | FormatOptions | null | undefined;
/** Older callers pass `separate` alone. */
type Options = FormatOptions | boolean | undefined;

const BYTES: Readonly<Record<number, readonly string[]>> = {
    1000: ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB"],
    1024: ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB"],
};
const BITS: Readonly<Record<number, readonly string[]>> = { 1000: ["bps", "Kbps", "Mbps", "Gbps", "Tbps", "Pbps", "Ebps", "Zbps"] };

type Separate = FormatOptions & { readonly separate: true };

export function format_bytes(bytes: number | null | undefined, options: Separate): string[];
export function format_bytes(bytes: number | null | undefined, factor: Factor, options: Separate): string[];
export function format_bytes(bytes: number | null | undefined, factor?: Factor, options?: Options): string;
export function format_bytes(bytes: number | null | undefined, factor?: Factor, options?: Options): string | string[] {
    return withUnit(bytes, BYTES, "", factor, options);
}

export function format_bytes_per_sec(bytes: number | null | undefined, factor?: Factor, options?: Options): string | string[] {
    return withUnit(bytes, BYTES, "/s", factor, options);
}

export function format_bits_per_sec(bits: number | null | undefined, factor?: Factor, options?: Options): string | string[] {
    return withUnit(bits, BITS, "", factor, options);
}

function withUnit(
    value: number | null | undefined,
    units: Readonly<Record<number, readonly string[]>>,
    suffix: string,
    factorOrOptions: Factor,
    lastOptions: Options,
): string | string[] {
    const given = typeof factorOrOptions === "object" ? (factorOrOptions ?? {}) : typeof lastOptions === "boolean" ? { separate: lastOptions } : (lastOptions ?? {});
    const factor = typeof factorOrOptions === "object" ? undefined : factorOrOptions;
    const { separate = false, precision = 3, base2 = false } = given;
    const [number, unit] = value == null || Number.isNaN(value) ? ["", undefined] : inUnit(value, units, suffix, factor ?? (base2 ? 1024 : 1000), precision);
    if (separate) return unit === undefined ? [number] : [number, unit];
    return unit === undefined ? number : `${number} ${unit}`;
}

function inUnit(value: number, units: Readonly<Record<number, readonly string[]>>, suffix: string, factor: number | string, precision: number): [string, string | undefined] {
    // "KB" was the name of the unit until it was put right.
    const wanted = typeof factor === "string" && factor === `KB${suffix}` ? `kB${suffix}` : factor;
    for (const [name, plainNames] of Object.entries(units)) {
        const step = Number(name);
        const names = plainNames.map((unit) => unit + suffix);
        const exponent = typeof wanted === "string" ? names.indexOf(wanted) : wanted === step ? exponentOf(value, step, names.length) : -1;
        if (exponent >= 0) return [format_number(value / step ** exponent, precision), typeof factor === "string" ? factor : names[exponent]];
    }
    return [format_number(value, precision), undefined];
}

function exponentOf(value: number, step: number, count: number): number {
    let exponent = 0;
    let rest = Math.abs(value);
    while (rest >= step && exponent < count - 1) {
        rest /= step;
        exponent++;
    }
    return exponent;
}

/** A unit to choose for a size. */
export interface ByteUnit {
    readonly name: string;
    /** Bytes of one. */
    readonly factor: number;
    /** Whether it is the one that fits the size. */
    readonly selected?: true;
}

/** `cockpit.get_byte_units()`: the units to choose from for a size that is typed in, from millions up. */
export function get_byte_units(bytes: number, factor: number): ByteUnit[] {
    const step = factor === 1024 ? 1024 : 1000;
    const names = BYTES[step] ?? [];
    const fitting = Math.min(Math.max(exponentOf(bytes, step, names.length), 2), 4);
    return names.slice(2, 5).map((name, at) => ({ name, factor: step ** (at + 2), ...(at + 2 === fitting ? { selected: true as const } : {}) }));
}
