/** What another machine itself asks at the login: its words, in a frame that is not ours. */

import type { JSX } from "preact";
import { useId, useRef } from "preact/hooks";

import { _, fill } from "../../i18n";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { visibleLine } from "../../ui/host_text";
import { HostBlock, HostText } from "../../ui/text";
import type { Answer } from "../api";
import type { Prompt, Question } from "../model";
import { SecretField, takeSecret } from "./secret_field";

type Asked = Extract<Question, { kind: "keyboard-interactive" }>;

export function PromptsDialog({ question, answer }: { readonly question: Asked; readonly answer: (answer: Answer) => void }): JSX.Element {
    const fields = useRef(question.prompts.map((): { current: HTMLInputElement | null } => ({ current: null })));
    const errorId = useId();
    const host = visibleLine(question.host);
    return (
        <Dialog
            title={fill(_("Log in to $0"), host)}
            onClose={() => answer({ kind: "give-up" })}
            onSubmit={() => answer({ kind: "responses", responses: fields.current.map((field) => takeSecret(field.current)) })}
            actions={
                <>
                    <Button onClick={() => answer({ kind: "give-up" })}>{_("Cancel")}</Button>
                    <Button look="primary" type="submit">
                        {_("Continue")}
                    </Button>
                </>
            }
        >
            <div class="ph-ask">
                <p>{fill(_("You log in there as $0."), visibleLine(question.user))}</p>
                <div class="ph-foreign">
                    <p class="ph-foreign-sender">{fill(_("$0 asks:"), host)}</p>
                    {question.message !== "" && (
                        <p>
                            <HostBlock text={question.message} />
                        </p>
                    )}
                    {question.error !== "" && (
                        <p class="ph-field-error" id={errorId} role="alert">
                            <HostBlock text={question.error} />
                        </p>
                    )}
                    {question.prompts.map((prompt, index) => {
                        const field = fields.current[index];
                        return (
                            field && (
                                <SecretField
                                    key={index}
                                    field={field}
                                    label={<HostText text={prompt.text} />}
                                    echo={prompt.echo}
                                    autocomplete={autocompleteOf(prompt)}
                                    errorId={question.error === "" ? undefined : errorId}
                                    isFirst={index === 0}
                                />
                            )
                        );
                    })}
                </div>
            </div>
        </Dialog>
    );
}

/** Which stored secret the browser may offer: only a password for what calls itself one. */
function autocompleteOf({ text, echo }: Prompt): "current-password" | "one-time-code" | "off" {
    if (echo === "shown") return "off";
    return /code|token|otp/i.test(text) ? "one-time-code" : /password/i.test(text) ? "current-password" : "off";
}
