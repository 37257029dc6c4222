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
    assert.equal(transport.uri(), "wss://admin.example/cockpit/socket");
    assert.equal(transport.application(), "cockpit");
    assert.equal(transport.options["channel-seed"], "7:");
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

test("ready and done come as control events, and nothing of the data after done", async () => {
    connectTo(
        new ScriptedBridge().script("echo", {
            opened: (channel) => {
                channel.control("ready");
                channel.send("in time");
                channel.control("done");
                channel.send("late");
            },
        }),
    );
    const channel = cockpit.channel({ payload: "echo" });
    const seen: unknown[] = [];
    channel.oncontrol = (_event, { command }) => seen.push(command);
    channel.onmessage = (_event, data) => seen.push(data);
    await settled();

    assert.deepEqual(seen, ["ready", "in time", "done"]);
});

test("control without a command changes options; close takes options and names the channel", async () => {
    const bridge = new ScriptedBridge();
    connectTo(bridge);
    const channel = cockpit.channel({ payload: "stream" });
    const seen: unknown[] = [];
    channel.onclose = (_event, options) => seen.push(options);
    await settled();

    channel.control({ window: { rows: 1, cols: 2 } });
    channel.close({ problem: "terminated", extra: 1 });
    channel.close();
    channel.send("late");
    await settled();

    const closed = { problem: "terminated", extra: 1, command: "close", channel: "7:1" };
    assert.deepEqual(seen, [closed]);
    assert.deepEqual(bridge.channel("stream").controls, [{ window: { rows: 1, cols: 2 }, command: "options", channel: "7:1" }, closed]);
    assert.deepEqual(bridge.channel("stream").received, []);
});

test("what is not text is turned into it, on a channel that is", async () => {
    const bridge = new ScriptedBridge();
    connectTo(bridge);
    const channel = cockpit.channel({ payload: "echo" });
    channel.send(5 as unknown as string);
    await settled();
    assert.equal(channel.binary, false);
    assert.deepEqual(bridge.channel("echo").received, ["5"]);
});

test("wait calls back with the options of ready, and of close for a channel that is refused", async () => {
    connectTo(new ScriptedBridge().script("echo", { opened: (channel) => channel.control("ready", { pid: 5 }) }).script("no", { opened: (channel) => channel.close({ problem: "not-supported", extra: 1 }) }));
    const seen: unknown[] = [];
    const told = (options: ControlMessage) => seen.push([options.command, options["pid"], options.problem, options["extra"]]);

    void cockpit.channel({ payload: "echo" }).wait(told);
    void cockpit.channel({ payload: "no" }).wait(told);
    await settled();

    assert.deepEqual(seen, [["ready", 5, undefined, undefined], ["close", undefined, "not-supported", 1]]);
});

test("wait of the transport calls back at once when the link is there, else later", async () => {
    connectTo(new ScriptedBridge());
    const seen: string[] = [];
    transport.wait(() => seen.push("first"));
    seen.push("after first");
    await settled();
    transport.wait(() => seen.push("second"));
    seen.push("after second");
    assert.deepEqual(seen, ["after first", "first", "second", "after second"]);
});

test("closing the transport closes every channel, with disconnected unless it is told otherwise", async () => {
    for (const problem of [undefined, "terminated"]) {
        connectTo(new ScriptedBridge());
        const channel = cockpit.channel({ payload: "echo" });
        const seen: unknown[] = [];
        channel.onclose = (_event, options) => seen.push(options.problem);
        await settled();
        transport.close(problem);
        assert.deepEqual(seen, [problem ?? "disconnected"]);
    }
});

test("filters see each message, and one that answers false keeps it; inject plays it again", async () => {
    const bridge = new ScriptedBridge().script("filtered", { data: (channel, data) => channel.send(data) });
    connectTo(bridge);
    const channel = cockpit.channel({ payload: "filtered" });
    const kept: (string | Uint8Array)[] = [];
    const seen: unknown[] = [];
    let keep = true;
    transport.filter((message, id, control) => {
        if (control !== null || id !== channel.id || !keep) return true;
        kept.push(message);
        return false;
    });
    transport.filter((message, id) => {
        if (id === channel.id) seen.push(["out", message]);
    }, true);
    channel.onmessage = (_event, data) => seen.push(data);
    channel.send("x");
    await settled();
    assert.deepEqual(seen, [["out", "7:1\nx"]]);

    keep = false;
    transport.inject(kept[0] ?? "", false);
    transport.inject("7:1\nagain");
    await settled();

    assert.deepEqual(seen, [["out", "7:1\nx"], "x", "again"]);
    assert.deepEqual(bridge.channel("filtered").received, ["x", "again"]);
});
