/** All of Cockpit's public JavaScript API: what packages get as `window.cockpit` from `base1/cockpit.js`. */

import { language } from "../i18n";
import type * as api from "./api";
import { cache } from "./cache";
import { Cockpit } from "./cockpit";
import { format, format_bits_per_sec, format_bytes, format_bytes_per_sec, format_number } from "./format";
import { http } from "./http";
import { gettext, locale, ngettext, noop, translate } from "./locale";
import { type AddressBar, PageLocation } from "./location";
import { metrics } from "./metrics";
import { all } from "./promise";
import { grid, series } from "./series";
import { bridgeInfo, hint, jump } from "./session";
import { transport } from "./transport";

/** In tests there is no window. */
const page = typeof window === "undefined" ? null : window;
const noAddress: AddressBar = { hash: "", replace: () => undefined };

export class PackageCockpit extends Cockpit {
    onlocationchanged: ((event: CustomEvent) => void) | null = null;
    onvisibilitychange: ((event: CustomEvent) => void) | null = null;

    readonly http = http;
    readonly metrics = metrics;
    readonly series = series;
    readonly grid = grid;
    readonly cache = cache;
    readonly jump = jump;
    readonly hint = hint;
    readonly format = format;
    readonly format_number = format_number;
    readonly format_bytes = format_bytes;
    readonly format_bytes_per_sec = format_bytes_per_sec;
    readonly format_bits_per_sec = format_bits_per_sec;
    readonly locale = locale;
    readonly gettext = gettext;
    readonly ngettext = ngettext;
    readonly noop = noop;
    readonly translate = translate;
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

/** The API of this package's page. */
export const cockpit = new PackageCockpit();
