/** Buttons. One that cannot act stays reachable and says why. */

import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";

import { Icon, type IconName } from "./icon";

export type ButtonLook = "primary" | "secondary" | "danger" | "quiet" | "link" | "plain";

const LOOKS: Readonly<Record<ButtonLook, string>> = {
    primary: "pf-v6-c-button pf-m-primary",
    secondary: "pf-v6-c-button pf-m-secondary",
    danger: "pf-v6-c-button pf-m-danger",
    /** For acts that stand in every row. */
    quiet: "pf-v6-c-button pf-m-link ph-button-quiet",
    /** Within a sentence. */
    link: "pf-v6-c-button pf-m-link pf-m-inline",
    plain: "pf-v6-c-button pf-m-plain",
};

export interface ButtonProps {
    readonly children: ComponentChildren;
    readonly look?: ButtonLook;
    readonly size?: "normal" | "small";
    readonly icon?: IconName;
    /** What a screen reader says in place of the words, when these need the row they stand in. */
    readonly label?: string | undefined;
    /** Why it cannot act now; it is then shown as disabled. */
    readonly blockedBy?: string | null;
    readonly type?: "button" | "submit";
    readonly pressed?: boolean;
    /** Id of a popover that it opens. */
    readonly opens?: string;
    readonly onClick?: () => void;
}

export function Button(props: ButtonProps): JSX.Element {
    const { children, look = "secondary", size = "normal", icon, label, blockedBy = null, type = "button" } = props;
    const reason = useId();
    const classes = [LOOKS[look], size === "small" ? "pf-m-small" : "", blockedBy === null ? "" : "pf-m-aria-disabled"];

    const click = (event: Event): void => {
        if (blockedBy === null) props.onClick?.();
        else event.preventDefault();
    };
    return (
        <>
            <button
                class={classes.join(" ").trim()}
                type={type}
                aria-label={label}
                aria-disabled={blockedBy === null ? undefined : "true"}
                aria-describedby={blockedBy === null ? undefined : reason}
                aria-pressed={props.pressed}
                popovertarget={props.opens}
                title={blockedBy ?? undefined}
                onClick={click}
            >
                {icon !== undefined && (
                    <span class="pf-v6-c-button__icon pf-m-start">
                        <Icon name={icon} />
                    </span>
                )}
                <span class="pf-v6-c-button__text">{children}</span>
            </button>
            {blockedBy !== null && (
                <span id={reason} hidden>
                    {blockedBy}
                </span>
            )}
        </>
    );
}
