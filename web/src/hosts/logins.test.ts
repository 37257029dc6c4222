import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { transport } from "../cockpit/transport";
import type { HostName } from "../routes";
import { startConnection } from "../shell/connection";
import { connectTo, ScriptedBridge, settled } from "../testing/bridge";
import { addressesOf } from "./api";
import { type Logins, startLogins } from "./logins";
import type { HostState } from "./model";
import { hostRecords, isLost, linkTo } from "./states";

const WEB1 = "web1" as HostName;
const LOST = { code: "terminated", from: "protocol", message: "" } as const;

const tab = Object.assign(new EventTarget(), { visibilityState: "visible" });
Object.assign(globalThis, { document: tab, addEventListener: () => undefined });
startConnection();

let bridge: ScriptedBridge;
let logins: Logins;
let connected: HostName[];

beforeEach(async () => {
    mock.timers.enable({ apis: ["setTimeout", "Date"] });
    connected = [];
    bridge = new ScriptedBridge()
        .script("host-login", { opened: (channel) => channel.control("ready") })
        .script("info", {
            opened: (channel) => {
                channel.control("ready");
                channel.send(JSON.stringify({ user: { name: "ada-there" } }));
            },
        });
    tab.visibilityState = "visible";
    connectTo(bridge);
    transport.connect();
    logins = startLogins((host) => connected.push(host));
    await settled();
});

afterEach(() => {
    logins.stop();
    tab.visibilityState = "hidden"; // Nobody tries a link again that is closed between two tests.
    mock.timers.reset();
});

const state = (): HostState["kind"] | undefined => hostRecords.value.get(WEB1)?.state.kind;
const logs = () => bridge.channels.filter(({ open }) => open["payload"] === "host-login");

async function say(message: object): Promise<void> {
    bridge.channel("host-login").send(JSON.stringify(message));
    await settled();
}

async function reach(): Promise<void> {
    logins.connect(WEB1);
    await settled();
    await say({ state: "connected" });
}

test("a connection is made by one channel that names the host, and its pages may open theirs once it is there", async () => {
    logins.connect(WEB1);
    logins.connect(WEB1);
    await settled();
    assert.equal(logs().length, 1);
    assert.equal(bridge.channel("host-login").open["to"], "web1");
    assert.equal(bridge.channel("host-login").open["host"], "localhost");
    assert.equal(linkTo(WEB1).value, "down");
    assert.deepEqual(connected, []);

    await say({ state: "connected" });
    assert.equal(linkTo(WEB1).value, "up");
    assert.deepEqual(connected, ["web1"]);
});

test("answers go out as the protocol has them, once, and the question is gone", async () => {
    logins.connect(WEB1);
    await settled();
    await say({ state: "verifying" });
    const answered = async (question: object, answer: Parameters<Logins["answer"]>[2]): Promise<unknown> => {
        await say({ question });
        const asked = hostRecords.value.get(WEB1)?.questions[0];
        assert.ok(asked !== undefined);
        logins.answer(WEB1, asked, answer);
        assert.deepEqual(hostRecords.value.get(WEB1)?.questions, []);
        await settled();
        return JSON.parse(String(bridge.channel("host-login").received.at(-1)));
    };

    assert.deepEqual(await answered({ id: 1, kind: "host-key", key: "ssh-ed25519 AAAA" }, { kind: "host-key", key: "ssh-ed25519 AAAA", store: "everybody" }), {
        answer: { id: 1, key: "ssh-ed25519 AAAA", store: "everybody" },
    });
    assert.deepEqual(await answered({ id: 2, kind: "password" }, { kind: "responses", responses: ["s"] }), { answer: { id: 2, responses: ["s"] } });
    assert.deepEqual(await answered({ id: 3, kind: "passphrase" }, { kind: "passphrase", passphrase: "p", keep: "until-logout" }), { answer: { id: 3, passphrase: "p", keep: true } });
    assert.deepEqual(await answered({ id: 4, kind: "password" }, { kind: "give-up" }), { answer: { id: 4 } });
    bridge.channel("host-login").close({ problem: "authentication-failed" });
    await settled();
    assert.deepEqual(hostRecords.value.get(WEB1)?.state, { kind: "given-up", asked: "password" });
});

