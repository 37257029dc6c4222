/** The frame around every page: masthead, navigation, notices, and the page itself. Drawn once by `main.ts`. */

import { computed, signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { _, fill } from "../i18n";
import { hostAddress, type HostName, LOCALHOST, type Route } from "../routes";
import { visibleLine } from "../ui/host_text";
import { Empty } from "../ui/states";
import { connection, linkState } from "./connection";
import { ConnectionNotice } from "./connection_notice";
import { HostPage } from "./host_page";
import { readHostLabel, readUserName } from "./identity";
import { logOut } from "./logout";
import { Masthead } from "./masthead";
import { Navigation } from "./navigation";
import { frameName, PackagePage } from "./package_page";
import type { PageContext } from "./page";
import { navigationOf, viewTitle } from "./pages";
import { goTo, route } from "./router";
import { type SuperuserAccess, superuserOf } from "./superuser";
import { theme } from "./theme";

const MAIN_ID = "main";

const userName = signal("");
const hostLabel = signal("");
const superuser = signal<SuperuserAccess | null>(null);
const superuserAccess = computed(() => superuser.value?.access.value ?? "off");

export function Shell(): JSX.Element {
    const shown = route.value;
    const host = hostOf(shown);
    const main = useRef<HTMLElement>(null);
    const place = placeOf(shown);

    useHostFacts(host);
    useEffect(() => {
        document.title = [titleOf(shown), visibleLine(hostLabel.value || host), _("Pilothouse")].filter((part) => part !== "").join(" – ");
    });
    // Another page begins at its top, and that is where the keyboard goes on.
    const lastPlace = useRef(place);
    useEffect(() => {
        if (lastPlace.current === place) return;
        lastPlace.current = place;
        main.current?.scrollTo(0, 0);
        main.current?.focus({ preventScroll: true });
    }, [place]);

    const stale = connection.value.kind === "lost" || connection.value.kind === "logged-out";
    return (
        <div class="ph-shell">
            <a class="pf-v6-c-skip-to-content ph-skip" href={`#${MAIN_ID}`}>
                {_("Skip to content")}
            </a>
            <Masthead host={host} hostLabel={hostLabel.value} userName={userName.value} superuser={superuser.value} onLogout={logOut} />
            <ConnectionNotice />
            <Navigation host={host} current={shown.kind === "host" ? navigationOf(shown.view) : null} />
            <main id={MAIN_ID} ref={main} class={stale ? "ph-main ph-stale" : "ph-main"} tabIndex={-1}>
                <Content shown={shown} place={place} />
            </main>
        </div>
    );
}

function Content({ shown, place }: { readonly shown: Route; readonly place: string }): JSX.Element {
    switch (shown.kind) {
        case "host":
            return (
                <div class="ph-page">
                    <HostPage key={place} host={shown.host} view={shown.view} context={contextOf(shown.host)} />
                </div>
            );
        case "package":
            return <PackagePage key={place} route={shown} />;
        case "unknown":
            return (
                <div class="ph-page">
                    <h1 class="pf-v6-c-title pf-m-2xl">{_("There is no such page")}</h1>
                    <Empty title={fill(_("$0 is not an address of Pilothouse."), visibleLine(shown.path))}>
                        <a href={hostAddress(LOCALHOST, { page: "overview" })}>{_("Show the overview")}</a>
                    </Empty>
                </div>
            );
    }
}

/** Reads what the masthead shows of the host, again whenever the link comes up. */
function useHostFacts(host: HostName): void {
    const link = linkState.value;
    useEffect(() => {
        if (link === "down") return undefined;
        let wanted = true;
        const access = superuserOf(host);
        superuser.value = access;
        const show = (target: typeof hostLabel, reading: Promise<string>): void => {
            reading.then(
                (text) => {
                    if (wanted) target.value = text;
                },
                () => undefined, // The host's name in the address stands there instead.
            );
        };
        show(hostLabel, readHostLabel(host));
        show(userName, readUserName());
        return () => {
            wanted = false;
            access.close();
        };
    }, [host, link]);
}

function contextOf(host: HostName): PageContext {
    return {
        host,
        superuser: superuserAccess,
        link: linkState,
        theme,
        go: (view, how) => goTo({ kind: "host", host, view }, how),
    };
}

function hostOf(shown: Route): HostName {
    return shown.kind === "unknown" ? LOCALHOST : shown.host;
}

/** Names what is shown without its filters: two routes with the same place are the same page. */
function placeOf(shown: Route): string {
    switch (shown.kind) {
        case "host":
            return `${shown.host} ${shown.view.page}`;
        case "package":
            return frameName(shown.host, shown);
        case "unknown":
            return "";
    }
}

function titleOf(shown: Route): string {
    switch (shown.kind) {
        case "host":
            return viewTitle(shown.view);
        case "package":
            return shown.package;
        case "unknown":
            return _("No such page");
    }
}
