import assert from "node:assert/strict";
import { test } from "node:test";
import { type BridgeChannel, ScriptedBridge, connectTo, settled } from "../testing/bridge";
import { cockpit } from "./package_api";

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

    // The service left; nothing is wrong.
    assert.deepEqual(seen, [":1.5", null, undefined]);
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

test("variants and byte arrays have the form of the wire", () => {
    assert.deepEqual(cockpit.variant("s", "x"), { t: "s", v: "x" });
    assert.equal(cockpit.byte_array("\xc3\xa4"), "w6Q=");
    assert.equal(cockpit.byte_array([0xc3, 0xa4]), "w6Q=");
});

test("flags and type of a reply are told to who asked for them", async () => {
    service((channel, { id, type }) => say(channel, { id, reply: [[]], flags: "<", ...(type === undefined ? {} : { type: "s" }) }));
    const client = cockpit.dbus("org.example");
    const seen: unknown[] = [];

    await client.call("/", IFACE, "Set", []).done((_values, options) => seen.push(options));
    await client.call("/", IFACE, "Set", [], { flags: "", type: "s", timeout: 500 }).done((_values, options) => seen.push(options));

    assert.deepEqual(seen, [{}, { type: "s", flags: "<" }]);
});

test("call allows interactive authorization unless its flags say otherwise", async () => {
    const bridge = service((channel, { id }) => say(channel, { id, reply: [[]] }));
    const client = cockpit.dbus("org.example");

    await client.call("/", IFACE, "Set");
    await client.call("/", IFACE, "Set", null, { flags: "" });

    assert.deepEqual(sent(bridge).map(({ flags, call }) => [flags, call]), [
        ["i", ["/", IFACE, "Set", []]],
        ["", ["/", IFACE, "Set", []]],
    ]);
});

test("a client without a name sends the name of each call, match, watch and proxy", async () => {
    const bridge = service();
    const client = cockpit.dbus(null, { bus: "user" });
    const name = "org.example";

    void client.call("/", IFACE, "Set", [], { name });
    client.subscribe({ name, path: "/" }, () => undefined);
    void client.watch({ name, path: "/" });
    void client.proxy(IFACE, "/clock", { name }).call("Set", []);
    await settled();

    const messages = sent(bridge);
    assert.deepEqual(messages.map((message) => message["name"] ?? (message["add-match"] as Message | undefined)?.["name"] ?? (message["watch"] as Message)["name"]), Array(6).fill(name));
    assert.equal(bridge.channel("dbus-json3").open["bus"], "user");
});

test("options are those that were given, with the bus that is taken without any", () => {
    connectTo(new ScriptedBridge());
    assert.deepEqual(cockpit.dbus("org.example", { superuser: "try" }).options, { bus: "system", superuser: "try", name: "org.example" });
});

test("clients without a name and options are shared; all others are not", () => {
    connectTo(new ScriptedBridge());
    assert.equal(cockpit.dbus(null, { bus: "session" }), cockpit.dbus(null, { bus: "session" }));
    assert.notEqual(cockpit.dbus("org.example"), cockpit.dbus("org.example"));
    assert.notEqual(cockpit.dbus(null, { bus: "session", superuser: "try" }), cockpit.dbus(null, { bus: "session", superuser: "try" }));
});

test("failure of the channel has a problem and no name, failure of the service a name and no problem", async () => {
    service((channel, { id }) => say(channel, { id, error: ["org.example.Error", ["went bad"]] }));
    const client = cockpit.dbus("org.example");

    await assert.rejects(client.call("/", IFACE, "Set"), { name: "org.example.Error", problem: null, message: "went bad" });
    client.close("terminated");
    await assert.rejects(client.call("/", IFACE, "Set"), { name: null, problem: "terminated" });
});

/** A service whose watches answer with one object, and that does as a call says. */
function oneClock(): ScriptedBridge {
    return service((channel, { id, watch, call }) => {
        if (watch !== undefined) {
            say(channel, { meta: META });
            say(channel, { notify: { "/clock": { [IFACE]: { Zone: "UTC", low: 1 } } } });
        }
        const [path, , method] = (call ?? []) as string[];
        if (method === "Go") say(channel, { notify: { [path ?? ""]: { [IFACE]: null } } });
        if (method === "Tick") say(channel, { signal: [path, IFACE, "Ticked", [7]] });
        if (id !== undefined && method !== "Fail") say(channel, { id, reply: [[]] });
        if (method === "Fail") say(channel, { id, error: ["org.example.Error", ["no"]] });
    });
}

