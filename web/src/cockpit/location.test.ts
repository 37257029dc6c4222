import assert from "node:assert/strict";
import { test } from "node:test";
import { type AddressBar, PageLocation } from "./location";

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
    assert.equal(location.encode("c?x=1", { y: "a=b&c", z: undefined }), "/a/c?x=1&y=a%3Db%26c");
    assert.equal(location.encode(["user@host", "a=b", "?"]), "/user@host/a=b/%3F");
    assert.equal(location.encode("/x", {}, true), "/x");
});

test("a location that is no longer current does not navigate", () => {
    const bar = new Bar();
    const location = new PageLocation(bar.hash, bar);
    location.replace(["new"]);
    assert.equal(bar.replaced, "#/new");

    location.go("/c", { z: "1" });
    assert.equal(bar.hash, "#/c?z=1");
    // Until the page has heard of the change, the place is still its own to choose.
    location.go("/e?x=1", { y: 2 });
    assert.equal(bar.hash, "#/e?x=1&y=2");
    location.invalidate();
    location.go("/d");
    location.replace("/d");
    assert.equal(bar.hash, "#/e?x=1&y=2");
    assert.equal(bar.replaced, "#/new");
});

test("href is the address as it stands, also as a text", () => {
    const location = new PageLocation("#/a/b?z=a%3Db", new Bar());
    assert.equal(location.href, "/a/b?z=a%3Db");
    assert.equal(`${location}`, "/a/b?z=a%3Db"); // eslint-disable-line @typescript-eslint/restrict-template-expressions -- what pages do
    assert.equal(new PageLocation("", new Bar()).href, "");
});

test("options of a decoded address go into the object that is given", () => {
    const options: Record<string, unknown> = { k: 1 };
    assert.deepEqual(new PageLocation("#/a", new Bar()).decode("/x?y=1&y=2&y=3&w=%20", options), ["x"]);
    assert.deepEqual(options, { k: 1, y: ["1", "2", "3"], w: " " });
});
