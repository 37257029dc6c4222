/**
 * Runs every `*.test.ts` below `src/` and `build/` with node's own test runner. `npm test`; names of files (or
 * parts of them) as arguments run only those.
 */

import { spawnSync } from "node:child_process";
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
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
const files = tests.map((file) => path.join(out, file.replace(/\.tsx?$/, ".mjs")));
const { status } = spawnSync(process.execPath, ["--enable-source-maps", "--test", "--test-reporter=spec", ...files], { stdio: "inherit" });
process.exitCode = status ?? 1;
