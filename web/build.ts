/**
 * Builds `dist/`, which the server carries inside. `npm run build`; `--dev` keeps names readable, adds source
 * maps and leaves out compression and budgets; `--watch` builds again after each change.
 *
 * What the server relies on:
 * - `dist/assets/NAME-HASH.{js,css,svg}`, each with `.br` and `.gz` beside it where they are smaller. All of them
 *   are served below `/assets/`, unchanged for ever.
 * - `dist/entries.json`: logical name → file name, among others `shell.js`, `shell.css`, `login.css`.
 *   `shell.js` is a module (`<script type="module">`); `preload` lists the modules that it imports statically.
 * - `dist/static/fonts/*.woff2`: fonts for packages, served below `/cockpit/static/fonts/`.
 * - `dist/base1/cockpit.js`: a classic script that sets `window.cockpit`, for packages written for Cockpit.
 */

import { createHash } from "node:crypto";
import { watch } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import * as esbuild from "esbuild";
import { type Output, budgetLines } from "./build/budgets";
import { writeCompressed } from "./build/compress";
import { copyFonts } from "./build/fonts";
import { loginSheet, shellSheet } from "./build/styles";
import { withoutInlineStyles } from "./build/xterm";

const root = process.cwd();
const dist = path.join(root, "dist");
const mode = process.argv.includes("--dev") ? "dev" : "release";
const TARGET = ["chrome111", "firefox111", "safari16.4"];

const shared: esbuild.BuildOptions & { write: false; metafile: true } = {
    absWorkingDir: root,
    bundle: true,
    minify: mode === "release",
    sourcemap: mode === "dev" ? "inline" : false,
    target: TARGET,
    legalComments: "none",
    charset: "utf8",
    logLevel: "warning",
    write: false,
    metafile: true,
    define: { "process.env.NODE_ENV": mode === "dev" ? '"development"' : '"production"' },
    // The sheets that come with a script are part of shell.css (build/styles.ts).
    // The sprite of icons is a file of its own, and its address a string in the script that shows it.
    loader: { ".css": "empty", ".svg": "file" },
    assetNames: "[name]-[hash]",
    plugins: [
        {
            name: "xterm-without-inline-styles",
            setup: (build) => {
                build.onLoad({ filter: /@xterm[/\\]xterm[/\\]lib[/\\]xterm\.mjs$/ }, async ({ path: file }) => ({
                    contents: withoutInlineStyles(await readFile(file, "utf8")),
                    loader: "js",
                }));
            },
        },
    ],
};

/** One build from nothing: the folder is emptied first. */
async function build(): Promise<void> {
    const started = performance.now();
    await rm(dist, { recursive: true, force: true });
    const outputs: Output[] = [];
    const write = async (file: string, content: Uint8Array, inputs: readonly string[] = []) => {
        const { brotli } = await writeCompressed(path.join(dist, file), content, mode);
        outputs.push({ file, brotli, inputs });
        return path.basename(file);
    };
    const writeHashed = (name: string, text: string) => {
        const content = Buffer.from(text);
        const dot = name.lastIndexOf(".");
        return write(`assets/${name.slice(0, dot)}-${hashOf(content)}${name.slice(dot)}`, content);
    };

    const shell = await esbuild.build({
        ...shared,
        entryPoints: { shell: "src/main.ts" },
        outdir: "dist/assets",
        format: "esm",
        splitting: true,
        entryNames: "[name]-[hash]",
        chunkNames: "[name]-[hash]",
        publicPath: "/assets",
    });
    for (const output of shell.outputFiles) {
        const file = path.relative(dist, output.path);
        await write(file, output.contents, Object.keys(shell.metafile.outputs[`dist/${file}`]?.inputs ?? {}));
    }
    const base1 = await esbuild.build({
        ...shared,
        entryPoints: { cockpit: "src/cockpit/base1.ts" },
        outdir: "dist/base1",
        format: "iife",
    });
    for (const output of base1.outputFiles) await write(path.relative(dist, output.path), output.contents);

    await copyFonts(root, path.join(dist, "static/fonts"));

    const shellScripts = staticImports(shell.metafile, entryOf(shell.metafile, "src/main.ts"));
    const [shellScript, ...preload] = shellScripts.map((file) => path.basename(file));
    const entries = {
        "shell.js": shellScript,
        "shell.css": await writeHashed("shell.css", await shellSheet(root, mode)),
        "login.css": await writeHashed("login.css", await loginSheet(root, mode)),
        preload,
    };
    await writeFile(path.join(dist, "entries.json"), JSON.stringify(entries, null, 4) + "\n");

    const failed = mode === "release" ? report(outputs, shellScripts, entries["shell.css"], entries["login.css"]) : 0;
    console.log(`built in ${Math.round(performance.now() - started)} ms`);
    if (failed > 0) throw new Error(`${failed} budgets are exceeded`);
}

/** Prints every budget with its figure; the number of those that are exceeded. */
function report(outputs: readonly Output[], shellScripts: readonly string[], shellCss: string, loginCss: string): number {
    const lines = budgetLines({ outputs, shellScripts, shellSheet: `assets/${shellCss}`, loginSheet: `assets/${loginCss}` });
    for (const { what, bytes, limit } of lines) {
        const verdict = bytes > limit ? "EXCEEDED" : "ok";
        console.log(`${what.padEnd(40)} ${String(bytes).padStart(7)} of ${String(limit).padStart(7)} brotli bytes  ${verdict}`);
    }
    return lines.filter(({ bytes, limit }) => bytes > limit).length;
}

/** The output, below `dist/`, that was made from `source`. */
function entryOf(metafile: esbuild.Metafile, source: string): string {
    const found = Object.entries(metafile.outputs).find(([, output]) => output.entryPoint === source);
    if (found === undefined) throw new Error(`no output was made from ${source}`);
    return found[0].replace(/^dist\//, "");
}

/** `file` and every chunk it imports statically, itself first. */
function staticImports(metafile: esbuild.Metafile, file: string, seen = new Set<string>()): string[] {
    if (seen.has(file)) return [];
    seen.add(file);
    const imports = metafile.outputs[`dist/${file}`]?.imports ?? [];
    const chunks = imports.filter(({ kind, external }) => kind === "import-statement" && external !== true);
    return [file, ...chunks.flatMap((chunk) => staticImports(metafile, chunk.path.replace(/^dist\//, ""), seen))];
}

function hashOf(content: Uint8Array): string {
    return createHash("sha256").update(content).digest("hex").slice(0, 8).toUpperCase();
}

/** Builds after each change below `src/` and `styles/`, once for changes that come together. */
function buildOnChange(): void {
    let pending: NodeJS.Timeout | undefined;
    const again = () => {
        clearTimeout(pending);
        pending = setTimeout(() => void build().catch((error: unknown) => console.error(error)), 100);
    };
    for (const folder of ["src", "styles"]) watch(path.join(root, folder), { recursive: true }, again);
}

await build();
if (process.argv.includes("--watch")) buildOnChange();
