/** The control in the masthead that turns superuser access on and off, and the dialog that asks what is needed. */

import type { JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

import { _, fill } from "../i18n";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { Failed } from "../ui/states";
import { HostBlock, HostText } from "../ui/text";
import type { SuperuserAccess } from "./superuser";
import { type Failure, type Method, preferred, type Prompt, type Superuser } from "./superuser_model";

/** How long a typed secret stays in its field, in milliseconds. */
const FORGET_AFTER = 60_000;

export function SuperuserControl(props: { readonly superuser: SuperuserAccess; readonly hostLabel: string }): JSX.Element | null {
    const { superuser, hostLabel } = props;
    const state = superuser.state.value;
    return (
        <>
            <Toggle state={state} superuser={superuser} />
            {superuser.dialog.value === "open" && (
                <AttemptDialog state={state} failure={superuser.failure.value} superuser={superuser} hostLabel={hostLabel} />
            )}
        </>
    );
}

function Toggle({ state, superuser }: { readonly state: Superuser; readonly superuser: SuperuserAccess }): JSX.Element | null {
    switch (state.kind) {
        case "unknown":
            return null;
        case "unavailable":
            return (
                <Button look="plain" icon="locked" blockedBy={_("Neither sudo nor pkexec can give you superuser access on this host.")}>
                    {_("Superuser access: off")}
                </Button>
            );
        case "always":
            return (
                <span class="ph-masthead-fact">
                    <Icon name="unlocked" /> {_("Superuser access: always")}
                </span>
            );
        case "off":
            return (
                <Button look="plain" icon="locked" pressed={false} onClick={() => superuser.start(preferred(state.methods))}>
                    {_("Superuser access: off")}
                </Button>
            );
        case "asking":
            return (
                <Button look="plain" icon="pending" onClick={superuser.join}>
                    {_("Superuser access: asks…")}
                </Button>
            );
        case "starting":
            return (
                <Button look="plain" icon="pending" blockedBy={_("Superuser access is being turned on.")}>
                    {_("Superuser access: …")}
                </Button>
            );
        case "on":
            return (
                <Button look="plain" icon="unlocked" pressed onClick={superuser.stop}>
                    {_("Superuser access: on")}
                </Button>
            );
    }
}

function AttemptDialog(props: {
    readonly state: Superuser;
    readonly failure: Failure | null;
    readonly superuser: SuperuserAccess;
    readonly hostLabel: string;
}): JSX.Element {
    const { state, failure, superuser, hostLabel } = props;
    const field = useRef<HTMLInputElement>(null);
    const cancel = (
        <Button onClick={superuser.dismiss}>{failure === null ? _("Cancel") : _("Close")}</Button>
    );
    const submit = (): void => {
        const input = field.current;
        if (state.kind !== "asking" || input === null) return;
        superuser.answer(input.value);
        input.value = "";
    };

    if (failure !== null) {
        const methods = state.kind === "off" ? state.methods : [];
        return (
            <Dialog
                title={_("Superuser access was not turned on")}
                onClose={superuser.dismiss}
                actions={
                    <>
                        {cancel}
                        {methods.map((method) => (
                            <Button key={method.name} onClick={() => superuser.start(method.name)}>
                                {method.name === failure.method ? _("Try again") : fill(_("Try $0"), method.label)}
                            </Button>
                        ))}
                    </>
                }
            >
                <Failed problem={failure.problem} />
            </Dialog>
        );
    }
    return (
        <Dialog
            title={_("Turn on superuser access")}
            onClose={superuser.dismiss}
            onSubmit={submit}
            actions={
                <>
                    {cancel}
                    {state.kind === "asking" && (
                        <Button look="primary" type="submit">
                            {_("Continue")}
                        </Button>
                    )}
                </>
            }
        >
            {state.kind === "asking" ? (
                <Question key={state.prompt.number} prompt={state.prompt} asker={methodLabel(state.method, state.methods)} hostLabel={hostLabel} field={field} />
            ) : (
                <p role="status">{_("Waiting for the machine…")}</p>
            )}
        </Dialog>
    );
}

/** What the machine asks, in a frame of its own: these are not our words. */
function Question(props: {
    readonly prompt: Prompt;
    readonly asker: string;
    readonly hostLabel: string;
    readonly field: { current: HTMLInputElement | null };
}): JSX.Element {
    const { prompt, asker, hostLabel, field } = props;
    const id = useId();
    useEffect(() => {
        field.current?.focus();
        const timer = setTimeout(() => {
            if (field.current !== null && prompt.echo === "hidden") field.current.value = "";
        }, FORGET_AFTER);
        return () => clearTimeout(timer);
    }, []);
    const common = {
        ref: field,
        id,
        defaultValue: prompt.suggestion,
        "aria-invalid": prompt.error !== "",
        "aria-describedby": prompt.error === "" ? undefined : `${id}-error`,
    };
    return (
        <div class="ph-foreign">
            <p class="ph-foreign-sender">
                {fill(_("$0 on $1 asks:"), asker, hostLabel)}
            </p>
            {prompt.message !== "" && (
                <p>
                    <HostBlock text={prompt.message} />
                </p>
            )}
            {prompt.error !== "" && (
                <p class="ph-field-error" id={`${id}-error`} role="alert">
                    <HostBlock text={prompt.error} />
                </p>
            )}
            <label for={id}>
                <HostText text={prompt.question} />
            </label>
            <span class={prompt.error === "" ? "pf-v6-c-form-control" : "pf-v6-c-form-control pf-m-error"}>
                {prompt.echo === "shown" ? (
                    <input type="text" autocomplete="off" {...common} />
                ) : (
                    <input type="password" autocomplete="current-password" {...common} />
                )}
            </span>
        </div>
    );
}

function methodLabel(name: string, methods: readonly Method[]): string {
    return methods.find((method) => method.name === name)?.label ?? name;
}
