import assert from "node:assert/strict";
import { test } from "node:test";

import type { HostName } from "../routes";
import { type FrameIdentity, frameSeed, fromFrame, greeting, seedOf } from "./frames_model";

const FRAME: FrameIdentity = { name: "cockpit1:web1/system/services", host: "web1" as HostName, seed: frameSeed("4:", 7) };

function control(fields: Record<string, unknown>): string {
    return `\n${JSON.stringify(fields)}`;
}

test("a frame's channel ids begin with a seed that leads back to it", () => {
    assert.equal(FRAME.seed, "4:7!");
    assert.equal(seedOf("4:7!12"), FRAME.seed);
    assert.equal(seedOf("4:12"), null);
    assert.equal(seedOf(""), null);
});

test("an answer for a frame inside a frame goes to the outer one", () => {
    assert.equal(seedOf("4:7!2!9"), FRAME.seed);
});

test("an open gets the frame's group and, without one of its own, the frame's host", () => {
    const verdict = fromFrame(control({ command: "open", channel: "4:7!1", payload: "echo", group: "other" }), FRAME);

    assert.ok(verdict.kind === "forward" && typeof verdict.message === "string");
    assert.deepEqual(JSON.parse(verdict.message), {
        command: "open",
        channel: "4:7!1",
        payload: "echo",
        group: FRAME.name,
        host: "web1",
    });
});

test("a frame cannot speak on a channel that is not its own", () => {
    assert.equal(fromFrame(control({ command: "open", channel: "4:1", payload: "echo" }), FRAME).kind, "drop");
    assert.equal(fromFrame(control({ command: "close", channel: "4:8!1" }), FRAME).kind, "drop");
    assert.equal(fromFrame("4:8!1\ndata", FRAME).kind, "drop");
    assert.equal(fromFrame(new TextEncoder().encode("4:8!1\ndata"), FRAME).kind, "drop");
});

test("data on its own channels goes on untouched", () => {
    const bytes = new TextEncoder().encode("4:7!1\n\u0000\u0001");

    assert.deepEqual(fromFrame("4:7!1\ndata", FRAME), { kind: "forward", message: "4:7!1\ndata" });
    assert.deepEqual(fromFrame(bytes, FRAME), { kind: "forward", message: bytes });
});

test("a frame can kill its own channels only", () => {
    const verdict = fromFrame(control({ command: "kill", host: "localhost", group: "somebody" }), FRAME);

    assert.deepEqual(verdict, { kind: "forward", message: control({ command: "kill", group: FRAME.name }) });
});

test("jump and hint are the shell's, and a jump stays on this server", () => {
    assert.deepEqual(fromFrame(control({ command: "jump", location: "/system/logs" }), FRAME), { kind: "jump", location: "/system/logs", host: null });
    assert.equal(fromFrame(control({ command: "jump", location: "https://evil.example" }), FRAME).kind, "drop");
    assert.deepEqual(fromFrame(control({ command: "hint", hash: "/x" }), FRAME), { kind: "hash", hash: "/x" });
});

test("nonsense is dropped", () => {
    for (const data of [null, 5, {}, "\n", "\nnull", "\n[]", "\n{", "no newline", control({ command: "oops" })]) {
        assert.equal(fromFrame(data, FRAME).kind, "drop");
    }
});

test("the greeting carries the link's options, the frame's host and its seed", () => {
    assert.deepEqual(JSON.parse(greeting({ "csrf-token": "t", host: "localhost", "channel-seed": "4:" }, FRAME)), {
        "csrf-token": "t",
        command: "init",
        version: 1,
        host: "web1",
        "channel-seed": "4:7!",
    });
});
