/**
 * The menu of installed packages, made from their manifests. No DOM, no channels.
 *
 * A manifest is written by whoever wrote the package: each part is checked, and one that does not fit is left out.
 * The bridge has already decided which packages are there (conditions, priorities, overrides). Caller:
 * `package_menu.ts`. Source: docs/protocol.md, "Packages".
 */

import { type HostName, parsePackagePath, type Route } from "../routes";

export type PackageRoute = Extract<Route, { kind: "package" }>;

/** Where an entry stands. `dashboard` is what Cockpit's oldest packages say for `menu`. */
export type MenuSection = "menu" | "tools";

export interface Doc {
    readonly label: string;
    readonly url: string;
}

/** Words by which an entry is found, and the place inside the package that they lead to. */
export interface Keyword {
    readonly matches: readonly string[];
    /** Path of another entry (`/storage`) or a hash of this one (`/?type=timer`); empty for the entry itself. */
    readonly goto: string;
}

export interface MenuEntry {
    /** Cockpit's name for the page: `system/services`, or `updates` for `updates/index`. */
    readonly path: string;
    readonly package: string;
    readonly component: string;
    /** With its `#`; empty for none. */
    readonly hash: string;
    readonly label: string;
    readonly section: MenuSection;
    readonly order: number;
    readonly docs: readonly Doc[];
    readonly keywords: readonly Keyword[];
}

export interface PackageMenu {
    /** By order, then by label. */
    readonly entries: readonly MenuEntry[];
    /** Every package that is installed, with or without an entry. */
    readonly names: ReadonlySet<string>;
    /** Paths that packages want loaded before anybody visits them. */
    readonly preload: readonly string[];
    /** The entry under which a package without one of its own stands, by name of the package. */
    readonly parents: ReadonlyMap<string, string>;
    /** Languages in which packages can be shown: names by code. */
    readonly languages: ReadonlyMap<string, string>;
}

export const NO_PACKAGES: PackageMenu = { entries: [], names: new Set(), preload: [], parents: new Map(), languages: new Map() };

/** Pages of packages that show what one of ours shows, by Cockpit's name for them. */
const DOUBLES: ReadonlyMap<string, "overview" | "services" | "logs" | "terminal"> = new Map([
    ["system", "overview"],
    ["system/services", "services"],
    ["system/logs", "logs"],
    ["system/terminal", "terminal"],
]);

/** Where an entry stands that does not say. */
const DEFAULT_ORDER = 1000;

/** Our page that shows the same as the package's page at `path`; null when there is none. */
export function ownTwin(path: string): "overview" | "services" | "logs" | "terminal" | null {
    return DOUBLES.get(path) ?? null;
}

/** Cockpit's name for a page of a package: without `index`. */
export function pathOf(route: Pick<PackageRoute, "package" | "component">): string {
    return route.component === "index" ? route.package : `${route.package}/${route.component}`;
}

/** Reads the manifests as the bridge gives them: an object by name of the package. Anything else is no package. */
export function parseManifests(text: string, translate: (text: string) => string = (word) => word): PackageMenu {
    const manifests = parseObject(text);
    const entries: MenuEntry[] = [];
    const preload: string[] = [];
    const parents = new Map<string, string>();
    const languages = new Map<string, string>();
    for (const [name, manifest] of Object.entries(manifests)) {
        if (!isObject(manifest)) continue;
        for (const [key, section] of SECTIONS) {
            const items = manifest[key];
            if (isObject(items)) entries.push(...Object.entries(items).flatMap(([page, item]) => entryOf(name, page, item, section, translate)));
        }
        for (const page of textsOf(manifest["preload"])) preload.push(page === "index" ? name : `${name}/${page}`);
        const parent = isObject(manifest["parent"]) ? manifest["parent"]["component"] : undefined;
        if (typeof parent === "string") parents.set(name, parent);
        if (isObject(manifest["locales"])) for (const [code, label] of Object.entries(manifest["locales"])) if (typeof label === "string") languages.set(code, label);
    }
    entries.sort((one, other) => one.order - other.order || one.label.localeCompare(other.label));
    return { entries, names: new Set(Object.keys(manifests)), preload, parents, languages };
}

const SECTIONS: readonly (readonly [key: string, section: MenuSection])[] = [
    ["menu", "menu"],
    ["dashboard", "menu"],
    ["tools", "tools"],
];

