/** The navigation with packages: a search, our own pages, and those of packages below them. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { _, fill } from "../i18n";
import { hostAddress, type HostName, routeAddress } from "../routes";
import { visibleLine } from "../ui/host_text";
import { Icon } from "../ui/icon";
import { NavigationLink, OwnEntries } from "./navigation";
import { packageMenu } from "./package_menu";
import { entryOfRoute, type MenuEntry, NO_PACKAGES, ownTwin, type PackageMenu, type PackageRoute, routeOf, search } from "./package_menu_model";
import { pageStatusOf } from "./page_status";
import { NAVIGATION, type NavigationEntry, navigationLabel, navigationView } from "./pages";
import { goTo } from "./router";

interface Props {
    readonly host: HostName;
    readonly current: NavigationEntry | null;
    readonly shown: PackageRoute | null;
}

export function FullNavigation({ host, current, shown }: Props): JSX.Element {
    const [query, setQuery] = useState("");
    const menu = packageMenu.value ?? NO_PACKAGES;
    return (
        <>
            <SearchField
                query={query}
                onChange={setQuery}
                onEnter={() => {
                    const first = firstHit(menu, host, query);
                    if (first === null) return;
                    goTo(first, "push");
                    setQuery("");
                }}
            />
            {query.trim() === "" ? (
                <Sections host={host} current={current} shown={shown} menu={menu} />
            ) : (
                <Results host={host} menu={menu} query={query} onChosen={() => setQuery("")} />
            )}
        </>
    );
}

function SearchField(props: { readonly query: string; readonly onChange: (query: string) => void; readonly onEnter: () => void }): JSX.Element {
    return (
        <form
            class="ph-navigation-search"
            role="search"
            onSubmit={(event) => {
                event.preventDefault();
                props.onEnter();
            }}
        >
            <span class="pf-v6-c-form-control">
                <input
                    type="search"
                    aria-label={_("Find a page")}
                    placeholder={_("Find a page")}
                    autocomplete="off"
                    spellcheck={false}
                    value={props.query}
                    onInput={(event) => props.onChange(event.currentTarget.value)}
                    onKeyDown={(event) => {
                        if (event.key === "Escape") props.onChange("");
                    }}
                />
            </span>
        </form>
    );
}

function Sections({ host, current, shown, menu }: Props & { readonly menu: PackageMenu }): JSX.Element {
    const active = shown === null ? null : entryOfRoute(menu, shown);
    const links = (entries: readonly MenuEntry[]) => entries.map((entry) => <PackageLink key={`${entry.section} ${entry.path}${entry.hash}`} host={host} entry={entry} isCurrent={entry === active} />);
    const others = menu.entries.filter((entry) => ownTwin(entry.path) === null);
    const doubles = menu.entries.filter((entry) => ownTwin(entry.path) !== null);
    const inMenu = others.filter((entry) => entry.section === "menu");
    const tools = others.filter((entry) => entry.section === "tools");
    return (
        <>
            <OwnEntries host={host} current={current} />
            {inMenu.length > 0 && (
                <Section title={_("Packages")}>{links(inMenu)}</Section>
            )}
            {tools.length > 0 && <Section title={_("Tools")}>{links(tools)}</Section>}
            {doubles.length > 0 && (
                <details class="ph-navigation-more" open={active !== null && doubles.includes(active)}>
                    <summary>{_("Cockpit's own pages")}</summary>
                    <ul class="pf-v6-c-nav__list">{links(doubles)}</ul>
                </details>
            )}
        </>
    );
}

function Section({ title, children }: { readonly title: string; readonly children: JSX.Element[] }): JSX.Element {
    return (
        <section class="ph-navigation-section" aria-label={title}>
            <h2 class="pf-v6-c-nav__section-title">{title}</h2>
            <ul class="pf-v6-c-nav__list">{children}</ul>
        </section>
    );
}

function PackageLink({ host, entry, isCurrent }: { readonly host: HostName; readonly entry: MenuEntry; readonly isCurrent: boolean }): JSX.Element {
    const status = pageStatusOf(host, entry.path);
    return (
        <NavigationLink href={routeAddress(routeOf(host, entry))} isCurrent={isCurrent}>
            <bdi>{visibleLine(entry.label)}</bdi>
            {status !== null && (
                <span class={STATUS_CLASSES[status.kind]} title={visibleLine(status.title)}>
                    <Icon name={status.kind} />
                    <span class="pf-v6-screen-reader">{visibleLine(status.title)}</span>
                </span>
            )}
        </NavigationLink>
    );
}

const STATUS_CLASSES = { info: "ph-navigation-status ph-info", warning: "ph-navigation-status ph-warning", danger: "ph-navigation-status ph-danger" } as const;

function Results(props: { readonly host: HostName; readonly menu: PackageMenu; readonly query: string; readonly onChosen: () => void }): JSX.Element {
    const { host, menu, query } = props;
    const own = ownHits(query);
    const found = search(menu, host, query);
    if (own.length + found.length === 0) {
        return (
            <p class="ph-quiet ph-navigation-nothing" role="status">
                {fill(_("No page matches “$0”."), query.trim())}
            </p>
        );
    }
    return (
        <ul class="pf-v6-c-nav__list" aria-label={_("Pages found")} onClick={props.onChosen}>
            {own.map((entry) => (
                <NavigationLink key={entry} href={hostAddress(host, navigationView(entry))} isCurrent={false} icon={entry}>
                    {navigationLabel(entry)}
                </NavigationLink>
            ))}
            {found.map(({ entry, route, word }) => (
                <NavigationLink key={`${entry.section} ${entry.path} ${word}`} href={routeAddress(route)} isCurrent={false}>
                    <bdi>{visibleLine(entry.label)}</bdi>
                    {ownTwin(entry.path) !== null && <span class="ph-quiet"> {_("(Cockpit's)")}</span>}
                    {word !== "" && <span class="ph-quiet ph-navigation-word">{visibleLine(word)}</span>}
                </NavigationLink>
            ))}
        </ul>
    );
}

function ownHits(query: string): readonly NavigationEntry[] {
    const wanted = query.trim().toLocaleLowerCase();
    return wanted === "" ? [] : NAVIGATION.filter((entry) => navigationLabel(entry).toLocaleLowerCase().includes(wanted));
}

function firstHit(menu: PackageMenu, host: HostName, query: string): Parameters<typeof goTo>[0] | null {
    const [own] = ownHits(query);
    if (own !== undefined) return { kind: "host", host, view: navigationView(own) };
    return search(menu, host, query)[0]?.route ?? null;
}
