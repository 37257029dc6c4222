import assert from "node:assert/strict";
import { test } from "node:test";

import { endFrom, endSentence, loginShell, windowSize } from "./model";

test("the login shell must be an absolute path", () => {
    assert.equal(loginShell("/usr/bin/zsh"), "/usr/bin/zsh");
    for (const named of ["", "zsh", "-c", null, undefined, 5, "/bin/x\n"]) assert.equal(loginShell(named), "/bin/sh");
});

test("the window is never empty and never larger than a pty can be", () => {
    assert.deepEqual(windowSize(0, 1e9), { rows: 1, cols: 2000 });
    assert.deepEqual(windowSize(24.9, 80), { rows: 24, cols: 80 });
});

test("the end of a shell is told with its status or signal", () => {
    assert.equal(endSentence(endFrom({ "exit-status": 0 })), "Shell ended (exit status 0).");
    assert.equal(endSentence(endFrom({ "exit-status": null, "exit-signal": "KILL" })), "Shell ended (signal KILL).");
    assert.equal(endSentence(endFrom({})), "Shell ended.");
});
