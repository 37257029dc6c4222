/**
 * Takes what a person types as a host: `[user@]host[:port]`, by the rule of `protocol/src/names/host_spec.rs`.
 *
 * Called by the switcher. What is accepted here is accepted there; the machine's own bridge checks it again. No DOM.
 */

import { _ } from "../i18n";
import { type HostName, parseHostName } from "../routes";

export type Typed = { readonly kind: "host"; readonly host: HostName } | { readonly kind: "wrong"; readonly sentence: string };

/** Longest DNS name and label, in characters (RFC 1035, 2.3.4). */
const MAX_NAME = 253;
const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;
const USER = /^[A-Za-z0-9_][A-Za-z0-9._@\\-]{0,63}\$?$/;
const PORT = /^[1-9][0-9]{0,4}$/;
/** What resolvers read as a number, so that the name would be an address to them. */
const NUMBER = /^(?:[0-9]*|0x[0-9a-f]*)$/;
const IPV4 = /^(?:(?:0|[1-9][0-9]{0,2})(?:\.|$)){4}$/;

/** `text` as a host, in the one way in which it is written; or what is wrong with it. */
export function readTyped(text: string): Typed {
    const trimmed = text.trim();
    if (trimmed === "") return wrong(_("Enter the name or the address of a machine."));
    const at = trimmed.lastIndexOf("@");
    const user = trimmed.slice(0, Math.max(0, at));
    if (at >= 0 && !USER.test(user)) return wrong(_("The user name may have letters, digits and . _ - @ \\ only."));
    const [place, port] = splitPort(trimmed.slice(at + 1));
    if (port !== null && !(PORT.test(port) && Number(port) < 65_536)) return wrong(_("The port is a number from 1 to 65535."));
    const name = place.startsWith("[") ? ipv6(place) : dnsName(place);
    const host = name === null ? null : parseHostName(`${at < 0 ? "" : `${user}@`}${name}${port === null ? "" : `:${port}`}`);
    if (host === null) return wrong(_("This is neither the name nor the IP address of a machine. A name has letters, digits, dots and hyphens."));
    return { kind: "host", host };
}

function wrong(sentence: string): Typed {
    return { kind: "wrong", sentence };
}

/** Host and port. An IPv6 address without brackets gets them, and has no port. */
function splitPort(place: string): readonly [host: string, port: string | null] {
    const bracketed = /^(\[[^\]]*\])(?::(.*))?$/.exec(place);
    if (bracketed !== null) return [bracketed[1] ?? "", bracketed[2] ?? null];
    const colons = place.split(":").length - 1;
    if (colons > 1) return [/^[0-9A-Za-z]/.test(place) ? `[${place}]` : place, null];
    const colon = place.indexOf(":");
    return colon < 0 ? [place, null] : [place.slice(0, colon), place.slice(colon + 1)];
}

/** The address in its shortest form, as browsers and the bridge write it; null when it is none. */
function ipv6(bracketed: string): string | null {
    if (!/^\[[0-9A-Fa-f:.]+\]$/.test(bracketed)) return null;
    return URL.canParse(`http://${bracketed}/`) ? new URL(`http://${bracketed}/`).hostname : null;
}

function dnsName(typed: string): string | null {
    const name = ascii(typed);
    if (name === null || name.length > MAX_NAME || !/^[a-z0-9]/.test(name)) return null;
    if (IPV4.test(name)) return name.split(".").every((part) => Number(part) < 256) ? name : null;
    const labels = name.split(".");
    return labels.every((label) => LABEL.test(label)) && !NUMBER.test(labels.at(-1) ?? "") ? name : null;
}

/** In small letters, international ones as A-labels (UTS 46). */
function ascii(typed: string): string | null {
    if (/^[\u0020-\u007e]*$/.test(typed) && !/(?:^|\.)xn--/i.test(typed)) return typed.toLowerCase();
    if (/[\s/?#@:\\%[\]]/.test(typed) || !URL.canParse(`http://${typed}/`)) return null;
    return new URL(`http://${typed}/`).hostname;
}
