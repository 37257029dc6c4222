/** The frame around every page: masthead, navigation, notices, and the page itself. Drawn once by `main.ts`. */

import { computed, signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { _, fill } from "../i18n";
import { hostAddress, type HostName, LOCALHOST, type Route } from "../routes";
import { visibleLine } from "../ui/host_text";
import { pageProblem } from "../ui/problem";
import { Empty, Failed, Loading } from "../ui/states";
import { connection, linkState, onLoggedIn } from "./connection";
import { ConnectionNotice } from "./connection_notice";
import { HostPage } from "./host_page";
import { readHostLabel, readUserName } from "./identity";
import type * as LoginChunk from "./login_dialog";
import { logOut } from "./logout";
import { Masthead, NAVIGATION_ID } from "./masthead";
import { OwnEntries } from "./navigation";
import type * as PackagesChunk from "./packages";
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

/** Loaded behind the first page; `failed` when the server has it no more. */
type Packages = { readonly kind: "loading" | "failed" } | { readonly kind: "ready"; readonly chunk: typeof PackagesChunk };
const packages = signal<Packages>({ kind: "loading" });

/** Loaded with the page, so that it is there when the server is another one. */
const loginDialog = signal<typeof LoginChunk.LoginDialog | null>(null);

/** Loads what the first page can do without: packages, and the login over the page. Once for the page. */
export function loadTheRest(): void {
    import("./login_dialog").then(
        (chunk) => {
            loginDialog.value = chunk.LoginDialog;
        },
        () => undefined, // One is then told to load the page again.
    );
    import("./packages").then(
        (chunk) => {
            chunk.startPackages();
            packages.value = { kind: "ready", chunk };
        },
        () => {
            packages.value = { kind: "failed" };
        },
    );
}

export function Shell(): JSX.Element {
    const shown = route.value;
    const chunk = packages.value.kind === "ready" ? packages.value.chunk : null;
    const shownPackage = shown.kind === "package" ? shown : null;
    const current = shown.kind === "host" ? navigationOf(shown.view) : null;
    const [login, setLogin] = useState<"open" | "closed">("closed");
    const LoginDialog = connection.value.kind === "logged-out" ? loginDialog.value : null;
    const [drawer, setDrawer] = useState<"open" | "closed">("closed");
    const host = hostOf(shown);
    const main = useRef<HTMLElement>(null);
    const place = placeOf(shown);

    useHostFacts(host);
    const title = titleOf(shown);
    useEffect(() => {
        document.title = [title, visibleLine(hostLabel.value || host), _("Pilothouse")].filter((part) => part !== "").join(" – ");
    });
    useEffect(() => setDrawer("closed"), [shown]);
    useEffect(() => setLogin(connection.value.kind === "logged-out" ? "open" : "closed"), [connection.value.kind]);
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
            <Masthead
                host={host}
                hostLabel={hostLabel.value}
                userName={userName.value}
                superuser={superuser.value}
                onLogout={logOut}
                drawer={drawer}
                onDrawer={() => setDrawer(drawer === "open" ? "closed" : "open")}
                help={chunk && <chunk.HelpButton shown={shownPackage} />}
                extras={chunk && <chunk.AccountExtras />}
            />
            <ConnectionNotice onLogin={LoginDialog && (() => setLogin("open"))} />
            <nav
                id={NAVIGATION_ID}
                class={drawer === "open" ? "pf-v6-c-nav ph-navigation ph-navigation-open" : "pf-v6-c-nav ph-navigation"}
                aria-label={_("Pages of this host")}
                onKeyDown={(event) => {
                    if (event.key === "Escape") setDrawer("closed");
                }}
            >
                {chunk === null ? (
                    <>
                        <div class="ph-navigation-search" />
                        <OwnEntries host={host} current={current} />
                    </>
                ) : (
                    <chunk.FullNavigation host={host} current={current} shown={shownPackage} />
                )}
            </nav>
            {drawer === "open" && <div class="ph-drawer-ground" onClick={() => setDrawer("closed")} />}
            <main id={MAIN_ID} ref={main} class={stale ? "ph-main ph-stale" : "ph-main"} tabIndex={-1}>
                <Content shown={shown} place={place} />
                {chunk && <chunk.PackageStage shown={shownPackage} hostLabel={hostLabel.value} />}
            </main>
            {LoginDialog && login === "open" && (
                <LoginDialog userName={userName.value} hostLabel={hostLabel.value || host} onLoggedIn={onLoggedIn} onClose={() => setLogin("closed")} />
            )}
            {chunk && <chunk.ActivePages />}
            {chunk && <chunk.SessionTimeNotice />}
        </div>
    );
}

function Content({ shown, place }: { readonly shown: Route; readonly place: string }): JSX.Element | null {
    switch (shown.kind) {
        case "host":
            return (
                <div class="ph-page">
                    <HostPage key={place} host={shown.host} view={shown.view} context={contextOf(shown.host)} />
                </div>
            );
        case "package":
            return packages.value.kind === "ready" ? null : (
                <div class="ph-page">
                    {packages.value.kind === "loading" ? (
                        <Loading waitingFor={_("Waiting for the server to send this page.")} lines={4} />
                    ) : (
                        <Failed problem={pageProblem("page-not-loaded", _("This page could not be loaded. The server may have been updated: load the whole page again."))} />
                    )}
                </div>
            );
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
            return `${shown.host}/${shown.package}/${shown.component}`;
        case "unknown":
            return "";
    }
}

function titleOf(shown: Route): string {
    switch (shown.kind) {
        case "host":
            return viewTitle(shown.view);
        case "package":
            return packages.value.kind === "ready" ? packages.value.chunk.packageTitle(shown) : shown.package;
        case "unknown":
            return _("No such page");
    }
}
