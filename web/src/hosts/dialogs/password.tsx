/** Asks for the user's password on another machine. */

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

type Asked = Extract<Question, { kind: "password" }>;

export function PasswordDialog({ question, answer }: { readonly question: Asked; readonly answer: (answer: Answer) => void }): JSX.Element {
    const field = useRef<HTMLInputElement>(null);
    const errorId = useId();
    const [host, user] = [visibleLine(question.host), visibleLine(question.user)];
    return (
        <Dialog
            title={fill(_("Log in to $0"), host)}
            onClose={() => answer({ kind: "give-up" })}
            onSubmit={() => answer({ kind: "responses", responses: [takeSecret(field.current)] })}
            actions={
                <>
                    <Button onClick={() => answer({ kind: "give-up" })}>{_("Cancel")}</Button>
                    <Button look="primary" type="submit">
                        {_("Log in")}
                    </Button>
                </>
            }
        >
            <div class="ph-ask">
                {question.error !== "" && (
                    <p class="ph-field-error" id={errorId} role="alert">
                        {fill(_("$0 refused the password of $1."), host, user)}
                    </p>
                )}
                {/* For the browser's own store of passwords, which wants to know whose it is. */}
                <input type="text" name="username" autocomplete="username" value={`${question.user}@${question.host}`} readOnly hidden />
                <SecretField
                    field={field}
                    label={
                        <>
                            {_("Password of")} <HostText text={question.user} />
                        </>
                    }
                    autocomplete="current-password"
                    errorId={question.error === "" ? undefined : errorId}
                    isFirst
                />
                <p class="ph-quiet">{_("It is used for this connection and kept nowhere.")}</p>
            </div>
        </Dialog>
    );
}