test("proxies keep their objects when the client closes, none of them valid", async () => {
    oneClock();
    const client = cockpit.dbus("org.example");
    const clocks = client.proxies(IFACE);
    const seen: unknown[] = [];
    await clocks.wait();
    clocks.onremoved = (_event, { path }) => seen.push(path);

    client.close();

    assert.deepEqual(Object.keys(clocks), ["/clock"]);
    assert.equal(clocks["/clock"]?.valid, false);
    assert.deepEqual(seen, []);
});

test("an object that goes away is not valid when that is told", async () => {
    oneClock();
    const client = cockpit.dbus("org.example");
    const clocks = client.proxies(IFACE);
    const clockProxy = client.proxy(IFACE, "/clock");
    const seen: unknown[] = [];
    await clocks.wait();
    await clockProxy.wait();
    clocks.onremoved = (_event, { path, valid }) => seen.push([path, valid]);
    clockProxy.onchanged = (_event, data) => seen.push([data, clockProxy.valid]);

    await client.call("/clock", IFACE, "Go");

    assert.deepEqual(new Set(seen.map(String)), new Set(["/clock,false", ",false"]));
    assert.deepEqual(clocks.iface + clocks.path_namespace, `${IFACE}/`);
    assert.equal(clocks.client, client);
});

test("signals reach the listeners of their name and of all signals", async () => {
    oneClock();
    const client = cockpit.dbus("org.example");
    const clockProxy = client.proxy(IFACE, "/clock");
    const seen: unknown[] = [];
    await clockProxy.wait();
    clockProxy.onsignal = (_event, name, args) => seen.push([name, args]);
    clockProxy.addEventListener("Ticked" as "signal", (_event, ...args: unknown[]) => seen.push(...args));

    await client.call("/clock", IFACE, "Tick");

    assert.deepEqual(seen, [["Ticked", [7]], 7]);
});

test("wait of a proxy calls back, at once or later, and resolves for an object that is not there", async () => {
    oneClock();
    const missing = cockpit.dbus("org.example").proxy(IFACE, "/missing");
    const seen: unknown[] = [];

    void missing.wait(() => seen.push("called"));
    await missing.wait();
    void missing.wait(() => seen.push("again"));
    await settled();

    assert.deepEqual(seen, ["called", "again"]);
    assert.equal(missing.valid, false);
});

test("name and path of a proxy come from the client's name", () => {
    connectTo(new ScriptedBridge());
    const proxy = cockpit.dbus("org.example.Clock").proxy();
    assert.deepEqual([proxy.iface, proxy.path], ["org.example.Clock", "/org/example/Clock"]);
});

test("a property that cannot be set is a warning in the console", async (context) => {
    service((channel, { id, watch, call }) => {
        if (watch !== undefined) {
            say(channel, { meta: META });
            say(channel, { notify: { "/clock": { [IFACE]: { Zone: "UTC" } } } });
        }
        say(channel, call === undefined ? { id, reply: [[]] } : { id, error: ["org.example.Error", ["no"]] });
    });
    const warn = context.mock.method(console, "warn", () => undefined);
    const proxy = cockpit.dbus("org.example").proxy<{ Zone: string }>(IFACE, "/clock");
    await proxy.wait();

    (proxy as { Zone: string }).Zone = "CET";
    await settled();

    assert.equal(proxy.Zone, "UTC");
    assert.match(String(warn.mock.calls[0]?.arguments[0]), /^Zone of \/clock was not set: no$/);
});

test("notify and meta of the page itself are events too", () => {
    connectTo(new ScriptedBridge());
    const client = cockpit.dbus("org.example");
    const seen: unknown[] = [];
    client.onnotify = (_event, data) => seen.push(data);
    client.onmeta = (_event, data) => seen.push(data);

    client.meta(META);
    client.notify({ "/clock": { [IFACE]: { Zone: "UTC" } } });

    assert.deepEqual(seen, [META, { "/clock": { [IFACE]: { Zone: "UTC" } } }]);
    assert.equal(client.proxy<{ Zone: string }>(IFACE, "/clock").Zone, "UTC");
});

