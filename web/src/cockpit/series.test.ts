import assert from "node:assert/strict";
import { test } from "node:test";
import { ScriptedBridge, connectTo, settled } from "../testing/bridge";
import { cockpit } from "./package_api";
import { SampleDecoder } from "./samples";
import { Grid, Series } from "./series";

const meta = { interval: 1000, timestamp: 5000, now: 5000, metrics: [{ name: "a" }, { name: "b", instances: ["x", "y"] }] };

test("samples stand in full whatever the bridge left out", () => {
    const decoder = new SampleDecoder();
    decoder.decode(JSON.stringify(meta));
    const message = decoder.decode("[[1,[2,3]],[null,[4]],[],[false,[null,5]]]");
    assert.deepEqual(message, { kind: "samples", samples: [[1, [2, 3]], [1, [4, 3]], [1, [4, 3]], [false, [4, 5]]] });

    decoder.decode(JSON.stringify(meta));
    assert.deepEqual(decoder.decode("[[]]"), { kind: "samples", samples: [[false, false]] });
});

test("grid shows its range of a series, by path, and callbacks follow", () => {
    const series = new Series(1000);
    const grid = new Grid(1000, 10, 14);
    const row = grid.add(series, ["b", "y"]);
    const sums = grid.add((sum, index, count) => {
        for (let at = index; at < index + count; at++) sum[at] = Number(row[at] ?? 0) * 2;
    });
    const notified: unknown[] = [];
    grid.onnotify = (_event, index, count) => notified.push([index, count]);

    series.input(9, [[1, [2, 3]], [1, [2, 4]], [1, [2, 5]]], { b: { "": 1, y: { "": 1 } } });

    assert.deepEqual([...row], [4, 5]);
    assert.deepEqual([...sums], [8, 10]);
    assert.deepEqual(notified, [[0, 2]]);
    grid.move(11, 12);
    assert.deepEqual([...row], [5]);
    grid.close();
});

test("series asks its producer for what it does not have", () => {
    const asked: unknown[] = [];
    const series = new Series(1000, (beg, end) => asked.push([beg, end]));
    series.input(1, ["a", "b"]);
    series.load(1, 5);
    assert.deepEqual(asked, [[3, 5]]);
});

test("series asks only once for each part that it does not have", () => {
    const asked: unknown[] = [];
    const series = new Series(1000, (beg, end) => asked.push([beg, end]));
    series.input(3, ["c", "d"]);
    series.load(0, 8);
    series.load(0, 8);
    series.load(1, 9);
    assert.deepEqual(asked, [[0, 3], [5, 8], [8, 9]]);
});

test("sync regenerates all once: early callbacks, late ones, then the event", () => {
    const series = cockpit.series(1000);
    series.input(10, [1, 2, 3, 4]);
    const grid = cockpit.grid(1000, 10, 14);
    const seen: unknown[] = [];
    const row = grid.add({ series }, "");
    grid.add((_row, index, count) => seen.push(["late", index, count]));
    grid.add((_row, index, count) => seen.push(["early", index, count]), true);
    grid.onnotify = (_event, index, count) => seen.push(["event", index, count]);
    const empty = grid.add();

    grid.sync();

    assert.deepEqual(seen, [["early", 0, 4], ["late", 0, 4], ["event", 0, 4]]);
    assert.deepEqual([...row], [1, 2, 3, 4]);
    assert.deepEqual(empty, []);
});

test("a removed row stays as it is, a closed grid and a closed series fill none", () => {
    const series = cockpit.series(1000);
    const grid = cockpit.grid(1000, 0, 3);
    const removed = grid.add(series, []);
    const kept = grid.add(series, []);
    series.input(0, ["a"]);
    grid.remove(removed);
    series.input(1, ["b"]);
    assert.deepEqual([removed, kept], [["a"], ["a", "b"]]);

    series.close();
    series.input(2, ["c"]);
    grid.close();
    assert.deepEqual(kept, ["a", "b"]);
});

test("grid and series must have one interval", () => {
    assert.throws(() => cockpit.grid(1000).add(cockpit.series(500)), /500 ms.*1000 ms/);
});

test("bounds below zero count back from now, and a grid without any is empty", (context) => {
    context.mock.timers.enable({ apis: ["Date"], now: 100_000 });
    const recent = cockpit.grid(1000, -10, -0);
    assert.deepEqual([recent.beg, recent.end, recent.interval], [90, 100, 1000]);
    const none = cockpit.grid(1000);
    assert.deepEqual([none.beg, none.end], [0, 0]);
    none.move(5);
    assert.deepEqual([none.beg, none.end], [5, 5]);
});

