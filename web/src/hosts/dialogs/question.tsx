/** The first open question of a host, as a dialog. */

import type { JSX } from "preact";

import type { HostName } from "../../routes";
import type { Answer } from "../api";
import type { Question } from "../model";
import { HostKeyDialog } from "./host_key";
import { PassphraseDialog } from "./passphrase";
import { PasswordDialog } from "./password";
import { PromptsDialog } from "./prompts";

/** To be drawn with the question's id as `key`, so that nothing that was typed for one is left for the next. */
export function QuestionDialog({ host, question, answer }: { readonly host: HostName; readonly question: Question; readonly answer: (answer: Answer) => void }): JSX.Element {
    switch (question.kind) {
        case "host-key":
            return <HostKeyDialog question={question} answer={answer} />;
        case "password":
            return <PasswordDialog question={question} answer={answer} />;
        case "keyboard-interactive":
            return <PromptsDialog question={question} answer={answer} />;
        case "passphrase":
            return <PassphraseDialog question={question} host={host} answer={answer} />;
    }
}
