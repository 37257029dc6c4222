import assert from "node:assert/strict";
import { test } from "node:test";
import { type Carrier, parentCarrier } from "../link/carrier";
import { ScriptedBridge, connectTo, settled } from "../testing/bridge";
import { FakeWindow, controlsHeard, within } from "../testing/page";
import { PackageCockpit } from "./package_api";
import { transport } from "./transport";

const NAME = "cockpit1:web1/demo/index";

/** A package's page in a frame of a shell that the test plays. */
function framed(): { readonly shell: FakeWindow; readonly frame: FakeWindow; readonly say: (message: object | string) => void } {
    const shell = new FakeWindow();
    const frame = new FakeWindow(NAME, shell);
    transport.surround({ origin: frame.location.origin, path: frame.location.pathname, start: parentCarrier(frame.window) });
    return { shell, frame, say: (message) => frame.hear(typeof message === "string" ? message : `\n${JSON.stringify(message)}`, shell) };
}

const INIT = { command: "init", version: 1, host: "web1", "channel-seed": "7:1!", "csrf-token": "t" };

test("a frame takes host and channel ids from the shell around it", async () => {
    const { shell, say } = framed();
    const channel = new PackageCockpit(null).channel({ payload: "echo" });
    await settled();
    assert.deepEqual(controlsHeard(shell), [{ command: "init", version: 1 }]);
    say(INIT);
    await settled();

    assert.equal(channel.id, "7:1!1");
    assert.equal(transport.host, "web1");
    assert.equal(controlsHeard(shell)[1]?.["host"], "web1");
    channel.send("hello");
    assert.equal(shell.heard.at(-1), "7:1!1\nhello");

    const got: unknown[] = [];
    channel.addEventListener("message", (_event, data) => got.push(data));
    say("7:1!1\nback");
    assert.deepEqual(got, ["back"]);
});

test("a frame hears nobody but the window around it, of its own origin", async () => {
    const { shell, frame, say } = framed();
    const channel = new PackageCockpit(null).channel({ payload: "echo" });
    const got: unknown[] = [];
    channel.addEventListener("message", (_event, data) => got.push(data));
    await settled();
    frame.hear(`\n${JSON.stringify(INIT)}`, frame);
    frame.hear(`\n${JSON.stringify(INIT)}`, shell, "https://evil.example");
    frame.hear({ not: "a message" }, shell);
    await settled();
    assert.equal(channel.id, null);

    say(INIT);
    await settled();
    frame.hear("7:1!1\nforged", new FakeWindow());
    assert.deepEqual(got, []);
});

test("what is for our channels is kept from copies of cockpit.js in the same document, all else is not", async () => {
    const { frame, say } = framed();
    const page = new PackageCockpit(null);
    const channel = page.channel({ payload: "echo" });
    await settled();
    const copy: unknown[] = [];
    frame.addEventListener("message", (event) => copy.push((event as MessageEvent<unknown>).data));
    say(INIT);
    await settled();
    say({ command: "ready", channel: channel.id });
    say("7:1!1\nours");
    say("7:2!1\ntheirs");
    // The copy is greeted with a seed of its own: we keep ours.
    say({ ...INIT, "channel-seed": "7:2!" });
    await settled();

    assert.deepEqual(copy, [`\n${JSON.stringify(INIT)}`, "7:2!1\ntheirs", `\n${JSON.stringify({ ...INIT, "channel-seed": "7:2!" })}`]);
    assert.equal(page.channel({ payload: "echo" }).id, "7:1!2");
    say({ ...INIT, "channel-seed": "8:3!" });
    await settled();
    assert.equal(page.channel({ payload: "echo" }).id, "8:3!3");
});

test("the carrier of a frame ends with its listener", () => {
    const shell = new FakeWindow();
    const frame = new FakeWindow(NAME, shell);
    const got: unknown[] = [];
    const carrier: Carrier = parentCarrier(frame.window)({ opened: () => undefined, received: (message) => (got.push(message), "own"), closed: () => undefined });

    frame.hear(new Uint8Array([1]).buffer, shell);
    carrier.close();
    frame.hear("late", shell);

    assert.deepEqual(got, [new Uint8Array([1])]);
});

test("jump names the page's host unless another is given, and null for the server's", async () => {
    const { shell, frame, say } = framed();
    const page = new PackageCockpit(frame.window);
    page.channel({ payload: "echo" });
    await settled();
    say(INIT);
    await settled();
    shell.heard.length = 0;

    await within(frame, () => {
        page.jump("/system/logs");
        page.jump(["a", "b c"], "other");
        page.jump("/x", null);
    });

    assert.deepEqual(controlsHeard(shell), [
        { command: "jump", location: "/system/logs", host: "web1" },
        { command: "jump", location: "/a/b%20c", host: "other" },
        { command: "jump", location: "/x", host: null },
    ]);
});

