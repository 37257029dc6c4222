/**
 * Translations of what manifests say, read out of `manifests-i18n.js` without running it. No DOM.
 *
 * The file is a script of each package that calls `cockpit.locale({…})`; all that is wanted of it are its pairs of
 * texts, which stand in it as JSON. Our own document runs no script of a package. Caller: `package_menu.ts`.
 */

/** `"text": [null, "translation", …]`, as Cockpit's build writes it. */
const PAIR = /("(?:[^"\\]|\\.)*")\s*:\s*\[\s*null\s*,\s*("(?:[^"\\]|\\.)*")/g;

/** Translations by text; the context, if there is one, is left out. */
export function readTranslations(script: string): ReadonlyMap<string, string> {
    const texts = new Map<string, string>();
    for (const [, key = '""', value = '""'] of script.matchAll(PAIR)) {
        const text = plain(key);
        const translation = plain(value);
        if (text !== null && translation !== null && translation !== "") texts.set(text.slice(text.indexOf("\u0004") + 1), translation);
    }
    return texts;
}

function plain(quoted: string): string | null {
    try {
        const value: unknown = JSON.parse(quoted);
        return typeof value === "string" ? value : null;
    } catch {
        return null;
    }
}
