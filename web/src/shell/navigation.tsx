/** Our own pages of the current host. The same with packages is `package_navigation.tsx`. */

import type { ComponentChildren, JSX } from "preact";

import { hostAddress, type HostName } from "../routes";
import { Icon, type IconName } from "../ui/icon";
import { NAVIGATION, type NavigationEntry, navigationIcon, navigationLabel, navigationView } from "./pages";

export function OwnEntries({ host, current }: { readonly host: HostName; readonly current: NavigationEntry | null }): JSX.Element {
    return (
        <ul class="pf-v6-c-nav__list">
            {NAVIGATION.map((entry) => (
                <NavigationLink key={entry} href={hostAddress(host, navigationView(entry))} isCurrent={entry === current} icon={navigationIcon(entry)}>
                    {navigationLabel(entry)}
                </NavigationLink>
            ))}
        </ul>
    );
}

export function NavigationLink(props: {
    readonly href: string;
    readonly isCurrent: boolean;
    readonly icon?: IconName;
    readonly children: ComponentChildren;
}): JSX.Element {
    return (
        <li class="pf-v6-c-nav__item">
            <a class={props.isCurrent ? "pf-v6-c-nav__link pf-m-current" : "pf-v6-c-nav__link"} href={props.href} aria-current={props.isCurrent ? "page" : undefined}>
                {props.icon !== undefined && (
                    <span class="pf-v6-c-nav__link-icon">
                        <Icon name={props.icon} />
                    </span>
                )}
                <span class="pf-v6-c-nav__link-text">{props.children}</span>
            </a>
        </li>
    );
}
