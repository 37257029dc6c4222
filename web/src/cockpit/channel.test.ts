import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { ScriptedBridge, connectTo, settled } from "../testing/bridge";
import type { ControlMessage } from "./api";
import { cockpit } from "./package_api";
import { transport } from "./transport";

afterEach(() => connectTo(new ScriptedBridge()));

test("channel opens with its options, and what was sent before the link was up follows", async () => {
    const bridge = new ScriptedBridge();
    connectTo(bridge);

    const channel = cockpit.channel({ payload: "echo", superuser: "try" });
    channel.send("early");
    channel.control({ command: "done" });
    await settled();

    const opened = bridge.channel("echo");
    assert.deepEqual(opened.open, { command: "open", channel: "7:1", payload: "echo", superuser: "try", host: "localhost", "flow-control": true });
    assert.deepEqual(opened.received, ["early"]);
    assert.deepEqual(opened.controls, [{ command: "done", channel: "7:1" }]);
});

test("binary channel says so and carries bytes both ways", async () => {
    const bridge = new ScriptedBridge().script("echo", { data: (channel, data) => channel.send(data) });
    connectTo(bridge);
    const channel = cockpit.channel({ payload: "echo", binary: true });
    const received: unknown[] = [];
    channel.addEventListener("message", (_event, data) => received.push(data));

    channel.send([1, 255]);
    channel.send(new Uint8Array([0]));
    await settled();

    assert.equal(bridge.channel("echo").open["binary"], "raw");
    assert.deepEqual(received, [new Uint8Array([1, 255]), new Uint8Array([0])]);
});

test("ready and close events come with their options, and on… handlers too", async () => {
    const bridge = new ScriptedBridge().script("echo", {
        opened: (channel) => {
            channel.control("ready", { pid: 5 });
            channel.close({ problem: "not-found", message: "gone" });
        },
    });
    connectTo(bridge);
    const channel = cockpit.channel({ payload: "echo" });
    const seen: unknown[] = [];
    channel.onready = (_event: CustomEvent, options: ControlMessage) => seen.push(["ready", options["pid"]]);
    channel.addEventListener("close", (_event, options) => seen.push(["close", options.problem, options.message]));

    assert.equal((await channel.wait())["pid"], 5);
    await settled();

    assert.deepEqual(seen, [["ready", 5], ["close", "not-found", "gone"]]);
    assert.equal(channel.valid, false);
});

test("waiting for a channel that is refused fails with its problem", async () => {
    connectTo(new ScriptedBridge().script("nonsense", { opened: (channel) => channel.close({ problem: "not-supported" }) }));

    await assert.rejects(cockpit.channel({ payload: "nonsense" }).wait(), { problem: "not-supported" });
});

test("closing a channel tells the bridge why and fires close at once", async () => {
    const bridge = new ScriptedBridge();
    connectTo(bridge);
    const channel = cockpit.channel({ payload: "echo" });
    await settled();
    let problem: unknown = null;
    channel.addEventListener("close", (_event, options) => (problem = options.problem));

    channel.close("terminated");

    assert.equal(problem, "terminated");
    await settled();
    assert.deepEqual(bridge.channel("echo").controls, [{ command: "close", channel: "7:1", problem: "terminated" }]);
});

test("a lost link closes channels, and new ones too until somebody connects again", async () => {
    const bridge = new ScriptedBridge();
    connectTo(bridge);
    const first = cockpit.channel({ payload: "echo" });
    await settled();
    bridge.socket?.drop("");
    await settled();
    assert.equal(first.valid, false);
    assert.equal(transport.state.kind, "closed");

    await assert.rejects(cockpit.channel({ payload: "echo" }).wait(), { problem: "disconnected" });

    transport.connect();
    const again = cockpit.channel({ payload: "echo" });
    await settled();
    assert.equal(again.valid, true);
});

test("transport knows host, token, origin and addresses once the link is up", async () => {
    connectTo(new ScriptedBridge());
    assert.equal(transport.host, null);
    transport.connect();
    await settled();

    assert.equal(transport.host, "localhost");
    assert.equal(transport.csrf_token, "a-token");
    assert.equal(transport.origin, "https://admin.example");
    assert.equal(transport.uri("channel/x"), "wss://admin.example/cockpit/channel/x");
});

test("channels go to the page's host unless they name one", async () => {
    const bridge = new ScriptedBridge();
    connectTo(bridge);
    transport.useHost("web1");

    cockpit.channel({ payload: "echo" });
    cockpit.channel({ payload: "null", host: "db1" });
    await settled();

    assert.equal(bridge.channel("echo").open["host"], "web1");
    assert.equal(bridge.channel("null").open["host"], "db1");
});

test("a listener that throws does not keep the others from their event, and is reported", () => {
    const reported: unknown[] = [];
    globalThis.reportError = (error) => reported.push(error);
    const target = cockpit.event_target({});
    const seen: number[] = [];
    const failure = new Error("first");
    target.addEventListener("changed", () => {
        throw failure;
    });
    target.addEventListener("changed", () => seen.push(2));

    target.dispatchEvent("changed");

    assert.deepEqual(seen, [2]);
    assert.deepEqual(reported, [failure]);
});
