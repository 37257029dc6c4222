/** What the shell takes of this folder once it is loaded, behind the first page: one chunk. */

import type { JSX } from "preact";
import { useEffect } from "preact/hooks";

import { type HostName, LOCALHOST } from "../routes";
import type { Answer } from "./api";
import { QuestionDialog } from "./dialogs/question";
import { HostBar } from "./host_bar";
import { HostButton } from "./host_button";
import { HostPlace } from "./host_gate";
import { answerQuestion, connectIfKnown, knownHosts, rememberFor, startHosts } from "./hosts";
import { hostRecords } from "./states";

export { HostBar, HostButton, HostPlace, startHosts };

/** Watches the host that is shown, and asks what it wants to know. `userName` is who is logged in here. */
export function HostWatch({ host, userName }: { readonly host: HostName; readonly userName: string }): JSX.Element | null {
    useEffect(() => rememberFor(userName), [userName]);
    useEffect(() => {
        if (host !== LOCALHOST) connectIfKnown(host);
    }, [host, knownHosts.value]);
    const question = hostRecords.value.get(host)?.questions[0];
    if (question === undefined) return null;
    const answer = (given: Answer): void => answerQuestion(host, question, given);
    return <QuestionDialog key={question.id} host={host} question={question} answer={answer} />;
}
