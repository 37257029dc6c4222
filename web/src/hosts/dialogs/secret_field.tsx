/** A field for a secret: forgotten when it is sent, when the dialog goes, and after a minute. Its value is never state. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

/** How long a typed secret stays in its field, in milliseconds. */
const FORGET_AFTER = 60_000;

type Field = { current: HTMLInputElement | null };

interface Props {
    readonly field: Field;
    readonly label: ComponentChildren;
    /** What the browser may put in or offer to keep. */
    readonly autocomplete: "current-password" | "one-time-code" | "off";
    readonly echo?: "shown" | "hidden";
    /** Id of what says that the last answer was wrong. */
    readonly errorId?: string | undefined;
    readonly isFirst?: boolean;
}

export function SecretField({ field, label, autocomplete, echo = "hidden", errorId, isFirst = false }: Props): JSX.Element {
    const id = useId();
    useEffect(() => {
        const input = field.current;
        if (isFirst) input?.focus();
        return () => forget(input);
    }, []);
    const common = {
        id,
        ref: field,
        autocomplete,
        autocapitalize: "none",
        spellcheck: false,
        maxLength: 4096,
        "aria-invalid": errorId !== undefined,
        "aria-describedby": errorId,
        onInput: useForgetting(field),
    } as const;
    return (
        <div class="ph-field">
            <label class="ph-field-label" for={id}>
                {label}
            </label>
            <span class={errorId === undefined ? "pf-v6-c-form-control" : "pf-v6-c-form-control pf-m-error"}>
                {echo === "shown" ? <input type="text" {...common} /> : <input type="password" {...common} />}
            </span>
        </div>
    );
}

/** Starts the minute anew with each key. */
function useForgetting(field: Field): () => void {
    const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
    useEffect(() => () => clearTimeout(timer.current), []);
    return () => {
        clearTimeout(timer.current);
        timer.current = setTimeout(() => forget(field.current), FORGET_AFTER);
    };
}

/** Takes the value out of a field, and leaves nothing there. */
export function takeSecret(field: HTMLInputElement | null): string {
    const value = field?.value ?? "";
    forget(field);
    return value;
}

function forget(field: HTMLInputElement | null): void {
    if (field !== null) field.value = "";
}
