/** Asks a host's systemd for its signals: the overview and the Services pages begin with it. */

import type { cockpit } from "../../cockpit/cockpit";

/**
 * Makes systemd send its signals to the bus connection of `client`.
 *
 * A bridge has one such connection for all channels, and systemd refuses who asks twice: whoever asked before, it sends.
 */
export async function subscribe(client: ReturnType<typeof cockpit.dbus>): Promise<void> {
    try {
        await client.call("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "Subscribe", []);
    } catch (error) {
        const refused = error instanceof Error && error.name === "org.freedesktop.systemd1.AlreadySubscribed";
        if (!refused) throw error;
    }
}
