/**
 * Units as the Services page needs them, and what may be done with them. No DOM, no channels.
 *
 * Source of the replies and states: org.freedesktop.systemd1(5).
 */

import { _, C_, fill } from "../../i18n";
import type { Problem } from "../../ui/problem";
import { parseUnitName, UNIT_KINDS, type UnitFilter, type UnitKind, type UnitName } from "../../routes";

export type Activity = "failed" | "running" | "starting" | "stopping" | "stopped";

export const ENABLEMENTS = [
    "enabled",
    "enabled-runtime",
    "disabled",
    "static",
    "masked",
    "masked-runtime",
    "indirect",
    "generated",
    "linked",
    "linked-runtime",
    "alias",
    "transient",
    "bad",
] as const;
/** What systemd says of a unit's start at boot; `unknown` when it says nothing, or a word we do not know. */
export type Enablement = (typeof ENABLEMENTS)[number] | "unknown";

export interface Unit {
    readonly name: UnitName;
    readonly kind: UnitKind;
    readonly description: string;
    readonly activity: Activity;
    /** systemd's finer state, such as `exited` or `auto-restart`; empty when not loaded. */
    readonly substate: string;
    readonly enablement: Enablement;
    /** Object path of the loaded unit; null while it is only a file. */
    readonly path: string | null;
}

/** All units by name. */
export type Units = ReadonlyMap<UnitName, Unit>;

export type Page =
    | { readonly kind: "loading" }
    | { readonly kind: "failed"; readonly problem: Problem }
    | { readonly kind: "ready"; readonly units: Units };

export const ACTS = ["start", "stop", "restart", "enable", "disable"] as const;
export type Act = (typeof ACTS)[number];

/** An act that is under way, and on what. */
export interface Doing {
    readonly unit: UnitName;
    readonly act: Act;
}

/**
 * Puts the replies of `ListUnits` and `ListUnitFiles` together.
 *
 * Templates, aliases, units that another one stands for, and units whose file is missing are left out.
 */
export function unitsFrom(listUnits: unknown, listUnitFiles: unknown): Units {
    const units = new Map<UnitName, Unit>();
    const files = new Map<string, Enablement>();
    for (const row of rows(listUnitFiles)) {
        const name = parseUnitName(baseName(textAt(row, 0)));
        const kind = name === null ? null : kindOf(name);
        const enablement = enablementOf(textAt(row, 1));
        if (name === null || kind === null || enablement === "alias") continue;
        files.set(name, enablement);
        if (isTemplate(name)) continue;
        units.set(name, { name, kind, description: "", activity: "stopped", substate: "", enablement, path: null });
    }
    for (const row of rows(listUnits)) {
        const name = parseUnitName(textAt(row, 0));
        const kind = name === null ? null : kindOf(name);
        if (name === null || kind === null) continue;
        if (textAt(row, 2) === "not-found" || textAt(row, 5) !== "") {
            units.delete(name);
            continue;
        }
        units.set(name, {
            name,
            kind,
            description: textAt(row, 1),
            activity: activityOf(textAt(row, 3)),
            substate: textAt(row, 4),
            enablement: files.get(name) ?? files.get(templateOf(name)) ?? "unknown",
            path: textAt(row, 6) || null,
        });
    }
    return units;
}

/** The units after the unit at `path` reported changed properties of `org.freedesktop.systemd1.Unit`. */
export function withChange(units: Units, path: string, changed: Readonly<Record<string, unknown>>): Units {
    const unit = [...units.values()].find((candidate) => candidate.path === path);
    if (unit === undefined) return units;
    const { ActiveState: active, SubState: substate, UnitFileState: enabled, Description: description } = changed;
    return new Map(units).set(unit.name, {
        ...unit,
        activity: typeof active === "string" ? activityOf(active) : unit.activity,
        substate: typeof substate === "string" ? substate : unit.substate,
        enablement: typeof enabled === "string" && enabled !== "" ? enablementOf(enabled) : unit.enablement,
        description: typeof description === "string" ? description : unit.description,
    });
}

