/**
 * Superuser access of one host: the state the page knows, and what each event makes of it.
 *
 * The bridge's object `/superuser` (interface `cockpit.Superuser`) is the source; `superuser.ts` feeds it
 * in. No DOM, no channels.
 *
 *   unknown ─▶ off ⇄ starting ⇄ asking ─▶ on ─▶ off
 *              └▶ unavailable         always (the user is root)
 */

import type { Problem } from "../ui/problem";

export type Superuser =
    | { readonly kind: "unknown" }
    /** No way to become root is set up on this host. */
    | { readonly kind: "unavailable" }
    | { readonly kind: "off"; readonly methods: readonly Method[] }
    | { readonly kind: "starting"; readonly method: string; readonly methods: readonly Method[] }
    | { readonly kind: "asking"; readonly method: string; readonly methods: readonly Method[]; readonly prompt: Prompt }
    | { readonly kind: "on"; readonly method: string }
    /** The user is root on this host, so there is nothing to turn on or off. */
    | { readonly kind: "always" };

/** One way to become root, such as sudo; `label` comes from the host. */
export interface Method {
    readonly name: string;
    readonly label: string;
}

/** What the machine asks before it gives access. All texts come from the machine. */
export interface Prompt {
    readonly message: string;
    readonly question: string;
    readonly suggestion: string;
    readonly echo: "shown" | "hidden";
    /** What was wrong with the last answer; empty the first time. */
    readonly error: string;
    /** Counts the prompts of this attempt, so that each gets a fresh field. */
    readonly number: number;
}

/** A failed attempt, shown in the dialog until the next one. */
export interface Failure {
    readonly method: string;
    readonly problem: Problem;
}

/** Whether pages may open channels with superuser access. */
export function access(state: Superuser): "on" | "off" {
    return state.kind === "on" || state.kind === "always" ? "on" : "off";
}

/** The state after the object's properties were read or changed. */
export function onProperties(state: Superuser, properties: Readonly<Record<string, unknown>>): Superuser {
    const current = properties["Current"];
    const methods = methodsFrom(properties);
    switch (current) {
        case "root":
            return { kind: "always" };
        case "none":
            if (methods.length === 0) return { kind: "unavailable" };
            return isUnderWay(state) ? { ...state, methods } : { kind: "off", methods };
        case "init":
            if (isUnderWay(state)) return { ...state, methods };
            return { kind: "starting", method: preferred(methods), methods };
        default:
            return typeof current === "string" && current !== "" ? { kind: "on", method: current } : { kind: "unavailable" };
    }
}

/**
 * The state after the bridge told which question waits for its answer, if any: for a page that came after it was
 * asked, or that did not answer it itself. Stock bridges do not tell.
 */
export function onPending(state: Superuser, pending: unknown): Superuser {
    if (!Array.isArray(pending)) return state;
    const [first] = pending as readonly unknown[];
    if (Array.isArray(first)) return state.kind === "starting" ? onPrompt(state, first) : state;
    return state.kind === "asking" ? { kind: "starting", method: state.method, methods: state.methods } : state;
}

/** The state after the person asked for access by `method`. */
export function onStart(state: Superuser, method: string): Superuser {
    return state.kind === "off" ? { kind: "starting", method, methods: state.methods } : state;
}

/** The state after the machine asked something; a prompt that nobody waits for changes nothing. */
export function onPrompt(state: Superuser, args: readonly unknown[]): Superuser {
    if (!isUnderWay(state)) return state;
    const [message, question, suggestion, echo, error] = args;
    const number = state.kind === "asking" ? state.prompt.number + 1 : 1;
    return {
        kind: "asking",
        method: state.method,
        methods: state.methods,
        prompt: {
            message: text(message),
            question: text(question),
            suggestion: text(suggestion),
            echo: echo === true ? "shown" : "hidden",
            error: text(error),
            number,
        },
    };
}

/** The state after an attempt failed or was given up. */
export function onEnded(state: Superuser): Superuser {
    return isUnderWay(state) ? { kind: "off", methods: state.methods } : state;
}

/** The method to begin with: sudo where there is it, because it can ask here; else the first. */
export function preferred(methods: readonly Method[]): string {
    return (methods.find((method) => method.name === "sudo") ?? methods[0])?.name ?? "any";
}

function isUnderWay(state: Superuser): state is Extract<Superuser, { kind: "starting" | "asking" }> {
    return state.kind === "starting" || state.kind === "asking";
}

function methodsFrom(properties: Readonly<Record<string, unknown>>): Method[] {
    const { Bridges: bridges, Methods: methods } = properties;
    if (!Array.isArray(bridges)) return [];
    const names = bridges.filter((name): name is string => typeof name === "string" && name !== "");
    return names.map((name) => ({ name, label: labelOf(isObject(methods) ? methods[name] : null) || name }));
}

/** The label of a method, which may be wrapped in a variant once or twice. */
function labelOf(method: unknown): string {
    const plain = unwrap(method);
    return isObject(plain) ? text(unwrap(plain["label"])) : "";
}

function unwrap(value: unknown): unknown {
    return isObject(value) && "t" in value && "v" in value ? value["v"] : value;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
    return typeof value === "string" ? value : "";
}
