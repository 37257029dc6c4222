import assert from "node:assert/strict";
import { test } from "node:test";

import type { HostName } from "../routes";
import { MemoryStorage } from "../testing/page";
import { forget, readKnown, remember } from "./known";

const host = (text: string) => text as HostName;

test("hosts are remembered for each user alone, last used first, as plain addresses", () => {
    const storage = new MemoryStorage();
    remember(storage, "ada", host("web1"));
    remember(storage, "ada", host("ben@web2:2222"));
    remember(storage, "ada", host("web1"));

    assert.deepEqual(readKnown(storage, "ada"), ["web1", "ben@web2:2222"]);
    assert.deepEqual(readKnown(storage, "eve"), []);
    assert.deepEqual(storage.entries(), { "pilothouse:hosts:ada": '["web1","ben@web2:2222"]' });
    assert.deepEqual(forget(storage, "ada", host("web1")), ["ben@web2:2222"]);
});

test("what cannot be a host is dropped, whoever wrote it", () => {
    const storage = new MemoryStorage();
    for (const stored of ['["web1",5,"-oProxyCommand=x","a b",null,"localhost"]', "{", "5", "null"]) {
        storage.setItem("pilothouse:hosts:ada", stored);
        assert.deepEqual(readKnown(storage, "ada"), stored.startsWith("[") ? ["web1"] : []);
    }
});

test("no more than fifty are kept", () => {
    const storage = new MemoryStorage();
    for (let number = 0; number < 60; number++) remember(storage, "ada", host(`web${number}`));

    assert.equal(readKnown(storage, "ada").length, 50);
    assert.equal(readKnown(storage, "ada")[0], "web59");
});
