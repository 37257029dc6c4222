/** The session: who is logged in, logging out, and ending what is open on a host. */

import type * as api from "./api";
import { PageChannel } from "./channel";
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

/** Who is logged in, as a bridge of ours tells it; packages have more: `user.ts`. */
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
export function kill(host?: string | null, group?: string | null): void {
    transport.control("kill", { ...(host == null ? {} : { host }), ...(group == null ? {} : { group }) });
}
