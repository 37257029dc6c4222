/**
 * Another machine as a page knows it: how far the connection is, what it asks, and why it came to nothing.
 *
 * `logins.ts` feeds in what the channel `host-login` says (docs/protocol.md, "host-login"). No DOM, no channels, no
 * clock: the time is passed in.
 *
 *   idle ─▶ under-way ⇄ (questions) ─▶ connected ⇄ doubted
 *              │  ▲                       │
 *              │  └──── reconnecting ◀────┤
 *              ▼                          ▼
 *        failed, given-up            disconnected
 */

import type { Problem } from "../ui/problem";

/** What the connection is doing before it is there. */
export type Stage = "connecting" | "verifying" | "authenticating" | "starting";

export type HostState =
    /** Nobody has asked for it, or it waits for the server to come back. */
    | { readonly kind: "idle" }
    | { readonly kind: "under-way"; readonly stage: Stage }
    | { readonly kind: "connected" }
    /** A channel broke as they do when the connection does; what became of that is told in a moment. */
    | { readonly kind: "doubted" }
    /** Logged in, but no bridge can run there. */
    | { readonly kind: "terminals-only"; readonly problem: Problem }
    /** It broke; `retryAt` is when it is made again, in milliseconds since 1970. */
    | { readonly kind: "reconnecting"; readonly retryAt: number; readonly problem: Problem }
    | { readonly kind: "failed"; readonly failure: Failure }
    /** The person did not answer this. */
    | { readonly kind: "given-up"; readonly asked: Question["kind"] }
    /** The person, or another page, ended it. */
    | { readonly kind: "disconnected" };

export interface HostRecord {
    readonly state: HostState;
    /** Open questions, oldest first: each hop on the way asks its own. */
    readonly questions: readonly Question[];
    readonly warnings: readonly Warning[];
    /** When it was last there, in milliseconds since 1970; null when it never was for this page. */
    readonly lastSeen: number | null;
}

export const UNKNOWN_HOST: HostRecord = { state: { kind: "idle" }, questions: [], warnings: [], lastSeen: null };

export interface Prompt {
    readonly text: string;
    readonly echo: "shown" | "hidden";
}

/** All texts but `fingerprint`, `keyType` and `key` may come from a machine, and are only ever shown. */
export type Question =
    | {
          readonly kind: "host-key";
          readonly id: number;
          readonly host: string;
          readonly address: string;
          readonly keyType: string;
          readonly fingerprint: string;
          readonly key: string;
          /** Names under which the same key is stored already. */
          readonly knownAs: readonly string[];
      }
    | { readonly kind: "password"; readonly id: number; readonly host: string; readonly user: string; readonly error: string }
    | {
          readonly kind: "keyboard-interactive";
          readonly id: number;
          readonly host: string;
          readonly user: string;
          readonly message: string;
          readonly prompts: readonly Prompt[];
          readonly error: string;
      }
    | { readonly kind: "passphrase"; readonly id: number; readonly path: string; readonly error: string };

/** Something to be known: `host` is null for what our own side says. */
export interface Warning {
    readonly host: string | null;
    readonly text: string;
}

/** For whom a host key is stored. */
export type StoreFor = "me" | "everybody";

/** A way to log in, as the protocol names it, and what came of it. */
export interface MethodResult {
    readonly method: string;
    readonly result: string;
}

/** Why a connection came to nothing. */
export interface Failure {
    readonly problem: Problem;
    /** The key that the machine showed, where that was the problem. */
    readonly shown: { readonly keyType: string; readonly fingerprint: string } | null;
    /** Fingerprints that are stored for it, where it is known which. */
    readonly stored: readonly string[];
    readonly methods: readonly MethodResult[];
}

/** One message of the channel. */
export type Message =
    | { readonly kind: "state"; readonly state: HostState }
    | { readonly kind: "question"; readonly question: Question }
    /** A question of a newer bridge. It cannot be answered here. */
    | { readonly kind: "strange-question"; readonly id: number }
    | { readonly kind: "warning"; readonly warning: Warning };

type Fields = Readonly<Record<string, unknown>>;

/** Warnings kept of one machine. */
const MOST_WARNINGS = 5;

/** How long a loss that the bridge does not confirm is not believed again, in milliseconds. */
const BELIEVED_AGAIN = 10_000;

const STAGES: readonly Stage[] = ["connecting", "verifying", "authenticating", "starting"];

/** Reads a message; null for one that is not known here. */
export function parseMessage(text: string, now: number): Message | null {
    const message = fieldsOf(parsed(text));
    if (message["question"] !== undefined) return parseQuestion(fieldsOf(message["question"]));
    if (message["warning"] !== undefined) {
        const { host, text: words } = fieldsOf(message["warning"]);
        return { kind: "warning", warning: { host: typeof host === "string" ? host : null, text: textOf(words) } };
    }
    const state = parseState(message, now);
    return state === null ? null : { kind: "state", state };
}

function parseState(message: Fields, now: number): HostState | null {
    const name = message["state"];
    const stage = STAGES.find((one) => one === name);
    if (stage !== undefined) return { kind: "under-way", stage };
    if (name === "connected") return { kind: "connected" };
    const problem: Problem = { code: textOf(message["problem"]), from: "protocol", message: textOf(message["message"]) };
    if (name === "terminals-only") return { kind: "terminals-only", problem };
    if (name !== "reconnecting") return null;
    const seconds = typeof message["in"] === "number" ? message["in"] : 0;
    return { kind: "reconnecting", retryAt: now + seconds * 1000, problem };
}

