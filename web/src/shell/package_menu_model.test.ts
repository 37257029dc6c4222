import assert from "node:assert/strict";
import { test } from "node:test";

import { LOCALHOST, routeAddress } from "../routes";
import { readTranslations } from "./package_labels_model";
import { entryOfRoute, ownTwin, parseManifests, pathOf, routeOf, search } from "./package_menu_model";
import { twinOf } from "./package_twin";

const MANIFESTS = JSON.stringify({
    network: { menu: { index: { label: "Networking", order: 40, keywords: [{ matches: ["vlan", "bridge"] }, { matches: ["firewall"], goto: "/network/firewall" }] } } },
    storage: { menu: { index: { label: "Storage", order: 30, docs: [{ label: "Disks", url: "https://example.com/disks" }, { label: "evil", url: "java" + "script:alert(1)" }] } } },
    updates: { tools: { index: { label: "Software updates" } }, preload: ["index"] },
    system: {
        menu: {
            index: { label: "Overview", order: -1 },
            services: { label: "Services", order: 30, keywords: [{ matches: ["timer"], goto: "/?type=timer" }] },
        },
        preload: ["index", "services"],
    },
    metrics: { parent: { component: "system" } },
    old: { dashboard: { list: { label: "Old", path: "list.html#/all" } } },
    shell: { locales: { "de-de": "Deutsch", bad: 5 } },
});

const route = (name: string, component = "index") => ({ kind: "package", host: LOCALHOST, package: name, component, hash: "" }) as const;

test("entries stand by order and then by label, those that do not say at the end", () => {
    const menu = parseManifests(MANIFESTS);

    assert.deepEqual(
        menu.entries.map(({ label, path, section }) => [label, path, section]),
        [
            ["Overview", "system", "menu"],
            ["Services", "system/services", "menu"],
            ["Storage", "storage", "menu"],
            ["Networking", "network", "menu"],
            ["Old", "old/list", "menu"],
            ["Software updates", "updates", "tools"],
        ],
    );
    assert.deepEqual(menu.preload, ["updates", "system", "system/services"]);
    assert.deepEqual([...menu.languages], [["de-de", "Deutsch"]]);
    assert.ok(menu.names.has("metrics"));
});

test("an entry leads to Cockpit's own address, with a place inside the page if it names one", () => {
    const address = (label: string) => {
        const entry = parseManifests(MANIFESTS).entries.find((candidate) => candidate.label === label);
        assert.ok(entry !== undefined);
        return routeAddress(routeOf(LOCALHOST, entry));
    };

    assert.equal(address("Storage"), "/@localhost/storage");
    assert.equal(address("Services"), "/@localhost/system/services");
    assert.equal(address("Old"), "/@localhost/old/list#/all");
});

test("a manifest that is wrong in one place loses only that", () => {
    const menu = parseManifests(
        JSON.stringify({
            a: { menu: { x: { label: "Climber", path: "../../etc/passwd" }, y: { label: 5 }, z: null, ok: { label: "Fine", order: "first", keywords: [{}, 5, { matches: "text" }], docs: "none" } }, tools: [] },
            b: "text",
            c: null,
        }),
    );

    assert.deepEqual(menu.entries.map(({ label, order }) => [label, order]), [["Fine", 1000]]);
    for (const text of ["", "[]", "null", "{", '"x"']) assert.equal(parseManifests(text).entries.length, 0);
});

test("only web addresses become documents", () => {
    const storage = parseManifests(MANIFESTS).entries.find(({ label }) => label === "Storage");

    assert.deepEqual(storage?.docs, [{ label: "Disks", url: "https://example.com/disks" }]);
});

test("a search finds labels first, then keywords and the place that they lead to", () => {
    const menu = parseManifests(MANIFESTS);
    const found = (query: string) => search(menu, LOCALHOST, query).map(({ entry, route: target, word }) => [entry.label, routeAddress(target), word]);

    assert.deepEqual(found("STOR"), [["Storage", "/@localhost/storage", ""]]);
    assert.deepEqual(found("timer"), [["Services", "/@localhost/system/services#/?type=timer", "timer"]]);
    assert.deepEqual(found("vlan"), [["Networking", "/@localhost/network", "vlan"]]);
    assert.deepEqual(found("  "), []);
    assert.deepEqual(found("nothing like it"), []);
});

test("a page without an entry stands under its parent's, or its package's", () => {
    const menu = parseManifests(MANIFESTS);

    assert.equal(entryOfRoute(menu, route("metrics"))?.label, "Overview");
    assert.equal(entryOfRoute(menu, route("network", "firewall"))?.label, "Networking");
    assert.equal(entryOfRoute(menu, route("shell"))?.label, undefined);
    assert.equal(pathOf(route("storage")), "storage");
    assert.equal(pathOf(route("system", "services")), "system/services");
});

test("labels, keywords and documents are shown in the language of the page", () => {
    const german = new Map([["Storage", "Speicher"], ["Disks", "Platten"], ["timer", "Zeitgeber"]]);
    const menu = parseManifests(MANIFESTS, (text) => german.get(text) ?? text);

    assert.ok(menu.entries.some(({ label }) => label === "Speicher"));
    assert.equal(search(menu, LOCALHOST, "zeit")[0]?.entry.path, "system/services");
    assert.equal(search(menu, LOCALHOST, "timer")[0]?.entry.path, "system/services");
});

test("translations are read out of a script, which is not run", () => {
    const script = `cockpit.locale({
 "": { "plural-forms": (n) => n != 1, "language": "de" },
 "Storage": [\n  null,\n  "Speicher"\n ],
 "menu\\u0004Logs": [null, "Protokolle"],
 "Say \\"x\\"": [null, "Sag \\"x\\""],
 "empty": [null, ""]
});
alert("not run");`;

    assert.deepEqual([...readTranslations(script)], [["Storage", "Speicher"], ["Logs", "Protokolle"], ['Say "x"', 'Sag "x"']]);
});

test("a page that ours doubles has a twin, with the unit or kind that the address names", () => {
    assert.equal(ownTwin("system"), "overview");
    assert.deepEqual(twinOf(route("system")), { page: "overview" });
    assert.deepEqual(twinOf({ ...route("system", "services"), hash: "#/getty%40tty1.service" }), { page: "unit", unit: "getty@tty1.service" });
    assert.deepEqual(twinOf({ ...route("system", "services"), hash: "#/?type=timer" }), { page: "services", filter: { kind: "timer" } });
    assert.deepEqual(twinOf({ ...route("system", "services"), hash: "#/%E0%A4%A" }), { page: "services", filter: { kind: "service" } });
    assert.equal(twinOf(route("storage")), null);
});
