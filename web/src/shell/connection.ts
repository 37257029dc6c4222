/**
 * Keeps the link to the server: watches it, tries it again when it is lost, and tells the shell how it stands.
 *
 * Started once by `main.ts`. A hidden tab does not try; it does so the moment it becomes visible.
 */

import { computed, type ReadonlySignal, signal } from "@preact/signals";

import { transport } from "../cockpit/transport";
import { type Connection, onClosed } from "./connection_model";

const state = signal<Connection>({ kind: "connecting" });
const expectation = signal<"none" | "restart">("none");

/** Why the link may be lost soon, or is. */
export const expected: ReadonlySignal<"none" | "restart"> = expectation;

let timer: ReturnType<typeof setTimeout> | undefined;
let leaving = false;

export const connection: ReadonlySignal<Connection> = state;

/** The same for pages, which only need to know whether channels can be opened. */
export const linkState = computed<"up" | "down">(() => (state.value.kind === "up" ? "up" : "down"));

export function startConnection(): void {
    transport.onState((link) => {
        switch (link.kind) {
            case "idle":
            case "connecting":
                break; // What was said last stays, so that the notice does not flicker.
            case "ready":
                clearTimeout(timer);
                expectation.value = "none";
                state.value = { kind: "up" };
                break;
            case "closed":
                if (leaving) break;
                state.value = onClosed(state.value, link.problem, Date.now());
                plan();
                break;
        }
    });
    document.addEventListener("visibilitychange", () => {
        if (document.visibilityState === "visible") retryNow();
    });
    addEventListener("online", retryNow);
    addEventListener("pagehide", () => {
        leaving = true;
    });
    addEventListener("pageshow", () => {
        leaving = false;
        retryNow();
    });
    transport.connect();
}

/** The host has said that it is about to restart: the link will be lost for a while. */
export function noteRestart(): void {
    expectation.value = "restart";
}

/** Whether silence of the server ends the link; not while a package changes the network. */
export function tolerateSilence(silence: "fatal" | "tolerated"): void {
    transport.tolerateSilence(silence);
}

/** Tries a lost link at once. */
export function retryNow(): void {
    if (state.value.kind !== "lost") return;
    clearTimeout(timer);
    transport.connect();
}

function plan(): void {
    clearTimeout(timer);
    if (state.value.kind !== "lost" || document.visibilityState === "hidden") return;
    timer = setTimeout(retryNow, Math.max(0, state.value.retryAt - Date.now()));
}
