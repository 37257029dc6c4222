/**
 * The channels by which the shell reaches other machines: `host-login`, the list `cockpit.Machines`, `kill`. The only
 * file of the folder with channels. Secrets pass through `answer` and are kept nowhere.
 */

import { cockpit } from "../cockpit/cockpit";
import { bridgeInfo } from "../cockpit/session";
import { type HostName, LOCALHOST } from "../routes";
import type { StoreFor } from "./model";

/** What a person answers. */
export type Answer =
    | { readonly kind: "host-key"; readonly key: string; readonly store: StoreFor }
    | { readonly kind: "passphrase"; readonly passphrase: string; readonly keep: "until-logout" | "once" }
    | { readonly kind: "responses"; readonly responses: readonly string[] }
    | { readonly kind: "give-up" };

export interface HostLogin {
    readonly answer: (id: number, answer: Answer) => void;
    /** Looks away; the connection stays for others. */
    readonly close: () => void;
}

export interface LoginListener {
    readonly onMessage: (text: string) => void;
    readonly onClosed: (close: Readonly<Record<string, unknown>>) => void;
}

/** Connects to `host` with a person in front of it, and tells how the connection is until closed. */
export function openHostLogin(host: HostName, listener: LoginListener): HostLogin {
    let wanted = true;
    const channel = cockpit.channel({ payload: "host-login", to: host });
    channel.addEventListener("message", (_event, data) => {
        if (wanted) listener.onMessage(String(data));
    });
    channel.addEventListener("close", (_event, close) => {
        if (wanted) listener.onClosed(close);
        wanted = false;
    });
    return {
        answer: (id, answer) => channel.send(JSON.stringify({ answer: { id, ...fieldsOf(answer) } })),
        close: () => {
            wanted = false;
            channel.close();
        },
    };
}

function fieldsOf(answer: Answer): object {
    switch (answer.kind) {
        case "host-key":
            return { key: answer.key, store: answer.store };
        case "passphrase":
            return { passphrase: answer.passphrase, keep: answer.keep === "until-logout" };
        case "responses":
            return { responses: answer.responses };
        case "give-up":
            return {};
    }
}

/** Ends the connections to `host`, and everything that uses them. */
export function endConnections(host: HostName): void {
    cockpit.transport.control("kill", { host });
}

/** Name of the user at `host`; null when its bridge does not tell. */
export async function readUserAt(host: HostName): Promise<string | null> {
    try {
        return (await bridgeInfo(host)).user.name;
    } catch {
        return null; // An older bridge: the name in the address has to do.
    }
}

/** Calls back with the addresses in `/etc/cockpit/machines.d`, now and after each change, until stopped. */
export function watchMachines(onAddresses: (addresses: readonly string[]) => void): () => void {
    const client = cockpit.dbus(null, { bus: "internal", host: LOCALHOST });
    client.addEventListener("notify", (_event, data) => {
        const machines = data["/machines"]?.["cockpit.Machines"]?.["Machines"];
        if (machines !== undefined) onAddresses(addressesOf(machines));
    });
    void client.watch("/machines").catch(() => undefined); // Without the list there are those that were used before.
    return () => client.close();
}

/** Addresses, with user and port, of the value of `Machines`: a dictionary of dictionaries of variants. */
export function addressesOf(machines: unknown): readonly string[] {
    if (typeof machines !== "object" || machines === null) return [];
    return Object.entries(machines as Readonly<Record<string, unknown>>).flatMap(([name, attributes]) => {
        const value = (key: string): unknown => {
            const found = (attributes as Readonly<Record<string, unknown>> | null)?.[key];
            return typeof found === "object" && found !== null && "v" in found ? found.v : found;
        };
        if (name === "localhost" || value("visible") === false) return [];
        const [address, user, port] = [value("address"), value("user"), value("port")];
        const place = typeof address === "string" && address !== "" ? address : name;
        return [`${typeof user === "string" && user !== "" ? `${user}@` : ""}${place}${typeof port === "number" && port !== 22 ? `:${port}` : ""}`];
    });
}