test("hints and oops go to the shell; alone in a window nobody hears them", async () => {
    const { shell, frame } = framed();
    const page = new PackageCockpit(frame.window);

    await within(frame, () => {
        page.hint("restart", { a: 1 });
        page.oops();
    });
    assert.deepEqual(controlsHeard(shell), [{ command: "hint", hint: "restart", a: 1 }, { command: "oops" }]);

    const alone = new FakeWindow();
    await within(alone, () => {
        page.oops();
        page.jump("/x");
    });
    assert.deepEqual(alone.heard, []);
});

test("the location is replaced when the address changes, and the shell is told", async () => {
    const { shell, frame } = framed();
    const page = new PackageCockpit(frame.window);
    const before = page.location;
    const seen: unknown[] = [];
    page.onlocationchanged = () => seen.push(["on", page.location.path]);
    page.addEventListener("locationchanged", () => seen.push(["listener", page.location.options]));

    await within(frame, async () => {
        page.location = "/a?x=1";
        assert.equal(page.location, before);
        await settled();
    });

    assert.deepEqual(seen, [["on", ["a"]], ["listener", { x: "1" }]]);
    assert.deepEqual(controlsHeard(shell), [{ command: "hint", hint: "location", hash: "/a?x=1" }]);
    before.go("/b");
    assert.equal(frame.location.hash, "#/a?x=1");
    page.location = ["p", "q r"];
    assert.equal(frame.location.hash, "#/p/q%20r");
});

test("a page is hidden when its tab is, or when the shell shows another page", async () => {
    const { frame, say } = framed();
    const page = new PackageCockpit(frame.window);
    const seen: unknown[] = [];
    page.onvisibilitychange = () => seen.push(page.hidden);
    page.channel({ payload: "echo" });
    await settled();
    say(INIT);

    say({ command: "hint", hidden: true });
    frame.hide(true);
    say({ command: "hint", hidden: false });
    assert.equal(page.hidden, true);
    frame.hide(false);

    assert.deepEqual(seen, [true, false]);
});

test("logout ends the session and forgets what packages stored", async () => {
    const bridge = new ScriptedBridge();
    connectTo(bridge);
    const window = new FakeWindow();
    const page = new PackageCockpit(window.window);
    page.localStorage.setItem("dismissed", "1");
    page.sessionStorage.setItem("filter", "x");
    window.localStorage.setItem("shell:style", "dark");
    Object.assign(globalThis, { sessionStorage: window.sessionStorage });

    page.logout(false, "because");
    await settled();
    Reflect.deleteProperty(globalThis, "sessionStorage");

    assert.deepEqual(bridge.controls.at(-1), { command: "logout", disconnect: true });
    assert.deepEqual(window.localStorage.entries(), { "shell:style": "dark" });
    assert.deepEqual(window.sessionStorage.entries(), { "logout-reason": "because", "logout-intent": "explicit" });
});

test("kill names a host, a group, both or none", async () => {
    const bridge = new ScriptedBridge();
    connectTo(bridge);
    const page = new PackageCockpit(null);

    page.kill("web1");
    page.kill(null, "g");
    page.kill("web1", "g");
    page.kill();
    await settled();

    assert.deepEqual(
        bridge.controls.filter(({ command }) => command === "kill"),
        [{ command: "kill", host: "web1" }, { command: "kill", group: "g" }, { command: "kill", host: "web1", group: "g" }, { command: "kill" }],
    );
});

test("storages and the cache have the application's prefix", () => {
    const window = new FakeWindow();
    const page = new PackageCockpit(window.window);
    page.sessionStorage.setItem("a", "1");
    page.cache("v1-x", () => null, () => undefined);

    assert.deepEqual(Object.keys(window.sessionStorage.entries()), ["cockpit:a", "cockpit:cache:v1-x"]);
    window.dispatchEvent(new Event("pagehide"));
    assert.deepEqual(Object.keys(window.sessionStorage.entries()), ["cockpit:a"]);
});

test("manifests are what manifests.js put there, and nothing before", () => {
    const page = new PackageCockpit(null);
    assert.deepEqual(page.manifests, {});
    page.manifests = { system: { version: 1 } };
    assert.deepEqual(page.manifests, { system: { version: 1 } });
});
