/**
 * `cockpit.locale()` and its kin: loads the catalogs of packages and looks texts up in them.
 *
 * A catalog comes from a package's `po.js`, with the plural rule as a function, or as JSON, with the rule as gettext
 * writes it.
 */

import { C_, type Catalog, _, direction, language as languageTag, nC_, ngettext as ngettextOf, useCatalog } from "../i18n";
import { pluralRule } from "./plural";

/** A catalog as packages carry it: forms by text behind one unused element; the entry `""` describes the language. */
export type PackageCatalog = Readonly<Record<string, unknown>>;

interface Header {
    readonly language?: string;
    readonly "language-direction"?: string;
    readonly "plural-forms"?: unknown;
}

let texts = new Map<string, readonly string[]>();
let header: Header = {};

/** Adds a package's texts to those that are there; `null` forgets all. */
export function locale(catalog: PackageCatalog | null | undefined): void {
    if (catalog === undefined) return;
    if (catalog === null) {
        texts = new Map();
        header = {};
        useCatalog(null);
        return;
    }
    for (const [text, forms] of Object.entries(catalog)) {
        if (text === "") header = { ...header, ...(forms as Header) };
        else if (Array.isArray(forms)) texts.set(text, forms.slice(1).map(String));
    }
    useCatalog(current());
}

/** `cockpit.language`: the code as the catalog writes it, for example `pt_BR`. */
export function language(): string {
    return header.language ?? languageTag();
}

/** `cockpit.language_direction`. */
export function language_direction(): "ltr" | "rtl" {
    return direction();
}

function current(): Catalog {
    return {
        language: (header.language ?? "en").replace("_", "-"),
        direction: header["language-direction"] === "rtl" ? "rtl" : "ltr",
        plural: ruleOf(header["plural-forms"]),
        texts,
    };
}

function ruleOf(plural: unknown): (count: number) => number {
    // A function of the package's own script may answer with a truth value.
    if (typeof plural === "function") return (count) => Number((plural as (n: number) => number | boolean)(count));
    const rule = typeof plural === "string" ? pluralRule(plural) : null;
    return rule ?? ((count) => (count === 1 ? 0 : 1));
}

/** `gettext(text)` or `gettext(context, text)`. */
export function gettext(contextOrText: string, text?: string): string {
    return text === undefined ? _(contextOrText) : C_(contextOrText, text);
}

/** `ngettext(one, many, count)` or, with a context, `ngettext(context, one, many, count)`. */
export function ngettext(one: string, many: string, count: number): string;
export function ngettext(context: string, one: string, many: string, count: number): string;
export function ngettext(first: string, second: string, third: string | number, count?: number): string {
    if (typeof third === "number") return ngettextOf(first, second, third);
    return nC_(first, second, third, count ?? 0);
}

/** Marks a text for the collectors of texts; its last argument. */
export function noop(...args: readonly string[]): string {
    return args.at(-1) ?? "";
}

/** Translates elements marked with `translate`, all of the document or below those given. Texts only, no markup. */
export function translate(...given: readonly (ParentNode | ArrayLike<ParentNode>)[]): void {
    const roots = given.length === 0 ? [document] : given.flatMap((one) => ("querySelectorAll" in one ? [one] : Array.from(one)));
    for (const root of roots) {
        const marked = [...root.querySelectorAll<HTMLElement>("[translate], [translatable=yes]")];
        if (root instanceof HTMLElement && root.hasAttribute("translate")) marked.push(root);
        for (const element of marked) translateElement(element);
    }
}

function translateElement(element: HTMLElement): void {
    const what = element.getAttribute("translate") ?? "yes";
    if (what === "no") return;
    const context = element.getAttribute("context") ?? element.getAttribute("translate-context");
    const translated = (text: string) => (context === null ? _(text) : C_(context, text));
    if (what === "yes" || what === "") element.textContent = translated(element.textContent.trim());
    else {
        for (const attribute of what.split(/\s+/)) {
            const text = element.getAttribute(attribute);
            if (text !== null) element.setAttribute(attribute, translated(text));
        }
    }
    element.removeAttribute("translate");
}
