/**
 * Logs in by request, without leaving the page. Secrets pass through and are kept nowhere.
 *
 * Callers: `login_dialog.tsx`, and `connection.ts` for whether there is a session at all.
 */

import { type LoginStep, loginStep } from "./login_model";

/** Whether a password answers sudo's question too, until one logs out. */
export type ReusePassword = "keep" | "forget";

/** One request of the exchange. Rejects when the server cannot be reached. */
export async function sendLogin(authorization: string, reuse: ReusePassword): Promise<LoginStep> {
    const headers: Record<string, string> = { Authorization: authorization };
    if (reuse === "keep") headers["X-Reuse-Password"] = "keep";
    const response = await fetch("/cockpit/login", { headers, cache: "no-store", credentials: "same-origin" });
    return loginStep({
        status: response.status,
        challenge: response.headers.get("WWW-Authenticate"),
        retryAfter: response.headers.get("Retry-After"),
        body: await response.text(),
    });
}
