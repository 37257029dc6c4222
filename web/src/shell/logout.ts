/** Ends the session on the server and shows the login page. */

import { cockpit } from "../cockpit/cockpit";
import { transport } from "../cockpit/transport";

export function logOut(): void {
    sessionStorage.clear();
    if (transport.state.kind === "closed") location.reload(); // There is nothing to end; the login page is what is left.
    cockpit.logout();
}
