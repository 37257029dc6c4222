import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryStorage } from "../testing/page";
import { PrefixedStorage } from "./storage";

function both(): { readonly store: MemoryStorage; readonly prefixed: PrefixedStorage } {
    const store = new MemoryStorage();
    return { store, prefixed: new PrefixedStorage(store, "cockpit") };
}

test("keys have the application's name before them", () => {
    const { store, prefixed } = both();
    prefixed.setItem("k", "v");
    assert.deepEqual(store.entries(), { "cockpit:k": "v" });
    assert.equal(prefixed.prefixedKey("k"), "cockpit:k");
    assert.equal(prefixed.getItem("k"), "v");
    assert.equal(prefixed.getItem("other"), null);
});

test("both means the plain key as well", () => {
    const { store, prefixed } = both();
    prefixed.setItem("k", "v", true);
    assert.deepEqual(store.entries(), { "cockpit:k": "v", k: "v" });

    store.setItem("plain", "p");
    assert.equal(prefixed.getItem("plain"), null);
    assert.equal(prefixed.getItem("plain", true), "p");
    store.setItem("k", "plain too");
    assert.equal(prefixed.getItem("k", true), "v");

    prefixed.removeItem("k");
    assert.deepEqual(store.entries(), { k: "plain too", plain: "p" });
    prefixed.removeItem("k", true);
    assert.deepEqual(store.entries(), { plain: "p" });
});

test("clear removes the application's keys, in full everything", () => {
    const { store, prefixed } = both();
    prefixed.setItem("a", "1");
    prefixed.setItem("b", "1");
    store.setItem("shell:style", "dark");
    store.setItem("cockpit+app:a", "1");

    prefixed.clear();
    assert.deepEqual(store.entries(), { "shell:style": "dark", "cockpit+app:a": "1" });
    prefixed.clear(true);
    assert.deepEqual(store.entries(), {});
});
