/**
 * Cockpit's public JavaScript API as one object: what our pages import, and what packages get as `window.cockpit`.
 *
 * Assembles the files beside it; decides nothing but when the page is hidden and where it is.
 */

import { language } from "../i18n";
import type * as api from "./api";
import { cache } from "./cache";
import { channel } from "./channel";
import { byte_array, dbus, variant } from "./dbus";
import { base64_decode, base64_encode, utf8_decoder, utf8_encoder } from "./encoding";
import { message } from "./errors";
import { Emitter, event_target } from "./events";
import { file } from "./file";
import { format, format_bits_per_sec, format_bytes, format_bytes_per_sec, format_number } from "./format";
import { http } from "./http";
import { gettext, locale, ngettext, noop, translate } from "./locale";
import { type AddressBar, PageLocation } from "./location";
import { metrics } from "./metrics";
import { script, spawn } from "./process";
import { all, defer, reject, resolve } from "./promise";
import { grid, series } from "./series";
import { bridgeInfo, hint, jump, kill, logout, permission, user } from "./session";
import { transport } from "./transport";

interface CockpitEvents extends Record<string, readonly unknown[]> {
    locationchanged: readonly [];
    visibilitychange: readonly [];
}

/** In tests there is no window. */
const page = typeof window === "undefined" ? null : window;
const noAddress: AddressBar = { hash: "", replace: () => undefined };

export class Cockpit extends Emitter<CockpitEvents> {
    onlocationchanged: ((event: CustomEvent) => void) | null = null;
    onvisibilitychange: ((event: CustomEvent) => void) | null = null;

    readonly transport = transport;
    readonly channel = channel;
    readonly spawn = spawn;
    readonly script = script;
    readonly dbus = dbus;
    readonly variant = variant;
    readonly byte_array = byte_array;
    readonly file = file;
    readonly http = http;
    readonly metrics = metrics;
    readonly series = series;
    readonly grid = grid;
    readonly cache = cache;
    readonly permission = permission;
    readonly user = user;
    readonly logout = logout;
    readonly kill = kill;
    readonly jump = jump;
    readonly hint = hint;
    readonly message = message;
    readonly format = format;
    readonly format_number = format_number;
    readonly format_bytes = format_bytes;
    readonly format_bytes_per_sec = format_bytes_per_sec;
    readonly format_bits_per_sec = format_bits_per_sec;
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
    readonly info: api.JsonObject = {};

    #location: PageLocation;
    #hidden: boolean;

    constructor() {
        super();
        this.#location = new PageLocation(page?.location.hash ?? "", page?.location ?? noAddress);
        this.#hidden = page?.document.hidden ?? false;
        page?.addEventListener("hashchange", () => this.#moved());
        page?.document.addEventListener("visibilitychange", () => this.#setHidden(page.document.hidden));
        // The shell says so when it shows another page in place of this one.
        transport.filter((_message, _channel, control) => {
            if (control?.command === "hint" && typeof control["hidden"] === "boolean") this.#setHidden(control["hidden"]);
        });
    }

    get language(): string {
        return language();
    }

    get hidden(): boolean {
        return this.#hidden;
    }

    get location(): PageLocation {
        return this.#location;
    }

    /** Assigning a text goes there. */
    set location(path: PageLocation | string | readonly string[]) {
        this.#location.go(path instanceof PageLocation ? path.href : path);
    }

    /** Waits for the link and asks the bridge about itself; newer packages call it first. */
    async init(): Promise<void> {
        const info = await bridgeInfo();
        Object.assign(this.info, info);
    }

    #moved(): void {
        this.#location = new PageLocation(page?.location.hash ?? "", page?.location ?? noAddress);
        this.dispatchEvent("locationchanged");
    }

    #setHidden(hidden: boolean): void {
        if (hidden === this.#hidden) return;
        this.#hidden = hidden;
        this.dispatchEvent("visibilitychange");
    }
}

/** The API of this page. */
export const cockpit = new Cockpit();
