/** Why a machine could not be reached, in words that name it: what `problems.ts` has is for all that can fail there. */

import { _, fill } from "../i18n";
import { isProblemCode, type ProblemText, problemText } from "../problems";
import { visibleLine } from "../ui/host_text";
import type { Failure, HostState, MethodResult, Question, Stage } from "./model";

/** Cause and next step for what ended the connection to `host`. */
export function hostProblemText(code: string, host: string): ProblemText {
    if (!isProblemCode(code)) return problemText(code);
    switch (code) {
        case "unknown-host":
        case "unknown-hostkey":
            return { sentence: fill(_("The key of $0 is not known yet, and it was not accepted."), host), nextStep: _("Compare its fingerprint with the one on the machine's own console, then connect again and trust it.") };
        case "invalid-hostkey":
            return { sentence: fill(_("$0 identifies itself with a different key."), host), nextStep: _("Nothing was sent to it. Find out why the key is another one before you connect.") };
        case "authentication-failed":
            return { sentence: fill(_("$0 did not let you in."), host), nextStep: _("Check the user name and the password, or put your key into ~/.ssh/authorized_keys there.") };
        case "no-host":
            return { sentence: fill(_("$0 cannot be reached."), host), nextStep: _("Check the spelling, that the machine runs, and that SSH listens on its port.") };
        case "timeout":
            return { sentence: fill(_("$0 did not answer in time."), host), nextStep: _("Check that it runs and is not overloaded, and that no firewall drops what is sent to it.") };
        case "terminated":
        case "disconnected":
            return { sentence: fill(_("The connection to $0 broke."), host), nextStep: _("Check the network and that the machine runs, then connect again.") };
        case "no-cockpit":
            return { sentence: fill(_("No bridge can run on $0."), host), nextStep: _("Install the package pilothouse-bridge or cockpit-bridge there. A terminal works without it.") };
        case "not-supported":
            return { sentence: fill(_("$0 cannot be connected to in a way that is safe enough."), host), nextStep: _("The details say what is missing: update SSH on the machine, or correct what ~/.ssh/config on this server says of it.") };
        case "too-large":
            return { sentence: _("Too many machines are connected in this session."), nextStep: _("Disconnect one that you do not need.") };
        case "access-denied":
        case "authentication-not-supported":
        case "authentication-unavailable":
        case "change-conflict":
        case "internal-error":
        case "no-forwarding":
        case "no-session":
        case "not-directory":
        case "not-found":
        case "protocol-error":
        case "unsupported-shell":
            return problemText(code);
    }
}

/** The whole failure as text, for the details that fold out. Words of the machine are made visible. */
export function failureDetails({ problem, methods }: Failure): string {
    return [problem.code, problem.message, ...methods.map(methodSentence)].filter((line) => line !== "").map(visibleLine).join("\n");
}

/** What came of one way to log in: "Public key: refused". */
export function methodSentence({ method, result }: MethodResult): string {
    return fill(_("$0: $1"), methodLabel(method), resultLabel(result));
}

function methodLabel(method: string): string {
    switch (method) {
        case "public-key":
            return _("Public key");
        case "keyboard-interactive":
            return _("Questions of the machine");
        case "password":
            return _("Password");
        case "gssapi-mic":
            return _("Kerberos");
        default:
            return method;
    }
}

function resultLabel(result: string): string {
    switch (result) {
        case "not-tried":
            return _("not tried");
        case "no-server-support":
            return _("the machine does not accept it");
        case "denied":
            return _("refused");
        case "partial":
            return _("accepted, but more was wanted");
        case "succeeded":
            return _("accepted");
        default:
            return result;
    }
}

/** What is being done, while one waits. */
export function stageSentence(stage: Stage, host: string): string {
    switch (stage) {
        case "connecting":
            return fill(_("Connecting to $0…"), host);
        case "verifying":
            return fill(_("Checking the key of $0…"), host);
        case "authenticating":
            return fill(_("Logging in to $0…"), host);
        case "starting":
            return fill(_("Starting the bridge on $0…"), host);
    }
}

/** What it came to when the person did not answer. */
export function givenUpSentence(asked: Question["kind"], host: string): string {
    switch (asked) {
        case "host-key":
            return fill(_("You did not trust the key of $0, so nothing was sent to it."), host);
        case "password":
        case "keyboard-interactive":
        case "passphrase":
            return fill(_("You did not log in to $0."), host);
    }
}

/** The state in one or two words, for lists. */
export function stateWord(state: HostState): string {
    switch (state.kind) {
        case "idle":
        case "disconnected":
        case "given-up":
            return _("Not connected");
        case "under-way":
            return _("Connecting");
        case "connected":
            return _("Connected");
        case "doubted":
        case "reconnecting":
            return _("Connection lost");
        case "terminals-only":
            return _("Terminals only");
        case "failed":
            return failedWord(state.failure.problem.code);
    }
}

function failedWord(code: string): string {
    switch (code) {
        case "invalid-hostkey":
            return _("Key changed");
        case "authentication-failed":
            return _("Needs login");
        case "no-host":
        case "timeout":
            return _("Unreachable");
        default:
            return _("Not connected");
    }
}
