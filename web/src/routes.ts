/**
 * Every address of the interface, in both directions.
 *
 * Called by `main.ts`, the shell and every link. An address only selects what is shown: each part is
 * checked against its type here, and a part that does not fit is dropped. Nothing here acts, and
 * nothing here touches the document.
 */

/** Name of a host as it stands in an address: `name`, `user@name:port` or `localhost`. */
export type HostName = string & { readonly brand: "HostName" };

/** The host that the management server itself runs on. */
export const LOCALHOST = "localhost" as HostName;

/** Name of a systemd unit, checked. */
export type UnitName = string & { readonly brand: "UnitName" };

export const UNIT_KINDS = ["service", "timer", "socket", "path", "target"] as const;
/** The kinds of units that have a tab. */
export type UnitKind = (typeof UNIT_KINDS)[number];

export const UNIT_STATES = ["failed", "running", "stopped"] as const;
/** Which units a list shows. */
export type UnitStateFilter = (typeof UNIT_STATES)[number];

export const PRIORITIES = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"] as const;
/** Journal priorities by their syslog names, gravest first; the index is the number in the journal. */
export type Priority = (typeof PRIORITIES)[number];

/** What the Logs page selects. Absent means: everything. */
export interface LogFilter {
    /** This priority and graver ones. */
    readonly priority?: Priority;
    readonly unit?: UnitName;
    /** `0` is the current boot, `-1` the one before; or a boot's id of 32 hexadecimal digits. */
    readonly boot?: string;
    /** Not older than: `2026-05-12`, `2026-05-12 14:03`, or an age such as `-6h`. */
    readonly since?: string;
    /** Text that the message contains, in any case. */
    readonly text?: string;
}

/** What the Services page selects. */
export interface UnitFilter {
    readonly kind: UnitKind;
    readonly state?: UnitStateFilter;
    readonly text?: string;
}

export type HostView =
    | { readonly page: "overview" }
    | { readonly page: "services"; readonly filter: UnitFilter }
    | { readonly page: "unit"; readonly unit: UnitName }
    | { readonly page: "logs"; readonly filter: LogFilter }
    | { readonly page: "terminal" };

export type Route =
    | { readonly kind: "host"; readonly host: HostName; readonly view: HostView }
    | {
          readonly kind: "package";
          readonly host: HostName;
          readonly package: string;
          /** Path of the document inside the package without `.html`; `index` when none was named. */
          readonly component: string;
          /** The package's own part of the address, with its `#`; empty when there is none. */
          readonly hash: string;
      }
    | { readonly kind: "unknown"; readonly path: string };

/** Longest text that may stand in an address, in characters. */
const MAX_TEXT = 200;

const HOST_NAME = /^(?:[A-Za-z0-9_][A-Za-z0-9_.\\@+-]{0,255}\$?@)?(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253})|\[[0-9a-fA-F:.]{2,45}\])(?::[0-9]{1,5})?$/;
const UNIT_NAME = /^[A-Za-z0-9:_.\\@-]{1,248}\.(?:service|timer|socket|path|target|mount|slice|scope|device|swap|automount)$/;
const BOOT = /^(?:0|-[1-9][0-9]{0,3}|[0-9a-f]{32})$/;
const SINCE = /^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}(?: [0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?|-[1-9][0-9]{0,4}(?:s|min|h|d|w))$/;
const PACKAGE = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const COMPONENT = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}(?:\/[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}){0,7}$/;

/** First parts of our own addresses: no package is reached by them without its host. */
const RESERVED: readonly string[] = ["activity", "discovered", "fleet", "groups", "host", "hosts", "jobs", "settings", "cockpit", "assets"];

/** Takes `text` as a host's name; null when it cannot be one. */
export function parseHostName(text: string): HostName | null {
    return HOST_NAME.test(text) ? (text as HostName) : null;
}

/** Takes `text` as a unit's name (systemd.unit(5)); null when it cannot be one. */
export function parseUnitName(text: string): UnitName | null {
    return UNIT_NAME.test(text) ? (text as UnitName) : null;
}

/** Takes `text` as a filter's text: one line, not empty, at most 200 characters. */
export function parseText(text: string | null): string | null {
    if (text === null || text === "" || text.length > MAX_TEXT || /[\u0000-\u001f\u007f]/.test(text)) return null;
    return text;
}

/** Takes `text` as a point in time for `since`; null when it is none. */
export function parseSince(text: string | null): string | null {
    return text !== null && SINCE.test(text) ? text : null;
}

/** Reads an address. `path` is the pathname, still percent-encoded; `search` and `hash` with their mark or empty. */
export function parseRoute(path: string, search = "", hash = ""): Route {
    const parts = decodeParts(path);
    if (parts === null) return { kind: "unknown", path };
    const [first, second, ...rest] = parts;

    if (first === undefined) return { kind: "host", host: LOCALHOST, view: { page: "overview" } };
    if (first === "host" && second !== undefined) return hostRoute(path, second, rest, new URLSearchParams(search));
    if (first.startsWith("@")) {
        const host = parseHostName(first.slice(1));
        if (host === null || second === undefined) return { kind: "unknown", path };
        return packageRoute(path, host, second, rest, hash);
    }
    // Cockpit's addresses without a host mean the local one.
    if (!RESERVED.includes(first)) return packageRoute(path, LOCALHOST, first, second === undefined ? [] : [second, ...rest], hash);
    return { kind: "unknown", path };
}