test("a question that is not understood is given up, so that nobody waits for it", async () => {
    logins.connect(WEB1);
    await settled();
    await say({ question: { id: 7, kind: "retina" } });

    assert.deepEqual(bridge.channel("host-login").received, ['{"answer":{"id":7}}']);
});

test("a failure stays until somebody tries again", async () => {
    logins.connect(WEB1);
    await settled();
    bridge.channel("host-login").close({ problem: "no-host" });
    await settled();
    assert.equal(state(), "failed");
    mock.timers.tick(60_000);
    await settled();
    assert.equal(logs().length, 1);

    logins.connect(WEB1);
    await settled();
    assert.equal(logs().length, 2);
});

test("a machine that was there is tried again after the bridge gave up, and at once on wish", async () => {
    await reach();
    await say({ state: "reconnecting", in: 2, problem: "terminated" });
    assert.equal(linkTo(WEB1).value, "down");
    logins.connect(WEB1);
    await settled();
    assert.equal(logs().length, 2);

    bridge.channel("host-login").close({ problem: "no-host" });
    await settled();
    assert.equal(state(), "reconnecting");
    mock.timers.tick(15_000);
    await settled();
    assert.equal(logs().length, 3);
    await say({ state: "connected" });
    assert.equal(linkTo(WEB1).value, "up");
});

test("a changed key after a loss is not tried again by itself", async () => {
    await reach();
    bridge.channel("host-login").close({ problem: "invalid-hostkey" });
    await settled();
    mock.timers.tick(60_000);
    await settled();

    assert.equal(state(), "failed");
    assert.equal(logs().length, 1);
});

test("a channel that breaks before the bridge tells of the loss is taken for it; the pages keep what they show", async () => {
    await reach();
    assert.equal(isLost(WEB1, LOST), true);
    assert.equal(isLost(WEB1, LOST), true);
    assert.equal(linkTo(WEB1).value, "down");
    await say({ state: "reconnecting", in: 1, problem: "terminated" });
    mock.timers.tick(5_000);
    assert.equal(state(), "reconnecting");

    await say({ state: "connected" });
    assert.equal(linkTo(WEB1).value, "up");
});

test("a loss that the bridge does not confirm is over soon, and the same again is the channel's own failure", async () => {
    await reach();
    assert.equal(isLost(WEB1, LOST), true);
    mock.timers.tick(2_000);
    assert.equal(linkTo(WEB1).value, "up");

    assert.equal(isLost(WEB1, LOST), false);
    assert.equal(isLost(WEB1, { ...LOST, code: "access-denied" }), false);
});

test("disconnecting kills what uses the host, and the end that follows is no failure", async () => {
    await reach();
    logins.disconnect(WEB1);
    await settled();
    assert.deepEqual(bridge.controls.filter(({ command }) => command === "kill").map(({ host, group }) => [host, group]), [["web1", undefined]]);
    bridge.channel("host-login").close({ problem: "terminated" });
    await settled();

    assert.equal(state(), "disconnected");
});

test("after the server was away every host is connected again", async () => {
    await reach();
    bridge.socket?.drop("");
    await settled();
    assert.equal(linkTo(WEB1).value, "down");
    mock.timers.tick(1);
    await settled();
    await settled();
    assert.equal(logs().length, 2);

    await say({ state: "connected" });
    assert.equal(linkTo(WEB1).value, "up");
});

test("the administrator's list is read with user and port, without what is hidden or this machine", () => {
    const text = (v: string) => ({ t: "s", v });
    const machines = {
        localhost: { address: text("localhost") },
        web1: { address: text("10.0.0.5"), user: text("ben"), port: { t: "i", v: 2222 } },
        web2: { visible: { t: "b", v: true } },
        web3: { visible: { t: "b", v: false } },
    };

    assert.deepEqual(addressesOf(machines), ["ben@10.0.0.5:2222", "web2"]);
    assert.deepEqual(addressesOf(null), []);
});