/** The units that the filter selects: failed ones first, running ones next, each by name. */
export function listed(units: Units, filter: UnitFilter): Unit[] {
    const text = filter.text?.toLowerCase() ?? "";
    return [...units.values()]
        .filter((unit) => unit.kind === filter.kind)
        .filter((unit) => filter.state === undefined || stateFilterOf(unit.activity) === filter.state)
        .filter((unit) => `${unit.name} ${unit.description}`.toLowerCase().includes(text))
        .sort((left, right) => rank(left.activity) - rank(right.activity) || compareNames(left.name, right.name));
}

/** How many units of a kind failed. */
export function countFailed(units: Units, kind: UnitKind): number {
    let count = 0;
    for (const unit of units.values()) if (unit.kind === kind && unit.activity === "failed") count += 1;
    return count;
}

/** What may be wanted of a unit in its state, the likeliest first. */
export function actsFor(unit: Unit): Act[] {
    const running = unit.activity === "running" || unit.activity === "starting";
    const acts: Act[] = running ? ["restart", "stop"] : ["start"];
    if (unit.enablement === "enabled" || unit.enablement === "enabled-runtime") acts.push("disable");
    if (unit.enablement === "disabled" || unit.enablement === "indirect") acts.push("enable");
    return acts;
}

/** Why `act` cannot be done to `unit` now, as a sentence; null when it can. */
export function actBlockedBy(unit: Unit, act: Act, superuser: "on" | "off"): string | null {
    if (superuser === "off") return superuserNeeded(act);
    const masked = unit.enablement === "masked" || unit.enablement === "masked-runtime";
    if (masked && act === "start") return fill(_("$0 is masked: systemd refuses to start it."), unit.name);
    if (unit.activity === "stopping") return fill(_("$0 is stopping."), unit.name);
    return null;
}

function superuserNeeded(act: Act): string {
    switch (act) {
        case "start":
            return _("Turn on superuser access to start units.");
        case "stop":
            return _("Turn on superuser access to stop units.");
        case "restart":
            return _("Turn on superuser access to restart units.");
        case "enable":
        case "disable":
            return _("Turn on superuser access to change what starts at boot.");
    }
}

/** The act's verb on a button. */
export function actLabel(act: Act): string {
    switch (act) {
        case "start":
            return _("Start");
        case "stop":
            return _("Stop");
        case "restart":
            return _("Restart");
        case "enable":
            return _("Start at boot");
        case "disable":
            return _("Do not start at boot");
    }
}

/** What is announced once the act is done. */
export function doneSentence(act: Act, unit: UnitName): string {
    switch (act) {
        case "start":
            return fill(_("$0 was started."), unit);
        case "stop":
            return fill(_("$0 was stopped."), unit);
        case "restart":
            return fill(_("$0 was restarted."), unit);
        case "enable":
            return fill(_("$0 starts at boot from now on."), unit);
        case "disable":
            return fill(_("$0 no longer starts at boot."), unit);
    }
}

/** Why a job did not end well, from the `result` of systemd's `JobRemoved`; null when it did. */
export function jobFailure(result: string, unit: UnitName): string | null {
    switch (result) {
        case "done":
            return null;
        case "skipped":
            return fill(_("$0 did not start, because a condition in its file was not met."), unit);
        case "canceled":
            return fill(_("Another request took over before $0 was ready."), unit);
        case "timeout":
            return fill(_("$0 did not get ready in time. Its log below says how far it came."), unit);
        case "dependency":
            return fill(_("A unit that $0 needs did not start."), unit);
        default:
            return fill(_("$0 failed. Its log says why."), unit);
    }
}

