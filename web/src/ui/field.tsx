/** Form fields with their labels. Values live in the page; nothing is stored here. */

import type { JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

import { Icon } from "./icon";

/** How long typing must rest before a filter takes effect, in milliseconds. */
const TYPING_PAUSE = 250;

export interface Choice {
    readonly value: string;
    readonly label: string;
    /** The language of the label, where it is not the page's. */
    readonly lang?: string;
}

export function Select(props: {
    readonly label: string;
    readonly value: string;
    readonly choices: readonly Choice[];
    readonly onChange: (value: string) => void;
}): JSX.Element {
    const id = useId();
    return (
        <div class="ph-field">
            <label class="ph-field-label" for={id}>
                {props.label}
            </label>
            <span class="pf-v6-c-form-control">
                <select id={id} value={props.value} onChange={(event) => props.onChange(event.currentTarget.value)}>
                    {props.choices.map((choice) => (
                        <option key={choice.value} value={choice.value} lang={choice.lang} selected={choice.value === props.value}>
                            {choice.label}
                        </option>
                    ))}
                </select>
                <span class="pf-v6-c-form-control__utilities">
                    <span class="pf-v6-c-form-control__toggle-icon">
                        <Icon name="down" />
                    </span>
                </span>
            </span>
        </div>
    );
}

/** A one-line text that filters while it is typed. `value` may change from outside, by the address. */
export function FilterField(props: {
    readonly label: string;
    readonly value: string;
    readonly hint?: string;
    readonly invalid?: string | null;
    readonly onChange: (value: string) => void;
}): JSX.Element {
    const id = useId();
    const [typed, setTyped] = useState(props.value);
    const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
    const change = useRef(props.onChange);
    change.current = props.onChange;
    useEffect(() => {
        clearTimeout(timer.current);
        setTyped(props.value);
    }, [props.value]);
    useEffect(() => () => clearTimeout(timer.current), []);

    const input = (text: string): void => {
        setTyped(text);
        clearTimeout(timer.current);
        timer.current = setTimeout(() => change.current(text.trim()), TYPING_PAUSE);
    };
    const now = (): void => {
        clearTimeout(timer.current);
        change.current(typed.trim());
    };
    const invalid = props.invalid ?? null;
    return (
        <form
            class="ph-field"
            role="search"
            onSubmit={(event) => {
                event.preventDefault();
                now();
            }}
        >
            <label class="ph-field-label" for={id}>
                {props.label}
            </label>
            <span class={invalid === null ? "pf-v6-c-form-control" : "pf-v6-c-form-control pf-m-error"}>
                <input
                    id={id}
                    type="search"
                    value={typed}
                    maxLength={200}
                    placeholder={props.hint}
                    autocomplete="off"
                    spellcheck={false}
                    aria-invalid={invalid !== null}
                    aria-describedby={invalid === null ? undefined : `${id}-error`}
                    onInput={(event) => input(event.currentTarget.value)}
                />
            </span>
            {invalid !== null && (
                <span id={`${id}-error`} class="ph-field-error">
                    {invalid}
                </span>
            )}
        </form>
    );
}
