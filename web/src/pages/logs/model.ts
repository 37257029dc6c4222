/**
 * The journal as the Logs page needs it: what to ask `journalctl`, and what its answers mean.
 *
 * No DOM, no channels. Sources: journalctl(1), systemd.journal-fields(7), and the JSON fill of
 * systemd's "Journal Export Formats".
 */

import { _, C_ } from "../../i18n";
import type { Problem } from "../../ui/problem";
import { type LogFilter, PRIORITIES, type Priority } from "../../routes";

/** Rows kept in the page; older ones are loaded again when asked for. */
export const KEPT_ROWS = 5000;

/** Rows of one page. */
export const PAGE_ROWS = 200;

/** Longest line of output that is taken for an entry, in characters; a longer one is cut off and counted as damaged. */
const MAX_LINE = 1 << 20;

/** A place in the journal, as the journal itself writes it. */
export type Cursor = string & { readonly brand: "Cursor" };

export interface Entry {
    readonly cursor: Cursor;
    /** Milliseconds since 1970 by the host's clock. */
    readonly time: number;
    readonly priority: Priority;
    /** Who wrote it: the syslog identifier, else the program's name, else its unit. */
    readonly source: string;
    readonly pid: string;
    readonly unit: string;
    readonly message: string;
}

export type LogState =
    | { readonly kind: "loading" }
    | { readonly kind: "failed"; readonly problem: Problem }
    | { readonly kind: "ready"; readonly log: Log };

/** What the page holds of the journal, newest first. */
export interface Log {
    readonly entries: readonly Entry[];
    /** Whether there may be entries older than the last one. */
    readonly older: "none" | "more";
    /** Whether rows were dropped at the new end while reading back, so that the list no longer begins at now. */
    readonly newest: "shown" | "dropped";
}

export const EMPTY_LOG: Log = { entries: [], older: "none", newest: "shown" };

/** Which stretch of the journal is asked for. */
export type Stretch =
    | { readonly kind: "newest" }
    | { readonly kind: "before"; readonly cursor: Cursor }
    /** What is written from now on, or since `after` when something is already shown. */
    | { readonly kind: "follow"; readonly after: Cursor | null };

