/**
 * The part of Cockpit's public JavaScript API that our own pages use, as one object.
 *
 * Packages get all of it (`package_api.ts`); what only they need stays out of our shell, which must be small.
 */

import { channel } from "./channel";
import { byte_array, dbus, variant } from "./dbus";
import { base64_decode, base64_encode, utf8_decoder, utf8_encoder } from "./encoding";
import { message } from "./errors";
import { Emitter, event_target } from "./events";
import { file } from "./file";
import { script, spawn } from "./process";
import { all, defer, reject, resolve } from "./promise";
import { kill, logout, permission, user } from "./session";
import { transport } from "./transport";

interface CockpitEvents extends Record<string, readonly unknown[]> {
    locationchanged: readonly [];
    visibilitychange: readonly [];
}

export class Cockpit extends Emitter<CockpitEvents> {
    readonly transport = transport;
    readonly channel = channel;
    readonly spawn = spawn;
    readonly script = script;
    readonly dbus = dbus;
    readonly variant = variant;
    readonly byte_array = byte_array;
    readonly file = file;
    readonly permission = permission;
    readonly user = user;
    readonly logout = logout;
    readonly kill = kill;
    readonly message = message;
    readonly base64_encode = base64_encode;
    readonly base64_decode = base64_decode;
    readonly utf8_encoder = utf8_encoder;
    readonly utf8_decoder = utf8_decoder;
    readonly event_target = event_target;
    readonly defer = defer;
    readonly resolve = resolve;
    readonly reject = reject;
    readonly all = all;
}

/** The API of our own pages. */
export const cockpit = new Cockpit();
