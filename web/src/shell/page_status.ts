/**
 * What packages say of their pages, for the menu: four updates, a failed unit.
 *
 * Kept in session storage under the name that stock pages read, so that one page shows what another has found.
 * Callers: `packages.tsx`, the navigation.
 */

import { type ReadonlySignal, signal } from "@preact/signals";

import type { HostName } from "../routes";

export interface PageStatus {
    readonly kind: "info" | "warning" | "danger";
    readonly title: string;
}

type Stored = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

const STORAGE_NAME = "cockpit:page_status";

const stored = signal<Stored>({});
sessionStorage.removeItem(STORAGE_NAME); // What an earlier document wrote is nobody's word any more.

/** Changes with every status. */
export const pageStatuses: ReadonlySignal<unknown> = stored;

/** Takes what the page at `path` of `host` says; `null` takes it back. */
export function setPageStatus(host: HostName, path: string, status: unknown): void {
    stored.value = { ...stored.value, [host]: { ...stored.value[host], [path]: status } };
    try {
        sessionStorage.setItem(STORAGE_NAME, JSON.stringify(stored.value));
    } catch {
        // Storage may be full: the menu still shows it.
    }
}

/** What the menu shows beside the page at `path` of `host`; null for nothing. */
export function pageStatusOf(host: HostName, path: string): PageStatus | null {
    const status = stored.value[host]?.[path];
    if (typeof status !== "object" || status === null) return null;
    const { type, title } = status as Readonly<Record<string, unknown>>;
    if (typeof title !== "string" || title === "" || typeof type !== "string") return null;
    return { kind: type === "error" ? "danger" : type === "warning" ? "warning" : "info", title };
}
