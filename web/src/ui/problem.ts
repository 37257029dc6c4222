/**
 * What failed, as pages keep it: a code of the protocol, or what a program or service said itself.
 *
 * Made by every `api.ts` from whatever was thrown; put into words by `explain`. No DOM.
 */

import { _, fill } from "../i18n";
import { problemText } from "../problems";
import { visibleLine } from "./host_text";

export interface Problem {
    /** A code of the protocol, a D-Bus error name, or an exit such as `exit-status 1`. */
    readonly code: string;
    /** Who says so, which decides how it is told. */
    readonly from: "protocol" | "service" | "program" | "page";
    /** The machine's own words; may be empty. */
    readonly message: string;
}

/** Longest quotation of a machine in a sentence, in characters; the whole stands in the details. */
const QUOTED = 300;

/** Reads what was thrown, or the options of a channel's `close`. */
export function problemOf(error: unknown): Problem {
    if (typeof error !== "object" || error === null) return { code: "internal-error", from: "protocol", message: String(error) };
    const { problem, name, message, exit_status: status, exit_signal: killed } = error as Readonly<Record<string, unknown>>;
    const words = typeof message === "string" ? message : "";
    if (typeof problem === "string" && problem !== "") return { code: problem, from: "protocol", message: words };
    if (typeof status === "number") return { code: `exit-status ${String(status)}`, from: "program", message: words };
    if (typeof killed === "string") return { code: `exit-signal ${killed}`, from: "program", message: words };
    if (typeof name === "string" && name.includes(".")) return { code: name, from: "service", message: words };
    return { code: "internal-error", from: "protocol", message: words };
}

/** A failure that the page itself found out, told by a whole sentence. */
export function pageProblem(code: string, sentence: string): Problem {
    return { code, from: "page", message: sentence };
}

/** Cause and next step, each a whole sentence; the next step may be empty where the cause says enough. */
export function explain(problem: Problem): { cause: string; next: string } {
    const quoted = visibleLine(problem.message.trim()).slice(0, QUOTED);
    switch (problem.from) {
        case "page":
            return { cause: problem.message, next: "" };
        case "protocol": {
            const { sentence, nextStep } = problemText(problem.code);
            return { cause: sentence, next: nextStep };
        }
        case "service":
            return { cause: quoted === "" ? fill(_("The host answered with the error $0."), problem.code) : fill(_('The host answered: "$0"'), quoted), next: "" };
        case "program":
            return { cause: quoted === "" ? fill(_("The program ended with $0."), problem.code) : fill(_('The program ended with: "$0"'), quoted), next: "" };
    }
}
