import assert from "node:assert/strict";
import { test } from "node:test";
import { type BridgeChannel, ScriptedBridge, connectTo, settled } from "../testing/bridge";
import { cockpit } from "./cockpit";

type Message = Readonly<Record<string, unknown>>;

const IFACE = "org.example.Clock";
const META = { [IFACE]: { methods: { Set: { in: ["s"], out: ["s", "u"] }, quiet: {} }, properties: { Zone: { flags: "rw", type: "s" } }, signals: { Ticked: { in: ["u"] } } } };

/** A bridge that hands each message of a `dbus-json3` channel to `answer`. */
function service(answer: (channel: BridgeChannel, message: Message) => void = () => undefined): ScriptedBridge {
    const bridge = new ScriptedBridge().script("dbus-json3", {
        opened: (channel) => channel.control("ready", { "unique-name": ":1.7" }),
        data: (channel, data) => answer(channel, JSON.parse(data as string) as Message),
    });
    connectTo(bridge);
    return bridge;
}

const say = (channel: BridgeChannel, message: Message) => channel.send(JSON.stringify(message));
const sent = (bridge: ScriptedBridge) => bridge.channel("dbus-json3").received.map((text) => JSON.parse(text as string) as Message);

test("call sends its arguments and resolves to the values of the reply", async () => {
    const bridge = service((channel, { id }) => say(channel, { id, reply: [["a", 1]], type: "su" }));
    const client = cockpit.dbus("org.example", { bus: "session" });
    const seen: unknown[] = [];

    const values = await client.call("/clock", IFACE, "Set", ["x"], { type: "s", timeout: 500 }).done((_values, options) => seen.push(options));

    assert.deepEqual(values, ["a", 1]);
    assert.deepEqual(seen, [{ type: "su" }]);
    assert.deepEqual(sent(bridge), [{ call: ["/clock", IFACE, "Set", ["x"]], type: "s", timeout: 500, flags: "i", id: "1" }]);
    assert.equal(bridge.channel("dbus-json3").open["bus"], "session");
    assert.equal(client.unique_name, ":1.7");
});

test("error reply rejects with the D-Bus name and text, a closed client with its problem", async () => {
    service((channel, { id }) => say(channel, { id, error: ["org.example.Error.No", ["not today"]] }));
    const client = cockpit.dbus("org.example");

    await assert.rejects(client.call("/clock", IFACE, "Set").then(), { name: "org.example.Error.No", message: "not today", problem: null });
    client.close("terminated");
    await assert.rejects(client.call("/clock", IFACE, "Set"), { problem: "terminated" });
});

test("client that ends rejects the calls that wait", async () => {
    service((channel) => channel.close({ problem: "not-found" }));
    const client = cockpit.dbus("org.example");
    let closed: unknown = null;
    client.addEventListener("close", (_event, options) => (closed = options.problem));

    await assert.rejects(client.call("/clock", IFACE, "Set"), { problem: "not-found" });
    assert.equal(closed, "not-found");
});

test("subscription gets the signals that match until it is removed", async () => {
    const bridge = service();
    const client = cockpit.dbus("org.example");
    const seen: unknown[] = [];
    const subscription = client.subscribe({ interface: IFACE, path_namespace: "/a", member: "Ticked" }, (...args) => seen.push(args));
    await settled();
    const channel = bridge.channel("dbus-json3");

    say(channel, { signal: ["/a/b", IFACE, "Ticked", [1]] });
    say(channel, { signal: ["/ab", IFACE, "Ticked", [2]] });
    say(channel, { signal: ["/a", IFACE, "Stopped", [3]] });
    await settled();
    subscription.remove();
    say(channel, { signal: ["/a", IFACE, "Ticked", [4]] });
    await settled();

    assert.deepEqual(seen, [["/a/b", IFACE, "Ticked", [1]]]);
    const match = { interface: IFACE, path_namespace: "/a", member: "Ticked" };
    assert.deepEqual(sent(bridge), [{ "add-match": match }, { "remove-match": match }]);
});

/** Answers watches with one clock, and calls with their reply after the change that they cause. */
function clock(channel: BridgeChannel, { id, watch, call }: Message): void {
    if (watch !== undefined) {
        say(channel, { meta: META });
        say(channel, { notify: { "/clock": { [IFACE]: { Zone: "UTC", hidden: 1 } } } });
        say(channel, { id, reply: [] });
    }
    if (call !== undefined) {
        say(channel, { notify: { "/clock": { [IFACE]: { Zone: "CET" } } } });
        say(channel, { id, reply: [["old", 3]] });
    }
}

