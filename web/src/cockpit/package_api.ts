/** All of Cockpit's public JavaScript API: what packages get as `window.cockpit` from `base1/cockpit.js`. */

import type * as api from "./api";
import { Cache, noShelf, sessionShelf } from "./cache";
import { defer } from "./callable";
import { Cockpit } from "./cockpit";
import { byte_array, variant } from "./dbus";
import { base64_decode, base64_encode, utf8_decoder, utf8_encoder } from "./encoding";
import { ProcessError, message } from "./errors";
import { event_target } from "./events";
import { format, format_bits_per_sec, format_bytes, format_bytes_per_sec, format_number, get_byte_units } from "./format";
import { http } from "./http";
import { gettext, language, language_direction, locale, ngettext, noop, translate } from "./locale";
import { type AddressBar, PageLocation } from "./location";
import { metrics } from "./metrics";
import { permission } from "./permission";
import { script } from "./process";
import { all, reject, resolve } from "./promise";
import { hint, jump, oops } from "./requests";
import { grid, series } from "./series";
import { kill, logout } from "./session";
import { PrefixedStorage } from "./storage";
import { transport } from "./transport";
import { assert, drop_privileges, extend } from "./undocumented";
import { followServer, info, init, user } from "./user";

/** In tests there is no window; they bring what they need. */
const page = typeof window === "undefined" ? null : window;
const noAddress: AddressBar = { hash: "", replace: () => undefined };
const emptyStore: Storage = { length: 0, key: () => null, getItem: () => null, setItem: () => undefined, removeItem: () => undefined, clear: () => undefined };

export class PackageCockpit extends Cockpit {
    onlocationchanged: ((event: CustomEvent) => void) | null = null;
    onvisibilitychange: ((event: CustomEvent) => void) | null = null;

    override readonly user = user;
    /** What packages stored in this browser goes with the session. */
    override readonly logout = (reload?: boolean, reason?: string): void => {
        this.sessionStorage.clear(true);
        this.localStorage.clear();
        logout(reload, reason);
    };
    readonly info = info;
    readonly init = init;
    readonly permission = permission;
    readonly script = script;
    readonly http = http;
    readonly variant = variant;
    readonly byte_array = byte_array;
    readonly metrics = metrics;
    readonly series = series;
    readonly grid = grid;
    readonly jump = jump;
    readonly hint = hint;
    readonly oops = oops;
    readonly kill = kill;
    readonly drop_privileges = drop_privileges;
    readonly message = message;
    readonly ProcessError = ProcessError;
    readonly format = format;
    readonly format_number = format_number;
    readonly format_bytes = format_bytes;
    readonly format_bytes_per_sec = format_bytes_per_sec;
    readonly format_bits_per_sec = format_bits_per_sec;
    readonly get_byte_units = get_byte_units;
    readonly base64_encode = base64_encode;
    readonly base64_decode = base64_decode;
    readonly utf8_encoder = utf8_encoder;
    readonly utf8_decoder = utf8_decoder;
    readonly locale = locale;
    readonly gettext = gettext;
    readonly ngettext = ngettext;
    readonly noop = noop;
    readonly translate = translate;
    readonly event_target = event_target;
    readonly defer = defer;
    readonly resolve = resolve;
    readonly reject = reject;
    readonly all = all;
    readonly when = all;
    readonly assert = assert;
    readonly extend = extend;

    /** All packages' manifests; `manifests.js` puts them here. */
    manifests: api.JsonObject = {};
    readonly localStorage: PrefixedStorage;
    readonly sessionStorage: PrefixedStorage;
    readonly cache: Cache["add"];

    readonly #around: Window | null;
    #location: PageLocation;
    #hiddenByShell = false;
    #hidden: boolean;

    constructor(around: Window | null = page) {
        super();
        this.#around = around;
        const application = transport.application();
        this.localStorage = new PrefixedStorage(around?.localStorage ?? emptyStore, application);
        this.sessionStorage = new PrefixedStorage(around?.sessionStorage ?? emptyStore, application);
        const cache = new Cache(crypto.randomUUID(), around === null ? noShelf : sessionShelf(around, this.sessionStorage.prefixedKey("")));
        this.cache = (...args) => cache.add(...args);
        this.#location = new PageLocation(around?.location.hash ?? "", around?.location ?? noAddress);
        this.#hidden = around?.document.hidden ?? false;
        around?.addEventListener("hashchange", () => this.#moved());
        around?.addEventListener("pagehide", () => cache.close());
        around?.document.addEventListener("visibilitychange", () => this.#updateHidden());
        followServer();
        // The shell says so when it shows another page in place of this one.
        transport.filter((_message, _channel, control) => {
            if (control?.command !== "hint" || typeof control["hidden"] !== "boolean") return;
            this.#hiddenByShell = control["hidden"];
            this.#updateHidden();
        });
    }

    get language(): string {
        return language();
    }

    get language_direction(): "ltr" | "rtl" {
        return language_direction();
    }

    /** Whether nobody sees this page: another one is shown, or another tab. */
    get hidden(): boolean {
        return this.#hidden;
    }

    get location(): PageLocation {
        return this.#location;
    }

    /** Assigning a path goes there. */
    set location(path: PageLocation | string | readonly string[]) {
        this.#location.go(path instanceof PageLocation ? path.href : path);
    }

    #moved(): void {
        this.#location.invalidate();
        this.#location = new PageLocation(this.#around?.location.hash ?? "", this.#around?.location ?? noAddress);
        this.dispatchEvent("locationchanged");
        // The shell keeps the address of the page in its own.
        hint("location", { hash: this.#location.href });
    }

    #updateHidden(): void {
        const hidden = this.#hiddenByShell || (this.#around?.document.hidden ?? false);
        if (hidden === this.#hidden) return;
        this.#hidden = hidden;
        this.dispatchEvent("visibilitychange");
    }
}

/** The API of this package's page. */
export const cockpit = new PackageCockpit();
