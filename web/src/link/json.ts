/**
 * JSON from the other side, read within limits. Twin of `protocol/src/json.rs`.
 *
 * Depth and the number of members are limited, no key may stand twice in one object, numbers are finite and texts
 * well formed. Caller: `control.ts`.
 */

import { MAX_JSON_DEPTH, MAX_JSON_MEMBERS } from "./limits";

export type JsonError = "bad-json" | "too-deep" | "too-many-members" | "duplicate-key";

export class JsonRefused extends Error {
    constructor(readonly code: JsonError) {
        super(`bad JSON: ${code}`);
    }
}

/** The value of `text`. Throws {@link JsonRefused}. */
export function parseJson(text: string): unknown {
    const written = survey(text);
    let value: unknown;
    try {
        value = JSON.parse(text);
    } catch {
        throw new JsonRefused("bad-json");
    }
    const kept = count(value);
    if (kept.members + kept.elements > MAX_JSON_MEMBERS) throw new JsonRefused("too-many-members");
    // Of two equal keys the parser keeps the last, so fewer members are left than were written.
    if (kept.members !== written.members) throw new JsonRefused("duplicate-key");
    return value;
}

/** Members written in `text`; refuses what is too deep before anything is built. */
function survey(text: string): { members: number } {
    let depth = 0;
    let members = 0;
    let commas = 0;
    let inText = false;
    for (let at = 0; at < text.length; at++) {
        const char = text[at];
        if (inText) {
            if (char === "\\") at++;
            else if (char === '"') inText = false;
        } else if (char === '"') inText = true;
        else if (char === ":") members++;
        else if (char === ",") commas++;
        else if (char === "{" || char === "[") {
            depth++;
            if (depth > MAX_JSON_DEPTH) throw new JsonRefused("too-deep");
        } else if (char === "}" || char === "]") depth--;
    }
    // Every member and element but the first of each has a comma before it.
    if (members > MAX_JSON_MEMBERS || commas > MAX_JSON_MEMBERS) throw new JsonRefused("too-many-members");
    return { members };
}

/** Members of objects and elements of arrays in the tree below `value`. */
function count(value: unknown): { members: number; elements: number } {
    const total = { members: 0, elements: 0 };
    const waiting: unknown[] = [value];
    while (waiting.length > 0) {
        const next = waiting.pop();
        if (typeof next === "string") requireWellFormed(next);
        else if (typeof next === "number" && !Number.isFinite(next)) throw new JsonRefused("bad-json");
        else if (Array.isArray(next)) {
            total.elements += next.length;
            for (const element of next as unknown[]) waiting.push(element);
        } else if (typeof next === "object" && next !== null) {
            for (const [key, member] of Object.entries(next)) {
                total.members++;
                requireWellFormed(key);
                waiting.push(member);
            }
        }
    }
    return total;
}

/** Half of a surrogate pair has no UTF-8. */
function requireWellFormed(text: string): void {
    if (/\p{Surrogate}/u.test(text)) throw new JsonRefused("bad-json");
}
