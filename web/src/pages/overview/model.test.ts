import assert from "node:assert/strict";
import { test } from "node:test";

import { factsFrom, type FactSources, failedUnits, parseOsRelease, uptimeSeconds } from "./model";

const SILENT: FactSources = {
    hostname1: {},
    osReleaseFile: null,
    hostNameFile: null,
    kernelRelease: null,
    uptime: null,
    vendorFile: null,
    productFile: null,
    readAt: 0,
};

test("facts come from hostnamed where it answers", () => {
    const facts = factsFrom({
        ...SILENT,
        hostname1: { StaticHostname: "web1", OperatingSystemPrettyName: "Debian GNU/Linux 12", KernelRelease: "6.1.0" },
        hostNameFile: "other\n",
        uptime: "90.50 12.00\n",
        readAt: 100_000,
    });

    assert.equal(facts.hostName, "web1");
    assert.equal(facts.kernel, "6.1.0");
    assert.equal(facts.startedAt, 9500);
});

test("facts come from the kernel's files on a machine without hostnamed", () => {
    const facts = factsFrom({
        ...SILENT,
        osReleaseFile: 'NAME="Alpine Linux"\nPRETTY_NAME="Alpine Linux v3.20"\n',
        hostNameFile: "box\n",
        kernelRelease: "6.6.1-lts\n",
        vendorFile: "Dell Inc.\n",
        productFile: "PowerEdge R650\n",
    });

    assert.deepEqual(facts, {
        hostName: "box",
        operatingSystem: "Alpine Linux v3.20",
        kernel: "6.6.1-lts",
        model: "Dell Inc. PowerEdge R650",
        startedAt: null,
    });
});

test("a model that names its maker is not doubled", () => {
    const facts = factsFrom({ ...SILENT, hostname1: { HardwareVendor: "QEMU", HardwareModel: "QEMU Virtual Machine" } });

    assert.equal(facts.model, "QEMU Virtual Machine");
});

test("an uptime that is no number is unknown", () => {
    assert.equal(uptimeSeconds("12.5 3\n"), 12.5);
    assert.equal(uptimeSeconds("soon"), null);
    assert.equal(uptimeSeconds(null), null);
});

test("failed units are read from systemd's reply, sorted, and nonsense is left out", () => {
    const reply = [["odd", "B", "loaded"], null, [1, 2], "x", ["a.service", "A", "loaded"]];

    assert.deepEqual(failedUnits(reply), [
        { name: "a.service", text: "a.service", description: "A" },
        { name: null, text: "odd", description: "B" },
    ]);
    assert.deepEqual(failedUnits({}), []);
});

test("os-release is read like a shell would, quotes and escapes taken off", () => {
    const values = parseOsRelease("# comment\nNAME=Debian\nPRETTY_NAME=\"a \\\"b\\\" \\$c\"\nID='x y'\nbad line\n");

    assert.deepEqual([...values], [["NAME", "Debian"], ["PRETTY_NAME", 'a "b" $c'], ["ID", "x y"]]);
});
