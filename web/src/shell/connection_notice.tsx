/** What is said while there is no connection to the server. Assertive: nothing that is done now arrives. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { _, fill } from "../i18n";
import { Button } from "../ui/button";
import { Notice } from "../ui/states";
import { connection, expected, retryNow } from "./connection";
import { secondsLeft } from "./connection_model";

/** `onLogin` opens the login over the page; without it the whole page is loaded again. */
export function ConnectionNotice({ onLogin }: { readonly onLogin: (() => void) | null }): JSX.Element | null {
    const state = connection.value;
    const [now, setNow] = useState(() => Date.now());
    useEffect(() => {
        if (state.kind !== "lost") return undefined;
        setNow(Date.now());
        const timer = setInterval(() => setNow(Date.now()), 1000);
        return () => clearInterval(timer);
    }, [state]);

    switch (state.kind) {
        case "connecting":
        case "up":
            return null;
        case "lost": {
            const seconds = secondsLeft(state, now);
            const when = seconds === 0 ? _("Trying again now.") : fill(_("Trying again in $0 s."), seconds);
            return (
                <div class="ph-connection">
                    <Notice
                        kind="danger"
                        live="assertive"
                        title={expected.value === "restart" ? _("The server restarts. What is shown may be old.") : _("Connection lost. What is shown may be old.")}
                        actions={
                            <>
                                {/* Counts down every second: not to be read out each time. */}
                                <span aria-live="off">{when}</span>{" "}
                                <Button look="link" onClick={retryNow}>
                                    {_("Try now")}
                                </Button>
                            </>
                        }
                    />
                </div>
            );
        }
        case "logged-out":
            return (
                <div class="ph-connection">
                    <Notice
                        kind="warning"
                        live="assertive"
                        title={_("Your session has ended. What is shown may be old.")}
                        actions={
                            <Button look="link" onClick={onLogin ?? (() => location.reload())}>
                                {_("Log in again")}
                            </Button>
                        }
                    />
                </div>
            );
    }
}
