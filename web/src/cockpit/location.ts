/**
 * `cockpit.location`: the view of a package, kept in the fragment of its address. A location is a value; it is
 * replaced when the address changes. `go()` of an old one does nothing.
 */

import type * as api from "./api";

type Options = Readonly<Record<string, unknown>>;

/** The part of the window that is used, so that tests can bring their own. */
export interface AddressBar {
    hash: string;
    replace(address: string): void;
}

export class PageLocation implements api.Location {
    readonly url_root = "";
    readonly path: readonly string[];
    readonly options: Readonly<Record<string, string | readonly string[]>>;
    readonly href: string;

    constructor(
        hash: string,
        private readonly address: AddressBar,
    ) {
        const options: Record<string, string | string[]> = {};
        this.path = decodeHref(hash.replace(/^#/, ""), options, []);
        this.options = options;
        this.href = encodeHref(this.path, options);
    }

    decode(href: string, options?: Record<string, unknown>): string[] {
        return decodeHref(href, options ?? {}, this.path);
    }

    encode(path: string | readonly string[], options?: Options): string {
        const merged: Record<string, unknown> = {};
        const parts = typeof path === "string" ? decodeHref(path, merged, this.path) : path;
        return encodeHref(parts, { ...merged, ...options });
    }

    go(path: string | readonly string[], options?: Options): void {
        if (this.#isCurrent()) this.address.hash = `#${this.encode(path, options)}`;
    }

    replace(path: string | readonly string[], options?: Options): void {
        if (this.#isCurrent()) this.address.replace(`#${this.encode(path, options)}`);
    }

    toString(): string {
        return this.href;
    }

    #isCurrent(): boolean {
        const options: Record<string, unknown> = {};
        const path = decodeHref(this.address.hash.replace(/^#/, ""), options, []);
        return encodeHref(path, options) === this.href;
    }
}

/** Segments of `href`, `.` and `..` resolved against `base`; its options are added to `options`. */
function decodeHref(href: string, options: Record<string, unknown>, base: readonly string[]): string[] {
    const [pathPart, queryPart] = splitOnce(href, "?");
    const isAbsolute = pathPart.startsWith("/") || pathPart === "";
    const path: string[] = isAbsolute ? [] : [...base.slice(0, -1)];
    for (const segment of pathPart.split("/")) {
        const decoded = decodeSafely(segment);
        if (decoded === "" || decoded === ".") continue;
        if (decoded === "..") path.pop();
        else path.push(decoded);
    }
    for (const pair of queryPart === undefined ? [] : queryPart.split("&")) {
        const [name, value = ""] = splitOnce(pair, "=");
        if (name !== "") addOption(options, decodeSafely(name), decodeSafely(value));
    }
    return path;
}

function addOption(options: Record<string, unknown>, name: string, value: string): void {
    const before = Object.hasOwn(options, name) ? options[name] : undefined;
    options[name] = before === undefined ? value : Array.isArray(before) ? [...(before as unknown[]), value] : [before, value];
}

function encodeHref(path: readonly string[], options: Options): string {
    const encode = (text: string) => encodeURIComponent(text).replaceAll("%40", "@").replaceAll("%3D", "=").replaceAll("%2B", "+").replaceAll("%23", "#");
    const pairs = Object.entries(options).flatMap(([name, value]) =>
        (Array.isArray(value) ? (value as unknown[]) : [value]).filter((one) => one !== undefined && one !== null).map((one) => `${encode(name)}=${encode(`${one as string | number}`)}`),
    );
    const href = `/${path.map((segment) => encodeURIComponent(segment).replaceAll("%40", "@")).join("/")}`;
    return pairs.length === 0 ? href : `${href}?${pairs.join("&")}`;
}

function splitOnce(text: string, separator: string): [string, string?] {
    const at = text.indexOf(separator);
    return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** Addresses are typed by people: what is not well encoded is taken as it stands. */
function decodeSafely(text: string): string {
    try {
        return decodeURIComponent(text);
    } catch {
        return text;
    }
}
