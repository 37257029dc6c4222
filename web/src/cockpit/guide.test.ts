/** Holds docs/cockpit-api.md against the object that packages get and against the tests. */

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import "../testing/bridge";
import { PackageCockpit } from "./package_api";

const text = readFileSync("../docs/cockpit-api.md", "utf8");
const rows = text
    .split("\n")
    .filter((line) => line.startsWith("| ") && !/^\| (member|---) /.test(line))
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));

/** Names of tests as patterns: what a test puts into its name may be anything. */
function testNames(): RegExp[] {
    const sources = ["src/cockpit", "src/link"].flatMap((folder) => readdirSync(folder).filter((name) => name.endsWith(".test.ts")).map((name) => readFileSync(`${folder}/${name}`, "utf8")));
    const names = sources.flatMap((source) => [...source.matchAll(/test\((["`])(.+?)\1, /g)].map(([, , name = ""]) => name));
    return names.map((name) => new RegExp(`^${name.split(/\$\{\w+\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".+")}$`));
}

test("every line of the table of the API names a test that there is", () => {
    const names = testNames();
    for (const [member = "", , name = ""] of rows) assert.ok(names.some((pattern) => pattern.test(name)), `${member}: no test is called "${name}"`);
});

test("every state in the table of the API is one of the three", () => {
    for (const [member = "", state = ""] of rows) assert.match(state, /^(yes|own|taken)\b/, member);
});

test("the table of the API names every member that packages get, and no other", () => {
    const page = new PackageCockpit(null);
    const own = [...Object.getOwnPropertyNames(page), ...Object.getOwnPropertyNames(PackageCockpit.prototype)];
    const members = new Set(own.filter((name) => name !== "constructor"));
    const named = new Set([...text.matchAll(/`cockpit\.(\w+)/g)].map(([, name = ""]) => name));

    assert.deepEqual([...members].filter((name) => !named.has(name)), []);
    assert.deepEqual([...named].filter((name) => !members.has(name)), []);
});
