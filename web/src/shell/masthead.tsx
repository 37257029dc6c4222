/** The bar at the top: product, host, superuser access, and the account menu. */

import type { ComponentChildren, JSX } from "preact";

import { _ } from "../i18n";
import type { HostName } from "../routes";
import { Button } from "../ui/button";
import { Icon } from "../ui/icon";
import { HostText } from "../ui/text";
import type { SuperuserAccess } from "./superuser";
import { SuperuserControl } from "./superuser_control";
import { chooseTheme, THEME_CHOICES, type ThemeChoice, themeChoice } from "./theme";

const MENU_ID = "account-menu";

/** Id of the navigation, which the button in the bar opens. */
export const NAVIGATION_ID = "navigation";

interface Props {
    readonly host: HostName;
    /** What the host calls itself; empty while unknown. */
    readonly hostLabel: string;
    readonly userName: string;
    readonly superuser: SuperuserAccess | null;
    readonly onLogout: () => void;
    /** Opens the navigation where it does not fit beside the page. */
    readonly drawer: "open" | "closed";
    readonly onDrawer: () => void;
    /** What packages add: to the bar, and to the account menu. */
    readonly help?: ComponentChildren;
    readonly extras?: ComponentChildren;
    /** Names the host and leads to others; until it is loaded the name alone stands there. */
    readonly hostButton?: ComponentChildren;
}

export function Masthead(props: Props): JSX.Element {
    const { host, hostLabel, userName, superuser, onLogout } = props;
    return (
        <header class="ph-masthead" id="topnav">
            <button
                type="button"
                class="pf-v6-c-button pf-m-plain ph-drawer-button"
                aria-label={_("Navigation")}
                aria-expanded={props.drawer === "open"}
                aria-controls={NAVIGATION_ID}
                onClick={props.onDrawer}
            >
                <Icon name="menu" />
            </button>
            <span class="ph-product">{_("Pilothouse")}</span>
            {props.hostButton ?? (
                <span class="ph-host">
                    <HostText text={hostLabel || host} />
                </span>
            )}
            <span class="ph-masthead-space" />
            {superuser !== null && <SuperuserControl superuser={superuser} hostLabel={hostLabel || host} />}
            {props.help}
            <AccountMenu userName={userName} onLogout={onLogout} extras={props.extras} />
        </header>
    );
}

function AccountMenu(props: { readonly userName: string; readonly onLogout: () => void; readonly extras: ComponentChildren }): JSX.Element {
    const { userName, onLogout, extras } = props;
    return (
        <div class="ph-account">
            <Button look="plain" icon="user" opens={MENU_ID}>
                {userName === "" ? _("Account") : <HostText text={userName} />} <Icon name="down" />
            </Button>
            <div id={MENU_ID} popover="auto" class="pf-v6-c-card ph-menu">
                <fieldset class="ph-theme">
                    <legend>{_("Theme")}</legend>
                    {THEME_CHOICES.map((choice) => (
                        <label key={choice} class="ph-radio">
                            <input type="radio" name="theme" value={choice} checked={themeChoice.value === choice} onChange={() => chooseTheme(choice)} />
                            {themeLabel(choice)}
                        </label>
                    ))}
                </fieldset>
                {extras}
                <Button onClick={onLogout}>{_("Log out")}</Button>
            </div>
        </div>
    );
}

function themeLabel(choice: ThemeChoice): string {
    switch (choice) {
        case "auto":
            return _("As the system");
        case "light":
            return _("Light");
        case "dark":
            return _("Dark");
    }
}