/** The state in words. */
export function activityLabel(unit: Pick<Unit, "activity" | "substate" | "kind">): string {
    switch (unit.activity) {
        case "failed":
            return C_("unit", "Failed");
        case "running":
            return runningLabel(unit.kind, unit.substate);
        case "starting":
            return unit.substate === "auto-restart" ? C_("unit", "Waiting to restart") : C_("unit", "Starting");
        case "stopping":
            return C_("unit", "Stopping");
        case "stopped":
            return C_("unit", "Stopped");
    }
}

function runningLabel(kind: UnitKind, substate: string): string {
    if (kind === "service") return substate === "exited" ? C_("unit", "Done") : C_("unit", "Running");
    if (kind === "target") return C_("unit", "Reached");
    if (substate === "waiting") return C_("unit", "Waiting");
    if (substate === "listening") return C_("unit", "Listening");
    return C_("unit", "Active");
}

/** The start at boot in words. */
export function enablementLabel(enablement: Enablement): string {
    switch (enablement) {
        case "enabled":
            return C_("unit", "Starts at boot");
        case "enabled-runtime":
            return C_("unit", "Enabled until reboot");
        case "disabled":
            return C_("unit", "Not at boot");
        case "static":
            return C_("unit", "On demand");
        case "masked":
        case "masked-runtime":
            return C_("unit", "Masked");
        case "indirect":
            return C_("unit", "Indirect");
        case "generated":
            return C_("unit", "Generated");
        case "linked":
        case "linked-runtime":
            return C_("unit", "Linked");
        case "alias":
            return C_("unit", "Alias");
        case "transient":
            return C_("unit", "Until reboot");
        case "bad":
            return C_("unit", "Damaged file");
        case "unknown":
            return "–";
    }
}

/** A kind of unit as the name of its tab. */
export function kindLabel(kind: UnitKind): string {
    switch (kind) {
        case "service":
            return _("Services");
        case "timer":
            return _("Timers");
        case "socket":
            return _("Sockets");
        case "path":
            return _("Paths");
        case "target":
            return _("Targets");
    }
}

/** The kind of a unit by the ending of its name; null for kinds without a tab. */
export function kindOf(name: UnitName): UnitKind | null {
    return UNIT_KINDS.find((kind) => name.endsWith(`.${kind}`)) ?? null;
}

function activityOf(active: string): Activity {
    switch (active) {
        case "failed":
            return "failed";
        case "active":
        case "reloading":
        case "refreshing":
            return "running";
        case "activating":
            return "starting";
        case "deactivating":
            return "stopping";
        default: // inactive, maintenance, and what later versions add
            return "stopped";
    }
}

function enablementOf(state: string): Enablement {
    return ENABLEMENTS.find((known) => known === state) ?? "unknown";
}

function stateFilterOf(activity: Activity): "failed" | "running" | "stopped" {
    switch (activity) {
        case "failed":
            return "failed";
        case "running":
        case "starting":
        case "stopping":
            return "running";
        case "stopped":
            return "stopped";
    }
}

function rank(activity: Activity): number {
    switch (activity) {
        case "failed":
            return 0;
        case "starting":
        case "stopping":
        case "running":
            return 1;
        case "stopped":
            return 2;
    }
}

function compareNames(left: string, right: string): number {
    return left < right ? -1 : Number(left > right);
}

function isTemplate(name: UnitName): boolean {
    return /@\.[a-z]+$/.test(name);
}

/** `getty@.service` for `getty@tty1.service`; the name itself when it is no instance. */
function templateOf(name: UnitName): string {
    return name.replace(/@.*(\.[a-z]+)$/, "@$1");
}

function baseName(path: string): string {
    return path.slice(path.lastIndexOf("/") + 1);
}

function rows(reply: unknown): readonly (readonly unknown[])[] {
    if (!Array.isArray(reply)) return [];
    return reply.filter((row): row is unknown[] => Array.isArray(row));
}

function textAt(row: readonly unknown[], index: number): string {
    const value = row[index];
    return typeof value === "string" ? value : "";
}
