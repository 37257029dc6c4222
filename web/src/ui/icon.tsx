/** Pictures from our one sprite, `icons.svg`. They decorate: the words beside them carry the meaning. */

import type { JSX } from "preact";

export type IconName =
    | "overview"
    | "services"
    | "logs"
    | "terminal"
    | "danger"
    | "warning"
    | "success"
    | "info"
    | "running"
    | "stopped"
    | "pending"
    | "user"
    | "locked"
    | "unlocked"
    | "down"
    | "search"
    | "close"
    | "follow";

/** Where the sprite is. The server's page names it in `<html data-icons>`, because its address holds a checksum. */
function spriteAddress(): string {
    return document.documentElement.dataset["icons"] ?? "/assets/icons.svg";
}

export function Icon({ name }: { readonly name: IconName }): JSX.Element {
    return (
        <svg class="ph-icon" aria-hidden="true" focusable="false">
            <use href={`${spriteAddress()}#${name}`} />
        </svg>
    );
}