function parseQuestion(asked: Fields): Message | null {
    const { id, kind } = asked;
    if (typeof id !== "number") return null;
    const text = (name: string): string => textOf(asked[name]);
    switch (kind) {
        case "host-key": {
            const key = { address: text("address"), keyType: text("key-type"), fingerprint: text("fingerprint"), key: text("key"), knownAs: textsOf(asked["known-as"]) };
            return { kind: "question", question: { kind, id, host: text("host"), ...key } };
        }
        case "password":
            return { kind: "question", question: { kind, id, host: text("host"), user: text("user"), error: text("error") } };
        case "keyboard-interactive": {
            const prompts = arrayOf(asked["prompts"]).map((one) => {
                const { prompt, echo } = fieldsOf(one);
                return { text: textOf(prompt), echo: echo === true ? "shown" : "hidden" } as const;
            });
            return { kind: "question", question: { kind, id, host: text("host"), user: text("user"), message: text("message"), prompts, error: text("error") } };
        }
        case "passphrase":
            return { kind: "question", question: { kind, id, path: text("path"), error: text("error") } };
        default:
            return { kind: "strange-question", id };
    }
}

/** The record after `message`. */
export function onMessage(record: HostRecord, message: Exclude<Message, { kind: "strange-question" }>, now: number): HostRecord {
    switch (message.kind) {
        case "question":
            return { ...record, questions: [...record.questions.filter(({ id }) => id !== message.question.id), message.question] };
        case "warning":
            return { ...record, warnings: [...record.warnings, message.warning].slice(-MOST_WARNINGS) };
        case "state":
            return withState(record, message.state, now);
    }
}

/** The record in `state`. What was asked for an attempt that has ended is asked no more. */
export function withState(record: HostRecord, state: HostState, now: number): HostRecord {
    const questions = state.kind === "under-way" ? record.questions : [];
    const lastSeen = isThere(record.state) || isThere(state) ? now : record.lastSeen;
    return { ...record, state, questions, lastSeen };
}

/** The record after the person answered or gave up question `id`: another page may still see it. */
export function withoutQuestion(record: HostRecord, id: number): HostRecord {
    return { ...record, questions: record.questions.filter((question) => question.id !== id) };
}

/** The state after the channel was closed. `givenUp` is what the person did not answer, if that ended it. */
export function onClosed(record: HostRecord, close: Fields, givenUp: Question["kind"] | null): HostState {
    if (givenUp !== null) return { kind: "given-up", asked: givenUp };
    const failure = failureOf(close);
    // What breaks by itself is made again by the bridge; what is over is so because somebody wanted it.
    const wasThere = isThere(record.state) || record.state.kind === "doubted";
    if (wasThere && failure.problem.code === "terminated") return { kind: "disconnected" };
    return { kind: "failed", failure };
}

export function failureOf(close: Fields): Failure {
    const error = textOf(close["error"]);
    const problem: Problem = { code: textOf(close["problem"]) || "terminated", from: "protocol", message: textOf(close["message"]) || error };
    const [, keyType = ""] = textOf(close["host-key"]).split(" ");
    const fingerprint = textOf(close["host-fingerprint"]);
    const stored = [...`${problem.message}\n${error}`.matchAll(/SHA256:[A-Za-z0-9+/]{43}/g)].map(([digest]) => digest);
    return {
        problem,
        shown: fingerprint === "" ? null : { keyType, fingerprint },
        stored: [...new Set(stored)].filter((digest) => digest !== fingerprint),
        methods: Object.entries(fieldsOf(close["auth-method-results"])).map(([method, result]) => ({ method, result: textOf(result) })),
    };
}

/** Whether channels to it can be opened. */
export function isThere(state: HostState): boolean {
    return state.kind === "connected" || state.kind === "terminals-only";
}

/** Whether a failed channel is the first sign that the connection broke. `doubtedAt` is when one was taken for it last. */
export function isSignOfLoss(state: HostState, problem: Problem, doubtedAt: number | null, now: number): boolean {
    if (problem.from !== "protocol" || !isThere(state)) return false;
    if (doubtedAt !== null && now - doubtedAt < BELIEVED_AGAIN) return false;
    return ["terminated", "disconnected", "no-host", "timeout"].includes(problem.code);
}

/** Whether another attempt may succeed without a person doing something: the machine or the network are away. */
export function mayPass(failure: Failure): boolean {
    return ["terminated", "disconnected", "no-host", "timeout"].includes(failure.problem.code);
}

/** What a changed key is: another one, one that must never be believed, or a store that cannot be read. */
export function keyVerdict(failure: Failure): "changed" | "revoked" | "damaged" {
    const { message } = failure.problem;
    if (/\brevoked\b/i.test(message)) return "revoked";
    return /cannot be read/i.test(message) ? "damaged" : "changed";
}

function parsed(text: string): unknown {
    try {
        return JSON.parse(text);
    } catch {
        return null;
    }
}

function fieldsOf(value: unknown): Fields {
    return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function textOf(value: unknown): string {
    return typeof value === "string" ? value : "";
}

function arrayOf(value: unknown): readonly unknown[] {
    return Array.isArray(value) ? value : [];
}

function textsOf(value: unknown): readonly string[] {
    return arrayOf(value).filter((one): one is string => typeof one === "string");
}
