import assert from "node:assert/strict";
import { test } from "node:test";

import {
    countProcessors,
    type Figures,
    bytesOfMemory,
    figuresOf,
    type History,
    KEPT_SAMPLES,
    NO_HISTORY,
    rangeOf,
    remember,
    SampleDecoder,
    series,
    tableRows,
} from "./metrics_model";

const NOTHING: Figures = {
    cpu: null,
    wait: null,
    memoryUsed: null,
    memoryTotal: null,
    diskRead: null,
    diskWritten: null,
    received: null,
    sent: null,
};

test("the decoder takes null and a missing end as the value before, and false as unknown", () => {
    const decoder = new SampleDecoder();
    decoder.decode([100, 0, 50, 1, 2e9, 10, 20, [1, 2], [3, 4]]);

    const sample = decoder.decode([200, null, false, null, null, null, null, [null, 5]]);

    assert.deepEqual(sample, [200, 0, null, 1, 2e9, 10, 20, [1, 5], [3, 4]]);
});

test("the decoder survives what is not a sample", () => {
    const decoder = new SampleDecoder();

    for (const raw of [null, "x", 5, {}, ["text", {}, [[]], Number.NaN]]) {
        for (const cell of decoder.decode(raw).flat()) assert.equal(cell, null);
    }
});

test("processor time is a share of all processors and never more than all of it", () => {
    const sample = [1500, 100, 400, 200, null, null, null, null, null];
    const four = { processors: 4, memory: null };

    assert.equal(figuresOf(sample, four).cpu, 50);
    assert.equal(figuresOf(sample, four).wait, 5);
    assert.equal(figuresOf(sample, { processors: 1, memory: null }).cpu, 100);
});

test("a figure of several interfaces is their sum, and unknown is not zero", () => {
    const figures = figuresOf([null, null, null, null, null, null, null, [10, null, 5], []], { processors: 1, memory: null });

    assert.equal(figures.received, 15);
    assert.equal(figures.sent, null);
    assert.equal(figures.cpu, null);
});

test("the history keeps five minutes", () => {
    let history: History = NO_HISTORY;
    for (let second = 0; second < KEPT_SAMPLES + 50; second += 1) {
        history = remember(history, second * 1000, { ...NOTHING, cpu: second });
    }

    assert.equal(history.times.length, KEPT_SAMPLES);
    assert.equal(series(history, "cpu")[0], 50);
});

test("a pause in the samples breaks the line", () => {
    const before = remember(NO_HISTORY, 1000, { ...NOTHING, cpu: 1 });

    const after = remember(before, 9000, { ...NOTHING, cpu: 2 });

    assert.deepEqual(series(after, "cpu"), [1, null, 2]);
});

test("the range tells the current, lowest and highest value", () => {
    assert.deepEqual(rangeOf([3, null, 1, 7, 2]), { now: 2, lowest: 1, highest: 7 });
    assert.equal(rangeOf([null, null]), null);
});

test("the table has the newest moment first and leaves gaps out", () => {
    let history = remember(NO_HISTORY, 1000, { ...NOTHING, cpu: 1 });
    history = remember(history, 9000, { ...NOTHING, cpu: 2 });

    assert.deepEqual(tableRows(history, 1).map((row) => row.figures.cpu), [2, 1]);
    assert.deepEqual(tableRows(history, 2).map((row) => row.figures.cpu), [2]);
});

test("the kernel's list of processors is counted", () => {
    assert.equal(countProcessors("0-3,5\n"), 5);
    assert.equal(countProcessors("0"), 1);
    assert.equal(countProcessors(""), 1);
    assert.equal(countProcessors("7-3"), 1);
});

test("all memory is what the kernel says there is, not the sum of its uses", () => {
    assert.equal(bytesOfMemory("MemTotal:       24684092 kB\nMemFree:        13576284 kB\n"), 24_684_092 * 1024);
    assert.equal(bytesOfMemory("MemFree: 1 kB\n"), null);
    assert.equal(figuresOf([0, 0, 0, 0, 5e9], { processors: 1, memory: 8e9 }).memoryTotal, 8e9);
});
