import assert from "node:assert/strict";
import { test } from "node:test";

import { PROBLEM_CODES } from "../problems";
import { failureDetails, hostProblemText, stateWord } from "./host_problems";
import { failureOf, type HostState } from "./model";

test("every code has a sentence and a next step for a machine, and those of a connection name it", () => {
    for (const code of [...PROBLEM_CODES, "from-the-future"]) {
        const { sentence, nextStep } = hostProblemText(code, "web1");
        assert.match(sentence, /\.$/, code);
        assert.match(nextStep, /\.$/, code);
    }
    for (const code of ["unknown-host", "unknown-hostkey", "invalid-hostkey", "authentication-failed", "no-host", "timeout", "terminated", "no-cockpit", "not-supported"]) {
        assert.match(hostProblemText(code, "web1").sentence, /\bweb1\b/, code);
    }
});

test("details hold the code, the machine's words made visible, and each method", () => {
    const failure = failureOf({ problem: "authentication-failed", message: "no\u001b[2J\u202eway", "auth-method-results": { password: "denied", "gssapi-mic": "not-tried" } });

    assert.equal(failureDetails(failure), "authentication-failed\nno␛[2J⟨202E⟩way\nPassword: refused\nKerberos: not tried");
});

test("every state has a word", () => {
    const failed = (problem: string): HostState => ({ kind: "failed", failure: failureOf({ problem }) });
    const states: HostState[] = [{ kind: "idle" }, { kind: "under-way", stage: "connecting" }, { kind: "connected" }, { kind: "doubted" }, { kind: "given-up", asked: "password" }, { kind: "disconnected" }];
    for (const state of states) assert.notEqual(stateWord(state), "");
    assert.deepEqual(["invalid-hostkey", "authentication-failed", "no-host", "too-large"].map((code) => stateWord(failed(code))), ["Key changed", "Needs login", "Unreachable", "Not connected"]);
});
