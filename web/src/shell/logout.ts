/** Ends the session on the server and shows the login page. */

import { cockpit } from "../cockpit/cockpit";

export function logOut(): void {
    sessionStorage.clear();
    cockpit.logout();
}
