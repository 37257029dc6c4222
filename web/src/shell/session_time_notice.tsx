/** The last seconds of an unused session: says so over the page, and lets one stay. */

import type { JSX } from "preact";

import { _, fill, ngettext } from "../i18n";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { logOut } from "./logout";
import { countdown, touched } from "./session_time";

export function SessionTimeNotice(): JSX.Element | null {
    const seconds = countdown.value;
    if (seconds === null) return null;
    return (
        <Dialog
            title={_("You are about to be logged out")}
            onClose={touched}
            onSubmit={touched}
            actions={
                <>
                    <Button look="primary" type="submit">
                        {_("Stay logged in")}
                    </Button>
                    <Button onClick={logOut}>{_("Log out now")}</Button>
                </>
            }
        >
            <p>{_("Nothing was done for a while.")}</p>
            {/* Counts every second: not to be read out each time. */}
            <p aria-live="off">{fill(ngettext("The session ends in $0 second.", "The session ends in $0 seconds.", seconds), seconds)}</p>
        </Dialog>
    );
}
