import assert from "node:assert/strict";
import { test } from "node:test";
import { ScriptedBridge, connectTo, settled } from "../testing/bridge";
import { cockpit } from "./package_api";

/** A bridge whose programs print `output` and end so. */
function programs(output: readonly string[], close: object): ScriptedBridge {
    const bridge = new ScriptedBridge().script("stream", {
        opened: (channel) => {
            channel.control("ready", { pid: 12 });
            for (const block of output) channel.send(block);
            channel.control("done");
            channel.close(close);
        },
    });
    connectTo(bridge);
    return bridge;
}

test("spawn resolves to the output and the message of standard error", async () => {
    const bridge = programs(["a", "b"], { "exit-status": 0, message: "careful" });
    const seen: unknown[] = [];

    const process = cockpit.spawn(["ls", "/"], { superuser: "require" }).done((data, message) => seen.push(data, message));

    assert.equal(await process, "ab");
    assert.deepEqual(seen, ["ab", "careful"]);
    assert.deepEqual(bridge.channel("stream").open["spawn"], ["ls", "/"]);
    assert.equal(bridge.channel("stream").open["superuser"], "require");
});

test("program that fails rejects with its status, its message and what it printed", async () => {
    programs(["half"], { "exit-status": 3, message: "no such thing" });
    const seen: unknown[] = [];

    const process = cockpit.spawn(["false"]).fail((error, data) => seen.push(error.exit_status, error.exit_signal, error.problem, data));

    await assert.rejects(process, { message: "no such thing" });
    assert.deepEqual(seen, [3, null, null, "half"]);
});

test("program that a signal ended, and one that was not found", async () => {
    programs([], { "exit-signal": "TERM" });
    await assert.rejects(cockpit.spawn(["sleep", "9"]), { exit_signal: "TERM", exit_status: null, message: "sleep was ended by signal TERM" });

    programs([], { problem: "not-found" });
    await assert.rejects(cockpit.spawn("nonsense"), { problem: "not-found", exit_status: null });
});

test("a stream callback gets data as they come, and again what it did not use", async () => {
    programs(["one\ntw", "o\nrest"], { "exit-status": 0 });
    const lines: string[] = [];

    const rest = await cockpit.spawn(["cat"]).stream((data) => {
        const end = data.lastIndexOf("\n") + 1;
        lines.push(...data.slice(0, end).split("\n").slice(0, -1));
        return end;
    });

    assert.deepEqual(lines, ["one", "two"]);
    assert.equal(rest, "rest");
});

test("input is sent in blocks that cut no character, and ends unless more follows", async () => {
    const bridge = new ScriptedBridge();
    connectTo(bridge);
    const text = "ä😀".repeat(20_000);

    const process = cockpit.spawn(["cat"]);
    void process.input(text, true);
    await settled();
    const channel = bridge.channel("stream");
    assert.deepEqual(channel.controls, []);
    void process.input();
    await settled();

    assert.equal(channel.received.join(""), text);
    for (const block of channel.received) {
        assert.ok(Buffer.byteLength(block) <= 64 * 1024);
        assert.doesNotMatch(block as string, /\p{Surrogate}/u);
    }
    assert.deepEqual(channel.controls.map(({ command }) => command), ["done"]);
});

test("binary process gives bytes", async () => {
    connectTo(
        new ScriptedBridge().script("stream", {
            opened: (channel) => {
                channel.send(new Uint8Array([0, 255]));
                channel.send(new Uint8Array([1]));
                channel.close({ "exit-status": 0 });
            },
        }),
    );

    assert.deepEqual(await cockpit.spawn(["cat"], { binary: true }), new Uint8Array([0, 255, 1]));
});

test("script runs the shell with the text and its arguments, with options in either place", async () => {
    const bridge = programs([], { "exit-status": 0 });

    await cockpit.script("echo $1", ["a b"], { err: "out" });
    assert.deepEqual(bridge.channel("stream").open["spawn"], ["/bin/sh", "-c", "echo $1", "--", "a b"]);
    assert.equal(bridge.channel("stream").open["err"], "out");

    await cockpit.script("true", { err: "message" });
    assert.deepEqual(bridge.channel("stream").open["spawn"], ["/bin/sh", "-c", "true", "--"]);
    assert.equal(bridge.channel("stream").open["err"], "message");
});

test("close with a problem ends the process with it", async () => {
    const bridge = new ScriptedBridge();
    connectTo(bridge);
    const process = cockpit.spawn(["sleep", "9"]);
    await settled();

    void process.close("terminated");

    await assert.rejects(process, { problem: "terminated" });
    await settled();
    assert.equal(bridge.channel("stream").controls[0]?.["problem"], "terminated");
});

test("options reach the bridge as they are", async () => {
    const bridge = programs([], { "exit-status": 0 });
    const options = { directory: "/x", environ: ["A=1"], err: "out", pty: true, batch: 9, latency: 5, superuser: "try", host: "web1" } as const;

    await cockpit.spawn(["ls"], options);

    const { open } = bridge.channel("stream");
    for (const [name, value] of Object.entries(options)) assert.deepEqual(open[name], value, name);
});

test("failure of a program that never ran has no data, of one that ran it has", async () => {
    const counted: unknown[] = [];
    programs([], { problem: "not-found" });
    await assert.rejects(cockpit.spawn(["nonsense"]).fail((...values) => counted.push(values.length)));
    programs([], { "exit-status": 1 });
    const failing = cockpit.spawn(["false"]).fail((...values) => counted.push(values.length));
    await assert.rejects(failing, (error) => error instanceof cockpit.ProcessError && String(error) === "false exited with status 1");
    assert.deepEqual(counted, [1, 2]);
});

test("a stream handler that is given later replaces the one before", async () => {
    programs(["data"], { "exit-status": 0 });
    const seen: string[] = [];
    const process = cockpit.spawn(["cat"]).stream(() => void seen.push("first"));
    await process.stream((data) => void seen.push(data));
    assert.deepEqual(seen, ["data"]);
});

test("input of nothing sends nothing, and ends unless more follows", async () => {
    const bridge = new ScriptedBridge();
    connectTo(bridge);
    void cockpit.spawn(["cat"]).input(null);
    await settled();
    const channel = bridge.channel("stream");
    assert.deepEqual([channel.received, channel.controls.map(({ command }) => command)], [[], ["done"]]);
});

test("what stands among the arguments becomes text, as pages of packages rely on", async () => {
    const bridge = programs([], { "exit-status": 0 });

    await cockpit.spawn(["head", "-n", 3, null] as unknown as string[]);

    assert.deepEqual(bridge.channel("stream").open["spawn"], ["head", "-n", "3", "null"]);
});
