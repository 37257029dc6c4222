import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { withoutInlineStyles } from "./xterm";

const xterm = readFileSync("node_modules/@xterm/xterm/lib/xterm.mjs", "utf8");

test("nothing in xterm makes style elements or style attributes any more", () => {
    const replaced = withoutInlineStyles(xterm);

    assert.doesNotMatch(replaced, /createElement\("style"\)|setAttribute\("style"/);
    assert.equal(replaced.split("pilothouseStyleSheet()").length - 1, 4, "three uses and the function");
    assert.match(replaced, /\.style\.cssText\+=/);
});

test("an xterm that does it once more or once less fails the build", () => {
    assert.throws(() => withoutInlineStyles(`${xterm};document.createElement("style")`), /4 style elements/);
    assert.throws(() => withoutInlineStyles(xterm.replace('createElement("style")', 'createElement("span")')), /2 style elements/);
    assert.throws(() => withoutInlineStyles(`${xterm};e.setAttribute("style", "color: red")`), /can be replaced/);
});
