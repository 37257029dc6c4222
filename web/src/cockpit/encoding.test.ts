import assert from "node:assert/strict";
import { test } from "node:test";
import "../testing/bridge";
import { cockpit } from "./package_api";

test("base64 takes bytes in every form; characters of a text are bytes", () => {
    assert.equal(cockpit.base64_encode("abc"), "YWJj");
    assert.equal(cockpit.base64_encode([1, 2, 255]), "AQL/");
    assert.equal(cockpit.base64_encode(new Uint8Array([1, 2, 255])), "AQL/");
    assert.equal(cockpit.base64_encode(new Uint8Array([1, 2, 255]).buffer), "AQL/");
    assert.throws(() => cockpit.base64_encode("€"));
});

test("base64 is decoded into the form that is asked for", () => {
    assert.deepEqual(cockpit.base64_decode("AQL/"), [1, 2, 255]);
    assert.deepEqual(cockpit.base64_decode("AQL/", Uint8Array), new Uint8Array([1, 2, 255]));
    assert.equal(cockpit.base64_decode("YWJj", String), "abc");
    assert.throws(() => cockpit.base64_decode("!!!"));
});

test("text becomes UTF-8 in the form that is asked for", () => {
    assert.deepEqual(cockpit.utf8_encoder().encode("ä"), [0xc3, 0xa4]);
    assert.deepEqual(cockpit.utf8_encoder(Uint8Array).encode("ä"), new Uint8Array([0xc3, 0xa4]));
    assert.equal(cockpit.utf8_encoder(String).encode("ä"), "\xc3\xa4");
    assert.equal(cockpit.utf8_encoder().encoding, "utf-8");
});

test("UTF-8 is decoded, also in parts, with a sign for what is none or an error", () => {
    const decoder = cockpit.utf8_decoder();
    assert.equal(decoder.decode([0xc3], { stream: true }), "");
    assert.equal(decoder.decode([0xa4]), "ä");
    assert.equal(decoder.decode("\xc3\xa4"), "ä");
    assert.equal(decoder.decode(new Uint8Array([0xff])), "\ufffd");
    assert.throws(() => cockpit.utf8_decoder(true).decode([0xff]));
});
