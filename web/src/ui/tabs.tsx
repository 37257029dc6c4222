/** Tabs that are addresses: links, so that each can be opened, bookmarked and gone back from. */

import type { JSX } from "preact";

import { Icon } from "./icon";

export interface Tab {
    readonly label: string;
    readonly address: string;
    readonly current: boolean;
    /** How many problems there are in it; 0 shows nothing. */
    readonly problems: number;
    /** The problems in words. */
    readonly problemsLabel: string;
}

export function Tabs({ label, tabs }: { readonly label: string; readonly tabs: readonly Tab[] }): JSX.Element {
    return (
        <nav class="pf-v6-c-tabs ph-tabs" aria-label={label}>
            <ul class="pf-v6-c-tabs__list">
                {tabs.map((tab) => (
                    <li key={tab.address} class={tab.current ? "pf-v6-c-tabs__item pf-m-current" : "pf-v6-c-tabs__item"}>
                        <a class="pf-v6-c-tabs__link" href={tab.address} aria-current={tab.current ? "page" : undefined}>
                            <span class="pf-v6-c-tabs__item-text">{tab.label}</span>
                            {tab.problems > 0 && (
                                <span class="ph-count">
                                    <Icon name="danger" />
                                    <span aria-hidden="true">{tab.problems}</span>
                                    <span class="pf-v6-screen-reader">{tab.problemsLabel}</span>
                                </span>
                            )}
                        </a>
                    </li>
                ))}
            </ul>
        </nav>
    );
}
