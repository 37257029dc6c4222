/** What the overview asks of a host: the only file of the page with channels. */

import { cockpit } from "../../cockpit/cockpit";
import { type Problem, problemOf } from "../../ui/problem";
import type { HostName } from "../../routes";
import type { Stop } from "../../shell/page";
import { systemdProblem } from "../services/absent";
import { subscribe } from "../services/subscribe";
import { type FactSources, type FailedUnit, failedUnits } from "./model";
import { bytesOfMemory, type Capacity, countProcessors, METRICS, type Sample, SampleDecoder } from "./metrics_model";

const PROPERTIES = "org.freedesktop.DBus.Properties";
const SYSTEMD = "org.freedesktop.systemd1";
const MANAGER = "org.freedesktop.systemd1.Manager";
const MANAGER_PATH = "/org/freedesktop/systemd1";

/** Changes of units come in crowds; the failed ones are asked for once in this time, in milliseconds. */
const SETTLE = 500;

/** Reads who the machine is. Sources that it does not have stay empty; fails only when nothing can be read at all. */
export async function readFacts(host: HostName): Promise<FactSources> {
    const [hostname1, osReleaseFile, hostNameFile, kernelRelease, uptime, vendorFile, productFile] = await Promise.all([
        readHostname1(host),
        readOptional(host, "/etc/os-release"),
        readFile(host, "/proc/sys/kernel/hostname"),
        readOptional(host, "/proc/sys/kernel/osrelease"),
        readOptional(host, "/proc/uptime"),
        readOptional(host, "/sys/class/dmi/id/sys_vendor"),
        readOptional(host, "/sys/class/dmi/id/product_name"),
    ]);
    return { hostname1, osReleaseFile, hostNameFile, kernelRelease, uptime, vendorFile, productFile, readAt: Date.now() };
}

/** What the figures are shares of. */
export async function readCapacity(host: HostName): Promise<Capacity> {
    const [online, meminfo] = await Promise.all([readOptional(host, "/sys/devices/system/cpu/online"), readOptional(host, "/proc/meminfo")]);
    return { processors: countProcessors(online ?? ""), memory: bytesOfMemory(meminfo ?? "") };
}

/** Calls back with every sample, one a second, until stopped or failed. */
export function watchMetrics(host: HostName, onSample: (sample: Sample) => void, onProblem: (problem: Problem) => void): Stop {
    const channel = cockpit.channel({
        payload: "metrics1",
        host,
        source: "internal",
        interval: 1000,
        metrics: METRICS,
        "omit-instances": ["lo"],
    });
    let decoder = new SampleDecoder();
    let wanted = true;
    channel.addEventListener("message", (_event, data) => {
        const message: unknown = typeof data === "string" ? JSON.parse(data) : null;
        if (!Array.isArray(message)) decoder = new SampleDecoder();
        else for (const raw of message) onSample(decoder.decode(raw));
    });
    channel.addEventListener("close", (_event, options) => {
        if (wanted) onProblem(problemOf(options));
    });
    return () => {
        wanted = false;
        channel.close();
    };
}

/** Calls back with the failed units now and after each change, until stopped or failed. */
export function watchFailedUnits(
    host: HostName,
    onUnits: (units: FailedUnit[]) => void,
    onProblem: (problem: Problem) => void,
): Stop {
    const client = cockpit.dbus(SYSTEMD, { bus: "system", host });
    let wanted = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const failed = (error: unknown): void => {
        if (wanted) onProblem(systemdProblem(error));
    };
    const read = (): void => {
        timer = undefined;
        client.call(MANAGER_PATH, MANAGER, "ListUnitsFiltered", [["failed"]], { type: "as" }).then((reply) => {
            if (wanted) onUnits(failedUnits(reply[0]));
        }, failed);
    };
    const later = (): void => {
        timer ??= setTimeout(read, SETTLE);
    };
    client.addEventListener("close", (_event, options) => failed(options));
    client.subscribe({ path: MANAGER_PATH, interface: MANAGER, member: "JobRemoved" }, later);
    client.subscribe({ path_namespace: `${MANAGER_PATH}/unit`, interface: PROPERTIES, member: "PropertiesChanged", arg0: `${SYSTEMD}.Unit` }, later);
    subscribe(client).then(read, failed);
    return () => {
        wanted = false;
        clearTimeout(timer);
        client.close();
    };
}

async function readHostname1(host: HostName): Promise<Readonly<Record<string, unknown>>> {
    const client = cockpit.dbus("org.freedesktop.hostname1", { bus: "system", host });
    try {
        const reply = await client.call("/org/freedesktop/hostname1", PROPERTIES, "GetAll", ["org.freedesktop.hostname1"], { type: "s" });
        return plainProperties(reply[0]);
    } catch {
        return {}; // A machine without hostnamed: the kernel's files tell the same.
    } finally {
        client.close();
    }
}

/** Takes the variants off the values of a `GetAll`. */
function plainProperties(reply: unknown): Readonly<Record<string, unknown>> {
    if (typeof reply !== "object" || reply === null) return {};
    return Object.fromEntries(
        Object.entries(reply as Readonly<Record<string, { readonly v?: unknown } | null>>).map(([name, value]) => [name, value?.v]),
    );
}

async function readFile(host: HostName, path: string): Promise<string | null> {
    const file = cockpit.file(path, { host });
    try {
        return await file.read();
    } finally {
        file.close();
    }
}

/** As `readFile`; null also when it may not be read. */
async function readOptional(host: HostName, path: string): Promise<string | null> {
    try {
        return await readFile(host, path);
    } catch {
        return null;
    }
}
