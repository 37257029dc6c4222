import assert from "node:assert/strict";
import { test } from "node:test";
import { ScriptedBridge, connectTo, settled } from "../testing/bridge";
import { cockpit } from "./cockpit";

/** A bridge with one file, which keeps what `fsreplace1` gives it and tells watchers; an old one without `fsinfo`. */
class OneFile {
    content: string | null;
    version = 1;
    readonly bridge: ScriptedBridge;
    beforeReplace: (() => void) | null = null;

    constructor(
        content: string | null,
        readonly watching: "fsinfo" | "fswatch1" = "fsinfo",
    ) {
        this.content = content;
        this.bridge = new ScriptedBridge()
            .script("fsinfo", {
                opened: (channel) => {
                    if (watching === "fsinfo") channel.send(this.info);
                    else channel.close({ problem: "not-supported" });
                },
            })
            .script("fsread1", {
                opened: (channel) => {
                    if (this.content !== null) channel.send(this.content);
                    channel.control("done");
                    channel.close({ tag: this.tag });
                },
            })
            .script("fsreplace1", {
                control: (channel, { command }) => {
                    if (command !== "done") return;
                    this.beforeReplace?.();
                    this.beforeReplace = null;
                    const expected = channel.open["tag"];
                    if (expected !== undefined && expected !== this.tag) {
                        channel.close({ problem: "change-conflict" });
                        return;
                    }
                    this.change(channel.received.length === 0 ? null : channel.received.join(""));
                    channel.close({ tag: this.tag });
                },
            });
        connectTo(this.bridge);
    }

    get tag(): string {
        return this.content === null ? "-" : `v${this.version}`;
    }

    private get info(): string {
        return JSON.stringify(this.content === null ? { info: null, error: { problem: "not-found" } } : { info: { tag: this.tag }, error: null });
    }

    change(content: string | null): void {
        this.content = content;
        this.version++;
    }

    tellWatchers(): void {
        const event = JSON.stringify({ event: "changed", path: "/etc/motd", tag: this.tag });
        this.bridge.channel(this.watching).send(this.watching === "fsinfo" ? this.info : event);
    }
}

test("read gives content and tag", async () => {
    new OneFile("hello");
    const seen: unknown[] = [];

    assert.equal(await cockpit.file("/etc/motd").read().done((content, tag) => seen.push(content, tag)), "hello");
    assert.deepEqual(seen, ["hello", "v1"]);
});

test("a file that is not there has no content, and that is no error", async () => {
    new OneFile(null);
    const seen: unknown[] = [];

    assert.equal(await cockpit.file("/etc/motd").read().done((_content, tag) => seen.push(tag)), null);
    assert.deepEqual(seen, ["-"]);
});

test("a syntax reads and writes values, and what it throws is the failure", async () => {
    const there = new OneFile('{"a":1}');
    const file = cockpit.file<{ a: number }>("/etc/x.json", { syntax: JSON });

    assert.deepEqual(await file.read(), { a: 1 });
    await file.replace({ a: 2 });
    assert.equal(there.content, '{"a":2}');

    there.change("{");
    await assert.rejects(file.read(), SyntaxError);
});

test("replace with an empty text makes an empty file, with null none", async () => {
    const there = new OneFile("old");
    const file = cockpit.file("/etc/motd");

    assert.equal(await file.replace(""), "v2");
    assert.equal(there.content, "");
    assert.deepEqual(there.bridge.channel("fsreplace1").received, [""]);

    assert.equal(await file.replace(null), "-");
    assert.equal(there.content, null);
});

test("replace with a tag that is over fails with change-conflict and leaves the file", async () => {
    const there = new OneFile("old");

    await assert.rejects(cockpit.file("/etc/motd").replace("new", "v0"), { problem: "change-conflict" });
    assert.equal(there.content, "old");
});

test("modify reads again and tries again when somebody else was faster", async () => {
    const there = new OneFile("a");
    there.beforeReplace = () => there.change("b");

    const result = await cockpit.file("/etc/motd").modify((content) => `${content ?? ""}!`);

    assert.equal(result, "b!");
    assert.equal(there.content, "b!");
});

