/** The frame around every page: masthead, navigation, notices, and the page itself. Drawn once by `main.ts`. */

import { computed, signal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import type * as HostsChunk from "../hosts/chunk";
import { isLost, linkTo, wasThere } from "../hosts/states";
import { _, fill } from "../i18n";
import { hostAddress, type HostName, LOCALHOST, type Route } from "../routes";
import { visibleLine } from "../ui/host_text";
import { Empty, Failed, Loading } from "../ui/states";
import { connection, linkState, onLoggedIn } from "./connection";
import { ConnectionNotice } from "./connection_notice";
import { HostPage, notLoaded } from "./host_page";
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

/** Loaded behind the first page as well. */
const hosts = signal<typeof HostsChunk | "loading" | "failed">("loading");

/** Loads what the first page can do without: packages, the login over the page, other machines. Once for the page. */
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
    import("../hosts/chunk").then(
        (chunk) => {
            chunk.startHosts();
            hosts.value = chunk;
        },
        () => {
            hosts.value = "failed";
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
    const others = typeof hosts.value === "string" ? null : hosts.value;
    const label = host === LOCALHOST ? hostLabel.value : host;

    useHostFacts(host);
    const title = titleOf(shown);
    useEffect(() => {
        document.title = [title, visibleLine(label || host), _("Pilothouse")].filter((part) => part !== "").join(" – ");
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
                hostLabel={label}
                userName={userName.value}
                superuser={superuser.value}
                onLogout={logOut}
                drawer={drawer}
                onDrawer={() => setDrawer(drawer === "open" ? "closed" : "open")}
                help={chunk && <chunk.HelpButton shown={shownPackage} />}
                extras={chunk && <chunk.AccountExtras />}
                hostButton={others && <others.HostButton host={host} localLabel={hostLabel.value} userName={userName.value} />}
            />
            {others && <others.HostBar host={host} />}
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
                {chunk && <chunk.PackageStage shown={wasThere(host) ? shownPackage : null} hostLabel={label} />}
            </main>
            {LoginDialog && login === "open" && (
                <LoginDialog userName={userName.value} hostLabel={hostLabel.value || LOCALHOST} onLoggedIn={onLoggedIn} onClose={() => setLogin("closed")} />
            )}
            {others && <others.HostWatch host={host} userName={userName.value} />}
            {chunk && <chunk.ActivePages />}
            {chunk && <chunk.SessionTimeNotice />}
        </div>
    );
}

function Content({ shown, place }: { readonly shown: Route; readonly place: string }): JSX.Element | null {
    switch (shown.kind) {
        case "host":
            return (
                <Place route={shown}>
                    <HostPage key={place} host={shown.host} view={shown.view} context={contextOf(shown.host)} />
                </Place>
            );
        case "package":
            return packages.value.kind === "ready" && wasThere(shown.host) ? null : (
                <Place route={shown}>
                    {packages.value.kind === "loading" ? (
                        <Loading waitingFor={_("Waiting for the server to send this page.")} lines={4} />
                    ) : (
                        <Failed problem={notLoaded()} />
                    )}
                </Place>
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

/** Around a page: another machine's is shown once that is reached. */
function Place({ route: shown, children }: { readonly route: Exclude<Route, { kind: "unknown" }>; readonly children: ComponentChildren }): JSX.Element {
    const chunk = hosts.value;
    if (shown.host !== LOCALHOST && typeof chunk !== "string") return <chunk.HostPlace route={shown}>{children}</chunk.HostPlace>;
    const isWaiting = shown.host !== LOCALHOST;
    return <div class="ph-page">{isWaiting ? chunk === "failed" ? <Failed problem={notLoaded()} /> : <Loading waitingFor="" /> : children}</div>;
}

/** Reads what the masthead shows of the host, again whenever the link comes up. */
function useHostFacts(host: HostName): void {
    const link = linkTo(host).value;
    const serverLink = linkState.value;
    useEffect(() => {
        if (link === "down") return undefined;
        const access = superuserOf(host);
        superuser.value = access;
        return () => {
            access.close();
            superuser.value = null;
        };
    }, [host, link]);
    useEffect(() => {
        if (serverLink === "down") return undefined;
        let wanted = true;
        const show = (target: typeof hostLabel, reading: Promise<string>): void => {
            reading.then(
                (text) => {
                    if (wanted) target.value = text;
                },
                () => undefined, // The address stands there instead.
            );
        };
        show(hostLabel, readHostLabel(LOCALHOST));
        show(userName, readUserName());
        return () => {
            wanted = false;
        };
    }, [serverLink]);
}

function contextOf(host: HostName): PageContext {
    return {
        host,
        superuser: superuserAccess,
        link: linkTo(host),
        isLost: (problem) => isLost(host, problem),
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
