/** Compares a host key with what a person pasted: its fingerprint, or the key. No DOM. */

export type Comparison =
    | "empty"
    | "same"
    | "different"
    /** An MD5 fingerprint, as old systems print it: nothing to rely on. */
    | "md5"
    /** No fingerprint and no key. */
    | "unreadable";

/** A SHA-256 digest in base64, with or without the `=` at its end. */
const DIGEST = /(?:^|\s|SHA256:)([A-Za-z0-9+/]{43})=?(?:\s|$)/;

/**
 * `pasted` may be a fingerprint with or without `SHA256:`, a line of `ssh-keygen -l`, or a line with the public key.
 * `fingerprint` and `key` (`TYPE BASE64`) are what the machine showed.
 */
export function compareKey(pasted: string, fingerprint: string, key: string): Comparison {
    const text = pasted.trim();
    if (text === "") return "empty";
    const [type = "", body = ""] = key.split(" ");
    const line = new RegExp(`(?:^|\\s)((?:ssh|ecdsa|sk)-[A-Za-z0-9@.-]+)\\s+(AAAA[A-Za-z0-9+/]+=*)(?:\\s|$)`).exec(text);
    if (line !== null) return line[1] === type && line[2] === body ? "same" : "different";
    const digest = DIGEST.exec(text);
    if (digest !== null) return `SHA256:${digest[1] ?? ""}` === fingerprint ? "same" : "different";
    return /(?:[0-9a-f]{2}:){15}[0-9a-f]{2}/i.test(text) ? "md5" : "unreadable";
}
