/** Who is logged in and what the host calls itself: the few facts that the shell itself shows. */

import { cockpit } from "../cockpit/cockpit";
import type { HostName } from "../routes";

/** Name of the user of the session. */
export async function readUserName(): Promise<string> {
    return (await cockpit.user()).name;
}

/** The name that `host` gives itself; empty when it does not tell. A label, never an identity (T42). */
export async function readHostLabel(host: HostName): Promise<string> {
    const file = cockpit.file("/proc/sys/kernel/hostname", { host });
    try {
        return ((await file.read()) ?? "").trim();
    } finally {
        file.close();
    }
}
