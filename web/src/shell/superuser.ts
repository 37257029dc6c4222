/**
 * Superuser access of one host: the shell's side of the bridge's object `/superuser`.
 *
 * The shell keeps one of these for the host it shows. Passwords pass through `answer` and are kept nowhere.
 * Source: the interface `cockpit.Superuser` on the bus `internal`.
 */

import { computed, type ReadonlySignal, signal } from "@preact/signals";

import { cockpit } from "../cockpit/cockpit";
import { problemOf } from "../ui/problem";
import type { HostName } from "../routes";
import { access, type Failure, onEnded, onPending, onPrompt, onProperties, onStart, type Superuser } from "./superuser_model";

const PATH = "/superuser";
const INTERFACE = "cockpit.Superuser";

export interface SuperuserAccess {
    readonly state: ReadonlySignal<Superuser>;
    readonly access: ReadonlySignal<"on" | "off">;
    /** What went wrong with this tab's last attempt. */
    readonly failure: ReadonlySignal<Failure | null>;
    /** Whether this tab shows the dialog: an attempt that it made or joined is under way or has failed. */
    readonly dialog: ReadonlySignal<"open" | "closed">;
    readonly start: (method: string) => void;
    readonly answer: (text: string) => void;
    readonly stop: () => void;
    /** Shows the question that another page's attempt waits for. */
    readonly join: () => void;
    /** Gives the attempt up, or puts its failure away. */
    readonly dismiss: () => void;
    readonly close: () => void;
}

/** Watches and drives superuser access on `host` until closed. */
export function superuserOf(host: HostName): SuperuserAccess {
    const state = signal<Superuser>({ kind: "unknown" });
    const failure = signal<Failure | null>(null);
    const attempt = signal<"mine" | "joined" | "none">("none");
    const client = cockpit.dbus(null, { bus: "internal", host });

    client.subscribe({ path: PATH, interface: INTERFACE, member: "Prompt" }, (_path, _iface, _member, args) => {
        state.value = onPrompt(state.value, args);
    });
    let known: Readonly<Record<string, unknown>> = {};
    client.addEventListener("notify", (_event, data) => {
        const changed = data[PATH]?.[INTERFACE];
        if (changed == null) return;
        const isFirst = known["Current"] === undefined;
        const hasEnded = known["Current"] === "init" && changed["Current"] === "none";
        known = { ...known, ...changed };
        if (hasEnded) state.value = onEnded(state.value);
        state.value = onPending(onProperties(state.value, known), changed["Pending"]);
        if (access(state.value) === "on") attempt.value = "none";
        // Asked before this page was loaded: most likely of the page that it was before.
        if (isFirst && state.value.kind === "asking") attempt.value = "joined";
        if (hasEnded && attempt.value === "joined") {
            failure.value = { method: "", problem: { code: "authentication-failed", from: "protocol", message: "" } };
            attempt.value = "none";
        }
    });
    client.addEventListener("close", () => {
        state.value = { kind: "unknown" };
        attempt.value = "none";
    });
    client.watch(PATH).catch(() => {
        // A bridge without this object cannot give access; a closed link is told by `close`.
        if (state.value.kind === "unknown") state.value = { kind: "unavailable" };
    });

    const call = (method: string, ...args: readonly string[]): Promise<unknown> => client.call(PATH, INTERFACE, method, args);
    const dialog = computed(() => (attempt.value !== "none" || failure.value !== null ? "open" : "closed"));
    return {
        state,
        access: computed(() => access(state.value)),
        failure,
        dialog,
        start: (method) => {
            failure.value = null;
            attempt.value = "mine";
            state.value = onStart(state.value, method);
            call("Start", method).then(
                () => {
                    attempt.value = "none";
                },
                (error: unknown) => {
                    state.value = onEnded(state.value);
                    // Without an attempt it was given up here, and there is nothing to tell.
                    if (attempt.value === "mine") failure.value = { method, problem: problemOf(error) };
                    attempt.value = "none";
                },
            );
        },
        answer: (text) => {
            void call("Answer", text).catch(() => undefined); // `Start` fails too and says why.
        },
        join: () => {
            if (state.value.kind === "asking") attempt.value = "joined";
        },
        stop: () => {
            call("Stop").catch((error: unknown) => {
                failure.value = { method: "", problem: problemOf(error) };
            });
        },
        dismiss: () => {
            failure.value = null;
            if (attempt.value === "none") return;
            attempt.value = "none";
            void call("Stop").catch(() => undefined); // It may have ended just now.
        },
        close: () => client.close(),
    };
}
