import assert from "node:assert/strict";
import { test } from "node:test";
import "../testing/bridge";
import { cockpit } from "./package_api";

test("a listener that throws does not keep the others from their event, and is reported", () => {
    const reported: unknown[] = [];
    globalThis.reportError = (error) => reported.push(error);
    const target = cockpit.event_target({});
    const seen: number[] = [];
    const failure = new Error("first");
    target.addEventListener("changed", () => {
        throw failure;
    });
    target.addEventListener("changed", () => seen.push(2));

    target.dispatchEvent("changed");

    assert.deepEqual(seen, [2]);
    assert.deepEqual(reported, [failure]);
});

test("the on… handler runs first, then listeners in their order, each with the event and its arguments", () => {
    const target = cockpit.event_target<{ onchanged?: (...args: unknown[]) => void }>({});
    const seen: unknown[] = [];
    target.addEventListener("changed", (event, ...args) => seen.push(["first", event.type, ...args]));
    target.addEventListener("changed", function (this: unknown) {
        seen.push(["second", this === target]);
    });
    target.onchanged = (_event, ...args) => seen.push(["on", ...args]);

    target.dispatchEvent("changed", 1, "two");

    assert.deepEqual(seen, [["on", 1, "two"], ["first", "changed", 1, "two"], ["second", true]]);
});

test("the arguments are the detail of the event: one as it is, several as a list", () => {
    const target = cockpit.event_target({});
    const seen: unknown[] = [];
    target.addEventListener("changed", ({ detail }) => seen.push(detail));

    target.dispatchEvent("changed", { a: 1 });
    target.dispatchEvent("changed", 1, 2);
    target.dispatchEvent("changed");

    assert.deepEqual(seen, [{ a: 1 }, [1, 2], null]);
});

test("events of the DOM are taken as they are, also whether they were prevented", () => {
    const target = cockpit.event_target({});
    target.addEventListener("changed", (event) => event.preventDefault());
    assert.equal(target.dispatchEvent(new CustomEvent("changed", { cancelable: true })), false);
    assert.equal(target.dispatchEvent("other"), true);
});

test("a removed listener and one of another type hear nothing; an object with handleEvent does", () => {
    const target = cockpit.event_target({});
    const seen: unknown[] = [];
    const listener = () => seen.push("removed");
    target.addEventListener("changed", listener);
    target.removeEventListener("changed", listener);
    target.addEventListener("other", () => seen.push("other"));
    target.addEventListener("changed", { handleEvent: (_event: Event, data: unknown) => seen.push(data) } as unknown as () => void);

    target.dispatchEvent("changed", 5);

    assert.deepEqual(seen, [5]);
});

test("the object keeps its own members, and the listeners stand in the store that was given", () => {
    const handlers = {};
    const object = { a: 1 };
    const target = cockpit.event_target(object, handlers);
    target.addEventListener("changed", () => undefined);
    assert.equal(target, object);
    assert.deepEqual(Object.keys(target), ["a"]);
    assert.deepEqual(Object.keys(handlers), ["changed"]);
});