test("watches take a path or a match, and each is removed on its own", async () => {
    const bridge = service((channel, { id }) => id !== undefined && say(channel, { id, reply: [[]] }));
    const client = cockpit.dbus("org.example");

    const [first, second] = [client.watch("/a"), client.watch({ path_namespace: "/b", interface: IFACE })];
    await first;
    first.remove();
    second.remove();
    await settled();

    const of = (what: string) => sent(bridge).flatMap((message) => (message[what] === undefined ? [] : [message[what]]));
    assert.deepEqual(of("watch"), [{ path: "/a" }, { path_namespace: "/b", interface: IFACE }]);
    assert.deepEqual(of("unwatch"), of("watch"));
});

test("a watch fails when the client closes", async () => {
    service();
    const client = cockpit.dbus("org.example");
    const watch = client.watch("/a");
    client.close("terminated");
    await assert.rejects(watch, { problem: "terminated" });
});

test("wait and unique_name of a client tell when it is ready", async () => {
    service();
    const client = cockpit.dbus("org.example");
    const seen: unknown[] = [];
    assert.equal(client.unique_name, null);

    void client.wait((options) => seen.push(options.command));
    await client.wait();

    assert.equal(client.unique_name, ":1.7");
    assert.deepEqual(seen, ["ready"]);
});

test("close of a client tells its listeners why", async () => {
    service();
    const client = cockpit.dbus("org.example");
    const seen: unknown[] = [];
    client.onclose = (_event, { problem }) => seen.push(problem);
    await settled();
    client.close("timeout");
    assert.deepEqual(seen, ["timeout"]);
});

test("proxies of a path hold only what lies below it", async () => {
    const bridge = service((channel, { id, watch }) => {
        if (watch !== undefined) say(channel, { notify: { "/in/1": { [IFACE]: {} }, "/inside": { [IFACE]: {} }, "/out": { [IFACE]: {} } } });
        if (id !== undefined) say(channel, { id, reply: [[]] });
    });
    const clocks = cockpit.dbus("org.example").proxies(IFACE, "/in");
    await clocks.wait();
    assert.deepEqual(Object.keys(clocks), ["/in/1"]);
    assert.deepEqual(sent(bridge).find(({ watch }) => watch !== undefined)?.["watch"], { path_namespace: "/in", interface: IFACE });
});

test("proxy and proxies without watching ask for nothing and are ready", async () => {
    const bridge = service();
    const client = cockpit.dbus("org.example");
    const proxy = client.proxy(IFACE, "/clock", { watch: false });
    const proxies = client.proxies(IFACE, "/", { watch: false });
    await proxy.wait();
    await proxies.wait();
    await settled();
    assert.equal(proxy.valid, true);
    assert.deepEqual(sent(bridge).filter(({ watch }) => watch !== undefined), []);
});

test("signal sends one, and publishing again replaces what was there", async () => {
    const bridge = service((channel, { id, publish }) => publish !== undefined && say(channel, { id, reply: [[]] }));
    const client = cockpit.dbus(null, { bus: "session" });
    const old = client.publish("/us", "org.example.Us", { Who: () => "old" });
    await old;
    const current = client.publish("/us", "org.example.Us", { Who: () => Promise.resolve("new") });
    old.remove();

    say(bridge.channel("dbus-json3"), { call: ["/us", "org.example.Us", "Who", []], id: "b1" });
    await settled();
    assert.deepEqual(sent(bridge).at(-1), { reply: [["new"]], id: "b1" });

    client.signal("/us", "org.example.Us", "Changed", [1]);
    current.remove();
    await settled();
    assert.deepEqual(sent(bridge).slice(-2), [{ signal: ["/us", "org.example.Us", "Changed", [1]] }, { unpublish: ["/us", "org.example.Us"] }]);
});

test("a handle in a reply is the options of a channel", async () => {
    const bridge = service((channel, { id }) => say(channel, { id, reply: [[{ payload: "stream", internal: "fd1" }]] }));
    const [handle] = (await cockpit.dbus("org.example").call("/", IFACE, "Open")) as readonly [{ readonly payload: string }];
    cockpit.channel(handle);
    await settled();
    assert.equal(bridge.channel("stream").open["internal"], "fd1");
});
