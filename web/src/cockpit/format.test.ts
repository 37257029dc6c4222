import assert from "node:assert/strict";
import { test } from "node:test";
import "../testing/bridge";
import { cockpit } from "./package_api";

test("fields are names or numbers, with braces or without", () => {
    assert.equal(cockpit.format("$0 of ${1}, $name", ["a", 2]), "a of 2, ");
    assert.equal(cockpit.format("$name and ${other one}", { name: "x", "other one": "y" }), "x and y");
    assert.equal(cockpit.format("$0 $1", "a", "b"), "a b");
});

test("falsy values but numbers are empty", () => {
    assert.equal(cockpit.format("[$0][$1][$2][$3][$4]", [null, false, 0, undefined, Number.NaN]), "[][][0][][]");
});

test("numbers are rounded, but what is nearly zero does not vanish", () => {
    assert.equal(cockpit.format_number(1.23456), "1.23");
    assert.equal(cockpit.format_number(1234.5), "1235");
    assert.equal(cockpit.format_number(1234567), "1234567");
    assert.equal(cockpit.format_number(0.05, 2), "0.050");
    assert.equal(cockpit.format_number(0.00001), "0.001");
    assert.equal(cockpit.format_number(-0.00001), "-0.001");
    assert.equal(cockpit.format_number(0), "0");
    assert.equal(cockpit.format_number(null), "");
    assert.equal(cockpit.format_number(undefined), "");
    assert.equal(cockpit.format_number(Number.NaN), "");
    assert.equal(cockpit.format_number(-1.5, 2), "-1.5");
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

test("a factor, or options in its place, choose the steps", () => {
    assert.equal(cockpit.format_bytes(1500), "1.50 kB");
    assert.equal(cockpit.format_bytes(1_073_741_824, { base2: true }), "1 GiB");
    assert.equal(cockpit.format_bytes(1_234_567, { precision: 2 }), "1.2 MB");
    assert.equal(cockpit.format_bytes(1_234_567, 1000, { precision: 2 }), "1.2 MB");
    assert.equal(cockpit.format_bytes_per_sec(2048, { base2: true }), "2 KiB/s");
    assert.equal(cockpit.format_bytes_per_sec(5_000_000, "MB/s"), "5 MB/s");
    assert.equal(cockpit.format_bits_per_sec(2_500_000_000, { precision: 2 }), "2.5 Gbps");
    assert.equal(cockpit.format_bytes(5, "nonsense"), "5");
    assert.equal(cockpit.format_bytes(2_000_000, "KB"), "2000 KB");
});

test("number and unit come apart when that is asked for", () => {
    assert.deepEqual(cockpit.format_bytes(1500, { separate: true }), ["1.50", "kB"]);
    assert.deepEqual(cockpit.format_bytes(2000, 1000, true), ["2", "kB"]);
    assert.deepEqual(cockpit.format_bytes(5, "nonsense", { separate: true }), ["5"]);
    assert.deepEqual(cockpit.format_bytes(null, 1000, { separate: true }), [""]);
});

test("numbers follow the language", () => {
    cockpit.locale({ "": { language: "de" } });
    assert.equal(cockpit.format_bytes(1500), "1,50 kB");
    cockpit.locale(null);
});

test("units to choose from begin with millions, the fitting one is selected", () => {
    assert.deepEqual(cockpit.get_byte_units(5_000_000_000, 1000), [
        { name: "MB", factor: 1_000_000 },
        { name: "GB", factor: 1_000_000_000, selected: true },
        { name: "TB", factor: 1_000_000_000_000 },
    ]);
    assert.equal(cockpit.get_byte_units(0, 1024)[0]?.name, "MiB");
});
