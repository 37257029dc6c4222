/**
 * The login over the page, when the session has ended: what is shown and typed below stays as it is.
 *
 * A chunk of its own that is loaded with the page, because the server that it would come from later may be another
 * one. Only for the user whose page this is; somebody else gets the login page.
 */

import type { JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

import { _, fill } from "../i18n";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Notice } from "../ui/states";
import { HostBlock, HostText } from "../ui/text";
import { sendLogin } from "./login";
import { basicAuthorization, type LoginPrompt, promptAuthorization } from "./login_model";

/** A typed secret is forgotten after this many milliseconds. */
const FORGET_AFTER = 60_000;

type Asked = { readonly kind: "password" } | { readonly kind: "prompt"; readonly prompt: LoginPrompt; readonly number: number };

interface Props {
    /** Whose page it is; empty while unknown, and then asked for. */
    readonly userName: string;
    readonly hostLabel: string;
    readonly onLoggedIn: () => void;
    readonly onClose: () => void;
}

export function LoginDialog({ userName, hostLabel, onLoggedIn, onClose }: Props): JSX.Element {
    const [asked, setAsked] = useState<Asked>({ kind: "password" });
    const [failure, setFailure] = useState<{ readonly sentence: string; readonly said: string } | null>(null);
    const [sending, setSending] = useState<"yes" | "no">("no");
    const user = useRef<HTMLInputElement>(null);
    const secret = useRef<HTMLInputElement>(null);
    const reuse = useRef<HTMLInputElement>(null);
    useEffect(() => {
        (userName === "" && asked.kind === "password" ? user : secret).current?.focus();
        const timer = setTimeout(() => clear(secret.current), FORGET_AFTER);
        return () => clearTimeout(timer);
    }, [asked, failure]);

    const send = async (): Promise<void> => {
        const typed = secret.current?.value ?? "";
        const authorization = asked.kind === "prompt" ? promptAuthorization(asked.prompt, typed) : basicAuthorization(userName || (user.current?.value.trim() ?? ""), typed);
        if (authorization === null || sending === "yes") return;
        clear(secret.current);
        setSending("yes");
        setFailure(null);
        try {
            const step = await sendLogin(authorization, reuse.current?.checked === true ? "keep" : "forget");
            if (step.kind === "in") onLoggedIn();
            else if (step.kind === "ask") setAsked({ kind: "prompt", prompt: step.prompt, number: asked.kind === "prompt" ? asked.number + 1 : 1 });
            else {
                setAsked({ kind: "password" });
                setFailure(step);
            }
        } catch {
            setFailure({ sentence: _("The server cannot be reached at the moment. Try again when it can."), said: "" });
        } finally {
            setSending("no");
        }
    };
    return (
        <Dialog
            title={_("Your session has ended")}
            onClose={onClose}
            onSubmit={() => void send()}
            actions={
                <>
                    <Button look="primary" type="submit" blockedBy={sending === "yes" ? _("The server is being asked.") : null}>
                        {asked.kind === "prompt" ? _("Continue") : _("Log in")}
                    </Button>
                    <Button onClick={onClose}>{_("Not now")}</Button>
                    <Button look="link" onClick={() => location.reload()}>
                        {_("Log in as somebody else")}
                    </Button>
                </>
            }
        >
            <div class="ph-login">
                <p>{_("Log in to go on. What is shown here, and what you typed, stays.")}</p>
                {failure !== null && (
                    <Notice kind="danger" live="assertive" title={failure.sentence}>
                        {failure.said !== "" && <HostBlock text={failure.said} />}
                    </Notice>
                )}
                {asked.kind === "password" ? (
                    <>
                        <UserField userName={userName} field={user} />
                        <SecretField label={_("Password")} field={secret} />
                        <label class="ph-radio">
                            <input type="checkbox" ref={reuse} />
                            {_("Reuse my password for superuser access and other hosts")}
                        </label>
                    </>
                ) : (
                    <Question key={asked.number} prompt={asked.prompt} hostLabel={hostLabel} field={secret} />
                )}
            </div>
        </Dialog>
    );
}

function UserField({ userName, field }: { readonly userName: string; readonly field: { current: HTMLInputElement | null } }): JSX.Element {
    const id = useId();
    return (
        <div class="ph-field">
            <label class="ph-field-label" for={id}>
                {_("User name")}
            </label>
            <span class={userName === "" ? "pf-v6-c-form-control" : "pf-v6-c-form-control pf-m-readonly"}>
                <input id={id} ref={field} name="user" autocomplete="username" autocapitalize="none" spellcheck={false} maxLength={256} defaultValue={userName} readOnly={userName !== ""} required />
            </span>
        </div>
    );
}

function SecretField({ label, field }: { readonly label: string; readonly field: { current: HTMLInputElement | null } }): JSX.Element {
    const id = useId();
    return (
        <div class="ph-field">
            <label class="ph-field-label" for={id}>
                {label}
            </label>
            <span class="pf-v6-c-form-control">
                <input id={id} ref={field} type="password" autocomplete="current-password" maxLength={4096} />
            </span>
        </div>
    );
}

/** What the machine asks, in a frame of its own: these are not our words. */
function Question({ prompt, hostLabel, field }: { readonly prompt: LoginPrompt; readonly hostLabel: string; readonly field: { current: HTMLInputElement | null } }): JSX.Element {
    const id = useId();
    return (
        <div class="ph-foreign">
            <p class="ph-foreign-sender">{fill(_("$0 asks:"), hostLabel)}</p>
            {prompt.message !== "" && (
                <p>
                    <HostBlock text={prompt.message} />
                </p>
            )}
            {prompt.error !== "" && (
                <p class="ph-field-error" role="alert">
                    <HostBlock text={prompt.error} />
                </p>
            )}
            <label for={id}>
                <HostText text={prompt.question} />
            </label>
            <span class="pf-v6-c-form-control">
                {prompt.echo === "shown" ? (
                    <input id={id} ref={field} type="text" autocomplete="one-time-code" spellcheck={false} maxLength={4096} />
                ) : (
                    <input id={id} ref={field} type="password" autocomplete="off" maxLength={4096} />
                )}
            </span>
        </div>
    );
}

function clear(field: HTMLInputElement | null): void {
    if (field !== null) field.value = "";
}
