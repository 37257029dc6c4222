/** What the overview knows of a host besides its live figures, and how it says it. No DOM, no channels. */

import type { Problem } from "../../ui/problem";
import { parseUnitName, type UnitName } from "../../routes";

/** One card's content: each loads and fails by itself. */
export type Card<T> =
    | { readonly kind: "loading" }
    | { readonly kind: "failed"; readonly problem: Problem }
    | { readonly kind: "ready"; readonly value: T };

/** Facts about a machine; empty text or null where the machine does not tell. */
export interface SystemFacts {
    readonly hostName: string;
    readonly operatingSystem: string;
    readonly kernel: string;
    readonly model: string;
    /** When it was started, in milliseconds since 1970 by the browser's clock. */
    readonly startedAt: number | null;
}

/** What the host's own services told, before it is put together. */
export interface FactSources {
    /** Properties of `org.freedesktop.hostname1`; empty where that service is absent. */
    readonly hostname1: Readonly<Record<string, unknown>>;
    /** Content of `/etc/os-release` (os-release(5)). */
    readonly osReleaseFile: string | null;
    /** Files of the kernel; null when they could not be read. */
    readonly hostNameFile: string | null;
    readonly kernelRelease: string | null;
    readonly uptime: string | null;
    readonly vendorFile: string | null;
    readonly productFile: string | null;
    /** Milliseconds since 1970 at which `uptime` was read. */
    readonly readAt: number;
}

/** Puts the facts together: hostnamed where it answers, else the kernel's files. */
export function factsFrom(sources: FactSources): SystemFacts {
    const { hostname1 } = sources;
    const osRelease = parseOsRelease(sources.osReleaseFile ?? "");
    const maker = text(hostname1["HardwareVendor"]) || fileText(sources.vendorFile);
    const product = text(hostname1["HardwareModel"]) || fileText(sources.productFile);
    const uptime = uptimeSeconds(sources.uptime);
    return {
        hostName:
            text(hostname1["PrettyHostname"]) ||
            text(hostname1["StaticHostname"]) ||
            text(hostname1["Hostname"]) ||
            fileText(sources.hostNameFile),
        operatingSystem:
            text(hostname1["OperatingSystemPrettyName"]) || osRelease.get("PRETTY_NAME") || osRelease.get("NAME") || "",
        kernel: text(hostname1["KernelRelease"]) || fileText(sources.kernelRelease),
        model: product.startsWith(maker) ? product : `${maker} ${product}`.trim(),
        startedAt: uptime === null ? null : sources.readAt - uptime * 1000,
    };
}

/** Assignments of an os-release file; quotes and their escapes are taken off, as a shell would. */
export function parseOsRelease(file: string): ReadonlyMap<string, string> {
    const values = new Map<string, string>();
    for (const line of file.split("\n")) {
        const match = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(line.trim());
        if (match?.[1] === undefined || match[2] === undefined) continue;
        const quoted = /^(["'])(.*)\1$/.exec(match[2]);
        values.set(match[1], (quoted?.[2] ?? match[2]).replace(/\\(["'$`\\])/g, "$1"));
    }
    return values;
}

/** Seconds since start from `/proc/uptime` (proc(5)); null when the text is none. */
export function uptimeSeconds(file: string | null): number | null {
    const match = /^([0-9]{1,12}(?:\.[0-9]+)?)\s/.exec(file ?? "");
    return match === null ? null : Number(match[1]);
}

/** A unit that failed, as the Health card names it. */
export interface FailedUnit {
    /** Its name as an address takes it; null for names that no page can show. */
    readonly name: UnitName | null;
    /** Its name as the machine writes it. */
    readonly text: string;
    readonly description: string;
}

/** Most failed units that the Health card names; the rest is a number. */
export const NAMED_FAILURES = 5;

/** Reads the failed units from the reply of systemd's `ListUnitsFiltered`; what does not fit is left out. */
export function failedUnits(reply: unknown): FailedUnit[] {
    if (!Array.isArray(reply)) return [];
    return reply
        .filter((row): row is [string, string] => Array.isArray(row) && typeof row[0] === "string" && typeof row[1] === "string")
        .map(([text, description]) => ({ name: parseUnitName(text), text, description }))
        .sort((left, right) => left.text.localeCompare(right.text));
}

function text(value: unknown): string {
    return typeof value === "string" ? value.trim() : "";
}

function fileText(value: string | null): string {
    return (value ?? "").trim();
}
