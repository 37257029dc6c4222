/** What the Services pages ask of a host's systemd: the only file of the pages with channels. */

import { _ } from "../../i18n";
import { cockpit } from "../../cockpit/cockpit";
import type { HostName, UnitName } from "../../routes";
import type { Stop } from "../../shell/page";
import { pageProblem, type Problem, problemOf } from "../../ui/problem";
import { systemdProblem } from "./absent";
import { type Act, jobFailure, type Units, unitsFrom } from "./model";
import { subscribe } from "./subscribe";
import { detailsFrom, type Properties, type UnitDetails } from "./unit_model";

const PROPERTIES = "org.freedesktop.DBus.Properties";
const SYSTEMD = "org.freedesktop.systemd1";
const MANAGER = "org.freedesktop.systemd1.Manager";
const UNIT = "org.freedesktop.systemd1.Unit";
const MANAGER_PATH = "/org/freedesktop/systemd1";
const UNIT_PATHS = "/org/freedesktop/systemd1/unit";

/** Units come and go in crowds; the list is asked for once in this time, in milliseconds. */
const SETTLE = 1000;

/** How long a job may take before we stop waiting for its end, in milliseconds. The job itself goes on. */
const JOB_LIMIT = 5 * 60_000;

/** Interfaces with the properties of each kind of unit, by the ending of the name. */
const KIND_INTERFACES: Readonly<Record<string, string>> = {
    service: "org.freedesktop.systemd1.Service",
    timer: "org.freedesktop.systemd1.Timer",
    socket: "org.freedesktop.systemd1.Socket",
    path: "org.freedesktop.systemd1.Path",
};

export interface UnitsListener {
    /** The whole list, now and after units came or went. */
    readonly onUnits: (units: Units) => void;
    /** Properties of `org.freedesktop.systemd1.Unit` of the unit at `path` changed. */
    readonly onChange: (path: string, changed: Properties) => void;
    readonly onProblem: (problem: Problem) => void;
}

/** Tells of all units until stopped or failed. */
export function watchUnits(host: HostName, listener: UnitsListener): Stop {
    const client = cockpit.dbus(SYSTEMD, { bus: "system", host });
    let wanted = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const failed = (error: unknown): void => {
        if (wanted) listener.onProblem(systemdProblem(error));
    };
    const read = (): void => {
        timer = undefined;
        Promise.all([client.call(MANAGER_PATH, MANAGER, "ListUnits", []), client.call(MANAGER_PATH, MANAGER, "ListUnitFiles", [])]).then(
            ([units, files]) => {
                if (wanted) listener.onUnits(unitsFrom(units[0], files[0]));
            },
            failed,
        );
    };
    const later = (): void => {
        timer ??= setTimeout(read, SETTLE);
    };
    client.addEventListener("close", (_event, options) => failed(options));
    for (const member of ["UnitNew", "UnitRemoved", "UnitFilesChanged", "JobRemoved"]) {
        client.subscribe({ path: MANAGER_PATH, interface: MANAGER, member }, later);
    }
    client.subscribe({ path_namespace: UNIT_PATHS, interface: PROPERTIES, member: "PropertiesChanged", arg0: UNIT }, (path, _iface, _member, args) => {
        if (wanted) listener.onChange(path, plain(args[1]));
    });
    subscribe(client).then(read, failed);
    return () => {
        wanted = false;
        clearTimeout(timer);
        client.close();
    };
}

export interface UnitListener {
    /** The unit as it is now and after each change; null when there is no such unit. */
    readonly onDetails: (details: UnitDetails | null) => void;
    readonly onProblem: (problem: Problem) => void;
}

