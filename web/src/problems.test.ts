import assert from "node:assert/strict";
import { test } from "node:test";
import { PROBLEM_CODES, problemText } from "./problems";

test("every problem code has a sentence and a next step of its own", () => {
    const sentences = PROBLEM_CODES.map((code) => problemText(code).sentence);

    assert.equal(new Set(sentences).size, PROBLEM_CODES.length);
    for (const code of PROBLEM_CODES) {
        const { sentence, nextStep } = problemText(code);
        for (const text of [sentence, nextStep]) assert.match(text, /^[A-Z].*\.$/, code);
    }
});

test("a code that nobody knows is named", () => {
    assert.match(problemText("brand-new").sentence, /"brand-new"/);
    assert.match(problemText("constructor").sentence, /"constructor"/);
});
