import assert from "node:assert/strict";
import { test } from "node:test";

import { cut, linkTarget, SHOWN_AT_ONCE, visible, visibleLine } from "./host_text";

test("ordinary text of any script stays as it is", () => {
    for (const text of ["nginx: bind() failed\n\tline two", "Zürich – 東京 🚀", "שלום", ""]) assert.equal(visible(text), text);
});

test("escape sequences, bidi overrides and zero-width characters become visible", () => {
    assert.equal(visible("\u001b[2Jgone"), "␛[2Jgone");
    assert.equal(visible("user\u202etxt.exe"), "user⟨202E⟩txt.exe");
    assert.equal(visible("a\u200bb\ufeffc\u0085d\u{e0041}e"), "a⟨200B⟩b⟨FEFF⟩c⟨0085⟩d⟨E0041⟩e");
    assert.equal(visible("\ud800x"), "⟨D800⟩x");
});

test("a line stays one line", () => {
    assert.equal(visibleLine("one\ntwo\tthree\r"), "one␊two three␍");
});

test("long text is cut, and never between two halves of a character", () => {
    const { shown, left } = cut("x".repeat(SHOWN_AT_ONCE - 1) + "🚀tail");

    assert.equal(shown.length, SHOWN_AT_ONCE - 1);
    assert.equal(left, 6);
    assert.deepEqual(cut("short"), { shown: "short", left: 0 });
});

test("only plain web addresses become links", () => {
    assert.equal(linkTarget("https://nginx.org/en/docs/"), "https://nginx.org/en/docs/");
    const refused = ["java".concat("script:alert(1)"), "data:text/html,x", "man:nginx(8)", "https://a@b/", "https://x\u202e.org", "http:"];
    for (const text of refused) {
        assert.equal(linkTarget(text), null, text);
    }
});
