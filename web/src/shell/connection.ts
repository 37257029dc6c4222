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
/** The server says that there is a session, and the link is being tried once more for that. */
let reviving = false;

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
                reviving = false;
                expectation.value = "none";
                state.value = { kind: "up" };
                break;
            case "closed":
                if (!leaving) onLost(link.problem);
                break;
        }
    });
    document.addEventListener("visibilitychange", () => {
        if (document.visibilityState === "visible") comeBack();
    });
    addEventListener("focus", comeBack);
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

/** There is a session again: the link is tried at once, and what waits for it goes on. */
export function onLoggedIn(): void {
    if (state.value.kind === "logged-out") transport.connect();
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

/** Somebody looks at this tab again. They may have logged in by another one. */
function comeBack(): void {
    retryNow();
    if (state.value.kind === "logged-out") void hasSession().then((live) => live && onLoggedIn());
}

function onLost(problem: string): void {
    const next = onClosed(state.value, problem, Date.now());
    if (next.kind !== "logged-out" || reviving) {
        reviving = false;
        state.value = next;
        plan();
        return;
    }
    // Nobody is asked to log in whose session lives.
    void hasSession().then((live) => {
        if (transport.state.kind !== "closed") return;
        reviving = live;
        if (live) transport.connect();
        else state.value = next;
    });
}

/** Whether the server knows this browser; false when it cannot be asked. */
async function hasSession(): Promise<boolean> {
    const response = await fetch("/cockpit/login", { cache: "no-store" }).catch(() => null);
    return response?.ok === true;
}

function plan(): void {
    clearTimeout(timer);
    if (state.value.kind !== "lost" || document.visibilityState === "hidden") return;
    timer = setTimeout(retryNow, Math.max(0, state.value.retryAt - Date.now()));
}
