/** Asks for what unlocks one of the user's key files on the management server. */

import type { JSX } from "preact";
import { useId, useRef } from "preact/hooks";

import { _, fill } from "../../i18n";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { visibleLine } from "../../ui/host_text";
import { HostText } from "../../ui/text";
import type { Answer } from "../api";
import type { Question } from "../model";
import { SecretField, takeSecret } from "./secret_field";

type Asked = Extract<Question, { kind: "passphrase" }>;

export function PassphraseDialog({ question, host, answer }: { readonly question: Asked; readonly host: string; readonly answer: (answer: Answer) => void }): JSX.Element {
    const field = useRef<HTMLInputElement>(null);
    const keep = useRef<HTMLInputElement>(null);
    const errorId = useId();
    const name = visibleLine(question.path.slice(question.path.lastIndexOf("/") + 1));
    return (
        <Dialog
            title={fill(_("The key $0 needs its passphrase"), name)}
            onClose={() => answer({ kind: "give-up" })}
            onSubmit={() => answer({ kind: "passphrase", passphrase: takeSecret(field.current), keep: keep.current?.checked === true ? "until-logout" : "once" })}
            actions={
                <>
                    <Button onClick={() => answer({ kind: "give-up" })}>{_("Cancel")}</Button>
                    <Button look="primary" type="submit">
                        {_("Unlock")}
                    </Button>
                </>
            }
        >
            <div class="ph-ask">
                <p>
                    {fill(_("It is to log you in to $0, and stands on this server in"), visibleLine(host))} <code><HostText text={question.path} /></code>
                </p>
                {question.error !== "" && (
                    <p class="ph-field-error" id={errorId} role="alert">
                        {_("The passphrase does not unlock it.")}
                    </p>
                )}
                {/* Not the password of any account: the browser is not to offer or keep one here. */}
                <SecretField field={field} label={_("Passphrase")} autocomplete="off" errorId={question.error === "" ? undefined : errorId} isFirst />
                <label class="ph-radio">
                    <input type="checkbox" ref={keep} />
                    {_("Keep the key unlocked until I log out")}
                </label>
            </div>
        </Dialog>
    );
}
