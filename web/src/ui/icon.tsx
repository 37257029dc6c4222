/** Pictures from our one sprite, `icons.svg`. They decorate: the words beside them carry the meaning. */

import type { JSX } from "preact";

import sprite from "../../icons.svg";

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
    | "follow"
    | "menu"
    | "help";

export function Icon({ name }: { readonly name: IconName }): JSX.Element {
    return (
        <svg class="ph-icon" aria-hidden="true" focusable="false">
            <use href={`${sprite}#${name}`} />
        </svg>
    );
}
