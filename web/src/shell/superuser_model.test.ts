import assert from "node:assert/strict";
import { test } from "node:test";

import { access, onEnded, onPending, onPrompt, onProperties, onStart, preferred, type Superuser } from "./superuser_model";

const OFF = onProperties(
    { kind: "unknown" },
    { Current: "none", Bridges: ["pkexec", "sudo"], Methods: { sudo: { t: "a{sv}", v: { label: { t: "s", v: "Sudo" } } } } },
);

test("the methods come with their labels, whether or not these are wrapped", () => {
    assert.deepEqual(OFF, {
        kind: "off",
        methods: [
            { name: "pkexec", label: "pkexec" },
            { name: "sudo", label: "Sudo" },
        ],
    });
    assert.equal(OFF.kind === "off" && preferred(OFF.methods), "sudo");
});

test("an attempt goes from starting to asking to on", () => {
    const starting = onStart(OFF, "sudo");
    const asking = onPrompt(starting, ["", "Password for ada:", "", false, ""]);
    const on = onProperties(asking, { Current: "sudo", Bridges: ["sudo"], Methods: {} });

    assert.equal(starting.kind, "starting");
    assert.equal(asking.kind === "asking" && asking.prompt.question, "Password for ada:");
    assert.equal(asking.kind === "asking" && asking.prompt.echo, "hidden");
    assert.deepEqual(on, { kind: "on", method: "sudo" });
    assert.deepEqual([starting, asking, on].map(access), ["off", "off", "on"]);
});

test("a second prompt after a wrong password is a new one with its error", () => {
    let state = onPrompt(onStart(OFF, "sudo"), ["", "Password:", "", false, ""]);
    state = onPrompt(state, ["", "Password:", "", false, "Sorry, try again."]);

    assert.ok(state.kind === "asking");
    assert.equal(state.prompt.number, 2);
    assert.equal(state.prompt.error, "Sorry, try again.");
});

test("properties that arrive during an attempt do not end it", () => {
    const asking = onPrompt(onStart(OFF, "sudo"), ["", "Password:", "", false, ""]);

    assert.equal(onProperties(asking, { Current: "none", Bridges: ["sudo"] }).kind, "asking");
    assert.equal(onProperties(asking, { Current: "init", Bridges: ["sudo"] }).kind, "asking");
});

test("an attempt that failed or was cancelled leaves access off", () => {
    assert.equal(onEnded(onStart(OFF, "sudo")).kind, "off");
    const on: Superuser = { kind: "on", method: "sudo" };
    assert.equal(onEnded(on), on);
});

test("a prompt that nobody waits for is ignored", () => {
    assert.equal(onPrompt(OFF, ["", "Give me your password", "", false, ""]), OFF);
});

test("a page that comes after the question was asked hears it, and when it has its answer", () => {
    const starting = onProperties({ kind: "unknown" }, { Current: "init", Bridges: ["pkexec", "sudo"] });
    const asking = onPending(starting, [["", "Password:", "", false, "Sorry, try again."]]);

    assert.equal(starting.kind === "starting" && starting.method, "sudo");
    assert.equal(asking.kind === "asking" && asking.prompt.error, "Sorry, try again.");
    assert.equal(onPending(asking, [["", "Password:", "", false, ""]]), asking);
    assert.equal(onPending(asking, []).kind, "starting");
    assert.equal(onPending(asking, undefined), asking);
    assert.equal(onPending(OFF, [["", "Password:", "", false, ""]]), OFF);
});

test("root needs no superuser access, and a host without any way to it says so", () => {
    assert.equal(onProperties(OFF, { Current: "root", Bridges: [] }).kind, "always");
    assert.equal(onProperties(OFF, { Current: "none", Bridges: [] }).kind, "unavailable");
    assert.equal(onProperties(OFF, {}).kind, "unavailable");
});
