import assert from "node:assert/strict";
import { afterEach, suite, test } from "node:test";
import "../testing/bridge";
import { formatBytes, formatDuration, formatNumber, formatPercent } from "../i18n";
import { type AddressBar, PageLocation } from "./location";
import { cockpit } from "./package_api";
import { SampleDecoder } from "./samples";
import { Grid, Series } from "./series";

suite("format", () => {
    test("fields are names or numbers, with braces or without", () => {
        assert.equal(cockpit.format("$0 of ${1}, $name", ["a", 2]), "a of 2, ");
        assert.equal(cockpit.format("$name and ${other one}", { name: "x", "other one": "y" }), "x and y");
        assert.equal(cockpit.format("$0 $1", "a", "b"), "a b");
    });

    test("falsy values but numbers are empty", () => {
        assert.equal(cockpit.format("[$0][$1][$2][$3]", [null, false, 0, undefined]), "[][][0][]");
    });

    test("numbers are rounded, but what is nearly zero does not vanish", () => {
        assert.equal(cockpit.format_number(1.23456), "1.235");
        assert.equal(cockpit.format_number(-0.00001), "-0.001");
        assert.equal(cockpit.format_number(0), "0");
        assert.equal(cockpit.format_number(null), "");
    });

    test("bytes take the unit that fits, or the one that is asked for", () => {
        assert.equal(cockpit.format_bytes(2000), "2 kB");
        assert.equal(cockpit.format_bytes(2048, 1024), "2 KiB");
        assert.equal(cockpit.format_bytes(3_000_000, "MB"), "3 MB");
        assert.deepEqual(cockpit.format_bytes(2048, 1024, { separate: true }), ["2", "KiB"]);
        assert.equal(cockpit.format_bytes_per_sec(2000), "2 kB/s");
        assert.equal(cockpit.format_bits_per_sec(2_000_000), "2 Mbps");
        assert.equal(cockpit.format_bytes(undefined), "");
    });

    test("our own formats say when a value is unknown", () => {
        assert.equal(formatBytes(null), "–");
        assert.equal(formatBytes(1536), "1.5\u00a0KiB");
        assert.equal(formatPercent(0.126), "13%");
        assert.equal(formatNumber(Number.NaN), "–");
        assert.equal(formatDuration(41 * 86_400 + 3 * 3_600 + 59), "41d 3h");
        assert.equal(formatDuration(0), "0s");
    });
});

suite("location", () => {
    class Bar implements AddressBar {
        hash = "#/a/b?x=1&y=2&x=3";
        replaced: string | null = null;
        replace(address: string): void {
            this.replaced = address;
        }
    }

    test("path and options are decoded, repeated ones into lists", () => {
        const location = new PageLocation("#/a%20b/c?x=1&y=%26&x=3&flag", new Bar());
        assert.deepEqual(location.path, ["a b", "c"]);
        assert.deepEqual(location.options, { x: ["1", "3"], y: "&", flag: "" });
        assert.deepEqual(new PageLocation("", new Bar()).path, []);
    });

    test("relative paths go from the place where we are", () => {
        const location = new PageLocation("#/a/b", new Bar());
        assert.deepEqual(location.decode("c"), ["a", "c"]);
        assert.deepEqual(location.decode("../c"), ["c"]);
        assert.deepEqual(location.decode("/../../c"), ["c"]);
        assert.equal(location.encode(["x/y", "ä"], { q: ["1", "2"] }), "/x%2Fy/%C3%A4?q=1&q=2");
    });

    test("a location that is no longer current does not navigate", () => {
        const bar = new Bar();
        const location = new PageLocation(bar.hash, bar);
        location.replace(["new"]);
        assert.equal(bar.replaced, "#/new");

        location.go("/c", { z: "1" });
        assert.equal(bar.hash, "#/c?z=1");
        location.go("/d");
        assert.equal(bar.hash, "#/c?z=1");
    });
});

suite("locale", () => {
    afterEach(() => cockpit.locale(null));

    test("texts, contexts and plurals come from the loaded catalogs", () => {
        cockpit.locale({ "": { language: "de", "plural-forms": (n: number) => n !== 1 }, Hello: [null, "Hallo"], "menu\u0004Open": [null, "Öffnen"], "$0 day": ["$0 days", "$0 Tag", "$0 Tage"] });
        cockpit.locale({ More: [null, "Mehr"] });

        assert.equal(cockpit.gettext("Hello"), "Hallo");
        assert.equal(cockpit.gettext("More"), "Mehr");
        assert.equal(cockpit.gettext("menu", "Open"), "Öffnen");
        assert.equal(cockpit.ngettext("$0 day", "$0 days", 1), "$0 Tag");
        assert.equal(cockpit.ngettext("$0 day", "$0 days", 5), "$0 Tage");
        assert.equal(cockpit.language, "de");
    });

    test("what is not translated stays, and null forgets all", () => {
        cockpit.locale({ "": { language: "de" }, Empty: [null, ""] });
        assert.equal(cockpit.gettext("Empty"), "Empty");
        assert.equal(cockpit.ngettext("one", "many", 2), "many");
        assert.equal(cockpit.noop("context", "text"), "text");
        cockpit.locale(null);
        assert.equal(cockpit.language, "en");
    });
});

suite("promises", () => {
    test("done gets all values, await the first, and a chain passes all on", async () => {
        const deferred = cockpit.defer<string>();
        const seen: unknown[] = [];
        deferred.promise.done((...values: unknown[]) => seen.push(values));
        deferred.resolve("a", "b");

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
        deferred.promise.progress((value) => seen.push(value));
        deferred.notify(1).resolve().notify(2);
        assert.deepEqual(seen, [1]);
    });
});

suite("metrics", () => {
    const meta = { interval: 1000, timestamp: 5000, now: 5000, metrics: [{ name: "a" }, { name: "b", instances: ["x", "y"] }] };

    test("samples stand in full whatever the bridge left out", () => {
        const decoder = new SampleDecoder();
        decoder.decode(JSON.stringify(meta));
        const message = decoder.decode("[[1,[2,3]],[null,[4]],[],[false,[null,5]]]");
        assert.deepEqual(message, { kind: "samples", samples: [[1, [2, 3]], [1, [4, 3]], [1, [4, 3]], [false, [4, 5]]] });

        decoder.decode(JSON.stringify(meta));
        assert.deepEqual(decoder.decode("[[]]"), { kind: "samples", samples: [[false, false]] });
    });

    test("grid shows its range of a series, by path, and callbacks follow", () => {
        const series = new Series(1000);
        const grid = new Grid(1000, 10, 14);
        const row = grid.add(series, ["b", "y"]);
        const sums = grid.add((sum, index, count) => {
            for (let at = index; at < index + count; at++) sum[at] = Number(row[at] ?? 0) * 2;
        });
        const notified: unknown[] = [];
        grid.onnotify = (_event, index, count) => notified.push([index, count]);

        series.input(9, [[1, [2, 3]], [1, [2, 4]], [1, [2, 5]]], { b: { "": 1, y: { "": 1 } } });

        assert.deepEqual([...row], [4, 5]);
        assert.deepEqual([...sums], [8, 10]);
        assert.deepEqual(notified, [[0, 2]]);
        grid.move(11, 12);
        assert.deepEqual([...row], [5]);
        grid.close();
    });

    test("series asks its producer for what it does not have", () => {
        const asked: unknown[] = [];
        const series = new Series(1000, (beg, end) => asked.push([beg, end]));
        series.input(1, ["a", "b"]);
        series.load(1, 5);
        assert.deepEqual(asked, [[3, 5]]);
    });
});
