/**
 * Who is logged in, and what the bridge says of itself: `cockpit.user()` and `cockpit.info`.
 *
 * Both ask the bridge of the page's host once. Newer bridges have the `info` channel; older ones tell the user on
 * the internal bus.
 */

import type { EventSource, UserInfo } from "./api";
import { dbus } from "./dbus";
import { event_target } from "./events";
import { type MultiPromise, defer } from "./promise";
import { type BridgeInfo, bridgeInfo } from "./session";
import { transport } from "./transport";

interface InfoEvents extends Record<string, readonly unknown[]> {
    changed: readonly [];
}

/** `cockpit.info`: empty at first; the server's part is there with the link, the bridge's after `cockpit.init()`. */
export interface CockpitInfo extends EventSource<InfoEvents>, Partial<BridgeInfo> {
    /** Version of the server's API, as older packages read it. */
    readonly version?: string;
    readonly ws?: { readonly version: string };
}

export const info: CockpitInfo = event_target({});

/** The bridge's info; asked for once. */
let asked: Promise<BridgeInfo> | null = null;

function known(): Promise<BridgeInfo> {
    asked ??= ask();
    asked.catch(() => {
        asked = null; // The next one asks again.
    });
    return asked;
}

async function ask(): Promise<BridgeInfo> {
    try {
        return await bridgeInfo();
    } catch (error) {
        if ((error as { readonly problem?: unknown }).problem !== "not-supported") throw error;
        return { channels: {}, os_release: {}, user: await userOnInternalBus() };
    }
}

async function userOnInternalBus(): Promise<BridgeInfo["user"]> {
    const reply = await dbus(null, { bus: "internal" }).call("/user", "org.freedesktop.DBus.Properties", "GetAll", ["cockpit.User"], { type: "s" });
    const [properties] = reply as readonly [Readonly<Record<string, { readonly v: unknown }>>];
    const value = (name: string) => properties[name]?.v;
    const text = (name: string) => (typeof value(name) === "string" ? (value(name) as string) : "");
    const groups = Array.isArray(value("Groups")) ? (value("Groups") as string[]) : [];
    const gid = value("Gid");
    return {
        name: text("Name"),
        fullname: text("Full"),
        uid: Number(value("Id")),
        gid: typeof gid === "number" ? gid : Number.NaN,
        group: groups[0] ?? "",
        groups,
        home: text("Home"),
        shell: text("Shell"),
    };
}

/** `cockpit.init()`: the link is up, and `info` is whole. */
export async function init(): Promise<void> {
    Object.assign(info, await known());
    info.dispatchEvent("changed");
}

/** Puts the server's part into `info` when the link is there. */
export function followServer(): void {
    const learn = () => {
        const system = transport.options["system"] as { readonly version?: unknown } | undefined;
        if (typeof system?.version !== "string") return;
        Object.assign(info, { version: system.version, ws: { version: system.version } });
        info.dispatchEvent("changed");
    };
    transport.onState((state) => {
        if (state.kind === "ready") learn();
    });
}

interface UserEvents extends Record<string, readonly unknown[]> {
    changed: readonly [];
}

/** `cockpit.user`: a function; `changed` tells when the first answer is there. */
export interface UserFunction extends EventSource<UserEvents> {
    (): MultiPromise<UserInfo>;
    onchanged: ((event: CustomEvent) => void) | null;
}

let current: UserInfo | null = null;

export const user: UserFunction = event_target(
    Object.assign(
        () => {
            const result = defer<UserInfo>();
            known().then(
                (bridge) => {
                    if (current === null) {
                        current = userOf(bridge);
                        user.dispatchEvent("changed");
                    }
                    result.resolve(current);
                },
                (error: unknown) => result.reject(error),
            );
            return result.promise;
        },
        { onchanged: null },
    ),
);

function userOf({ user: found }: BridgeInfo): UserInfo {
    const { name, fullname, uid, gid, groups, home, shell } = found;
    return { id: uid, gid, name, full_name: fullname, groups, home, shell };
}

/** For tests: another bridge, nothing is known. */
export function forget(): void {
    asked = null;
    current = null;
    for (const name of Object.keys(info)) Reflect.deleteProperty(info, name);
}
