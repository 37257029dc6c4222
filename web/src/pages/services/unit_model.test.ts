import assert from "node:assert/strict";
import { test } from "node:test";

import type { UnitName } from "../../routes";
import { detailsFrom } from "./unit_model";

const NAME = "nginx.service" as UnitName;
const UNIT = {
    LoadState: "loaded",
    ActiveState: "failed",
    SubState: "failed",
    Description: "Web server",
    UnitFileState: "enabled",
    FragmentPath: "/lib/systemd/system/nginx.service",
    StateChangeTimestamp: 1_747_058_400_000_000,
    WantedBy: ["multi-user.target"],
};

test("details carry state, file and time in milliseconds", () => {
    const details = detailsFrom(NAME, "/u/nginx", UNIT, { MainPID: 0, MemoryCurrent: 1.8446744073709552e19 });

    assert.ok(details);
    assert.equal(details.unit.activity, "failed");
    assert.equal(details.unit.enablement, "enabled");
    assert.equal(details.since, 1_747_058_400_000);
    assert.equal(details.mainPid, null);
    assert.equal(details.memory, null);
    assert.deepEqual(details.wantedBy, ["multi-user.target"]);
});

test("a failed service says why", () => {
    const failure = (own: Record<string, unknown>): string => detailsFrom(NAME, "/u", UNIT, own)?.failure ?? "";

    assert.match(failure({ Result: "exit-code", ExecMainStatus: 3 }), /exit status 3/);
    assert.match(failure({ Result: "signal", ExecMainStatus: 9 }), /signal 9/);
    assert.match(failure({ Result: "oom-kill" }), /out of memory/);
    assert.match(failure({}), /log/);
});

test("a unit that is not there has no details", () => {
    assert.equal(detailsFrom(NAME, "/u", { LoadState: "not-found" }, {}), null);
});
