/**
 * Every problem code of the protocol as a sentence and a next step. The codes are those of `protocol/src/problem.rs`.
 *
 * Callers: everything that shows a failure. A code that we do not know (a newer peer's) is shown as it is.
 */

import { _, fill } from "./i18n";

export const PROBLEM_CODES = [
    "access-denied",
    "authentication-failed",
    "authentication-not-supported",
    "authentication-unavailable",
    "change-conflict",
    "disconnected",
    "internal-error",
    "invalid-hostkey",
    "no-cockpit",
    "no-forwarding",
    "no-host",
    "no-session",
    "not-directory",
    "not-found",
    "not-supported",
    "protocol-error",
    "terminated",
    "timeout",
    "too-large",
    "unknown-host",
    "unknown-hostkey",
    "unsupported-shell",
] as const;

export type ProblemCode = (typeof PROBLEM_CODES)[number];

/** What went wrong, for people, and what to do now. Both are whole sentences. */
export interface ProblemText {
    readonly sentence: string;
    readonly nextStep: string;
}

export function isProblemCode(code: string): code is ProblemCode {
    return (PROBLEM_CODES as readonly string[]).includes(code);
}

/** The words for `code`, known or not. */
export function problemText(code: string): ProblemText {
    if (isProblemCode(code)) return knownProblemText(code);
    return {
        sentence: fill(_("The other side reported \"$0\"."), code),
        nextStep: _("Try again. If it happens again, look for this word in the log of the host."),
    };
}

function knownProblemText(code: ProblemCode): ProblemText {
    switch (code) {
        case "access-denied":
            return {
                sentence: _("You are not permitted to do this."),
                nextStep: _("Turn on superuser access, or ask an administrator of this host."),
            };
        case "authentication-failed":
            return {
                sentence: _("The login was refused."),
                nextStep: _("Check the user name and the password, and log in again."),
            };
        case "authentication-not-supported":
            return {
                sentence: _("The host does not accept this way to log in."),
                nextStep: _("Choose another way to log in, for example a key in place of a password."),
            };
        case "authentication-unavailable":
            return {
                sentence: _("The login cannot be checked at the moment."),
                nextStep: _("Try again in a minute. If it stays so, look into the log of the host."),
            };
        case "change-conflict":
            return {
                sentence: _("Somebody else changed this in the meantime."),
                nextStep: _("Look at the new state, then make the change again."),
            };
        case "disconnected":
            return {
                sentence: _("The connection was lost."),
                nextStep: _("Check the network. The connection is tried again."),
            };
        case "internal-error":
            return {
                sentence: _("The host could not do this because of an error of its own."),
                nextStep: _("Look into the log of the host for the cause."),
            };
        case "invalid-hostkey":
            return {
                sentence: _("The host identifies itself with a different key."),
                nextStep: _("Compare the key with the one on the host's own console before you connect."),
            };
        case "no-cockpit":
            return {
                sentence: _("No bridge could be started on the host."),
                nextStep: _("Install the package pilothouse-bridge or cockpit-bridge there."),
            };
        case "no-forwarding":
            return {
                sentence: _("Your credentials could not be passed on to the host."),
                nextStep: _("Enter a password or use a key for this host."),
            };
        case "no-host":
            return {
                sentence: _("The host does not answer."),
                nextStep: _("Check that it runs, its address and its port."),
            };
        case "no-session":
            return {
                sentence: _("You are not logged in."),
                nextStep: _("Log in again."),
            };
        case "not-directory":
            return {
                sentence: _("This is not a directory."),
                nextStep: _("Check the path."),
            };
        case "not-found":
            return {
                sentence: _("What was asked for is not there."),
                nextStep: _("Check the name. A package that provides it may have to be installed."),
            };
        case "not-supported":
            return {
                sentence: _("The host does not support this."),
                nextStep: _("Update the bridge on the host."),
            };
        case "protocol-error":
            return {
                sentence: _("The two sides did not understand each other."),
                nextStep: _("Reload the page. If it happens again, the versions of the server and the bridge do not fit."),
            };
        case "terminated":
            return {
                sentence: _("The connection was ended."),
                nextStep: _("Connect again, or log in again if your session is over."),
            };
        case "timeout":
            return {
                sentence: _("The host did not answer in time."),
                nextStep: _("Check that it runs and is not overloaded, then try again."),
            };
        case "too-large":
            return {
                sentence: _("There is more data than can be shown."),
                nextStep: _("Narrow down what is asked for, or look at it on the host."),
            };
        case "unknown-host":
            return {
                sentence: _("The key of this host is not known yet."),
                nextStep: _("Connect to the host once, compare its key, and trust it."),
            };
        case "unknown-hostkey":
            return {
                sentence: _("This is the first contact with this host: its key is not known yet."),
                nextStep: _("Compare the fingerprint with the one on the host's own console, then trust it."),
            };
        case "unsupported-shell":
            return {
                sentence: _("The login shell of your account does not run commands."),
                nextStep: _("Have an administrator set a shell such as /bin/bash for your account."),
            };
    }
}
