/** The errors of the API, and the words for them. Used by every file of this folder. */

import { _, fill } from "../i18n";
import { problemText } from "../problems";
import type { CockpitError, ControlMessage, DBusFailure, HttpFailure, ProcessFailure } from "./api";

/** A failure with the code that the other side gave. */
export class BasicError extends Error implements CockpitError {
    constructor(readonly problem: string | null, message?: string | null) {
        super(message != null && message !== "" ? message : problem === null ? "" : problemText(problem).sentence);
    }

    /** Pages show errors by turning them into text: only the message then. */
    override toString(): string {
        return this.message;
    }
}

/** How a program ended, from the `close` of its channel. */
export class ProcessError extends BasicError implements ProcessFailure {
    readonly exit_status: number | null;
    readonly exit_signal: string | null;

    constructor(options: ControlMessage, program: string) {
        const status = options["exit-status"];
        const signal = options["exit-signal"];
        const exitStatus = typeof status === "number" ? status : null;
        const exitSignal = typeof signal === "string" ? signal : null;
        super(options.problem ?? null, options.message ?? endedText(options.problem ?? null, exitStatus, exitSignal, program));
        this.exit_status = exitStatus;
        this.exit_signal = exitSignal;
    }
}

function endedText(problem: string | null, status: number | null, signal: string | null, program: string): string | null {
    if (problem !== null) return null;
    if (signal !== null) return fill(_("$0 was ended by signal $1"), program, signal);
    return fill(_("$0 exited with status $1"), program, status ?? "–");
}

/** A D-Bus error (`name`), or the failure of the channel (`problem`). */
export class DBusError extends Error implements DBusFailure {
    readonly problem: string | null;
    override readonly name: string;

    constructor(failure: ErrorReply | ControlMessage) {
        if (isErrorReply(failure)) {
            const [name, args] = failure;
            const [text] = args ?? [];
            super(typeof text === "string" ? text : name);
            this.name = name;
            this.problem = null;
        } else {
            const problem = failure.problem ?? "disconnected";
            super(failure.message ?? problemText(problem).sentence);
            // The guide says so, against the standard's Error, whose name is a text.
            this.name = null as unknown as string;
            this.problem = problem;
        }
    }

    override toString(): string {
        return this.message;
    }
}

type ErrorReply = readonly [name: string, args?: readonly unknown[]];

function isErrorReply(failure: ErrorReply | ControlMessage): failure is ErrorReply {
    return Array.isArray(failure);
}

/** An answer that was not a success, or none. */
export class HttpError extends BasicError implements HttpFailure {
    constructor(readonly status: number | null, readonly reason: string | null, problem: string | null, message?: string | null) {
        super(problem, message ?? reason);
    }

    override toString(): string {
        return this.status === null || this.message === "" ? this.message : `${this.status} ${this.message}`;
    }
}

/** `cockpit.message()`: words for an exception or a problem code. */
export function message(failure: unknown): string {
    if (typeof failure === "string") return problemText(failure).sentence;
    if (typeof failure !== "object" || failure === null) return String(failure);
    if ("message" in failure && typeof failure.message === "string" && failure.message !== "") return failure.message;
    if ("problem" in failure && typeof failure.problem === "string") return problemText(failure.problem).sentence;
    return problemText("internal-error").sentence;
}
