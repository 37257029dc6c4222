/**
 * The theme: auto, light or dark.
 *
 * Kept in local storage under `shell:style`, the name that packages written for Cockpit read, and told to them
 * by the event `cockpit-style`.
 */

import { computed, effect, signal } from "@preact/signals";

export const THEME_CHOICES = ["auto", "light", "dark"] as const;
export type ThemeChoice = (typeof THEME_CHOICES)[number];

const STORAGE_NAME = "shell:style";
const EVENT_NAME = "cockpit-style";
const DARK_CLASS = "pf-v6-theme-dark";

const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
const system = signal<"light" | "dark">(systemIsDark.matches ? "dark" : "light");

/** What the person chose. */
export const themeChoice = signal<ThemeChoice>(readChoice());

/** What is drawn. */
export const theme = computed(() => (themeChoice.value === "auto" ? system.value : themeChoice.value));

/** Applies the theme to this document from now on, and follows the system and other tabs. */
export function startTheme(): void {
    systemIsDark.addEventListener("change", (event) => {
        system.value = event.matches ? "dark" : "light";
    });
    addEventListener("storage", (event) => {
        if (event.key === STORAGE_NAME) themeChoice.value = readChoice();
    });
    effect(() => {
        document.documentElement.classList.toggle(DARK_CLASS, theme.value === "dark");
    });
}

/** Takes a choice: for this tab, for others, and for frames of packages. */
export function chooseTheme(choice: ThemeChoice): void {
    themeChoice.value = choice;
    try {
        localStorage.setItem(STORAGE_NAME, choice);
    } catch {
        // Storage may be full or forbidden; the choice then lasts as long as the tab.
    }
    const detail = { style: choice };
    for (const target of [window, ...frames()]) target.dispatchEvent(new CustomEvent(EVENT_NAME, { detail }));
}

function frames(): Window[] {
    return [...document.querySelectorAll("iframe")].flatMap((frame) => frame.contentWindow ?? []);
}

function readChoice(): ThemeChoice {
    try {
        const stored = localStorage.getItem(STORAGE_NAME);
        return THEME_CHOICES.find((choice) => choice === stored) ?? "auto";
    } catch {
        return "auto";
    }
}
