/**
 * `cockpit.location`: the view of a package, kept in the fragment of its address. A location is a value; it is
 * replaced when the address changes, and `go()` of the one that was there before does nothing.
 */

import type * as api from "./api";

type Options = Readonly<Record<string, unknown>>;

/** The part of the window that is used, so that tests can bring their own. */
export interface AddressBar {
    hash: string;
    replace(address: string): void;
}

export class PageLocation implements api.Location {
    readonly url_root: string = "";
    readonly path: readonly string[];
    readonly options: Readonly<Record<string, string | readonly string[]>>;
    /** As it stands in the address. */
    readonly href: string;
    #current = true;

    constructor(
        hash: string,
        private readonly address: AddressBar,
    ) {
        const options: Record<string, string | string[]> = {};
        this.href = hash.replace(/^#/, "");
        this.path = decodeHref(this.href, options, []);
        this.options = options;
    }

    /** The address has changed: this location leads nowhere any more. */
    invalidate(): void {
        this.#current = false;
    }

    decode(href: string, options?: Record<string, unknown>): string[] {
        return decodeHref(href, options ?? {}, this.path);
    }

    encode(path: string | readonly string[], options?: Options, withRoot?: boolean): string {
        const merged: Record<string, unknown> = {};
        const parts = typeof path === "string" ? decodeHref(path, merged, this.path) : path;
        const href = encodeHref(parts, { ...merged, ...options });
        return withRoot === true && this.url_root !== "" ? `/${this.url_root}${href}` : href;
    }

    go(path: string | readonly string[], options?: Options): void {
        if (this.#current) this.address.hash = `#${this.encode(path, options)}`;
    }

    replace(path: string | readonly string[], options?: Options): void {
        if (this.#current) this.address.replace(`#${this.encode(path, options)}`);
    }

    toString(): string {
        return this.href;
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
    const pairs = Object.entries(options).flatMap(([name, value]) =>
        (Array.isArray(value) ? (value as unknown[]) : [value])
            .filter((one) => one !== undefined && one !== null)
            .map((one) => `${encodeURIComponent(name)}=${encodeURIComponent(one as string | number)}`),
    );
    const href = `/${path.map(encodeSegment).join("/")}`;
    return pairs.length === 0 ? href : `${href}?${pairs.join("&")}`;
}

/** What can stand in a path for itself does: people read these addresses. */
function encodeSegment(segment: string): string {
    return encodeURIComponent(segment).replace(/%(?:40|3D|2B|26|2C|24|3A|3B)/g, decodeURIComponent);
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
