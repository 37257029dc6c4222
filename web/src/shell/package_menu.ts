/**
 * Which packages are installed, as the menu and the frames need it: follows the bridge's object `/packages`.
 *
 * Started by `packages.tsx`, once for the page. Packages are always those of the management server, whatever host is
 * shown. The menu follows when packages come and go; no logout is needed.
 */

import { type ReadonlySignal, signal } from "@preact/signals";

import { cockpit } from "../cockpit/cockpit";
import type { HostName } from "../routes";
import { readTranslations } from "./package_labels_model";
import { NO_PACKAGES, type PackageMenu, parseManifests } from "./package_menu_model";

const PATH = "/packages";
const INTERFACE = "cockpit.Packages";

/** How often the bridge is asked to look again when this tab is come back to, in milliseconds. */
const LOOK_AGAIN_AFTER = 10_000;

const menu = signal<PackageMenu | null>(null);

/** Null until the bridge has told. */
export const packageMenu: ReadonlySignal<PackageMenu | null> = menu;

let manifests: string | null = null;
let translations: ReadonlyMap<string, string> = new Map();

/** Follows the packages as long as the link is up. The returned function stops. */
export function followPackages(): () => void {
    const client = cockpit.dbus(null, { bus: "internal" });
    let looked = Date.now();
    const look = (): void => {
        looked = Date.now();
        void client.call(PATH, INTERFACE, "ReloadHint", []).catch(() => undefined); // What is known stays.
    };
    client.addEventListener("notify", (_event, data) => {
        const changed = data[PATH]?.[INTERFACE]?.["Manifests"];
        if (changed !== undefined) take(textOf(changed));
    });
    client.watch(PATH).catch(() => {
        menu.value ??= NO_PACKAGES; // A bridge without this object has no packages.
    });
    look();
    // Packages may have been installed by hand, in a terminal.
    const onVisible = (): void => {
        if (document.visibilityState === "visible" && Date.now() - looked > LOOK_AGAIN_AFTER) look();
    };
    document.addEventListener("visibilitychange", onVisible);
    addEventListener("focus", onVisible);
    void readLabels();
    return () => {
        document.removeEventListener("visibilitychange", onVisible);
        removeEventListener("focus", onVisible);
        client.close();
    };
}

/** Names of the packages that `host` itself has; for saying why a page is not here. */
export async function packagesOf(host: HostName): Promise<ReadonlySet<string>> {
    const client = cockpit.dbus(null, { bus: "internal", host });
    try {
        const [value] = (await client.call(PATH, "org.freedesktop.DBus.Properties", "Get", [INTERFACE, "Manifests"])) as [unknown];
        return parseManifests(textOf(value)).names;
    } finally {
        client.close();
    }
}

/** The bridge gives JSON text; a stock one gives the object itself. */
function textOf(value: unknown): string {
    const plain = typeof value === "object" && value !== null && "v" in value && "t" in value ? value.v : value;
    return typeof plain === "string" ? plain : JSON.stringify(plain);
}

function take(text: string): void {
    manifests = text;
    menu.value = parseManifests(text, (word) => translations.get(word) ?? word);
}

async function readLabels(): Promise<void> {
    if (document.documentElement.lang === "en" && !document.cookie.includes("CockpitLang=") && /^en\b/.test(navigator.language)) return;
    const response = await fetch("/cockpit/@localhost/manifests-i18n.js").catch(() => null);
    if (response?.ok !== true) return; // The labels stay in English.
    translations = readTranslations(await response.text());
    if (manifests !== null) take(manifests);
}
