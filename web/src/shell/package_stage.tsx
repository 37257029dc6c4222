/** Where packages are shown: their frames, what is said above them, and what stands there when there is none. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { _, fill } from "../i18n";
import { type HostName, LOCALHOST } from "../routes";
import { Button } from "../ui/button";
import { visibleLine } from "../ui/host_text";
import { Empty, Loading, Notice } from "../ui/states";
import { linkState } from "./connection";
import { frameName, hideFrames, packageFrames, placeFrames, reloadFrame, showFrame } from "./package_frames";
import { packageMenu, packagesOf } from "./package_menu";
import { entryOfRoute, type PackageRoute } from "./package_menu_model";
import { twinOf } from "./package_twin";
import { goTo } from "./router";

/** Always in the document, so that frames live on while other pages are shown; `shown` is null then. */
export function PackageStage({ shown, hostLabel }: { readonly shown: PackageRoute | null; readonly hostLabel: string }): JSX.Element {
    const place = useRef<HTMLDivElement>(null);
    const menu = packageMenu.value;
    // Until it is known what is installed the frame is loaded on trust: most addresses are right.
    const missing = shown !== null && menu !== null && !menu.names.has(shown.package);
    const wanted = missing ? null : shown;
    const title = wanted === null ? "" : ((menu && entryOfRoute(menu, wanted)?.label) ?? wanted.package);

    useEffect(() => {
        placeFrames(place.current);
        return () => placeFrames(null);
    }, []);
    const address = wanted === null ? "" : `${frameName(wanted.host, wanted)}${wanted.hash}`;
    useEffect(() => {
        if (wanted === null) {
            hideFrames();
            return;
        }
        const now = showFrame(wanted, fill(_("$0 on $1"), title, wanted.host));
        if (now.hash !== wanted.hash) goTo(now, "replace");
    }, [address, title]);
    const twin = missing ? twinOf(shown) : null;
    useEffect(() => {
        if (shown !== null && twin !== null) goTo({ kind: "host", host: shown.host, view: twin }, "replace");
    }, [twin === null]);

    const frame = wanted === null ? undefined : packageFrames.value.find((open) => open.name === frameName(wanted.host, wanted));
    return (
        <div class="ph-stage" hidden={shown === null}>
            {frame !== undefined && <FrameNotices name={frame.name} state={frame.state.value} failed={frame.hasFailed.value} title={title} />}
            {missing && twin === null && <NotInstalled route={shown} hostLabel={hostLabel} />}
            {frame?.state.value === "loading" && (
                <div class="ph-page ph-stage-loading">
                    <Loading waitingFor={fill(_("Waiting for the page of the package $0."), visibleLine(title))} lines={4} />
                </div>
            )}
            <div id="content" class="area-ct-content ph-frames" ref={place} hidden={wanted === null} />
        </div>
    );
}

function FrameNotices(props: { readonly name: string; readonly state: string; readonly failed: boolean; readonly title: string }): JSX.Element | null {
    const { name, state, failed, title } = props;
    const again = (
        <Button look="link" onClick={() => reloadFrame(name)}>
            {_("Load it again")}
        </Button>
    );
    if (state === "cut-off" && linkState.value === "up") {
        return (
            <div class="ph-stage-notice">
                <Notice kind="warning" live="polite" title={fill(_("$0 was cut off when the connection was lost. What you typed is still in it."), title)} actions={again} />
            </div>
        );
    }
    if (!failed) return null;
    return (
        <div class="ph-stage-notice">
            <Notice kind="danger" live="polite" title={fill(_("$0 reports an error of its own. The browser's console has the details."), title)} actions={again} />
        </div>
    );
}

/** A package that is not on this server. Code comes from here alone, so another host's package is of no use. */
function NotInstalled({ route, hostLabel }: { readonly route: PackageRoute; readonly hostLabel: string }): JSX.Element {
    const elsewhere = useInstalledOn(route.host, route.package);
    const name = visibleLine(route.package);
    const command = `apt install cockpit-${route.package}`;
    return (
        <div class="ph-page">
            <h1 class="pf-v6-c-title pf-m-2xl">{fill(_("$0 is not installed"), name)}</h1>
            <Empty
                title={
                    elsewhere
                        ? fill(_("The package $0 is installed on $1, but not on this server. Pages are run only from this server, never from a machine that it manages."), name, visibleLine(hostLabel || route.host))
                        : fill(_("No package with the name $0 is installed on this server."), name)
                }
            >
                <p>{_("An administrator can install it here; on Debian and Ubuntu its name is most often:")}</p>
                <p>
                    <code>{command}</code>{" "}
                    <Button look="link" onClick={() => void navigator.clipboard.writeText(command)}>
                        {_("Copy")}
                    </Button>
                </p>
                <p>{_("It then appears in the menu by itself.")}</p>
            </Empty>
        </div>
    );
}

/** Whether `host`, another one than this, has the package itself. */
function useInstalledOn(host: HostName, name: string): boolean {
    const [installed, setInstalled] = useState(false);
    useEffect(() => {
        if (host === LOCALHOST) return undefined;
        let wanted = true;
        packagesOf(host).then(
            (names) => {
                if (wanted) setInstalled(names.has(name));
            },
            () => undefined, // Then it is only said that it is not here.
        );
        return () => {
            wanted = false;
        };
    }, [host, name]);
    return installed;
}
