import assert from "node:assert/strict";
import { test } from "node:test";

import { explain, problemOf } from "./problem";

test("a code of the protocol wins over everything else that was thrown with it", () => {
    assert.deepEqual(problemOf({ problem: "access-denied", name: "x.y", message: "no" }), {
        code: "access-denied",
        from: "protocol",
        message: "no",
    });
});

test("errors of services and programs keep their own words", () => {
    const service = problemOf({ problem: null, name: "org.freedesktop.systemd1.NoSuchUnit", message: "Unit x not found." });
    const program = problemOf({ problem: null, exit_status: 1, message: "Failed to parse" });

    assert.match(explain(service).cause, /Unit x not found\./);
    assert.match(explain(program).cause, /Failed to parse/);
    assert.equal(program.code, "exit-status 1");
});

test("whatever is thrown has a sentence", () => {
    for (const thrown of [null, undefined, "text", 5, {}, new Error("boom"), { problem: "from-the-future" }]) {
        assert.notEqual(explain(problemOf(thrown)).cause, "");
    }
});

test("words of a machine cannot break out of their sentence", () => {
    const { cause } = explain(problemOf({ name: "a.b", message: "x\u202e\n\u001b[31m" }));

    assert.equal(cause, 'The host answered: "x⟨202E⟩␊␛[31m"');
});
