import assert from "node:assert/strict";
import { test } from "node:test";
import { ScriptedBridge, connectTo, settled } from "../testing/bridge";
import type { Process } from "./api";
import { cockpit } from "./package_api";

test("done gets all values, await the first, and a chain passes all on", async () => {
    const deferred = cockpit.defer<string>();
    const seen: unknown[] = [];
    void deferred.promise.done((...values: unknown[]) => seen.push(values));
    void deferred.resolve("a", "b");

    assert.equal(await deferred.promise, "a");
    await cockpit.resolve(0).then(() => deferred.promise).then((...values: unknown[]) => seen.push(values));
    assert.deepEqual(seen, [["a", "b"], ["a", "b"]]);
    assert.equal(deferred.promise.state(), "resolved");
});

test("fail and always get the error, catch goes on from it", async () => {
    const failure = new Error("no");
    const seen: unknown[] = [];
    const promise = cockpit.reject(failure, "data").fail((...values: unknown[]) => seen.push(values)).always((...values: unknown[]) => seen.push(values));

    assert.equal(await promise.catch(() => "better"), "better");
    assert.deepEqual(seen, [[failure, "data"], [failure, "data"]]);
    await assert.rejects(cockpit.all([cockpit.resolve(1), promise]), failure);
});

test("progress is told until the promise is settled", () => {
    const deferred = cockpit.defer();
    const seen: unknown[] = [];
    void deferred.promise.progress((value) => seen.push(value));
    void deferred.notify(1).resolve().notify(2);
    assert.deepEqual(seen, [1]);
});

test("promise of a deferred can be called, and is what it gives back", async () => {
    const { promise, ...rights } = cockpit.defer<number>();
    assert.deepEqual(Object.keys(rights), []);
    const deferred = cockpit.defer<number>();
    const called = deferred.promise();

    assert.equal(typeof deferred.promise, "function");
    assert.equal(called, deferred.promise);
    assert.equal(deferred.promise.promise(), deferred.promise);
    assert.equal(deferred.promise.done(() => undefined), deferred.promise);
    assert.equal(deferred.promise.state(), "pending");
    assert.equal(promise.state(), "pending");

    deferred.resolve(5);
    assert.equal(await called, 5);
    assert.equal(await cockpit.resolve(deferred.promise), 5);
});

test("promise of a deferred lends its methods to an object", async () => {
    const deferred = cockpit.defer<string>();
    const target = deferred.promise({ name: "job" });
    deferred.resolve("done");

    assert.equal(target.name, "job");
    assert.equal(await target.then((value) => value), "done");
    assert.equal(target.state(), "resolved");
});

test("what is resolved with a promise takes its values and its failure", async () => {
    const inner = cockpit.defer<string>();
    const outer = cockpit.defer<string>();
    const seen: unknown[] = [];
    outer.resolve(inner.promise);
    void outer.promise.done((...values: unknown[]) => seen.push(...values));
    assert.equal(outer.promise.state(), "pending");

    inner.resolve("a", "b");
    await settled();
    assert.deepEqual(seen, ["a", "b"]);

    await assert.rejects(cockpit.resolve(cockpit.reject(new Error("no"))), { message: "no" });
});

test("callbacks run later, in the order in which they were given", async () => {
    const deferred = cockpit.defer();
    const seen: string[] = [];
    void deferred.promise.then(() => seen.push("then"));
    void deferred.promise.done(() => seen.push("done"));
    deferred.resolve();
    seen.push("after resolve");
    await settled();

    void deferred.promise.always(() => seen.push("late"));
    seen.push("after always");
    await settled();
    assert.deepEqual(seen, ["after resolve", "then", "done", "after always", "late"]);
});

test("finally passes on what was there, and the first settling counts", async () => {
    const deferred = cockpit.defer<number>();
    deferred.resolve(4).reject(new Error("late"));
    assert.equal(await deferred.promise.finally(() => undefined), 4);
    await assert.rejects(cockpit.reject(new Error("no")).finally(() => undefined), { message: "no" });
});

test("all and when wait for every promise and every plain value", async () => {
    const seen: unknown[] = [];
    void cockpit.all([cockpit.resolve(1), 2]).done((...values: unknown[]) => seen.push(values));
    void cockpit.when(cockpit.resolve(1), cockpit.resolve(3)).done((...values: unknown[]) => seen.push(values));
    void cockpit.all([]).done((...values: unknown[]) => seen.push(values));
    await settled();
    assert.deepEqual(new Set(seen.map(String)), new Set(["", "1,2", "1,3"]));
});

test("input, stream and close of a program go on after then", async () => {
    const bridge = new ScriptedBridge().script("stream", {
        control: (channel, { command }) => {
            if (command !== "done") return;
            channel.send(channel.received.join(""));
            channel.close({ "exit-status": 0 });
        },
    });
    connectTo(bridge);
    const streamed: string[] = [];

    type Chained = Process & Promise<string>;
    const chained = cockpit.spawn(["cat"]).then((rest) => `rest: ${rest}`) as Chained;
    const after = chained.catch(() => "failed") as Chained;
    assert.equal(chained.stream((data) => void streamed.push(data)), chained);
    assert.equal(after.input("hello"), after);

    assert.equal(await after, "rest: ");
    assert.deepEqual(streamed, ["hello"]);

    const closed = cockpit.spawn(["cat"]).then(() => "never") as Chained;
    void closed.close("terminated");
    await assert.rejects(closed, { problem: "terminated" });
});
