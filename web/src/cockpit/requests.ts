/**
 * What a package's page asks of the shell around it: to show another page, to know something, to say that something
 * went wrong. Alone in a window there is no shell, and nobody hears it.
 */

import type { JsonObject } from "./api";
import { transport } from "./transport";

/** Asks the shell to show another page. `null` as host means the one that the server runs on. */
export function jump(path: string | readonly string[], host?: string | null): void {
    const location = typeof path === "string" ? path : `/${path.map(encodeURIComponent).join("/")}`;
    tellShell("jump", { location, host: host === undefined ? transport.host : host });
}

/** Tells the shell something that has no answer. */
export function hint(name: string, options?: JsonObject): void {
    tellShell("hint", { ...options, hint: name });
}

/** Says that something went wrong in a way that the page did not foresee. */
export function oops(): void {
    tellShell("oops", {});
}

function tellShell(command: string, options: JsonObject): void {
    if (typeof window === "undefined" || window.parent === window) return;
    window.parent.postMessage(`\n${JSON.stringify({ ...options, command })}`, transport.origin);
}
