import assert from "node:assert/strict";
import { test } from "node:test";
import { ScriptedBridge, connectTo, settled } from "../testing/bridge";
import { cockpit } from "./package_api";

function service(status: number, body: string, close: object = {}): ScriptedBridge {
    const bridge = new ScriptedBridge().script("http-stream2", {
        control: (channel, { command }) => {
            if (command !== "done") return;
            if (status !== 0) channel.control("response", { status, reason: "Because", headers: { A: "b" } });
            if (body !== "") channel.send(body);
            channel.close(close);
        },
    });
    connectTo(bridge);
    return bridge;
}

test("get sends path, parameters and headers, and resolves to the body", async () => {
    const bridge = service(200, "hello");
    const seen: unknown[] = [];
    const http = cockpit.http("/run/x.sock", { headers: { X: "1" }, superuser: "try" });

    const request = http.get("/things", { q: "a b", n: 2 }, { Y: "2" }).response((status, headers) => seen.push(status, headers));

    assert.equal(await request, "hello");
    assert.deepEqual(seen, [200, { A: "b" }]);
    const { open } = bridge.channel("http-stream2");
    assert.equal(open["path"], "/things?q=a+b&n=2");
    assert.equal(open["unix"], "/run/x.sock");
    assert.equal(open["superuser"], "try");
    assert.deepEqual(open["headers"], { X: "1", Y: "2" });
});

test("post turns an object into JSON and ends the request", async () => {
    const bridge = service(204, "");

    await cockpit.http(8080).post("/things", { a: 1 });

    const channel = bridge.channel("http-stream2");
    assert.deepEqual(channel.received, ['{"a":1}']);
    assert.equal(channel.open["port"], 8080);
    assert.deepEqual(channel.open["headers"], { "Content-Type": "application/json" });
});

test("an answer that is no success rejects with status, reason and body", async () => {
    service(404, "nothing here");
    const seen: unknown[] = [];

    const request = cockpit.http(80).get("/x").fail((error, data) => seen.push(error.status, error.reason, error.problem, data));

    await assert.rejects(request, { status: 404, reason: "Because" });
    assert.deepEqual(seen, [404, "Because", null, "nothing here"]);
});

test("a service that is not there rejects with its problem, and close cancels all", async () => {
    service(0, "", { problem: "not-found" });
    await assert.rejects(cockpit.http(80).get("/x"), { problem: "not-found", status: null });

    connectTo(new ScriptedBridge());
    const http = cockpit.http(80);
    const request = http.get("/x");
    await settled();
    http.close("disconnected");
    await assert.rejects(request, { problem: "disconnected" });
});
