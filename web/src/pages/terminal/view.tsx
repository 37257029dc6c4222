/** How the Terminal page is drawn: the widget's place, and below it what became of the shell. No channels. */

import type { ReadonlySignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { _ } from "../../i18n";
import type { PageContext } from "../../shell/page";
import { Button } from "../../ui/button";
import { Failed } from "../../ui/states";
import { endSentence, type Shell } from "./model";

interface Props {
    readonly context: PageContext;
    readonly state: ReadonlySignal<Shell>;
    /** Puts the widget into an element; the returned function takes it out. */
    readonly attach: (element: HTMLElement) => () => void;
    readonly restart: () => void;
}

export function terminalView(props: Props): () => JSX.Element {
    return () => (
        <div class="ph-terminal-page">
            <h1 class="pf-v6-c-title pf-m-2xl">{_("Terminal")}</h1>
            <Place attach={props.attach} />
            <Status {...props} />
        </div>
    );
}

function Place({ attach }: { readonly attach: Props["attach"] }): JSX.Element {
    const place = useRef<HTMLDivElement>(null);
    useEffect(() => (place.current === null ? undefined : attach(place.current)), []);
    return <div class="ph-terminal" ref={place} />;
}

function Status({ context, state, restart }: Props): JSX.Element {
    const shell = state.value;
    const blocked = context.link.value === "down" ? _("There is no connection to the server.") : null;
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
            return <p class="ph-terminal-status ph-quiet" role="status" />;
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
