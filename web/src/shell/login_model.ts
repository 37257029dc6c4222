/**
 * Logging in again over the page: what each answer of the server leads to. No DOM, no requests.
 *
 * The exchange is that of `/cockpit/login` by headers: user and password first, then as many prompts as the machine
 * has. Caller: `login.ts`. Text: docs/protocol.md, "HTTP surface".
 */

import { _, fill } from "../i18n";

/** What the machine asks after the password: a code, a new password. All texts come from it. */
export interface LoginPrompt {
    readonly conversation: string;
    readonly question: string;
    readonly echo: "shown" | "hidden";
    readonly message: string;
    readonly error: string;
}

/** Where the login stands after a request. */
export type LoginStep =
    | { readonly kind: "in" }
    | { readonly kind: "ask"; readonly prompt: LoginPrompt }
    /** `said` is what the machine said itself; may be empty. */
    | { readonly kind: "failed"; readonly sentence: string; readonly said: string };

/** What of an answer counts. */
export interface LoginAnswer {
    readonly status: number;
    /** The header `WWW-Authenticate`; null when there is none. */
    readonly challenge: string | null;
    /** The header `Retry-After`, in seconds. */
    readonly retryAfter: string | null;
    /** The body, which is a JSON object if it is ours. */
    readonly body: string;
}

/** The header for a user and password; null when the user's name cannot be sent so (RFC 7617, 2). */
export function basicAuthorization(user: string, password: string): string | null {
    return user === "" || user.includes(":") ? null : `Basic ${base64(`${user}:${password}`)}`;
}

/** The header that answers a prompt. */
export function promptAuthorization(prompt: LoginPrompt, answer: string): string {
    return `X-Conversation ${prompt.conversation} ${base64(answer)}`;
}

/** Reads the server's answer. */
export function loginStep({ status, challenge, retryAfter, body }: LoginAnswer): LoginStep {
    if (status === 200) return { kind: "in" };
    const said = fieldsOf(body);
    const text = (name: string): string => (typeof said[name] === "string" ? said[name] : "");
    const conversation = /^X-Conversation ([^ ]+) /.exec(`${challenge ?? ""} `)?.[1];
    if (status === 401 && conversation !== undefined) {
        return {
            kind: "ask",
            prompt: { conversation, question: text("prompt"), echo: said["echo"] === true ? "shown" : "hidden", message: text("message"), error: text("error") },
        };
    }
    return { kind: "failed", sentence: sentenceFor(status, text("problem"), retryAfter), said: text("message") };
}

function sentenceFor(status: number, problem: string, retryAfter: string | null): string {
    if (status === 429) return fill(_("Too many logins failed. Try again in $0 seconds."), retryAfter ?? "60");
    if (status === 503) return _("Many people are logging in at this moment. Try again in a few seconds.");
    switch (problem) {
        case "authentication-failed":
            return _("The password was not accepted.");
        case "access-denied":
        case "unsupported-shell":
            return _("This account may not log in at the moment. Ask the administrator of this machine.");
        default:
            return _("The login service of this machine does not answer. The system log of this machine says why.");
    }
}

function fieldsOf(body: string): Readonly<Record<string, unknown>> {
    try {
        const value: unknown = JSON.parse(body);
        return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
    } catch {
        return {};
    }
}

/** Base64 of the text's UTF-8. */
function base64(text: string): string {
    return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
