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

test("every way to name a service", async () => {
    const cases: readonly (readonly [Parameters<typeof cockpit.http>, Record<string, unknown>])[] = [
        [["/run/x.sock"], { unix: "/run/x.sock" }],
        [[8080, { address: "db1", tls: { validate: true } }], { port: 8080, address: "db1", tls: { validate: true } }],
        [["81"], { port: 81 }],
        [[{ port: 9, headers: { A: "1" }, superuser: "require" }], { port: 9, headers: { A: "1" }, superuser: "require" }],
    ];
    for (const [args, expected] of cases) {
        const bridge = service(200, "");
        await cockpit.http(...args).get("/");
        const { open } = bridge.channel("http-stream2");
        for (const [name, value] of Object.entries(expected)) assert.deepEqual(open[name], value, name);
    }
});

test("request without a body waits for its input, which may come in parts", async () => {
    const bridge = service(200, "ok");
    const http = cockpit.http(80);
    const request = http.request({ method: "PUT", path: "/p", params: { q: [1, 2], deep: { a: 1 } }, headers: { B: "2" } });
    await settled();
    assert.deepEqual(bridge.channel("http-stream2").controls, []);
    void request.input("a", true).input("b");

    assert.equal(await request, "ok");
    const channel = bridge.channel("http-stream2");
    assert.deepEqual([channel.received, channel.open["method"], channel.open["path"]], [["a", "b"], "PUT", "/p?q=1%2C2&deep=%7B%22a%22%3A1%7D"]);
    await http.request({ body: "z" });
    assert.deepEqual([bridge.channel("http-stream2").open["path"], bridge.channel("http-stream2").received], ["/", ["z"]]);
});

test("stream takes the body as it comes, also after then", async () => {
    const bridge = new ScriptedBridge().script("http-stream2", {
        control: (channel) => {
            channel.control("response", { status: 200, reason: "OK", headers: {} });
            for (const part of ["ab", "c", "rest"]) channel.send(part);
            channel.close();
        },
    });
    connectTo(bridge);
    const parts: string[] = [];
    const rest = await cockpit
        .http(80)
        .get("/")
        .stream((data) => {
            if (data !== "rest") parts.push(data);
            return data === "rest" ? 0 : data.length;
        });
    assert.deepEqual([parts, rest], [["ab", "c"], "rest"]);

    const chained = cockpit.http(80).get("/").then((text) => `left: ${text}`) as unknown as { stream(callback: (data: string) => void): Promise<string> };
    assert.equal(await chained.stream((data) => void parts.push(data)), "left: ");
    assert.deepEqual(parts.slice(2), ["ab", "c", "rest"]);
});

test("bytes are asked for and given where the client is binary", async () => {
    const bridge = new ScriptedBridge().script("http-stream2", {
        control: (channel) => {
            channel.control("response", { status: 200, reason: "OK", headers: {} });
            channel.send(new Uint8Array([0, 255]));
            channel.close();
        },
    });
    connectTo(bridge);
    assert.deepEqual(await cockpit.http(80, { binary: true }).get("/"), new Uint8Array([0, 255]));
    assert.equal(bridge.channel("http-stream2").open["binary"], "raw");
});

test("failure has no data when there was no answer, and says status and reason as a text", async () => {
    service(0, "", { problem: "not-found" });
    const counted: number[] = [];
    await assert.rejects(cockpit.http(80).get("/").fail((...values) => counted.push(values.length)));

    service(503, "busy");
    const request = cockpit.http(80).get("/").fail((...values) => counted.push(values.length));
    await assert.rejects(request, (error) => String(error) === "503 Because");
    assert.deepEqual(counted, [1, 2]);
});