for (const watching of ["fsinfo", "fswatch1"] as const) {
    test(`watch by ${watching} calls back now, after changes by others, and once for our own`, async () => {
        const there = new OneFile("first", watching);
        const file = cockpit.file("/etc/motd");
        const seen: unknown[] = [];

        const watch = file.watch((content, tag) => seen.push([content, tag]));
        await settled();
        there.change("second");
        there.tellWatchers();
        await settled();
        await file.replace("third");
        there.tellWatchers();
        await settled();
        there.change(null);
        there.tellWatchers();
        await settled();
        assert.deepEqual(seen, [["first", "v1"], ["second", "v2"], ["third", "v3"], [null, "-"]]);

        watch.remove();
        await settled();
        assert.equal(there.bridge.channel(watching).controls[0]?.command, "close");
    });
}

test("watch without reading tells the tag only: how things stand, and every change", async () => {
    const there = new OneFile("first");
    const seen: unknown[] = [];
    cockpit.file("/etc/motd").watch((content, tag) => seen.push([content, tag]), { read: false });
    await settled();

    there.change("second");
    there.tellWatchers();
    await settled();

    assert.deepEqual(seen, [[null, "v1"], [null, "v2"]]);
    assert.throws(() => there.bridge.channel("fsread1"));
});

test("watch tells a read error as its third argument", async () => {
    new OneFile("{ not json");
    const seen: unknown[] = [];

    cockpit.file("/etc/motd", { syntax: JSON }).watch((content, _tag, error) => seen.push([content, error?.name]));
    await settled();

    assert.deepEqual(seen, [[null, "SyntaxError"]]);
});

test("watch that is refused tells the problem", async () => {
    connectTo(new ScriptedBridge().script("fsinfo", { opened: (channel) => channel.close({ problem: "access-denied" }) }));
    const seen: unknown[] = [];

    cockpit.file("/root/secret").watch((content, tag, error) => seen.push([content, tag, error?.problem]), { read: false });
    await settled();

    assert.deepEqual(seen, [[null, null, "access-denied"]]);
});

test("modify begins with the content that it is given", async () => {
    const there = new OneFile("old");

    await cockpit.file("/etc/motd").modify((content) => `${content ?? ""}!`, "given", "v1");
    assert.equal(there.content, "given!");
    assert.throws(() => there.bridge.channel("fsread1"));

    // With a tag of another state it begins anew from what is there.
    await cockpit.file("/etc/motd").modify((content) => `${content ?? ""}?`, "stale", "v1");
    assert.equal(there.content, "given!?");
});

test("modify keeps what the callback mutates, and removes the file for null", async () => {
    const there = new OneFile('{"list":[1]}');
    const file = cockpit.file<{ list: number[] }>("/etc/motd", { syntax: JSON });

    const seen: unknown[] = [];
    await file.modify((content) => void content?.list.push(2)).done((content, tag) => seen.push(content, tag));
    assert.deepEqual(seen, [{ list: [1, 2] }, "v2"]);
    assert.equal(there.content, '{"list":[1,2]}');

    await file.modify(() => null);
    assert.equal(there.content, null);
});

test("options for the size, the host and the privilege reach the bridge", async () => {
    const there = new OneFile("x");

    await cockpit.file("/etc/motd", { max_read_size: 5, superuser: "try", host: "web1" }).read();

    const { open } = there.bridge.channel("fsread1");
    assert.deepEqual([open["max_read_size"], open["superuser"], open["host"]], [5, "try", "web1"]);
    assert.equal(cockpit.file("/etc/motd").path, "/etc/motd");
});

test("close cancels what is under way", async () => {
    connectTo(new ScriptedBridge());
    const file = cockpit.file("/etc/motd");
    const reading = file.read();
    await settled();

    file.close();

    await assert.rejects(reading, { problem: "cancelled" });
});

test("binary file is bytes, both ways", async () => {
    const bridge = new ScriptedBridge()
        .script("fsread1", {
            opened: (channel) => {
                channel.send(new Uint8Array([0, 255]));
                channel.close({ tag: "v1" });
            },
        })
        .script("fsreplace1", { control: (channel) => channel.close({ tag: "v2" }) });
    connectTo(bridge);
    const file = cockpit.file("/bin/true", { binary: true });

    assert.deepEqual(await file.read(), new Uint8Array([0, 255]));
    assert.equal(await file.replace(new Uint8Array([7])), "v2");

    assert.deepEqual(bridge.channels.map(({ open }) => open["binary"]), ["raw", "raw"]);
    assert.deepEqual(bridge.channel("fsreplace1").received, [new Uint8Array([7])]);
});
