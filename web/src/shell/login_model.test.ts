import assert from "node:assert/strict";
import { test } from "node:test";

import { basicAuthorization, type LoginAnswer, loginStep, promptAuthorization } from "./login_model";

const answer = (given: Partial<LoginAnswer>): LoginAnswer => ({ status: 401, challenge: null, retryAfter: null, body: "{}", ...given });

test("user and password go as UTF-8, and a name that would end too early is not sent", () => {
    assert.equal(basicAuthorization("ada", "pä:ß"), `Basic ${Buffer.from("ada:pä:ß").toString("base64")}`);
    assert.equal(basicAuthorization("a:b", "x"), null);
    assert.equal(basicAuthorization("", "x"), null);
});

test("a prompt keeps its conversation, and says whether the answer may be seen", () => {
    const body = JSON.stringify({ prompt: "New password: ", echo: false, message: "Your password has expired.", error: "Too short" });
    const step = loginStep(answer({ challenge: "X-Conversation 3f2a TmV3", body }));

    assert.deepEqual(step, {
        kind: "ask",
        prompt: { conversation: "3f2a", question: "New password: ", echo: "hidden", message: "Your password has expired.", error: "Too short" },
    });
    assert.equal(promptAuthorization(step.prompt, "é"), "X-Conversation 3f2a w6k=");
});

test("an empty question has its challenge too", () => {
    const step = loginStep(answer({ challenge: "X-Conversation 3f2a", body: JSON.stringify({ prompt: "", echo: true }) }));

    assert.equal(step.kind === "ask" && step.prompt.echo, "shown");
});

test("each failure has a sentence of its own, and what the machine said is kept", () => {
    const sentence = (given: Partial<LoginAnswer>) => {
        const step = loginStep(answer(given));
        return step.kind === "failed" ? step.sentence : step.kind;
    };

    assert.match(sentence({ body: '{"problem":"authentication-failed"}' }), /password was not accepted/);
    assert.match(sentence({ status: 403, body: '{"problem":"access-denied"}' }), /may not log in/);
    assert.match(sentence({ status: 429, retryAfter: "7", body: '{"problem":"authentication-failed"}' }), /in 7 seconds/);
    assert.match(sentence({ status: 503 }), /Many people/);
    assert.match(sentence({ status: 500, body: '{"problem":"no-cockpit"}' }), /does not answer/);
    assert.match(sentence({ status: 502, body: "<html>" }), /does not answer/);
    assert.deepEqual(loginStep(answer({ status: 403, body: '{"problem":"access-denied","message":"Account expired"}' })), {
        kind: "failed",
        sentence: "This account may not log in at the moment. Ask the administrator of this machine.",
        said: "Account expired",
    });
});

test("the session is there when the server says so", () => {
    assert.deepEqual(loginStep(answer({ status: 200, body: '{"csrf-token":"x"}' })), { kind: "in" });
});
