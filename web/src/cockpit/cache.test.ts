import assert from "node:assert/strict";
import { test } from "node:test";
import { settled } from "../testing/bridge";
import { FakeWindow, MemoryStorage } from "../testing/page";
import { Cache, type Shelf, noShelf, sessionShelf } from "./cache";

/** The session storage of one tab, with a shelf for each of its frames. */
class Tab {
    readonly store = new MemoryStorage();
    readonly #listeners: ((name: string, text: string | null) => void)[] = [];
    room: "enough" | "none" = "enough";

    frame(): Shelf {
        const at = this.#listeners.length;
        const tell = (name: string) => {
            const text = this.store.getItem(name);
            setImmediate(() => this.#listeners.forEach((listener, index) => index === at || listener(name, text)));
        };
        return {
            get: (name) => this.store.getItem(name),
            set: (name, text) => {
                if (this.room === "none") return false;
                this.store.setItem(name, text);
                tell(name);
                return true;
            },
            remove: (name) => {
                this.store.removeItem(name);
                tell(name);
            },
            onChange: (listener) => this.#listeners.push(listener),
        };
    }
}

/** A provider that a test answers for. */
class Provided {
    started = 0;
    closed = 0;
    result: (value: unknown) => void = () => undefined;
    readonly provider = (result: (value: unknown) => void) => {
        this.started++;
        this.result = result;
        return { close: () => this.closed++ };
    };
}

const KEY = "v1-thing";

test("one provider serves all consumers of a page, a later one gets the latest value at once", () => {
    const cache = new Cache("a", noShelf);
    const provided = new Provided();
    const seen: unknown[] = [];
    const first = cache.add(KEY, provided.provider, (value, key) => seen.push(["first", value, key]));
    provided.result(1);
    const second = cache.add(KEY, provided.provider, (value) => seen.push(["second", value]));
    provided.result(2);

    assert.deepEqual(seen, [["first", 1, KEY], ["second", 1], ["first", 2, KEY], ["second", 2]]);
    assert.equal(provided.started, 1);
    first.close();
    assert.equal(provided.closed, 0);
    second.close();
    assert.equal(provided.closed, 1);
    provided.result(3);
    assert.equal(seen.length, 4);
});

test("a provider may answer at once", () => {
    const seen: unknown[] = [];
    new Cache("a", noShelf).add(
        KEY,
        (result) => {
            result("now");
            return null;
        },
        (value) => seen.push(value),
    );
    assert.deepEqual(seen, ["now"]);
});

test("frames of a tab share one provider and its values", async () => {
    const tab = new Tab();
    const [mine, other] = [new Provided(), new Provided()];
    const seen: unknown[] = [];
    new Cache("a", tab.frame()).add(KEY, mine.provider, () => undefined);
    mine.result({ n: 1 });
    await settled();

    new Cache("b", tab.frame()).add(KEY, other.provider, (value) => seen.push(value));
    await settled();
    mine.result({ n: 2 });
    await settled();

    assert.deepEqual(seen, [{ n: 1 }, { n: 2 }]);
    assert.equal(other.started, 0);
});

test("when the frame that provides goes away another one provides", async () => {
    const tab = new Tab();
    const [mine, other] = [new Provided(), new Provided()];
    const first = new Cache("a", tab.frame());
    first.add(KEY, mine.provider, () => undefined);
    mine.result(1);
    const second = new Cache("b", tab.frame()).add(KEY, other.provider, () => undefined);
    await settled();

    first.close();
    await settled();
    assert.equal(mine.closed, 1);
    assert.equal(other.started, 1);

    second.close();
    await settled();
    assert.deepEqual(tab.store.entries(), {});
});

test("an owner that does not answer is replaced after a while, one that answers is not", async (context) => {
    context.mock.timers.enable({ apis: ["setTimeout"] });
    const tab = new Tab();
    // A tab that was duplicated begins with entries of frames that are elsewhere.
    tab.store.setItem(`cache:${KEY}`, JSON.stringify({ owner: "gone", value: "old" }));
    const [mine, other] = [new Provided(), new Provided()];
    const seen: unknown[] = [];

    new Cache("a", tab.frame()).add(KEY, mine.provider, (value) => seen.push(value));
    await settled();
    assert.deepEqual([seen, mine.started], [["old"], 0]);
    context.mock.timers.tick(1_000);
    assert.equal(mine.started, 1);
    mine.result("new");

    new Cache("b", tab.frame()).add(KEY, other.provider, () => undefined);
    await settled();
    context.mock.timers.tick(1_000);
    assert.equal(other.started, 0);
});

test("a page that claims takes over, and the other one stops", async () => {
    const tab = new Tab();
    const [mine, other] = [new Provided(), new Provided()];
    new Cache("a", tab.frame()).add(KEY, mine.provider, () => undefined);
    const second = new Cache("b", tab.frame()).add(KEY, other.provider, () => undefined);
    await settled();

    second.claim();
    await settled();

    assert.deepEqual([mine.closed, other.started], [1, 1]);
});

test("without room in the storage each page goes on with its own provider", () => {
    const tab = new Tab();
    tab.room = "none";
    const provided = new Provided();
    const seen: unknown[] = [];
    new Cache("a", tab.frame()).add(KEY, provided.provider, (value) => seen.push(value));
    provided.result(1);
    assert.deepEqual(seen, [1]);
});

test("an entry that cannot be read is as none", () => {
    const tab = new Tab();
    tab.store.setItem(`cache:${KEY}`, "{ not json");
    const provided = new Provided();
    new Cache("a", tab.frame()).add(KEY, provided.provider, () => undefined);
    assert.equal(provided.started, 1);
});

test("the shelf of a window hears only of its own storage and application", () => {
    const page = new FakeWindow();
    const shelf = sessionShelf(page.window, "cockpit:");
    const heard: unknown[] = [];
    shelf.onChange((name, text) => heard.push([name, text]));
    const say = (key: string | null, storageArea: unknown) => page.dispatchEvent(Object.assign(new Event("storage"), { key, newValue: "x", storageArea }));

    assert.equal(shelf.set("k", "v"), true);
    assert.deepEqual(page.sessionStorage.entries(), { "cockpit:k": "v" });
    assert.equal(shelf.get("k"), "v");
    shelf.remove("k");
    assert.equal(shelf.get("k"), null);
    say("cockpit:k", page.sessionStorage);
    say("cockpit:k", page.localStorage);
    say("other:k", page.sessionStorage);
    say(null, page.sessionStorage);

    assert.deepEqual(heard, [["k", "x"]]);
    page.sessionStorage.setItem = () => {
        throw new Error("full");
    };
    assert.equal(shelf.set("k", "v"), false);
});
