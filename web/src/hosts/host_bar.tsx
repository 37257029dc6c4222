/** The bar below the masthead: one must see that this is another machine, and which. */

import type { JSX } from "preact";

import { _, fill } from "../i18n";
import { type HostName, LOCALHOST } from "../routes";
import { visibleLine } from "../ui/host_text";

/** Nothing for the machine that the server runs on. */
export function HostBar({ host }: { readonly host: HostName }): JSX.Element | null {
    if (host === LOCALHOST) return null;
    return <p class="ph-host-bar">{fill(_("You work on $0, another machine than the server's."), visibleLine(host))}</p>;
}
