/** The shell behind the Terminal page: the only file of the page with channels. */

import { cockpit } from "../../cockpit/cockpit";
import type { HostName } from "../../routes";
import { type Problem, problemOf } from "../../ui/problem";
import { endFrom, loginShell, type ShellEnd, type WindowSize } from "./model";

export interface RunningShell {
    readonly type: (bytes: Uint8Array) => void;
    readonly resize: (size: WindowSize) => void;
    /** Hangs it up; the bridge ends the program. */
    readonly close: () => void;
}

export interface ShellListener {
    readonly onStarted: () => void;
    readonly onOutput: (bytes: Uint8Array) => void;
    readonly onEnd: (end: ShellEnd) => void;
    readonly onProblem: (problem: Problem) => void;
}

/** Where the user is at home on `host`, and with which shell. */
export interface ShellUser {
    readonly shell: string;
    readonly home: string;
}

/** Reads the user's shell and home from the bridge's object `/user`; a bridge without it yields `/bin/sh` in `/`. */
export async function readShellUser(host: HostName): Promise<ShellUser> {
    const client = cockpit.dbus(null, { bus: "internal", host });
    try {
        const [reply] = await client.call("/user", "org.freedesktop.DBus.Properties", "GetAll", ["cockpit.User"], { type: "s" });
        const properties = (typeof reply === "object" && reply !== null ? reply : {}) as Readonly<Record<string, { readonly v?: unknown } | null>>;
        const home = properties["Home"]?.v;
        return { shell: loginShell(properties["Shell"]?.v), home: typeof home === "string" && home.startsWith("/") ? home : "/" };
    } catch {
        return { shell: loginShell(null), home: "/" };
    } finally {
        client.close();
    }
}

/** Starts a login shell on a pty. */
export function startShell(host: HostName, user: ShellUser, size: WindowSize, listener: ShellListener): RunningShell {
    const channel = cockpit.channel({
        payload: "stream",
        host,
        spawn: [user.shell, "-l"],
        directory: user.home,
        environ: ["TERM=xterm-256color", "COLORTERM=truecolor"],
        pty: true,
        window: { rows: size.rows, cols: size.cols },
        binary: true,
        "flow-control": true,
    });
    channel.addEventListener("ready", () => listener.onStarted());
    channel.addEventListener("message", (_event, data) => listener.onOutput(typeof data === "string" ? new TextEncoder().encode(data) : data));
    channel.addEventListener("close", (_event, options) => {
        if (options.problem !== undefined && options.problem !== "") listener.onProblem(problemOf(options));
        else listener.onEnd(endFrom(options));
    });
    return {
        type: (bytes) => channel.send(bytes),
        resize: ({ rows, cols }) => channel.control({ command: "options", window: { rows, cols } }),
        close: () => channel.close(),
    };
}
