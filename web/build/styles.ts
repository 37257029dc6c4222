/**
 * The style sheets: PatternFly's, purged, with our own behind it. Called by `build.ts`.
 *
 * PatternFly is taken sheet by sheet from the list below; what no class name in our sources selects is dropped,
 * and so are its fonts, its images and its variants that we do not offer. A class name must therefore be written
 * whole in the sources, never put together.
 */

import { existsSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import * as esbuild from "esbuild";
import { PurgeCSS } from "purgecss";

/** PatternFly's component sheets that our interface uses. Add one here before using its classes. */
const COMPONENTS = [
    "Alert/alert", "Badge/badge", "Breadcrumb/breadcrumb", "Button/button", "Card/card", "Check/check",
    "CodeBlock/code-block", "Content/content", "DescriptionList/description-list", "Divider/divider",
    "EmptyState/empty-state", "Form/form", "FormControl/form-control", "HelperText/helper-text",
    "InputGroup/input-group", "Label/label", "List/list", "Masthead/masthead", "Menu/menu",
    "MenuToggle/menu-toggle", "ModalBox/modal-box", "Nav/nav", "Page/page", "Progress/progress",
    "Skeleton/skeleton", "SkipToContent/skip-to-content", "Spinner/spinner", "Switch/switch", "Table/table",
    "Table/table-grid", "Tabs/tabs", "TextInputGroup/text-input-group", "Title/title", "ToggleGroup/toggle-group",
    "Toolbar/toolbar",
] as const;

const LAYOUTS = ["Flex/flex", "Gallery/gallery", "Grid/grid", "Split/split", "Stack/stack"] as const;

/** Sheets of the graphs and the terminal: small, and their class names stand in their own scripts. */
const OTHERS = ["uplot/dist/uPlot.min.css", "@xterm/xterm/css/xterm.css"] as const;

/** Where class names may stand. Server templates carry the frame of the shell. */
const CONTENT = ["src/**/*.ts", "src/**/*.tsx", "styles/*.css", "../server/templates/**/*.html"];

/** Theme variants that we do not offer: their rules go, whatever else selects them. */
const UNUSED_THEMES = /pf-v6-theme-(felt|glass|redhat|unified)/;

/** Text font and number font of the system; PatternFly's own are not shipped. */
const SYSTEM_FONTS = `
:root {
    --pf-t--global--font--family--100: system-ui, sans-serif;
    --pf-t--global--font--family--200: system-ui, sans-serif;
    --pf-t--global--font--family--300: ui-monospace, monospace;
    --pf-t--global--font--family--body: system-ui, sans-serif;
    --pf-t--global--font--family--heading: system-ui, sans-serif;
    --pf-t--global--font--family--mono: ui-monospace, monospace;
}
`;

/** `shell.css`: PatternFly as far as it is used, then every sheet of `styles/` but the login page's. */
export async function shellSheet(root: string, mode: "release" | "dev"): Promise<string> {
    const patternfly = path.join(root, "node_modules/@patternfly/patternfly");
    const sheets = [
        "base/patternfly-variables.css",
        "base/patternfly-common.css",
        ...COMPONENTS.map((name) => `components/${name}.css`),
        ...LAYOUTS.map((name) => `layouts/${name}.css`),
        "utilities/Accessibility/accessibility.css",
    ];
    const files = [...sheets.map((name) => path.join(patternfly, name)), ...OTHERS.map((name) => path.join(root, "node_modules", name))];
    const theirs = await Promise.all(files.map((file) => readFile(file, "utf8")));
    const ours = await Promise.all((await ownSheets(root)).map((file) => readFile(file, "utf8")));
    const raw = [...theirs.map(withoutUrls).map(withoutUnusedThemes), SYSTEM_FONTS, ...ours].join("\n");

    const [purged] = await new PurgeCSS().purge({
        content: CONTENT.map((glob) => path.join(root, glob)),
        css: [{ raw }],
        // A class name is a word of letters, digits, dashes and underscores in quotes or in a sheet.
        defaultExtractor: (text) => text.match(/[\w-]+/g) ?? [],
        safelist: { standard: ["html", "body", ":root", "pf-v6-theme-dark", "pf-v6-theme-high-contrast", /^xterm/, /^u-/, /^uplot$/] },
        variables: true,
        keyframes: true,
        fontFace: true,
    });
    if (purged === undefined) throw new Error("the style sheet was not purged");
    return minified(purged.css, mode);
}

/** `login.css`: written by hand, so that the login page stays small. */
export async function loginSheet(root: string, mode: "release" | "dev"): Promise<string> {
    return minified(await readFile(path.join(root, "styles/login.css"), "utf8"), mode);
}

async function ownSheets(root: string): Promise<string[]> {
    const folder = path.join(root, "styles");
    if (!existsSync(folder)) return [];
    const names = (await readdir(folder)).filter((name) => name.endsWith(".css") && name !== "login.css");
    // Tokens first: later sheets use them.
    names.sort((a, b) => Number(b === "tokens.css") - Number(a === "tokens.css") || a.localeCompare(b));
    return names.map((name) => path.join(folder, name));
}

/** Drops font faces and replaces every address of an image: the policy allows none of their places. */
function withoutUrls(css: string): string {
    return css
        .replace(/@charset[^;]*;/g, "")
        .replace(/@font-face\s*\{[^}]*\}/g, "")
        .replace(/url\([^)]*\)/g, "none");
}

/** Drops the rules (all of whose selectors are) for themes that nobody can choose. */
function withoutUnusedThemes(css: string): string {
    return css.replace(/([^{}]+)\{([^{}]*)\}/g, (rule: string, selectors: string, body: string) => {
        if (!UNUSED_THEMES.test(selectors)) return rule;
        const kept = splitSelectors(selectors).filter((selector) => !UNUSED_THEMES.test(selector.replace(/:not\([^)]*\)/g, "")));
        return kept.length === 0 ? "" : `${kept.join(",")}{${body}}`;
    });
}

/** Splits at commas outside parentheses. */
function splitSelectors(selectors: string): string[] {
    const parts: string[] = [];
    let depth = 0;
    let part = "";
    for (const char of selectors) {
        if (char === "(") depth++;
        if (char === ")") depth--;
        if (char === "," && depth === 0) {
            parts.push(part);
            part = "";
        } else {
            part += char;
        }
    }
    return [...parts, part];
}

async function minified(css: string, mode: "release" | "dev"): Promise<string> {
    const result = await esbuild.transform(css, { loader: "css", minify: mode === "release", target: ["chrome111", "firefox111", "safari16.4"] });
    if (/url\(\s*["']?(?!\/assets\/)/.test(result.code)) throw new Error("a style sheet refers to an address outside /assets/");
    return result.code;
}
