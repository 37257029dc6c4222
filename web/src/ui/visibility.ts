/** Whether the tab can be seen. Pages stop what they poll while it cannot. */

import { signal, type ReadonlySignal } from "@preact/signals";

const visibility = signal<"visible" | "hidden">(document.visibilityState);

document.addEventListener("visibilitychange", () => {
    visibility.value = document.visibilityState;
});

export const tabVisibility: ReadonlySignal<"visible" | "hidden"> = visibility;
