import assert from "node:assert/strict";
import { test } from "node:test";

import { failureOf, type HostRecord, isSignOfLoss, keyVerdict, onClosed, onMessage, parseMessage, UNKNOWN_HOST, withState } from "./model";

function after(record: HostRecord, message: object, now = 0): HostRecord {
    const parsed = parseMessage(JSON.stringify(message), now);
    assert.ok(parsed !== null && parsed.kind !== "strange-question");
    return onMessage(record, parsed, now);
}

const KEY_QUESTION = { id: 3, kind: "host-key", host: "web1", address: "10.0.0.5:22", "key-type": "ssh-ed25519", fingerprint: "SHA256:x", key: "ssh-ed25519 AAAA", "known-as": ["db1"] };

test("a connection goes from connecting to connected, and is remembered as seen from then on", () => {
    let record = UNKNOWN_HOST;
    for (const state of ["connecting", "verifying", "authenticating", "starting"]) {
        record = after(record, { state }, 1);
        assert.deepEqual(record.state, { kind: "under-way", stage: state });
    }
    assert.equal(record.lastSeen, null);
    record = after(record, { state: "connected" }, 50);
    record = after(record, { state: "reconnecting", in: 4, problem: "terminated", message: "gone" }, 70_000);

    assert.equal(record.lastSeen, 70_000);
    assert.deepEqual(record.state, { kind: "reconnecting", retryAt: 74_000, problem: { code: "terminated", from: "protocol", message: "gone" } });
    assert.equal(after(record, { state: "connecting" }, 80_000).lastSeen, 70_000);
});

test("every kind of question is read, and what is missing in it is empty", () => {
    const record = [KEY_QUESTION, { id: 4, kind: "password", host: "web1", user: "ada" }, { id: 5, kind: "keyboard-interactive", host: "web1", user: "ada", prompts: [{ prompt: "Code:", echo: true }, { prompt: "PIN:" }, 7] }, { id: 6, kind: "passphrase", path: "/home/ada/.ssh/id_rsa", error: "no" }].reduce(
        (sofar, question) => after(sofar, { question }),
        after(UNKNOWN_HOST, { state: "authenticating" }),
    );

    assert.deepEqual(record.questions.map(({ kind }) => kind), ["host-key", "password", "keyboard-interactive", "passphrase"]);
    assert.deepEqual(record.questions[0], { kind: "host-key", id: 3, host: "web1", address: "10.0.0.5:22", keyType: "ssh-ed25519", fingerprint: "SHA256:x", key: "ssh-ed25519 AAAA", knownAs: ["db1"] });
    assert.deepEqual(record.questions[2], {
        kind: "keyboard-interactive",
        id: 5,
        host: "web1",
        user: "ada",
        message: "",
        prompts: [
            { text: "Code:", echo: "shown" },
            { text: "PIN:", echo: "hidden" },
            { text: "", echo: "hidden" },
        ],
        error: "",
    });
});

test("a question of an attempt that is over is asked no more", () => {
    const asked = after(after(UNKNOWN_HOST, { state: "verifying" }), { question: KEY_QUESTION });

    assert.equal(after(asked, { state: "authenticating" }).questions.length, 1);
    assert.equal(after(asked, { state: "connected" }).questions.length, 0);
    assert.equal(withState(asked, { kind: "disconnected" }, 0).questions.length, 0);
});

test("what is not understood changes nothing, and a strange question is known by its id", () => {
    for (const text of ["", "null", "[]", "{", '{"state":"dancing"}', '{"question":{"kind":"password"}}']) assert.equal(parseMessage(text, 0), null, text);
    assert.deepEqual(parseMessage('{"question":{"id":9,"kind":"retina"}}', 0), { kind: "strange-question", id: 9 });
});

test("the end is told by who brought it about", () => {
    const connected = withState(UNKNOWN_HOST, { kind: "connected" }, 1);

    assert.equal(onClosed(connected, { problem: "terminated" }, null).kind, "disconnected");
    assert.equal(onClosed(withState(connected, { kind: "doubted" }, 2), { problem: "terminated" }, null).kind, "disconnected");
    assert.equal(onClosed(UNKNOWN_HOST, { problem: "terminated" }, null).kind, "failed");
    assert.deepEqual(onClosed(UNKNOWN_HOST, { problem: "authentication-failed" }, "password"), { kind: "given-up", asked: "password" });
});

const OLD = `SHA256:${"o".repeat(43)}`;
const NEW = `SHA256:${"n".repeat(43)}`;

test("a changed key is told with both, as far as they are known, and revoked and damaged ones are told apart", () => {
    const changed = failureOf({ problem: "invalid-hostkey", "host-key": "web1 ssh-ed25519 AAAA", "host-fingerprint": NEW, error: `host key of web1 changed: pinned ${OLD}, presented ${NEW}` });

    assert.deepEqual(changed.shown, { keyType: "ssh-ed25519", fingerprint: NEW });
    assert.deepEqual(changed.stored, [OLD]);
    assert.equal(keyVerdict(changed), "changed");
    assert.equal(keyVerdict(failureOf({ problem: "invalid-hostkey", error: `host key of web1 is revoked (line 3): ${NEW}` })), "revoked");
    assert.equal(keyVerdict(failureOf({ problem: "invalid-hostkey", message: "an entry for web1 may stand at line 4, and cannot be read: zeros" })), "damaged");
});

test("the methods that were tried come with what came of them", () => {
    const { methods } = failureOf({ problem: "authentication-failed", "auth-method-results": { "public-key": "denied", password: "not-tried" } });

    assert.deepEqual(methods, [
        { method: "public-key", result: "denied" },
        { method: "password", result: "not-tried" },
    ]);
    assert.deepEqual(failureOf({}), { problem: { code: "terminated", from: "protocol", message: "" }, shown: null, stored: [], methods: [] });
});

test("a channel that breaks is a sign of loss once, and a failure when the connection stands after all", () => {
    const broke = { code: "terminated", from: "protocol", message: "" } as const;

    assert.equal(isSignOfLoss({ kind: "connected" }, broke, null, 0), true);
    assert.equal(isSignOfLoss({ kind: "connected" }, broke, 0, 5_000), false);
    assert.equal(isSignOfLoss({ kind: "connected" }, broke, 0, 10_000), true);
    assert.equal(isSignOfLoss({ kind: "connected" }, { ...broke, code: "access-denied" }, null, 0), false);
    assert.equal(isSignOfLoss({ kind: "connected" }, { ...broke, from: "program" }, null, 0), false);
    assert.equal(isSignOfLoss({ kind: "disconnected" }, broke, null, 0), false);
});
