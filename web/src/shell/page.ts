/**
 * What the shell and a page know of each other.
 *
 * The shell loads a page's chunk, opens it for one host, tells it of new addresses, and closes it. A page never
 * touches the shell's part of the document, and the shell knows nothing of what a page shows.
 */

import type { ReadonlySignal } from "@preact/signals";
import type { JSX } from "preact";

import type { HostName, HostView } from "../routes";
import type { Problem } from "../ui/problem";

export interface PageContext {
    readonly host: HostName;
    /** Whether channels may be opened with superuser access. */
    readonly superuser: ReadonlySignal<"on" | "off">;
    /** Whether channels can be opened at all; while not, the page keeps its last data. */
    readonly link: ReadonlySignal<"up" | "down">;
    /** Whether what failed is the way to the host: the page then keeps what it shows, and goes on when `link` is up. */
    readonly isLost: (problem: Problem) => boolean;
    /** Which theme is drawn, for what the style sheet cannot reach. */
    readonly theme: ReadonlySignal<"light" | "dark">;
    /** Goes to another address of this host. `replace` leaves no step in the history: for filters. */
    readonly go: (view: HostView, how: "push" | "replace") => void;
}

export interface OpenPage<View extends HostView = HostView> {
    readonly view: () => JSX.Element;
    /** Takes a new address of this page: other filters, another unit. */
    readonly show: (view: View) => void;
    /** Ends every subscription. Nothing of the page is used afterwards. */
    readonly close: () => void;
}

/** Makes the effect that is running start again whenever one of `signals` changes. */
export function dependOn(...signals: readonly ReadonlySignal<unknown>[]): void {
    signals.forEach((signal) => signal.value);
}

/** Undoes what was started: closes channels, ends subscriptions. */
export type Stop = () => void;
