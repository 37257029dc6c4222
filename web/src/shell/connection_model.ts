/** When to try the lost link again, and what is said meanwhile. No DOM, no clock: the time is passed in. */

/** The link to the server as the page sees it. */
export type Connection =
    | { readonly kind: "connecting" }
    | { readonly kind: "up" }
    /** Lost; `retryAt` is when it is tried next, in milliseconds since 1970. `tries` have failed since. */
    | { readonly kind: "lost"; readonly retryAt: number; readonly tries: number }
    /** The server is there, but the session is not: log in again. */
    | { readonly kind: "logged-out" };

/** Longest pause between two tries, in milliseconds. */
const LONGEST_PAUSE = 30_000;

/** The pause before the next try after `tries` have failed: 0, 1, 2, 4 … 30 s. */
export function pauseBefore(tries: number): number {
    return tries === 0 ? 0 : Math.min(LONGEST_PAUSE, 1000 * 2 ** (tries - 1));
}

/** The state after the link was closed with `problem`. */
export function onClosed(before: Connection, problem: string, now: number): Connection {
    if (isLoggedOut(problem)) return { kind: "logged-out" };
    const tries = before.kind === "lost" ? before.tries + 1 : 0;
    return { kind: "lost", tries, retryAt: now + pauseBefore(tries) };
}

/** Whole seconds until the next try; 0 when it is under way. */
export function secondsLeft(connection: Extract<Connection, { kind: "lost" }>, now: number): number {
    return Math.max(0, Math.ceil((connection.retryAt - now) / 1000));
}

/** The session is gone when a server that is there says so. A server that stops ends its sessions: it is tried again. */
function isLoggedOut(problem: string): boolean {
    return ["no-session", "authentication-failed", "access-denied"].includes(problem);
}