const FIELDS = ["MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "_COMM", "_PID", "_SYSTEMD_UNIT", "UNIT"];

/**
 * The command that yields `stretch` of the journal, filtered.
 *
 * Every value is a checked type or stands behind its option's `=`, so none can be taken for an option; no
 * shell is involved (T7, T40).
 */
export function journalCommand(filter: LogFilter, stretch: Stretch): string[] {
    const command = ["journalctl", "--output=json", "--quiet", "--no-pager", `--output-fields=${FIELDS.join(",")}`];
    if (filter.priority !== undefined) command.push(`--priority=${filter.priority}`);
    if (filter.unit !== undefined) command.push(`--unit=${filter.unit}`);
    if (filter.boot !== undefined) command.push(`--boot=${filter.boot}`);
    if (filter.text !== undefined) command.push(`--grep=${literalPattern(filter.text)}`, "--case-sensitive=false");
    const since = filter.since === undefined ? [] : [`--since=${filter.since}`];
    switch (stretch.kind) {
        case "newest":
            command.push("--reverse", `--lines=${PAGE_ROWS}`, ...since);
            break;
        case "before":
            // journalctl takes a cursor or a time, not both: then `entriesBefore` finds the place.
            if (filter.since === undefined) command.push("--reverse", `--lines=${PAGE_ROWS}`, `--after-cursor=${stretch.cursor}`);
            else command.push("--reverse", `--lines=${KEPT_ROWS + PAGE_ROWS}`, ...since);
            break;
        case "follow":
            command.push("--follow", ...(stretch.after === null ? ["--lines=0"] : ["--no-tail", `--after-cursor=${stretch.after}`]));
            break;
    }
    return command;
}

/** The first page of `entries`, newest first, that are older than the one at `cursor`; all when it is not among them. */
export function entriesBefore(entries: readonly Entry[], cursor: Cursor): readonly Entry[] {
    const from = entries.findIndex((entry) => entry.cursor === cursor) + 1;
    return entries.slice(from, from + PAGE_ROWS);
}

/** The command that yields every field of one entry. */
export function entryCommand(cursor: Cursor): string[] {
    return ["journalctl", "--output=json", "--quiet", "--no-pager", "--all", "--lines=1", `--cursor=${cursor}`];
}

/** Whether new entries can still match `filter`: a past boot does not grow. */
export function canFollow(filter: LogFilter): boolean {
    return filter.boot === undefined || filter.boot === "0";
}

/** Turns the output of `journalctl`, in pieces of any size, into entries. */
export class EntryReader {
    #rest = "";
    #skipping = false;
    /** Lines that were no entries. */
    damaged = 0;

    /** The entries that `piece` completes, in the order of the output. */
    read(piece: string): Entry[] {
        const lines = (this.#rest + piece).split("\n");
        this.#rest = lines.pop() ?? "";
        if (this.#rest.length > MAX_LINE) {
            this.#rest = "";
            this.damaged += 1;
            this.#skipping = true;
        }
        const entries: Entry[] = [];
        for (const line of lines) {
            if (this.#skipping) {
                this.#skipping = false; // the end of a line that was too long
                continue;
            }
            if (line === "") continue;
            const entry = parseEntry(line);
            if (entry === null) this.damaged += 1;
            else entries.push(entry);
        }
        return entries;
    }
}

/** Reads one line of `journalctl --output=json`; null when it is no entry. */
export function parseEntry(line: string): Entry | null {
    const fields = parseFields(line);
    const cursor = fields === null ? null : parseCursor(fields["__CURSOR"]);
    const time = Number(fields?.["__REALTIME_TIMESTAMP"]) / 1000;
    if (fields === null || cursor === null || !Number.isFinite(time)) return null;
    const unit = fieldText(fields["UNIT"]) || fieldText(fields["_SYSTEMD_UNIT"]);
    return {
        cursor,
        time,
        priority: PRIORITIES[Number(fieldText(fields["PRIORITY"]) || "6")] ?? "info",
        source: fieldText(fields["SYSLOG_IDENTIFIER"]) || fieldText(fields["_COMM"]) || unit,
        pid: fieldText(fields["_PID"]),
        unit,
        message: fields["MESSAGE"] === null ? _("(message too long to show here)") : fieldText(fields["MESSAGE"]),
    };
}

/** All fields of an entry by name, for the field view; empty when the line is no entry. */
export function parseAllFields(line: string): { name: string; value: string }[] {
    const fields = parseFields(line) ?? {};
    return Object.keys(fields)
        .sort((left, right) => Number(left.startsWith("_")) - Number(right.startsWith("_")) || (left < right ? -1 : 1))
        .map((name) => ({ name, value: fieldText(fields[name]) }));
}

/** The log with a page of older entries behind it. `asked` is how many were asked for. */
export function withOlder(log: Log, entries: readonly Entry[], asked: number): Log {
    const all = [...log.entries, ...entries];
    const kept = all.slice(Math.max(0, all.length - KEPT_ROWS));
    return {
        entries: kept,
        older: entries.length < asked ? "none" : "more",
        newest: kept.length < all.length ? "dropped" : log.newest,
    };
}

/** The log with new entries before it; `entries` are in the order in which they were written. */
export function withNewer(log: Log, entries: readonly Entry[]): Log {
    const known = new Set(log.entries.slice(0, entries.length + 1).map((entry) => entry.cursor));
    const fresh = entries.filter((entry) => !known.has(entry.cursor)).reverse();
    const all = [...fresh, ...log.entries];
    return { ...log, entries: all.slice(0, KEPT_ROWS), older: all.length > KEPT_ROWS ? "more" : log.older };
}

/** A priority in words, as a choice: this and graver. */
export function priorityLabel(priority: Priority): string {
    switch (priority) {
        case "emerg":
            return C_("priority", "Emergency");
        case "alert":
            return C_("priority", "Alert");
        case "crit":
            return C_("priority", "Critical");
        case "err":
            return C_("priority", "Error");
        case "warning":
            return C_("priority", "Warning");
        case "notice":
            return C_("priority", "Notice");
        case "info":
            return C_("priority", "Info");
        case "debug":
            return C_("priority", "Debug");
    }
}

/** How much an entry should stand out. */
export function severity(priority: Priority): "danger" | "warning" | "plain" | "quiet" {
    switch (priority) {
        case "emerg":
        case "alert":
        case "crit":
        case "err":
            return "danger";
        case "warning":
            return "warning";
        case "notice":
        case "info":
            return "plain";
        case "debug":
            return "quiet";
    }
}

/** A regular expression (PCRE2) that matches `text` literally. */
function literalPattern(text: string): string {
    return text.replace(/[\\^$.|?*+()[\]{}#-]/g, "\\$&");
}

function parseCursor(value: unknown): Cursor | null {
    return typeof value === "string" && /^[\x21-\x7e]{1,512}$/.test(value) ? (value as Cursor) : null;
}

function parseFields(line: string): Readonly<Record<string, unknown>> | null {
    try {
        const value: unknown = JSON.parse(line);
        return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
    } catch {
        return null;
    }
}

/** A field's value as text: bytes are read as UTF-8, several values are put on lines of their own. */
function fieldText(value: unknown): string {
    if (typeof value === "string") return value;
    if (!Array.isArray(value)) return "";
    if (value.every((item) => typeof item === "number")) return new TextDecoder().decode(Uint8Array.from(value));
    return value.map(fieldText).join("\n");
}
