/** The pages of the current host. */

import type { JSX } from "preact";

import { _ } from "../i18n";
import { hostAddress, type HostName } from "../routes";
import { Icon } from "../ui/icon";
import { NAVIGATION, type NavigationEntry, navigationIcon, navigationLabel, navigationView } from "./pages";

export function Navigation({ host, current }: { readonly host: HostName; readonly current: NavigationEntry | null }): JSX.Element {
    return (
        <nav class="pf-v6-c-nav ph-navigation" aria-label={_("Pages of this host")}>
            <ul class="pf-v6-c-nav__list">
                {NAVIGATION.map((entry) => (
                    <li key={entry} class="pf-v6-c-nav__item">
                        <a
                            class={entry === current ? "pf-v6-c-nav__link pf-m-current" : "pf-v6-c-nav__link"}
                            href={hostAddress(host, navigationView(entry))}
                            aria-current={entry === current ? "page" : undefined}
                        >
                            <span class="pf-v6-c-nav__link-icon">
                                <Icon name={navigationIcon(entry)} />
                            </span>
                            <span class="pf-v6-c-nav__link-text">{navigationLabel(entry)}</span>
                        </a>
                    </li>
                ))}
            </ul>
        </nav>
    );
}
