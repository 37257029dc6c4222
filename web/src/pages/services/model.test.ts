import assert from "node:assert/strict";
import { test } from "node:test";

import type { UnitName } from "../../routes";
import { actBlockedBy, actsFor, countFailed, jobFailure, listed, type Unit, unitsFrom, withChange } from "./model";

const LOADED = [
    ["nginx.service", "Web server", "loaded", "failed", "failed", "", "/u/nginx", 0, "", "/"],
    ["ssh.service", "Secure shell", "loaded", "active", "running", "", "/u/ssh", 0, "", "/"],
    ["getty@tty1.service", "Getty on tty1", "loaded", "active", "running", "", "/u/getty", 0, "", "/"],
    ["gone.service", "gone.service", "not-found", "inactive", "dead", "", "/u/gone", 0, "", "/"],
    ["followed.service", "Followed", "loaded", "active", "running", "ssh.service", "/u/f", 0, "", "/"],
    ["backup.timer", "Backup", "loaded", "active", "waiting", "", "/u/timer", 0, "", "/"],
    ["dev-sda.device", "Disk", "loaded", "active", "plugged", "", "/u/disk", 0, "", "/"],
    null,
    [7],
];
const FILES = [
    ["/usr/lib/systemd/system/nginx.service", "enabled"],
    ["/usr/lib/systemd/system/ssh.service", "enabled"],
    ["/usr/lib/systemd/system/sshd.service", "alias"],
    ["/usr/lib/systemd/system/getty@.service", "enabled"],
    ["/usr/lib/systemd/system/cups.service", "disabled"],
];

function units(): ReturnType<typeof unitsFrom> {
    return unitsFrom(LOADED, FILES);
}

function unit(name: string): Unit {
    const found = units().get(name as UnitName);
    assert.ok(found, name);
    return found;
}

test("the list is made of loaded units and of unit files, without templates, aliases and missing units", () => {
    assert.deepEqual([...units().keys()].sort(), [
        "backup.timer",
        "cups.service",
        "getty@tty1.service",
        "nginx.service",
        "ssh.service",
    ]);
});

test("an instance takes its start at boot from its template", () => {
    assert.equal(unit("getty@tty1.service").enablement, "enabled");
});

test("failed units come first, then running ones, each by name", () => {
    assert.deepEqual(
        listed(units(), { kind: "service" }).map((entry) => entry.name),
        ["nginx.service", "getty@tty1.service", "ssh.service", "cups.service"],
    );
});

test("the filter looks at name and description in any case, and at the state", () => {
    const names = (filter: Parameters<typeof listed>[1]): string[] => listed(units(), filter).map((entry) => entry.name);

    assert.deepEqual(names({ kind: "service", text: "SECURE" }), ["ssh.service"]);
    assert.deepEqual(names({ kind: "service", state: "stopped" }), ["cups.service"]);
    assert.deepEqual(names({ kind: "timer" }), ["backup.timer"]);
});

test("a changed property changes that unit alone", () => {
    const before = units();

    const after = withChange(before, "/u/nginx", { ActiveState: "active", SubState: "running" });

    assert.equal(after.get("nginx.service" as UnitName)?.activity, "running");
    assert.equal(countFailed(before, "service"), 1);
    assert.equal(countFailed(after, "service"), 0);
    assert.equal(withChange(before, "/u/elsewhere", { ActiveState: "failed" }), before);
});

test("a running unit can be restarted and a stopped one started", () => {
    assert.deepEqual(actsFor(unit("ssh.service")), ["restart", "stop", "disable"]);
    assert.deepEqual(actsFor(unit("cups.service")), ["start", "enable"]);
});

test("without superuser access every act says how to get it", () => {
    for (const act of actsFor(unit("ssh.service"))) {
        assert.match(actBlockedBy(unit("ssh.service"), act, "off") ?? "", /superuser access/);
        assert.equal(actBlockedBy(unit("ssh.service"), act, "on"), null);
    }
});

test("a masked unit says why it cannot be started", () => {
    const masked: Unit = { ...unit("cups.service"), enablement: "masked" };

    assert.match(actBlockedBy(masked, "start", "on") ?? "", /masked/);
});

test("only a job that is done counts as success", () => {
    const name = "nginx.service" as UnitName;

    assert.equal(jobFailure("done", name), null);
    for (const result of ["canceled", "timeout", "failed", "dependency", "skipped", "collected", ""]) {
        assert.match(jobFailure(result, name) ?? "", /nginx\.service/, result);
    }
});

test("replies that are not lists yield no units", () => {
    for (const nonsense of [null, 5, "x", {}, [["x"]], [[null, null]]]) {
        assert.equal(unitsFrom(nonsense, nonsense).size, 0);
    }
});
