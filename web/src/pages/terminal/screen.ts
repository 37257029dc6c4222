/**
 * The terminal widget, with what a hostile program could misuse taken out (T43).
 *
 * Off: the clipboard (OSC 52), links to anything but web pages (OSC 8), reports of the title and of settings
 * (CSI t, DECRQSS), changes of the window's title. xterm.js and its add-on are loaded with the page.
 */

import { FitAddon } from "@xterm/addon-fit";
import { type ITheme, Terminal } from "@xterm/xterm";

import { linkTarget } from "../../ui/host_text";
import { pastedLines, type WindowSize, windowSize } from "./model";

/** Lines that can be scrolled back to. */
const SCROLLBACK = 5000;

export interface Screen {
    readonly write: (bytes: Uint8Array) => void;
    readonly size: () => WindowSize;
    readonly clear: () => void;
    readonly focus: () => void;
    /** Gives `text` to the shell as a paste. */
    readonly paste: (text: string) => void;
    /** What is selected; empty for nothing. */
    readonly selection: () => string;
    readonly recolour: (element: HTMLElement) => void;
    readonly close: () => void;
}

export interface ScreenListener {
    readonly onTyped: (bytes: Uint8Array) => void;
    /** Something of several lines is about to be pasted. */
    readonly onLongPaste: (text: string) => void;
    readonly onResize: (size: WindowSize) => void;
}

/** Puts a terminal into `element` and keeps it as large as that. */
export function openScreen(element: HTMLElement, label: string, listener: ScreenListener): Screen {
    const terminal = new Terminal({
        scrollback: SCROLLBACK,
        fontFamily: "ui-monospace, monospace",
        fontSize: 14,
        // Rows cut off what reaches below them; of some fonts that is the underscore.
        lineHeight: 1.15,
        cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
        minimumContrastRatio: 4.5,
        screenReaderMode: true,
        theme: themeOf(element),
        linkHandler: {
            allowNonHttpProtocols: false,
            activate: (_event, text) => {
                const target = linkTarget(text);
                if (target !== null) open(target, "_blank", "noreferrer,noopener");
            },
        },
        windowOptions: {},
    });
    const fit = new FitAddon();
    terminal.loadAddon(fit);
    const swallow = (): boolean => true;
    terminal.parser.registerOscHandler(52, swallow);
    for (const title of [0, 1, 2]) terminal.parser.registerOscHandler(title, swallow);
    terminal.parser.registerDcsHandler({ intermediates: "$", final: "q" }, swallow);
    terminal.parser.registerCsiHandler({ final: "t" }, swallow);

    terminal.open(element);
    terminal.textarea?.setAttribute("aria-label", label);
    fit.fit();
    const encoder = new TextEncoder();
    terminal.onData((text) => listener.onTyped(encoder.encode(text)));
    terminal.onBinary((text) => listener.onTyped(Uint8Array.from(text, (character) => character.charCodeAt(0))));
    const ask = (event: ClipboardEvent): void => {
        const text = event.clipboardData?.getData("text/plain") ?? "";
        if (pastedLines(text) === 1) return;
        event.preventDefault();
        event.stopPropagation();
        listener.onLongPaste(text);
    };
    element.addEventListener("paste", ask, { capture: true });
    terminal.attachCustomKeyEventHandler((event) => {
        if (event.type !== "keydown" || !event.ctrlKey || !event.shiftKey || event.code !== "KeyC" || !terminal.hasSelection()) return true;
        event.preventDefault();
        void navigator.clipboard.writeText(terminal.getSelection());
        return false;
    });
    terminal.onResize(({ rows, cols }) => listener.onResize(windowSize(rows, cols)));
    const observer = new ResizeObserver(() => fit.fit());
    observer.observe(element);

    return {
        write: (bytes) => terminal.write(bytes),
        size: () => windowSize(terminal.rows, terminal.cols),
        clear: () => terminal.reset(),
        focus: () => terminal.focus(),
        paste: (text) => terminal.paste(text),
        selection: () => terminal.getSelection(),
        recolour: (from) => {
            terminal.options.theme = themeOf(from);
        },
        close: () => {
            observer.disconnect();
            element.removeEventListener("paste", ask, { capture: true });
            terminal.dispose();
        },
    };
}

/** The colours of the style sheet (`--ph-terminal-…`), as xterm takes them. */
function themeOf(element: HTMLElement): ITheme {
    const style = getComputedStyle(element);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    return {
        background: colour("--ph-terminal-background"),
        foreground: colour("--ph-terminal-text"),
        cursor: colour("--ph-terminal-cursor"),
        cursorAccent: colour("--ph-terminal-background"),
        selectionBackground: colour("--ph-terminal-selection"),
    };
}
