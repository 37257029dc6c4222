/** A package written for Cockpit, in a frame. Its failure stays in its frame. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { _, fill } from "../i18n";
import type { HostName, Route } from "../routes";
import { addFrame } from "./frames";

type PackageRoute = Extract<Route, { kind: "package" }>;

/** The window's name, by which `cockpit.js` knows that it is in a frame, and of which host. */
export function frameName(host: HostName, route: PackageRoute): string {
    return `cockpit1:${host}/${route.package}/${route.component}`;
}

/** Shown with a `key` of its frame's name, so that another document gets another frame. */
export function PackagePage({ route }: { readonly route: PackageRoute }): JSX.Element {
    const frame = useRef<HTMLIFrameElement>(null);
    const name = frameName(route.host, route);
    const [address] = useState(() => `/cockpit/@${encodeURIComponent(route.host)}/${route.package}/${route.component}.html${route.hash}`);
    useEffect(() => (frame.current === null ? undefined : addFrame(frame.current, name, route.host)), [name]);
    useEffect(() => {
        // Back and forward move the package's own part of the address; what it said itself is there already.
        const inside = frame.current?.contentWindow?.location;
        if (inside !== undefined && inside.href !== "about:blank" && inside.hash !== route.hash) inside.replace(route.hash || "#");
    }, [route.hash]);
    return <iframe ref={frame} class="ph-frame" name={name} src={address} title={fill(_("$0 on $1"), route.package, route.host)} />;
}
