/** How the Terminal page is drawn: the widget's place, and below it what became of the shell. No channels. */

import type { ReadonlySignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { _, fill } from "../../i18n";
import type { PageContext } from "../../shell/page";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { Failed } from "../../ui/states";
import { HostBlock } from "../../ui/text";
import { endSentence, pastedLines, type Shell } from "./model";

interface Props {
    readonly context: PageContext;
    readonly state: ReadonlySignal<Shell>;
    /** Puts the widget into an element; the returned function takes it out. */
    readonly attach: (element: HTMLElement) => () => void;
    readonly restart: () => void;
    /** Several lines that wait to be pasted; null for none. */
    readonly paste: ReadonlySignal<string | null>;
    readonly onPaste: (answer: "paste" | "keep") => void;
    /** Copies what is selected. */
    readonly copy: () => void;
}

export function terminalView(props: Props): () => JSX.Element {
    return () => (
        <div class="ph-terminal-page">
            <h1 class="pf-v6-c-title pf-m-2xl">{_("Terminal")}</h1>
            <Place attach={props.attach} />
            <Status {...props} />
            <PasteDialog paste={props.paste} onPaste={props.onPaste} />
        </div>
    );
}

function Place({ attach }: { readonly attach: Props["attach"] }): JSX.Element {
    const place = useRef<HTMLDivElement>(null);
    useEffect(() => (place.current === null ? undefined : attach(place.current)), []);
    return <div class="ph-terminal" ref={place} />;
}

/** A paste of several lines runs each as it comes: it is shown before. */
function PasteDialog({ paste, onPaste }: Pick<Props, "paste" | "onPaste">): JSX.Element | null {
    const text = paste.value;
    if (text === null) return null;
    return (
        <Dialog
            title={fill(_("Paste $0 lines?"), pastedLines(text))}
            onClose={() => onPaste("keep")}
            onSubmit={() => onPaste("paste")}
            actions={
                <>
                    <Button onClick={() => onPaste("keep")}>{_("Cancel")}</Button>
                    <Button look="primary" type="submit">
                        {_("Paste")}
                    </Button>
                </>
            }
        >
            <p>{_("The shell may run each line at once.")}</p>
            <pre class="ph-paste">
                <HostBlock text={text} />
            </pre>
        </Dialog>
    );
}

function Status({ context, state, restart, copy }: Props): JSX.Element {
    const shell = state.value;
    const blocked = context.link.value === "down" ? _("There is no connection to this machine.") : null;
    const again = (
        <Button look="link" blockedBy={blocked} onClick={restart}>
            {_("New shell")}
        </Button>
    );
    switch (shell.kind) {
        case "starting":
            return (
                <p class="ph-terminal-status ph-quiet" role="status">
                    {_("Starting a shell…")}
                </p>
            );
        case "running":
            return (
                <p class="ph-terminal-status ph-quiet">
                    <Button look="link" onClick={copy}>
                        {_("Copy selection")}
                    </Button>
                </p>
            );
        case "ended":
            return (
                <p class="ph-terminal-status" role="status">
                    {endSentence(shell.end)} {again}
                </p>
            );
        case "failed":
            return (
                <div class="ph-terminal-status" role="status">
                    <Failed problem={shell.problem} onRetry={blocked === null ? restart : undefined} />
                </div>
            );
    }
}
