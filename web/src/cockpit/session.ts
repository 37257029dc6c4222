/** The session and the shell around the page: who is logged in, log out, jump to another page, tell the shell. */

import type * as api from "./api";
import { PageChannel } from "./channel";
import { dbus } from "./dbus";
import { Emitter } from "./events";
import { BasicError } from "./errors";
import { MultiPromise } from "./promise";
import { transport } from "./transport";

/** What the bridge says about itself, the system and the user (`info` channel). */
export interface BridgeInfo {
    readonly channels: Readonly<Record<string, readonly string[]>>;
    readonly os_release: Readonly<Record<string, string>>;
    readonly user: {
        readonly name: string;
        readonly fullname: string;
        readonly uid: number;
        readonly gid: number;
        readonly group: string;
        readonly groups: readonly string[];
        readonly home: string;
        readonly shell: string;
    };
}

/** Asks a bridge for its info; of the page's own host unless another is named. */
export function bridgeInfo(host?: string): api.CockpitPromise<BridgeInfo> {
    const result = new MultiPromise<BridgeInfo>();
    const channel = new PageChannel({ payload: "info", ...(host === undefined ? {} : { host }) });
    channel.addEventListener("message", (_event, data) => result.settle("resolved", [JSON.parse(String(data)) as BridgeInfo]));
    channel.addEventListener("close", (_event, close) => result.settle("rejected", [new BasicError(close.problem ?? "not-supported", close.message)]));
    return result;
}

/** `cockpit.user()`. */
export function user(): api.CockpitPromise<api.UserInfo> {
    const result = new MultiPromise<api.UserInfo>();
    bridgeInfo()
        .done((info) => {
            const { name, fullname, uid, gid, groups, home, shell } = info.user;
            result.settle("resolved", [{ id: uid, name, full_name: fullname, gid, groups, home, shell }]);
        })
        .fail((error) => result.settle("rejected", [error]));
    return result;
}

/** Ends the session; the page is loaded again unless `reload` is false, and then shows the login. */
export function logout(reload = true, reason?: string): void {
    if (reason !== undefined) sessionStorage.setItem("logout-reason", reason);
    sessionStorage.setItem("logout-intent", "explicit");
    if (reload) {
        transport.onState((state) => {
            if (state.kind === "closed") window.location.reload();
        });
    }
    transport.control("logout", { disconnect: true });
}

/** Closes all channels of a host, of a group, or of both at once. */
export function kill(host: string | null, group?: string | null): void {
    transport.control("kill", { ...(host === null ? {} : { host }), ...(group == null ? {} : { group }) });
}

/** Asks the shell to show another page. `null` as host means the one that the server runs on. */
export function jump(path: string | readonly string[], host?: string | null): void {
    const location = typeof path === "string" ? path : `/${path.map(encodeURIComponent).join("/")}`;
    const target = host === undefined ? transport.host : host;
    tellShell("jump", { location, ...(target === null ? { host: null } : { host: target }) });
}

/** Tells the shell something that has no answer (`cockpit.hint()`). */
export function hint(name: string, options?: api.JsonObject): void {
    tellShell("hint", { hint: name, ...options });
}

function tellShell(command: string, options: api.JsonObject): void {
    if (typeof window === "undefined" || window.parent === window) return;
    window.parent.postMessage(`\n${JSON.stringify({ command, ...options })}`, transport.origin);
}

/** `cockpit.permission()`: whether this user is, or may act as, root here. */
export class PagePermission extends Emitter<api.PermissionEvents> implements api.Permission {
    allowed: boolean | null = null;
    is_superuser: boolean | null = null;
    user: api.UserInfo | null = null;
    onchanged: ((event: CustomEvent) => void) | null = null;
    readonly #group: string | null;
    readonly #wantsAdmin: boolean;
    #superuser: "unknown" | "on" | "off" = "unknown";
    #closed = false;

    constructor(options: { readonly admin?: boolean; readonly group?: string } = {}) {
        super();
        this.#group = options.group ?? null;
        this.#wantsAdmin = options.admin === true;
        user().done((found) => {
            this.user = found;
            this.#decide();
        });
        const superuser = dbus(null, { bus: "internal" }).proxy<{ Current: string }>("cockpit.Superuser", "/superuser");
        superuser.addEventListener("changed", () => {
            const current = superuser.Current;
            if (current === undefined) return;
            this.#superuser = current === "none" || current === "init" ? "off" : "on";
            this.#decide();
        });
    }

    close(): void {
        this.#closed = true;
    }

    #decide(): void {
        if (this.#closed || this.user === null) return;
        const isRoot = this.user.id === 0;
        const inGroup = this.#group !== null && this.user.groups.includes(this.#group);
        const wantsAnything = this.#wantsAdmin || this.#group === null;
        this.is_superuser = isRoot ? true : this.#superuser === "unknown" ? null : this.#superuser === "on";
        const allowed = isRoot || inGroup ? true : wantsAnything ? this.is_superuser : false;
        if (allowed === this.allowed) return;
        this.allowed = allowed;
        this.dispatchEvent("changed");
    }
}

export function permission(options?: { readonly admin?: boolean; readonly group?: string }): PagePermission {
    return new PagePermission(options);
}
