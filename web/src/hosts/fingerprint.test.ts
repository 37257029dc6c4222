import assert from "node:assert/strict";
import { test } from "node:test";

import { compareKey } from "./fingerprint";

const FINGERPRINT = "SHA256:Jm2cQeVYpMxxl0n5oYHEB3uV4ZcN1a0c3cFqXb1Rk0E";
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHx";
const compare = (pasted: string) => compareKey(pasted, FINGERPRINT, KEY);

test("a fingerprint is the same however it was copied", () => {
    for (const pasted of [FINGERPRINT, `  ${FINGERPRINT}=\n`, FINGERPRINT.slice(7), `256 ${FINGERPRINT} root@web1 (ED25519)`, `${KEY} root@web1`, `web1 ${KEY}`]) {
        assert.equal(compare(pasted), "same", pasted);
    }
});

test("one letter more, less or other is different or nothing at all", () => {
    assert.equal(compare(FINGERPRINT.replace("Jm2c", "Jm2d")), "different");
    assert.equal(compare(FINGERPRINT.toLowerCase().replace("sha256", "SHA256")), "different");
    assert.equal(compare(`${KEY}A`), "different");
    assert.equal(compare(KEY.replace("ssh-ed25519", "ssh-rsa")), "different");
    assert.equal(compare(FINGERPRINT.slice(0, -1)), "unreadable");
    assert.equal(compare("yes"), "unreadable");
    assert.equal(compare("MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48"), "md5");
    assert.equal(compare(" \n"), "empty");
});
