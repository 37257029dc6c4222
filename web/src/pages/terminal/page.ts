/** The Terminal page of one host: one shell, which ends with the page. Opened by the shell of the interface. */

import { effect, signal } from "@preact/signals";

import { fill, _ } from "../../i18n";
import { dependOn, type OpenPage, type PageContext } from "../../shell/page";
import { readShellUser, type RunningShell, startShell } from "./api";
import type { Shell } from "./model";
import type { Screen } from "./screen";
import { terminalView } from "./view";

export function open(context: PageContext): OpenPage {
    const state = signal<Shell>({ kind: "starting" });
    const paste = signal<string | null>(null);
    let screen: Screen | null = null;
    let shell: RunningShell | null = null;
    /** Counts the shells, so that a late answer of an old one is dropped. */
    let attempt = 0;

    const start = async (): Promise<void> => {
        attempt += 1;
        const mine = attempt;
        state.value = { kind: "starting" };
        const user = await readShellUser(context.host);
        if (mine !== attempt || screen === null) return;
        const ended = (next: Shell): void => {
            if (mine !== attempt) return;
            shell = null;
            state.value = next;
        };
        shell = startShell(context.host, user, screen.size(), {
            onStarted: () => {
                if (mine === attempt) state.value = { kind: "running" };
            },
            onOutput: (bytes) => {
                if (mine === attempt) screen?.write(bytes);
            },
            onEnd: (end) => ended({ kind: "ended", end }),
            onProblem: (problem) => ended({ kind: "failed", problem }),
        });
    };
    const attach = (element: HTMLElement): (() => void) => {
        let wanted = true;
        let stopTheme = (): void => undefined;
        void import("./screen").then(({ openScreen }) => {
            if (!wanted) return;
            const opened = openScreen(element, fill(_("Terminal on $0"), context.host), {
                onTyped: (bytes) => shell?.type(bytes),
                onLongPaste: (text) => {
                    if (shell !== null) paste.value = text;
                },
                onResize: (size) => shell?.resize(size),
            });
            screen = opened;
            stopTheme = effect(() => {
                dependOn(context.theme);
                // The class of the theme is set in an effect of its own, so colours are read after it.
                queueMicrotask(() => opened.recolour(element));
            });
            opened.focus();
            void start();
        });
        return () => {
            wanted = false;
            stopTheme();
            screen?.close();
            screen = null;
        };
    };

    return {
        view: terminalView({
            context,
            state,
            attach,
            paste,
            onPaste: (answer) => {
                const text = paste.value;
                paste.value = null;
                if (answer === "paste" && text !== null) screen?.paste(text);
                screen?.focus();
            },
            copy: () => {
                const text = screen?.selection() ?? "";
                if (text !== "") void navigator.clipboard.writeText(text);
                screen?.focus();
            },
            restart: () => {
                screen?.clear();
                screen?.focus();
                void start();
            },
        }),
        show: () => undefined, // The terminal has one address.
        close: () => {
            attempt += 1;
            shell?.close();
            shell = null;
        },
    };
}
