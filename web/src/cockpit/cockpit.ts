/**
 * The part of Cockpit's public JavaScript API that our own pages use, as one object.
 *
 * Packages get all of it (`package_api.ts`); what only they need stays out of our shell, which must be small.
 */

import type { CockpitPromise, UserInfo } from "./api";
import { channel } from "./channel";
import { dbus } from "./dbus";
import { Emitter } from "./events";
import { file } from "./file";
import { spawn } from "./process";
import { logout, user } from "./session";
import { transport } from "./transport";

interface CockpitEvents extends Record<string, readonly unknown[]> {
    locationchanged: readonly [];
    visibilitychange: readonly [];
}

export class Cockpit extends Emitter<CockpitEvents> {
    readonly transport = transport;
    readonly channel = channel;
    readonly spawn = spawn;
    readonly dbus = dbus;
    readonly file = file;
    readonly user: () => CockpitPromise<UserInfo> = user;
    readonly logout: (reload?: boolean, reason?: string) => void = logout;
}

/** The API of our own pages. */
export const cockpit = new Cockpit();