test("proxy has properties, methods and signals under their own names", async () => {
    const bridge = service(clock);
    const proxy = cockpit.dbus("org.example").proxy<{ Zone: string; Set: (zone: string) => Promise<string> }>(IFACE, "/clock");
    const seen: unknown[] = [];
    assert.equal(proxy.valid, false);

    await proxy.wait();
    assert.equal(proxy.valid, true);
    assert.equal(proxy.Zone, "UTC");
    assert.deepEqual(proxy.data, { Zone: "UTC", hidden: 1 });

    proxy.addEventListener("changed", (_event, data) => seen.push(["changed", data]));
    proxy.onsignal = (_event, name, args) => seen.push([name, args]);
    (proxy as unknown as { addEventListener(type: string, listener: (...args: unknown[]) => void): void }).addEventListener("Ticked", (_event, first) => seen.push(["own", first]));
    assert.equal(await proxy.Set?.("CET"), "old");
    assert.equal(proxy.Zone, "CET", "what a call changed is known before its reply");

    say(bridge.channel("dbus-json3"), { signal: ["/clock", IFACE, "Ticked", [9]] });
    await settled();
    assert.deepEqual(seen, [["changed", { Zone: "CET" }], ["own", 9], ["Ticked", [9]]].sort((a, b) => Number(b[0] === "changed") - Number(a[0] === "changed") || Number(a[0] === "own") - Number(b[0] === "own")));

    say(bridge.channel("dbus-json3"), { notify: { "/clock": { [IFACE]: null } } });
    await settled();
    assert.equal(proxy.valid, false);
});

test("assigning a property of a proxy sets it with its type", async () => {
    const bridge = service(clock);
    const proxy = cockpit.dbus("org.example").proxy(IFACE, "/clock") as unknown as { Zone: string; wait(): Promise<void> };
    await proxy.wait();

    proxy.Zone = "EET";
    await settled();

    assert.deepEqual(sent(bridge).at(-1)?.["call"], ["/clock", "org.freedesktop.DBus.Properties", "Set", [IFACE, "Zone", { t: "s", v: "EET" }]]);
});

test("proxies follow objects as they come, change and go", async () => {
    const bridge = service((channel, { id, watch }) => {
        if (watch === undefined) return;
        say(channel, { meta: META });
        say(channel, { notify: { "/c/1": { [IFACE]: { Zone: "UTC" } }, "/d": { [IFACE]: { Zone: "UTC" } } } });
        say(channel, { id, reply: [] });
    });
    const proxies = cockpit.dbus("org.example").proxies<{ Zone: string }>(IFACE, "/c");
    const seen: unknown[] = [];
    proxies.addEventListener("added", (_event, proxy) => seen.push(["added", proxy.path, proxy.Zone]));
    proxies.addEventListener("changed", (_event, proxy) => seen.push(["changed", proxy.path, proxy.Zone]));
    proxies.onremoved = (_event, proxy) => seen.push(["removed", proxy.path]);

    await proxies.wait();
    assert.deepEqual(Object.keys(proxies), ["/c/1"]);
    const channel = bridge.channel("dbus-json3");
    say(channel, { notify: { "/c/2": { [IFACE]: { Zone: "CET" } } } });
    say(channel, { notify: { "/c/1": { [IFACE]: { Zone: "EET" } } } });
    say(channel, { notify: { "/c/2": { [IFACE]: null } } });
    await settled();

    assert.deepEqual(seen, [["added", "/c/1", "UTC"], ["added", "/c/2", "CET"], ["changed", "/c/1", "EET"], ["removed", "/c/2"]]);
    assert.deepEqual(Object.keys(proxies), ["/c/1"]);
});

test("owner changes are told, and end a client that tracks", async () => {
    const bridge = service();
    const client = cockpit.dbus("org.example", { track: true });
    const seen: unknown[] = [];
    client.addEventListener("owner", (_event, owner) => seen.push(owner));
    client.addEventListener("close", (_event, { problem }) => seen.push(problem));
    await settled();

    say(bridge.channel("dbus-json3"), { owner: ":1.5" });
    say(bridge.channel("dbus-json3"), { owner: null });
    await settled();

    assert.deepEqual(seen, [":1.5", "disconnected", null]);
});

test("published object answers calls from the bus", async () => {
    const bridge = service((channel, { id, publish }) => publish !== undefined && say(channel, { id, reply: [] }));
    const client = cockpit.dbus(null, { bus: "session" });
    await client.publish("/us", "org.example.Us", {
        Double: (value: number) => value * 2,
        Fail: () => {
            throw new Error("broken");
        },
    });
    const channel = bridge.channel("dbus-json3");

    say(channel, { call: ["/us", "org.example.Us", "Double", [4]], id: "b1" });
    say(channel, { call: ["/us", "org.example.Us", "Fail", []], id: "b2" });
    say(channel, { call: ["/us", "org.example.Us", "Other", []], id: "b3" });
    await settled();

    const answers = sent(bridge).slice(1).sort((a, b) => String(a["id"]).localeCompare(String(b["id"])));
    assert.deepEqual(answers[0], { reply: [[8]], id: "b1" });
    assert.deepEqual(answers[1], { error: ["org.freedesktop.DBus.Error.Failed", ["broken"]], id: "b2" });
    assert.deepEqual((answers[2]?.["error"] as string[])[0], "org.freedesktop.DBus.Error.UnknownMethod");
    client.close();
});

test("clients without a name are shared", () => {
    service();
    assert.equal(cockpit.dbus(null, { bus: "internal" }), cockpit.dbus(null, { bus: "internal" }));
    assert.notEqual(cockpit.dbus("org.example"), cockpit.dbus("org.example"));
});

test("variants and byte arrays have the form of the wire", () => {
    assert.deepEqual(cockpit.variant("s", "x"), { t: "s", v: "x" });
    assert.equal(cockpit.byte_array("ä"), "w6Q=");
});
