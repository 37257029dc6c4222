import assert from "node:assert/strict";
import { test } from "node:test";
import "../testing/bridge";
import { cockpit } from "./package_api";

/** The codes that the guide lists. */
const CODES = ["access-denied", "authentication-failed", "internal-error", "no-cockpit", "no-session", "not-found", "terminated", "timeout", "unknown-hostkey", "no-forwarding"];

test("every problem code of the guide has words of its own", () => {
    const words = CODES.map((code) => cockpit.message(code));
    assert.equal(new Set(words).size, CODES.length);
    for (const [at, code] of CODES.entries()) assert.doesNotMatch(words[at] ?? "", new RegExp(code));
});

test("message takes what an exception says itself, else its problem", () => {
    assert.equal(cockpit.message(new Error("itself")), "itself");
    assert.equal(cockpit.message({ message: "itself", problem: "timeout" }), "itself");
    assert.equal(cockpit.message({ problem: "timeout" }), cockpit.message("timeout"));
    assert.match(cockpit.message("unheard-of"), /unheard-of/);
});

test("assert throws unless the condition holds", () => {
    const check: (condition: unknown, text?: string) => void = cockpit.assert;
    check(1);
    assert.throws(() => check(0, "there are disks"), { message: "Assertion failed: there are disks" });
});

test("extend copies members, and with true joins objects", () => {
    const target = { a: 1, deep: { x: 1 } };
    assert.equal(cockpit.extend(target, { b: 2 }, null), target);
    assert.deepEqual(cockpit.extend({ a: 1 }, { b: 2 }, { a: 3 }), { a: 3, b: 2 });
    assert.deepEqual(cockpit.extend(true, {}, { deep: { x: 1 } }, { deep: { y: [2] } }), { deep: { x: 1, y: [2] } });

    const hostile = JSON.parse('{"__proto__": {"polluted": true}}') as object;
    cockpit.extend(true, {}, hostile);
    assert.equal("polluted" in {}, false);
});
