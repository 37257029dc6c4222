import assert from "node:assert/strict";
import { test } from "node:test";
import { formatBytes, formatDuration, formatNumber, formatPercent } from "./i18n";

test("our own formats say when a value is unknown", () => {
    assert.equal(formatBytes(null), "–");
    assert.equal(formatBytes(1536), "1.5\u00a0KiB");
    assert.equal(formatPercent(0.126), "13%");
    assert.equal(formatNumber(Number.NaN), "–");
    assert.equal(formatDuration(41 * 86_400 + 3 * 3_600 + 59), "41d 3h");
    assert.equal(formatDuration(0), "0s");
});