test("walk moves on with each interval until the grid is moved", (context) => {
    context.mock.timers.enable({ apis: ["Date", "setInterval"], now: 100_000 });
    const grid = cockpit.grid(1000, -5, -0);
    grid.walk();
    context.mock.timers.tick(3000);
    assert.deepEqual([grid.beg, grid.end], [98, 103]);
    grid.move(0, 5);
    context.mock.timers.tick(3000);
    assert.deepEqual([grid.beg, grid.end], [0, 5]);
});

test("series keeps at most its limit of items, the newest", () => {
    const series = cockpit.series(1000);
    series.limit = 2;
    series.input(0, ["a", "b", "c"]);
    assert.deepEqual([series.at(0, []), series.at(2, [])], [undefined, "c"]);
});

test("follow takes the first source that there is, and places samples in time", async (context) => {
    context.mock.timers.enable({ apis: ["Date"], now: 50_500 });
    const bridge = new ScriptedBridge().script("metrics1", {
        opened: (channel) => {
            if (channel.open["source"] === "direct") {
                channel.close({ problem: "not-supported" });
                return;
            }
            // The bridge's clock is ten seconds behind.
            channel.send(JSON.stringify({ ...meta, timestamp: 40_500, now: 40_500 }));
            channel.send("[[1,[2,3]],[null,[4]]]");
        },
    });
    connectTo(bridge);
    const metrics = cockpit.metrics(1000, [{ source: "direct", metrics: [{ name: "a" }] }, { metrics: [{ name: "a" }, { name: "b" }] }]);
    let changes = 0;
    metrics.onchanged = () => changes++;
    const grid = cockpit.grid(1000, 48, 56);
    const a = grid.add(metrics.series, "a");
    const y = grid.add(metrics, ["b", "y"]);

    metrics.follow();
    await settled();

    assert.deepEqual([a[2], a[3]], [1, 1]);
    assert.deepEqual([y[2], y[3]], [3, 3]);
    assert.equal(metrics.meta?.metrics.length, 2);
    assert.deepEqual(bridge.channels.map(({ open }) => [open["source"], open["interval"]]), [["direct", 1000], ["internal", 1000]]);
    assert.equal(changes, 1);
    metrics.close();
    await settled();
    assert.equal(bridge.channel("metrics1").controls.at(-1)?.command, "close");
});

test("fetch asks the archive for its part of time, and archives says that there is one", async () => {
    const bridge = new ScriptedBridge().script("metrics1", {
        opened: (channel) => {
            channel.send(JSON.stringify({ ...meta, timestamp: channel.open["timestamp"] }));
            channel.send("[[7,[]]]");
            channel.close();
        },
    });
    connectTo(bridge);
    const metrics = cockpit.metrics(1000, { metrics: [{ name: "a" }], archive_source: "pcp-archive" });
    const row = cockpit.grid(1000, 300, 310).add(metrics.series, "a");
    assert.equal(metrics.archives, null);

    metrics.fetch(new Date(300_000), new Date(310_000));
    await settled();

    assert.equal(metrics.archives, true);
    assert.equal(row[0], 7);
    const { open } = bridge.channel("metrics1");
    assert.deepEqual([open["source"], open["timestamp"], open["limit"], open["archive_source"]], ["pcp-archive", 300_000, 10, undefined]);
});

test("a bridge without archives is asked once, and a choice without archive never", async () => {
    const bridge = new ScriptedBridge().script("metrics1", { opened: (channel) => channel.close({ problem: "not-supported" }) });
    connectTo(bridge);
    const metrics = cockpit.metrics(1000, [{ metrics: [], archive_source: "pcp-archive" }, { metrics: [] }]);

    metrics.fetch(0, 10);
    await settled();
    metrics.fetch(10, 20);
    await settled();

    assert.equal(bridge.channels.length, 1);
    assert.equal(metrics.archives, null);
});

test("a cache for series and metrics changes nothing: each page has its own data", () => {
    const asked: unknown[] = [];
    const frame = () => cockpit.series(1000, "shared", (beg, end) => asked.push([beg, end]));
    frame().load(0, 2);
    frame().load(0, 2);
    assert.deepEqual(asked, [[0, 2], [0, 2]]);
    assert.notEqual(cockpit.metrics(1000, [], "shared").series, cockpit.metrics(1000, [], "shared").series);
});
