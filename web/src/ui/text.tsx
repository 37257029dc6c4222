/** Text that came from a machine, on the screen. See `host_text.ts` for what is done to it. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { _, fill } from "../i18n";
import { Button } from "./button";
import { cut, linkTarget, visible, visibleLine } from "./host_text";

/** A short text in one line. */
export function HostText({ text }: { readonly text: string }): JSX.Element {
    return <bdi>{visibleLine(cut(text).shown)}</bdi>;
}

/** A text of any length with its own line breaks; a long one is cut, with *Show all*. */
export function HostBlock({ text }: { readonly text: string }): JSX.Element {
    const [all, setAll] = useState(false);
    const { shown, left } = cut(text);
    return (
        <span class="ph-host-block" dir="auto">
            {visible(all ? text : shown)}
            {left > 0 && !all && (
                <>
                    {"… "}
                    <Button look="link" onClick={() => setAll(true)}>
                        {fill(_("Show all ($0 more characters)"), String(left))}
                    </Button>
                </>
            )}
        </span>
    );
}

/** An address that a machine named: a link when it is a web address, else plain text. Shown in full either way. */
export function HostAddress({ text }: { readonly text: string }): JSX.Element {
    const target = linkTarget(text);
    if (target === null) return <HostText text={text} />;
    return (
        <a href={target} target="_blank" rel="noreferrer noopener">
            {target}
        </a>
    );
}
