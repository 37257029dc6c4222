import assert from "node:assert/strict";
import { test } from "node:test";

import type { HostName } from "../routes";
import { cutOff, type FrameIdentity, frameSeed, fromFrame, greeting, seedOf, visibilityHint } from "./frames_model";

const FRAME: FrameIdentity = { name: "cockpit1:web1/system/services", host: "web1" as HostName, seed: frameSeed("4:", 7), earlier: [], hosts: "any" };

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
    assert.equal(fromFrame(control({ command: "open", channel: "4:1", payload: "echo" }), FRAME).kind, "refuse");
    assert.deepEqual(fromFrame(control({ command: "close", channel: "4:8!1" }), FRAME), { kind: "refuse", reason: 'the channel "4:8!1" is not its own' });
    assert.equal(fromFrame("4:8!1\ndata", FRAME).kind, "refuse");
    assert.equal(fromFrame(new TextEncoder().encode("4:8!1\ndata"), FRAME).kind, "refuse");
});

test("each seed that the document was given is its own", () => {
    const twice = { ...FRAME, seed: frameSeed("4:", 9), earlier: [frameSeed("4:", 7)] };

    for (const channel of ["4:7!1", "4:9!1"]) assert.equal(fromFrame(`${channel}\ndata`, twice).kind, "forward", channel);
    assert.equal(fromFrame("4:8!1\ndata", twice).kind, "refuse");
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

test("a jump names a place on this server, with or without a host", () => {
    assert.deepEqual(fromFrame(control({ command: "jump", location: "/system/logs", host: null }), FRAME), { kind: "jump", location: "/system/logs", host: null });
    assert.deepEqual(fromFrame(control({ command: "jump", location: "storage#/x", host: "web2" }), FRAME), { kind: "jump", location: "/storage#/x", host: "web2" });
    for (const location of ["https://evil.example", "//evil.example", "java" + "script:alert(1)", 5]) {
        assert.equal(fromFrame(control({ command: "jump", location }), FRAME).kind, "refuse", String(location));
    }
});

test("hints tell where a page is, that the network changes, and that the host restarts", () => {
    const hint = (fields: Record<string, unknown>) => fromFrame(control({ command: "hint", ...fields }), FRAME);

    assert.deepEqual(hint({ hint: "location", hash: "/x" }), { kind: "hint", hint: { kind: "hash", hash: "/x" } });
    assert.deepEqual(hint({ hint: "ignore_transport_health_check", data: true }), { kind: "hint", hint: { kind: "silence", silence: "tolerated" } });
    assert.deepEqual(hint({ hint: "ignore_transport_health_check", data: false }), { kind: "hint", hint: { kind: "silence", silence: "fatal" } });
    assert.deepEqual(hint({ hint: "restart", host: "web1" }), { kind: "hint", hint: { kind: "restart" } });
    assert.equal(hint({ hint: "something-new" }).kind, "ignore");
});

test("a page tells its status for the menu, and that it has failed", () => {
    assert.deepEqual(fromFrame(control({ command: "notify", page_status: { type: "warning", title: "4 updates" } }), FRAME), {
        kind: "status",
        status: { type: "warning", title: "4 updates" },
    });
    assert.equal(fromFrame(control({ command: "oops" }), FRAME).kind, "oops");
});

test("a frame's own question whether the link lives is answered by the shell", () => {
    assert.deepEqual(fromFrame(control({ command: "ping", n: 3 }), FRAME), { kind: "answer", message: control({ command: "pong", n: 3 }) });
});

test("what only the shell may say is refused to a frame", () => {
    for (const command of ["authorize", "superuser-init-done", "open", "response"]) {
        assert.equal(fromFrame(control({ command, response: "Basic x" }), FRAME).kind, "refuse", command);
    }
});

test("a package that is limited to its host cannot open a channel to another one", () => {
    const limited: FrameIdentity = { ...FRAME, hosts: "own" };
    const open = (host?: string) => fromFrame(control({ command: "open", channel: "4:7!1", payload: "echo", host }), limited);

    assert.equal(open().kind, "forward");
    assert.equal(open("web1").kind, "forward");
    assert.deepEqual(open("db1"), { kind: "answer", message: control({ command: "close", channel: "4:7!1", problem: "access-denied" }) });
});

test("opening and closing are noted, so that a lost link can close what is open", () => {
    const opened = fromFrame(control({ command: "open", channel: "4:7!1", payload: "echo" }), FRAME);
    const closed = fromFrame(control({ command: "close", channel: "4:7!1" }), FRAME);

    assert.equal(opened.kind === "forward" && opened.opened, "4:7!1");
    assert.equal(closed.kind === "forward" && closed.closed, "4:7!1");
    assert.equal(cutOff("4:7!1", "disconnected"), control({ command: "close", channel: "4:7!1", problem: "disconnected" }));
});

test("a frame hears whether it is seen", () => {
    assert.equal(visibilityHint("hidden"), control({ command: "hint", hidden: true }));
});

test("nonsense is refused", () => {
    for (const data of [null, 5, {}, "\n", "\nnull", "\n[]", "\n{", "no newline"]) {
        assert.equal(fromFrame(data, FRAME).kind, "refuse");
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
