import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { GREETING, ScriptedBridge, carrierTo, settled } from "../testing/bridge";
import { Link, WATCHDOG_INTERVAL } from "./link";

test("link is ready when the server has greeted, and says init itself first", async () => {
    const bridge = new ScriptedBridge();
    const link = new Link(carrierTo(bridge));
    const seen: string[] = [];
    link.onState(({ kind }) => seen.push(kind));
    assert.equal(link.state.kind, "connecting");

    await settled();

    assert.deepEqual(seen, ["ready"]);
    assert.deepEqual(bridge.controls[0], { command: "init", version: 1 });
    assert.equal(bridge.socket?.protocol, "cockpit1");
    link.close("terminated");
});

test("channel ids begin with the seed and never repeat", async () => {
    const link = new Link(carrierTo(new ScriptedBridge()));
    await settled();
    const receiver = { data: () => undefined, control: () => undefined };

    const ids = [1, 2, 3].map(() => link.addChannel(receiver));

    assert.deepEqual(ids, ["7:1", "7:2", "7:3"]);
    link.close("terminated");
});

for (const [what, init, problem] of [
    ["a problem", { problem: "no-session" }, "no-session"],
    ["another version", { version: 2 }, "not-supported"],
] as const) {
    test(`init with ${what} closes the link with ${problem}`, async () => {
        const link = new Link(carrierTo(new ScriptedBridge(), init));

        await settled();

        assert.deepEqual(link.state, { kind: "closed", problem, message: null });
    });
}

test("malformed message closes the link with protocol-error", async () => {
    const bridge = new ScriptedBridge();
    const link = new Link(carrierTo(bridge));
    await settled();

    bridge.socket?.deliver('\n{"command":"close"}');
    await settled();

    assert.equal(link.state.kind === "closed" ? link.state.problem : null, "protocol-error");
});

test("ping is answered with all that it held, with a channel or without", async () => {
    const bridge = new ScriptedBridge();
    const link = new Link(carrierTo(bridge));
    await settled();

    bridge.sendControl({ command: "ping" });
    bridge.sendControl({ command: "ping", channel: "7:9", sequence: 16384 });
    await settled();

    assert.deepEqual(bridge.controls.slice(1), [{ command: "pong" }, { command: "pong", channel: "7:9", sequence: 16384 }]);
    link.close("terminated");
});

test("socket that goes away closes the link and its channels with the server's reason", async () => {
    const bridge = new ScriptedBridge();
    const link = new Link(carrierTo(bridge));
    await settled();
    const closes: unknown[] = [];
    const id = link.addChannel({ data: () => undefined, control: ({ message }) => closes.push(message) });

    bridge.socket?.drop("terminated");
    await settled();

    assert.deepEqual(link.state, { kind: "closed", problem: "terminated", message: null });
    assert.deepEqual(closes, [{ command: "close", channel: id, problem: "terminated" }]);
});

test("link that is silent for a whole interval is closed with timeout", async () => {
    mock.timers.enable({ apis: ["setInterval"] });
    const bridge = new ScriptedBridge();
    const link = new Link(carrierTo(bridge));
    await settled();

    mock.timers.tick(WATCHDOG_INTERVAL);
    await settled();
    assert.equal(link.state.kind, "ready");
    assert.deepEqual(bridge.controls.at(-1), { command: "ping" });

    mock.timers.tick(WATCHDOG_INTERVAL);
    assert.deepEqual(link.state, { kind: "closed", problem: "timeout", message: null });
    mock.timers.reset();
});

test("filters see messages of both directions and can keep them", async () => {
    const bridge = new ScriptedBridge();
    const link = new Link(carrierTo(bridge));
    await settled();
    const seen: unknown[] = [];
    link.addFilter("in", (_raw, channel, control) => {
        seen.push([channel, control?.command]);
        return control?.command !== "ping";
    });
    link.addFilter("out", (_raw, _channel, control) => control?.command !== "kill");

    bridge.sendControl({ command: "ping" });
    bridge.socket?.deliver("5!1\ndata");
    link.sendControl({ command: "kill" });
    await settled();

    assert.deepEqual(seen, [["", "ping"], ["5!1", undefined]]);
    assert.equal(bridge.controls.length, 1);
    link.close("terminated");
});

test("init sent again updates the link", async () => {
    const bridge = new ScriptedBridge();
    const link = new Link(carrierTo(bridge));
    await settled();

    bridge.sendControl({ command: "init", version: 1, ...GREETING, "csrf-token": "another" });
    await settled();

    assert.equal(link.state.kind === "ready" ? link.state.init["csrf-token"] : null, "another");
    link.close("terminated");
});
