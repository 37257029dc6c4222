/**
 * Runs every `*.test.ts` below `src/` and `build/` with node's own test runner. `npm test`; names of files (or
 * parts of them) as arguments run only those.
 */

import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import * as esbuild from "esbuild";

const out = "node_modules/.cache/pilothouse/tests";
const wanted = process.argv.slice(2);

const found = await Promise.all(["src", "build"].map((folder) => readdir(folder, { recursive: true }).then((names) => names.map((name) => path.join(folder, name)))));
const tests = found
    .flat()
    .filter((file) => /\.test\.tsx?$/.test(file))
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)));
if (tests.length === 0) throw new Error("no test file was found");

await rm(out, { recursive: true, force: true });
await esbuild.build({
    entryPoints: tests,
    outdir: out,
    outbase: ".",
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    packages: "external",
    sourcemap: "inline",
    logLevel: "warning",
});
const files = tests.map((file) => path.resolve(out, file.replace(/\.tsx?$/, ".mjs")));

// Not `node --test FILE`: since Node.js 21 its arguments are patterns, and none matches below node_modules.
process.env["NODE_OPTIONS"] = "--enable-source-maps";
const results = run({ files, concurrency: true });
results.on("test:fail", () => {
    process.exitCode = 1;
});
results.pipe(new spec()).pipe(process.stdout);
