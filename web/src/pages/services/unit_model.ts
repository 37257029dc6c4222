/** One unit in detail, as its own page shows it. No DOM, no channels. Source: org.freedesktop.systemd1(5). */

import { _, fill } from "../../i18n";
import type { Problem } from "../../ui/problem";
import type { UnitName } from "../../routes";
import { type Unit, unitsFrom } from "./model";

export interface UnitDetails {
    readonly unit: Unit;
    /** File that defines it; empty for units made at run time. */
    readonly file: string;
    /** Since when it is in its state, in milliseconds since 1970 by the host's clock; null when never entered. */
    readonly since: number | null;
    readonly mainPid: number | null;
    /** Bytes of memory in use; null when not accounted. */
    readonly memory: number | null;
    readonly documentation: readonly string[];
    /** Why it failed, as a sentence; null when it did not. */
    readonly failure: string | null;
    /** When a timer elapses next, in milliseconds since 1970; null for other units. */
    readonly nextElapse: number | null;
    readonly triggers: readonly string[];
    readonly triggeredBy: readonly string[];
    readonly requires: readonly string[];
    readonly wantedBy: readonly string[];
}

export type UnitPage =
    | { readonly kind: "loading" }
    | { readonly kind: "failed"; readonly problem: Problem }
    | { readonly kind: "absent" }
    | { readonly kind: "ready"; readonly details: UnitDetails };

/** Properties as D-Bus delivers them, variants taken off. */
export type Properties = Readonly<Record<string, unknown>>;

/** An unset counter or time in systemd's properties: the largest 64-bit number, rounded by JSON. */
const UNSET = 2 ** 63;

/**
 * Reads the properties of the interface `Unit` and of the unit's own kind.
 *
 * Null when the machine has no such unit.
 */
export function detailsFrom(name: UnitName, path: string, unit: Properties, own: Properties): UnitDetails | null {
    if (text(unit["LoadState"]) === "not-found") return null;
    const row = [name, text(unit["Description"]), text(unit["LoadState"]), text(unit["ActiveState"]), text(unit["SubState"]), "", path];
    const found = unitsFrom([row], [[name, text(unit["UnitFileState"])]]).get(name);
    if (found === undefined) return null;
    return {
        unit: found,
        file: text(unit["FragmentPath"]),
        since: micro(unit["StateChangeTimestamp"]),
        mainPid: positive(own["MainPID"]),
        memory: positive(own["MemoryCurrent"]),
        documentation: texts(unit["Documentation"]),
        failure: found.activity === "failed" ? failureOf(own) : null,
        nextElapse: micro(own["NextElapseUSecRealtime"]),
        triggers: texts(unit["Triggers"]),
        triggeredBy: texts(unit["TriggeredBy"]),
        requires: texts(unit["Requires"]),
        wantedBy: texts(unit["WantedBy"]),
    };
}

/** Why a service failed, from its `Result` and the exit of its main process. */
function failureOf(own: Properties): string {
    const status = typeof own["ExecMainStatus"] === "number" ? own["ExecMainStatus"] : null;
    switch (own["Result"]) {
        case "exit-code":
            return status === null || status === 0
                ? _("One of its programs ended with an error.")
                : fill(_("Its program ended with exit status $0."), String(status));
        case "signal":
            return fill(_("Its program was ended by signal $0."), String(status ?? "?"));
        case "core-dump":
            return _("Its program crashed and left a core dump.");
        case "timeout":
            return _("It took longer than its time limit.");
        case "watchdog":
            return _("It stopped answering its watchdog.");
        case "start-limit-hit":
            return _("It failed too often in a short time, so systemd stopped trying.");
        case "oom-kill":
            return _("The machine ran out of memory and ended it.");
        case "resources":
            return _("A resource that it needs was not there.");
        default:
            return _("It failed. Its log says why.");
    }
}

function text(value: unknown): string {
    return typeof value === "string" ? value : "";
}

function texts(value: unknown): readonly string[] {
    return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}

function positive(value: unknown): number | null {
    return typeof value === "number" && value > 0 && value < UNSET ? value : null;
}

function micro(value: unknown): number | null {
    const microseconds = positive(value);
    return microseconds === null ? null : microseconds / 1000;
}
