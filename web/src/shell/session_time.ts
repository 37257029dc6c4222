/**
 * How long the session still lives when nobody does anything: counts down, and stays when somebody does.
 *
 * One `session-control` channel for the page, as long as the link is up. Only what a person does counts as use, in
 * this document and in frames. Started by `packages.tsx`. Text: docs/protocol.md, "session-control".
 */

import { type ReadonlySignal, signal } from "@preact/signals";

import { cockpit } from "../cockpit/cockpit";

/** How often at most the bridge is told of use, in milliseconds. */
const TELL_EVERY = 5_000;

/** The bridge counts every second; when it stops, another tab was used. In milliseconds. */
const SILENCE = 2_500;

const left = signal<number | null>(null);

/** Seconds until the session ends; null while it does not count down. */
export const countdown: ReadonlySignal<number | null> = left;

let channel: ReturnType<typeof cockpit.channel> | null = null;
let lastTold = 0;
let silence: ReturnType<typeof setTimeout> | undefined;

/** Watches the time of the session until the returned function is called. `onEnd` is called when it has run out. */
export function watchSessionTime(onEnd: () => void): () => void {
    const opened = cockpit.channel({ payload: "session-control" });
    channel = opened;
    opened.addEventListener("control", (_event, message) => {
        if (message.command === "logout") onEnd();
        if (message.command !== "countdown") return;
        const counter = message["counter"];
        left.value = typeof counter === "number" ? counter : null;
        clearTimeout(silence);
        silence = setTimeout(stay, SILENCE);
    });
    for (const event of EVENTS) addEventListener(event, touched, { passive: true, capture: true });
    return () => {
        for (const event of EVENTS) removeEventListener(event, touched, { capture: true });
        clearTimeout(silence);
        left.value = null;
        if (channel === opened) channel = null;
        opened.close();
    };
}

const EVENTS = ["keydown", "pointerdown", "pointermove", "wheel"] as const;

/** Somebody did something. */
export function touched(): void {
    const now = Date.now();
    if (left.value === null && now - lastTold < TELL_EVERY) return;
    lastTold = now;
    channel?.control({ command: "active" });
    stay();
}

function stay(): void {
    clearTimeout(silence);
    left.value = null;
}