/** The address of `route`, to be used in links and in the browser's history. */
export function routeAddress(route: Route): string {
    switch (route.kind) {
        case "host":
            return `/host/${encodeSegment(route.host)}/${viewAddress(route.view)}`;
        case "package": {
            const component = route.component === "index" ? "" : `/${route.component}`;
            return `/@${encodeSegment(route.host)}/${route.package}${component}${route.hash}`;
        }
        case "unknown":
            return route.path;
    }
}

/** The address of a page of `host`. */
export function hostAddress(host: HostName, view: HostView): string {
    return routeAddress({ kind: "host", host, view });
}

function hostRoute(path: string, name: string, rest: readonly string[], query: URLSearchParams): Route {
    const host = parseHostName(name);
    const view = host === null ? null : parseView(rest, query);
    return host === null || view === null ? { kind: "unknown", path } : { kind: "host", host, view };
}

function parseView(parts: readonly string[], query: URLSearchParams): HostView | null {
    const [page, item, ...more] = parts;
    if (more.length > 0) return null;
    if (page === "services" && item !== undefined) {
        const unit = parseUnitName(item);
        return unit === null ? null : { page: "unit", unit };
    }
    if (item !== undefined) return null;
    switch (page) {
        case undefined:
        case "overview":
            return { page: "overview" };
        case "services":
            return { page: "services", filter: parseUnitFilter(query) };
        case "logs":
            return { page: "logs", filter: parseLogFilter(query) };
        case "terminal":
            return { page: "terminal" };
        default:
            return null;
    }
}

function parseUnitFilter(query: URLSearchParams): UnitFilter {
    const kind = oneOf(UNIT_KINDS, query.get("kind")) ?? "service";
    const state = oneOf(UNIT_STATES, query.get("state"));
    const text = parseText(query.get("q"));
    return { kind, ...(state && { state }), ...(text !== null && { text }) };
}

function parseLogFilter(query: URLSearchParams): LogFilter {
    const priority = oneOf(PRIORITIES, query.get("priority"));
    const unit = parseUnitName(query.get("unit") ?? "");
    const boot = query.get("boot");
    const since = parseSince(query.get("since"));
    const text = parseText(query.get("q"));
    return {
        ...(priority && { priority }),
        ...(unit !== null && { unit }),
        ...(boot !== null && BOOT.test(boot) && { boot }),
        ...(since !== null && { since }),
        ...(text !== null && { text }),
    };
}

/** Takes `path` as a page of a package: `name/component`, or `name` alone for its first one; null when it is none. */
export function parsePackagePath(path: string): { readonly package: string; readonly component: string } | null {
    const [name = "", ...rest] = path.split("/");
    const component = rest.length === 0 || rest.join("") === "" ? "index" : rest.join("/");
    return PACKAGE.test(name) && COMPONENT.test(component) ? { package: name, component } : null;
}

function packageRoute(path: string, host: HostName, name: string, rest: readonly string[], hash: string): Route {
    const place = parsePackagePath([name, ...rest].join("/"));
    return place === null || [name, ...rest].some((part) => part.includes("/")) ? { kind: "unknown", path } : { kind: "package", host, ...place, hash };
}

function viewAddress(view: HostView): string {
    switch (view.page) {
        case "overview":
        case "terminal":
            return view.page;
        case "unit":
            return `services/${encodeSegment(view.unit)}`;
        case "services": {
            const { kind, state, text } = view.filter;
            return `services${queryOf({ kind: kind === "service" ? undefined : kind, state, q: text })}`;
        }
        case "logs": {
            const { priority, unit, boot, since, text } = view.filter;
            return `logs${queryOf({ priority, unit, boot, since, q: text })}`;
        }
    }
}

function queryOf(values: Readonly<Record<string, string | undefined>>): string {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(values)) if (value !== undefined) query.set(name, value);
    const text = query.toString();
    return text === "" ? "" : `?${text}`;
}

function decodeParts(path: string): string[] | null {
    try {
        return path.split("/").filter((part) => part !== "").map(decodeURIComponent);
    } catch {
        return null; // A stray `%`: nothing that we ever wrote.
    }
}

/** Percent-encodes one segment of a path, but leaves `@` and `:` readable; both are allowed there (RFC 3986, 3.3). */
function encodeSegment(text: string): string {
    return encodeURIComponent(text).replaceAll("%40", "@").replaceAll("%3A", ":");
}

function oneOf<T extends string>(values: readonly T[], text: string | null): T | undefined {
    return values.find((value) => value === text);
}