/** The entry under which `route` stands: its own, that of its parent, or that of its package. */
export function entryOfRoute(menu: PackageMenu, route: Pick<PackageRoute, "package" | "component">): MenuEntry | null {
    const find = (path: string | undefined) => menu.entries.find((entry) => entry.path === path);
    return find(pathOf(route)) ?? find(menu.parents.get(route.package)) ?? find(route.package) ?? null;
}

export function routeOf(host: HostName, entry: Pick<MenuEntry, "package" | "component" | "hash">): PackageRoute {
    return { kind: "package", host, package: entry.package, component: entry.component, hash: entry.hash };
}

/** What a search finds in one entry. */
export interface Found {
    readonly entry: MenuEntry;
    readonly route: PackageRoute;
    /** The word that was found, when it is not the label. */
    readonly word: string;
}

/** Entries whose label or keywords hold `query`; those with it in the label first. */
export function search(menu: PackageMenu, host: HostName, query: string): readonly Found[] {
    const wanted = query.trim().toLocaleLowerCase();
    if (wanted === "") return [];
    const byLabel = menu.entries.filter((entry) => entry.label.toLocaleLowerCase().includes(wanted));
    const found: Found[] = byLabel.map((entry) => ({ entry, route: routeOf(host, entry), word: "" }));
    for (const entry of menu.entries) {
        if (byLabel.includes(entry)) continue;
        for (const keyword of entry.keywords) {
            const word = keyword.matches.find((match) => match.toLocaleLowerCase().includes(wanted));
            if (word === undefined) continue;
            found.push({ entry, route: target(menu, host, entry, keyword), word });
            break;
        }
    }
    return found;
}

function target(menu: PackageMenu, host: HostName, entry: MenuEntry, { goto }: Keyword): PackageRoute {
    if (goto === "") return routeOf(host, entry);
    const [path, hash] = split(goto, "#");
    const other = path.startsWith("/") ? menu.entries.find((candidate) => candidate.path === path.slice(1)) : undefined;
    if (other !== undefined) return { ...routeOf(host, other), hash: hash === undefined ? "" : `#${hash}` };
    return { ...routeOf(host, entry), hash: `#${goto}` };
}

function entryOf(name: string, page: string, item: unknown, section: MenuSection, translate: (text: string) => string): MenuEntry[] {
    if (!isObject(item) || typeof item["label"] !== "string" || item["label"] === "") return [];
    const [given, hash] = split(typeof item["path"] === "string" ? item["path"].replace(/\.html(?=$|#)/, "") : `${name}/${page}`, "#");
    const place = parsePackagePath(given.includes("/") ? given : `${name}/${given}`);
    if (place === null) return [];
    const order = item["order"];
    return [
        {
            ...place,
            path: pathOf(place),
            hash: hash === undefined ? "" : `#${hash}`,
            label: translate(item["label"]),
            section,
            order: typeof order === "number" && Number.isFinite(order) ? order : DEFAULT_ORDER,
            docs: listOf(item["docs"]).flatMap((doc) => docOf(doc, translate)),
            keywords: listOf(item["keywords"]).flatMap((keyword) => keywordOf(keyword, translate)),
        },
    ];
}

function docOf(doc: unknown, translate: (text: string) => string): Doc[] {
    if (!isObject(doc) || typeof doc["label"] !== "string" || typeof doc["url"] !== "string") return [];
    return /^https?:\/\//.test(doc["url"]) ? [{ label: translate(doc["label"]), url: doc["url"] }] : [];
}

function keywordOf(keyword: unknown, translate: (text: string) => string): Keyword[] {
    if (!isObject(keyword)) return [];
    const matches = textsOf(keyword["matches"]);
    const { goto } = keyword;
    const shown = keyword["translate"] === false ? matches : matches.flatMap((match) => [...new Set([translate(match), match])]);
    return shown.length === 0 ? [] : [{ matches: shown, goto: typeof goto === "string" ? goto : "" }];
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
    try {
        const value: unknown = JSON.parse(text);
        return isObject(value) ? value : {};
    } catch {
        return {};
    }
}

function split(text: string, mark: string): [string, string?] {
    const at = text.indexOf(mark);
    return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}

function listOf(value: unknown): readonly unknown[] {
    return Array.isArray(value) ? value : [];
}

function textsOf(value: unknown): readonly string[] {
    return listOf(value).filter((one): one is string => typeof one === "string" && one !== "");
}
