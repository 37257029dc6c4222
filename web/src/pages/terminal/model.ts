/** A shell in the Terminal page: what to start, and how its end is told. No DOM, no channels. */

import { _, fill } from "../../i18n";
import type { Problem } from "../../ui/problem";

export interface WindowSize {
    readonly rows: number;
    readonly cols: number;
}

export type Shell =
    | { readonly kind: "starting" }
    | { readonly kind: "running" }
    | { readonly kind: "ended"; readonly end: ShellEnd }
    | { readonly kind: "failed"; readonly problem: Problem };

/** How a shell ended, by its own doing. */
export type ShellEnd =
    | { readonly kind: "exited"; readonly status: number }
    | { readonly kind: "killed"; readonly signal: string }
    | { readonly kind: "unknown" };

/** How many lines a paste has; more than one, or one with its end, runs something before it can be read. */
export function pastedLines(text: string): number {
    return text.split(/\r\n|\r|\n/).length;
}

/** Largest size that is asked for; a pty holds 16 bits, and no screen needs more. */
const MAX_SIDE = 2000;

/** The user's login shell as the bridge names it; `/bin/sh` when it names none that is a path. */
export function loginShell(named: unknown): string {
    return typeof named === "string" && /^\/[\x21-\x7e]+$/.test(named) ? named : "/bin/sh";
}

/** The size as a pty takes it. */
export function windowSize(rows: number, cols: number): WindowSize {
    const side = (value: number): number => Math.min(MAX_SIDE, Math.max(1, Math.floor(value)));
    return { rows: side(rows), cols: side(cols) };
}

/** Reads how the shell ended from the channel's `close`, which carries no problem. */
export function endFrom(close: Readonly<Record<string, unknown>>): ShellEnd {
    const { "exit-status": status, "exit-signal": signal } = close;
    if (typeof signal === "string" && signal !== "") return { kind: "killed", signal };
    if (typeof status === "number") return { kind: "exited", status };
    return { kind: "unknown" };
}

/** The sentence under a shell that ended. */
export function endSentence(end: ShellEnd): string {
    switch (end.kind) {
        case "exited":
            return fill(_("Shell ended (exit status $0)."), String(end.status));
        case "killed":
            return fill(_("Shell ended (signal $0)."), end.signal);
        case "unknown":
            return _("Shell ended.");
    }
}
