/**
 * `cockpit.permission()`: whether this user is, or may act as, root here. For what a page shows; the host decides
 * what is done.
 */

import type * as api from "./api";
import { PageChannel } from "./channel";
import { dbus } from "./dbus";
import { Emitter } from "./events";
import { user } from "./user";

export interface PermissionOptions {
    /** Allowed if channels can be opened with superuser access. */
    readonly admin?: boolean;
    /** Allowed if the user is a member. */
    readonly group?: string;
}

/** Root is always allowed; without options nobody else is. */
export class PagePermission extends Emitter<api.PermissionEvents> implements api.Permission {
    allowed: boolean | null = null;
    is_superuser: boolean | null = null;
    user: api.UserInfo | null = null;
    onchanged: ((event: CustomEvent) => void) | null = null;
    readonly #options: PermissionOptions;
    #closed = false;

    constructor(options: PermissionOptions = {}) {
        super();
        this.#options = options;
        user().done((found) => {
            this.user = found;
            this.#decide();
        });
        superuserAccess.addEventListener("changed", this.#superuserChanged);
        superuserAccess.watch();
        this.is_superuser = superuserAccess.on;
    }

    close(): void {
        this.#closed = true;
        superuserAccess.removeEventListener("changed", this.#superuserChanged);
    }

    readonly #superuserChanged = () => this.#decide();

    #decide(): void {
        if (this.#closed || this.user === null) return;
        const { admin, group } = this.#options;
        const isRoot = this.user.id === 0;
        this.is_superuser = isRoot ? true : superuserAccess.on;
        const isMember = group !== undefined && this.user.groups.includes(group);
        const allowed = isRoot || isMember ? true : admin === true ? this.is_superuser : false;
        if (allowed === this.allowed) return;
        this.allowed = allowed;
        this.dispatchEvent("changed");
    }
}

interface AccessEvents extends Record<string, readonly unknown[]> {
    changed: readonly [];
}

/** Superuser access of the page's host, watched once for all permissions. */
class SuperuserAccess extends Emitter<AccessEvents> {
    /** Null until it is known. */
    on: boolean | null = null;
    #watched = false;

    watch(): void {
        if (this.#watched) return;
        this.#watched = true;
        const client = dbus(null, { bus: "internal" });
        const superuser = client.proxy<{ readonly Current: string }>("cockpit.Superuser", "/superuser");
        superuser.addEventListener("changed", () => {
            if (superuser.valid) this.#tell(superuser.Current !== "none" && superuser.Current !== "init");
        });
        superuser.wait().always(() => {
            if (!superuser.valid) this.#probe();
        });
        client.addEventListener("close", () => {
            this.#watched = false;
            this.on = null;
        });
    }

    /** A bridge that does not tell: whether a channel opens. */
    #probe(): void {
        const channel = new PageChannel({ payload: "null", superuser: "require" });
        channel
            .wait()
            .done(() => this.#tell(true))
            .fail(() => this.#tell(false))
            .always(() => channel.close());
    }

    #tell(on: boolean): void {
        if (this.on === on) return;
        this.on = on;
        this.dispatchEvent("changed");
    }
}

const superuserAccess = new SuperuserAccess();

export function permission(options?: PermissionOptions): PagePermission {
    return new PagePermission(options);
}
