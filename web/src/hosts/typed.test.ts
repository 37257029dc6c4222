import assert from "node:assert/strict";
import { test } from "node:test";

import { readTyped } from "./typed";

function host(text: string): string | null {
    const typed = readTyped(text);
    return typed.kind === "host" ? typed.host : null;
}

test("names, addresses, users and ports are taken in the one way in which they are written", () => {
    assert.equal(host(" web1 "), "web1");
    assert.equal(host("EXAMPLE\\ada@corp@Web1.example.org:2222"), "EXAMPLE\\ada@corp@web1.example.org:2222");
    assert.equal(host("machine$@10.0.0.1:1"), "machine$@10.0.0.1:1");
    assert.equal(host("[2001:DB8:0::1]:22"), "[2001:db8::1]:22");
    assert.equal(host("2001:db8::1"), "[2001:db8::1]");
    assert.equal(host("Bücher.example"), "xn--bcher-kva.example");
});

test("what the bridge would refuse is refused here, with the part that is wrong", () => {
    const hosts = ["", "-oProxyCommand=x", "a b", "a/b", "$(id)", "`id`", "a;b", "a\nb", "'a'", "%h", "[::1", "[::1]x", "[10.0.0.1]", "::1", "fe80::1%eth0", "a.", ".a", "a..b", "-a.b", "a-.b", "_a", "1.2.3", "0x7f.1", "127.1", "2130706433", "010.0.0.1", "256.0.0.1", "a\u202eb", "a".repeat(64), `${"a.".repeat(130)}a`];
    for (const text of hosts) assert.equal(host(text), null, text);
    for (const user of ["-l", "a b", "$(id)", "a;b", "$", "ä", "a:b", "u".repeat(65)]) {
        const typed = readTyped(`${user}@web1`);
        assert.match(typed.kind === "wrong" ? typed.sentence : "", /user name/, user);
    }
    for (const port of ["", "0", "65536", "+1", "-1", "1a", "022"]) {
        const typed = readTyped(`web1:${port}`);
        assert.match(typed.kind === "wrong" ? typed.sentence : "", /port/, port);
    }
});