/** Tells of one unit until stopped or failed. */
export function watchUnit(host: HostName, name: UnitName, listener: UnitListener): Stop {
    const client = cockpit.dbus(SYSTEMD, { bus: "system", host });
    const kind = KIND_INTERFACES[name.slice(name.lastIndexOf(".") + 1)];
    let wanted = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const failed = (error: unknown): void => {
        if (wanted) listener.onProblem(systemdProblem(error));
    };
    const read = async (path: string): Promise<void> => {
        timer = undefined;
        const properties = async (iface: string): Promise<Properties> =>
            plain((await client.call(path, PROPERTIES, "GetAll", [iface], { type: "s" }))[0]);
        const [unit, own] = await Promise.all([properties(UNIT), kind === undefined ? {} : properties(kind)]);
        if (wanted) listener.onDetails(detailsFrom(name, path, unit, own));
    };
    const start = async (): Promise<void> => {
        await subscribe(client);
        const [path] = await client.call(MANAGER_PATH, MANAGER, "LoadUnit", [name], { type: "s" });
        if (typeof path !== "string" || !wanted) return;
        const later = (): void => {
            timer ??= setTimeout(() => void read(path).catch(failed), 100);
        };
        client.subscribe({ path, interface: PROPERTIES, member: "PropertiesChanged" }, later);
        client.subscribe({ path: MANAGER_PATH, interface: MANAGER, member: "UnitFilesChanged" }, later);
        client.subscribe({ path: MANAGER_PATH, interface: MANAGER, member: "Reloading" }, later);
        await read(path);
    };
    client.addEventListener("close", (_event, options) => failed(options));
    start().catch(failed);
    return () => {
        wanted = false;
        clearTimeout(timer);
        client.close();
    };
}

/** Does `act` to the unit as superuser, and waits for its end. Throws what `problemOf` reads, or a `Problem`. */
export async function doAct(host: HostName, name: UnitName, act: Act): Promise<void> {
    const client = cockpit.dbus(SYSTEMD, { bus: "system", host, superuser: "require" });
    try {
        switch (act) {
            case "start":
                await runJob(client, "StartUnit", name);
                break;
            case "stop":
                await runJob(client, "StopUnit", name);
                break;
            case "restart":
                await runJob(client, "RestartUnit", name);
                break;
            case "enable":
                await client.call(MANAGER_PATH, MANAGER, "EnableUnitFiles", [[name], false, false], { type: "asbb" });
                await client.call(MANAGER_PATH, MANAGER, "Reload", []);
                break;
            case "disable":
                await client.call(MANAGER_PATH, MANAGER, "DisableUnitFiles", [[name], false], { type: "asb" });
                await client.call(MANAGER_PATH, MANAGER, "Reload", []);
                break;
        }
    } finally {
        client.close();
    }
}

/** A failed job, as something to throw. */
export class JobFailed extends Error {
    constructor(readonly reason: Problem) {
        super(reason.message);
    }
}

/** Asks for a job and waits for its `JobRemoved`, which may come before the answer. */
async function runJob(client: ReturnType<typeof cockpit.dbus>, method: string, name: UnitName): Promise<void> {
    const results = new Map<string, string>();
    let arrived: () => void = () => undefined;
    client.subscribe({ path: MANAGER_PATH, interface: MANAGER, member: "JobRemoved" }, (_path, _iface, _member, args) => {
        const [, job, , result] = args;
        if (typeof job === "string" && typeof result === "string") results.set(job, result);
        arrived();
    });
    await subscribe(client);
    const [job] = await client.call(MANAGER_PATH, MANAGER, method, [name, "replace"], { type: "ss" });
    if (typeof job !== "string") return;

    const result = await new Promise<string>((resolve, reject) => {
        const timer = setTimeout(() => reject(new JobFailed(pageProblem("timeout", _("It takes longer than five minutes. It goes on; its state is shown here.")))), JOB_LIMIT);
        client.addEventListener("close", (_event, options) => {
            clearTimeout(timer);
            reject(new JobFailed(problemOf(options)));
        });
        arrived = () => {
            const found = results.get(job);
            if (found === undefined) return;
            clearTimeout(timer);
            resolve(found);
        };
        arrived();
    });
    const failure = jobFailure(result, name);
    if (failure !== null) throw new JobFailed(pageProblem(`job-${result}`, failure));
}

/** Takes the variants off the values of a dictionary. */
function plain(dictionary: unknown): Properties {
    if (typeof dictionary !== "object" || dictionary === null) return {};
    return Object.fromEntries(
        Object.entries(dictionary as Readonly<Record<string, { readonly v?: unknown } | null>>).map(([name, value]) => [name, value?.v]),
    );
}
