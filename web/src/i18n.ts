/**
 * Words, numbers and times in the user's language. Called by every file that shows text, and by `cockpit/locale.ts`
 * for packages.
 *
 * `_("…")` takes one literal, so that the texts can be collected. Units: bytes of memory and disk in KiB steps
 * (1024), of traffic in kB steps (1000). An unknown number is "–", never 0.
 */

/** Translations of one language. */
export interface Catalog {
    /** BCP 47, for example `de` or `pt-BR`. */
    readonly language: string;
    readonly direction: "ltr" | "rtl";
    /** Index of the plural form for a number. */
    readonly plural: (count: number) => number;
    /** Forms by text; with a context the key is context, U+0004, text. */
    readonly texts: ReadonlyMap<string, readonly string[]>;
}

const ENGLISH: Catalog = { language: "en", direction: "ltr", plural: (count) => (count === 1 ? 0 : 1), texts: new Map() };
const CONTEXT_SEPARATOR = "\u0004";

/** What an unknown or absent value looks like. */
export const UNKNOWN = "–";

let catalog = ENGLISH;

/** Changes the language of everything shown from now on; `null` is English. */
export function useCatalog(next: Catalog | null): void {
    catalog = next ?? ENGLISH;
}

/** The language in use, as BCP 47. */
export function language(): string {
    return catalog.language;
}

export function direction(): "ltr" | "rtl" {
    return catalog.direction;
}

/** `text` in the user's language. */
export function _(text: string): string {
    return lookUp(text, 0) ?? text;
}

/** As {@link _}, for a word that means different things in different places. */
export function C_(context: string, text: string): string {
    return lookUp(context + CONTEXT_SEPARATOR + text, 0) ?? text;
}

/** The form for `count`; the number itself is put in by the caller (see {@link fill}). */
export function ngettext(one: string, many: string, count: number): string {
    return lookUp(one, catalog.plural(count)) ?? (count === 1 ? one : many);
}

/** As {@link ngettext}, with a context. */
export function nC_(context: string, one: string, many: string, count: number): string {
    return lookUp(context + CONTEXT_SEPARATOR + one, catalog.plural(count)) ?? (count === 1 ? one : many);
}

function lookUp(key: string, form: number): string | undefined {
    const translated = catalog.texts.get(key)?.[form];
    return translated === "" ? undefined : translated;
}

/** Puts values in place of `$0`, `$1` …: `fill(_("$0 of $1"), a, b)`. */
export function fill(template: string, ...values: readonly (string | number)[]): string {
    return template.replace(/\$(\d+)/g, (_whole, index: string) => String(values[Number(index)] ?? ""));
}

/** A number with the language's separators and at most `digits` decimals. */
export function formatNumber(value: number | null, digits = 1): string {
    if (value === null || !Number.isFinite(value)) return UNKNOWN;
    return new Intl.NumberFormat(language(), { maximumFractionDigits: digits }).format(value);
}

/** `share` between 0 and 1 as a percentage. */
export function formatPercent(share: number | null): string {
    if (share === null || !Number.isFinite(share)) return UNKNOWN;
    return new Intl.NumberFormat(language(), { style: "percent", maximumFractionDigits: 0 }).format(share);
}

/** Memory and disk: 1024 bytes are 1 KiB. */
export function formatBytes(bytes: number | null): string {
    return formatSteps(bytes, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]);
}

/** Traffic: 1000 bytes a second are 1 kB/s. */
export function formatBytesPerSecond(bytes: number | null): string {
    return formatSteps(bytes, 1000, ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"]);
}

function formatSteps(value: number | null, factor: number, units: readonly string[]): string {
    if (value === null || !Number.isFinite(value)) return UNKNOWN;
    let rest = value;
    let step = 0;
    while (Math.abs(rest) >= factor && step < units.length - 1) {
        rest /= factor;
        step++;
    }
    const digits = step === 0 || Math.abs(rest) >= 100 ? 0 : 1;
    return `${formatNumber(rest, digits)}\u00a0${units[step] ?? ""}`;
}

/** Hours and minutes, and seconds; with the day when it is not today. `now` is given so that tests can choose it. */
export function formatTime(time: Date, now: Date = new Date()): string {
    const sameDay = time.toDateString() === now.toDateString();
    return new Intl.DateTimeFormat(language(), {
        ...(sameDay ? {} : { dateStyle: "medium" }),
        timeStyle: "medium",
    }).format(time);
}

/** Date and time in full, for what is shown on hover and focus. */
export function formatExactTime(time: Date): string {
    return new Intl.DateTimeFormat(language(), { dateStyle: "full", timeStyle: "long" }).format(time);
}

const AGO_STEPS: readonly (readonly [unit: Intl.RelativeTimeFormatUnit, seconds: number])[] = [
    ["day", 86_400],
    ["hour", 3_600],
    ["minute", 60],
    ["second", 1],
];

/** "3 minutes ago" under a day; else the date and time. */
export function formatAgo(time: Date, now: Date = new Date()): string {
    const seconds = (time.getTime() - now.getTime()) / 1000;
    if (Math.abs(seconds) >= 86_400) return formatTime(time, now);
    const [unit, size] = AGO_STEPS.find(([, step]) => Math.abs(seconds) >= step) ?? (["second", 1] as const);
    return new Intl.RelativeTimeFormat(language(), { numeric: "auto" }).format(Math.trunc(seconds / size), unit);
}

/** A span of seconds in its two largest units: "41 d 3 h". */
export function formatDuration(seconds: number | null): string {
    if (seconds === null || !Number.isFinite(seconds)) return UNKNOWN;
    let rest = Math.max(0, Math.floor(seconds));
    const parts: string[] = [];
    for (const [unit, size] of AGO_STEPS) {
        const amount = Math.floor(rest / size);
        rest -= amount * size;
        if (amount > 0 || (unit === "second" && parts.length === 0)) {
            parts.push(new Intl.NumberFormat(language(), { style: "unit", unit, unitDisplay: "narrow" }).format(amount));
        } else if (parts.length > 0) break;
        if (parts.length === 2) break;
    }
    return parts.join(" ");
}
