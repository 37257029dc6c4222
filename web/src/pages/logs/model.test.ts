import assert from "node:assert/strict";
import { test } from "node:test";

import type { LogFilter, UnitName } from "../../routes";
import {
    canFollow,
    type Cursor,
    EMPTY_LOG,
    entriesBefore,
    type Entry,
    EntryReader,
    journalCommand,
    KEPT_ROWS,
    parseAllFields,
    parseEntry,
    withNewer,
    withOlder,
} from "./model";

function line(fields: Record<string, unknown>): string {
    return JSON.stringify({ __CURSOR: "s=1;i=2", __REALTIME_TIMESTAMP: "1747058400123456", ...fields });
}

function entries(from: number, count: number): Entry[] {
    return Array.from({ length: count }, (_none, index) => ({
        cursor: `c${from + index}` as Cursor,
        time: from + index,
        priority: "info",
        source: "test",
        pid: "1",
        unit: "",
        message: "",
    }));
}

test("every value of a filter stands behind an equals sign of its option", () => {
    const filter: LogFilter = {
        priority: "err",
        unit: "nginx.service" as UnitName,
        boot: "-1",
        text: "--flush; $(reboot) [x]",
    };

    const command = journalCommand(filter, { kind: "before", cursor: "s=1;i=2" as Cursor });

    assert.equal(command[0], "journalctl");
    for (const part of command.slice(1)) assert.match(part, /^--(?:quiet|no-pager|reverse|[a-z-]+=.+)$/);
    assert.ok(command.includes("--unit=nginx.service"));
    assert.ok(command.includes("--grep=\\-\\-flush; \\$\\(reboot\\) \\[x\\]"));
    assert.ok(command.includes("--after-cursor=s=1;i=2"));
});

test("a time and a cursor are never given together, because journalctl refuses that", () => {
    const cursor = "c5" as Cursor;
    for (const stretch of [{ kind: "newest" }, { kind: "before", cursor }, { kind: "follow", after: cursor }] as const) {
        const command = journalCommand({ since: "-6h" }, stretch);
        assert.ok(command.filter((part) => /^--(?:since|after-cursor)=/.test(part)).length === 1, command.join(" "));
    }

    const older = entriesBefore(entries(0, 10).reverse(), cursor);
    assert.deepEqual(older.map((entry) => entry.cursor), ["c4", "c3", "c2", "c1", "c0"]);
});

test("following starts behind the newest entry that is shown, and at now when nothing is", () => {
    assert.ok(journalCommand({}, { kind: "follow", after: "c9" as Cursor }).includes("--after-cursor=c9"));
    assert.ok(journalCommand({}, { kind: "follow", after: null }).includes("--lines=0"));
});

test("a past boot is not followed", () => {
    assert.equal(canFollow({}), true);
    assert.equal(canFollow({ boot: "0" }), true);
    assert.equal(canFollow({ boot: "-1" }), false);
});

test("an entry carries time, priority, source and message", () => {
    const entry = parseEntry(line({ MESSAGE: "hello", PRIORITY: "3", SYSLOG_IDENTIFIER: "nginx", _PID: "7" }));

    assert.deepEqual(entry, {
        cursor: "s=1;i=2",
        time: 1747058400123.456,
        priority: "err",
        source: "nginx",
        pid: "7",
        unit: "",
        message: "hello",
    });
});

test("binary, repeated and missing values are shown as text", () => {
    assert.equal(parseEntry(line({ MESSAGE: [72, 195, 164, 255] }))?.message, "Hä\ufffd");
    assert.equal(parseEntry(line({ MESSAGE: ["one", [116, 119, 111]] }))?.message, "one\ntwo");
    assert.equal(parseEntry(line({}))?.message, "");
    assert.equal(parseEntry(line({ MESSAGE: null }))?.message, "(message too long to show here)");
});

test("an entry without cursor or time is damaged, and the reader goes on after it", () => {
    const reader = new EntryReader();

    const found = reader.read(`{"MESSAGE":"x"}\nnot json\n[]\n${line({ MESSAGE: "good" })}\n`);

    assert.deepEqual(found.map((entry) => entry.message), ["good"]);
    assert.equal(reader.damaged, 3);
});

test("the reader puts an entry together that came in pieces", () => {
    const reader = new EntryReader();
    const text = `${line({ MESSAGE: "split" })}\n`;

    assert.deepEqual(reader.read(text.slice(0, 20)), []);
    assert.equal(reader.read(text.slice(20))[0]?.message, "split");
});

test("a line without an end does not grow without bound", () => {
    const reader = new EntryReader();

    for (let piece = 0; piece < 20; piece += 1) reader.read("x".repeat(1 << 17));
    const found = reader.read(`tail\n${line({ MESSAGE: "next" })}\n`);

    assert.deepEqual(found.map((entry) => entry.message), ["next"]);
});

test("older entries go behind, newer ones in front, and none twice", () => {
    let log = withOlder(EMPTY_LOG, entries(10, 3).reverse(), 3);
    log = withNewer(log, entries(12, 2));

    assert.deepEqual(log.entries.map((entry) => entry.cursor), ["c13", "c12", "c11", "c10"]);
    assert.equal(log.older, "more");
    assert.equal(withOlder(log, [], 200).older, "none");
});

test("at most five thousand rows are kept, at the end that is read", () => {
    const full = withOlder(EMPTY_LOG, entries(0, KEPT_ROWS).reverse(), KEPT_ROWS);

    const newer = withNewer(full, entries(KEPT_ROWS, 10));
    const older = withOlder(full, entries(-10, 10).reverse(), 10);

    assert.equal(newer.entries.length, KEPT_ROWS);
    assert.equal(newer.older, "more");
    assert.equal(older.entries.length, KEPT_ROWS);
    assert.equal(older.newest, "dropped");
    assert.equal(older.entries.at(-1)?.cursor, "c-10");
});

test("the field view has the writer's own fields first", () => {
    assert.deepEqual(
        parseAllFields('{"_PID":"1","MESSAGE":"m","CODE_LINE":"5"}').map((field) => field.name),
        ["CODE_LINE", "MESSAGE", "_PID"],
    );
    assert.deepEqual(parseAllFields("nonsense"), []);
});
