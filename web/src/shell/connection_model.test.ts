import assert from "node:assert/strict";
import { test } from "node:test";

import { type Connection, onClosed, pauseBefore, secondsLeft } from "./connection_model";

test("a lost link is tried at once, then after 1, 2, 4 seconds and never later than 30", () => {
    assert.deepEqual([0, 1, 2, 3, 4, 5, 6, 60].map(pauseBefore), [0, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});

test("each failed try makes the pause longer, and a good one makes it short again", () => {
    let state: Connection = onClosed({ kind: "up" }, "disconnected", 0);
    assert.deepEqual(state, { kind: "lost", tries: 0, retryAt: 0 });

    state = onClosed(state, "disconnected", 100);
    state = onClosed(state, "timeout", 1200);
    assert.deepEqual(state, { kind: "lost", tries: 2, retryAt: 3200 });

    assert.deepEqual(onClosed({ kind: "up" }, "disconnected", 9000), { kind: "lost", tries: 0, retryAt: 9000 });
});

test("without a session one logs in again, and nothing is tried", () => {
    assert.deepEqual(onClosed({ kind: "up" }, "no-session", 0), { kind: "logged-out" });
});

test("who was cut off by a server that stops hears of the session's end when there is a server again", () => {
    const stopped = onClosed({ kind: "up" }, "terminated", 0);

    assert.deepEqual(stopped, { kind: "lost", tries: 0, retryAt: 0 });
    assert.deepEqual(onClosed(stopped, "no-session", 0), { kind: "logged-out" });
});

test("the time left is told in whole seconds and never negative", () => {
    const lost = { kind: "lost", tries: 3, retryAt: 5000 } as const;

    assert.equal(secondsLeft(lost, 1500), 4);
    assert.equal(secondsLeft(lost, 9000), 0);
});
