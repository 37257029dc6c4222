/** Start of our own interface: the entry of `shell.js`. Theme and link first, then what is shown. */

import { h, render } from "preact";

import { hostAddress, parseHostName, parseRoute, routeAddress } from "./routes";
import { startConnection } from "./shell/connection";
import { startFrames } from "./shell/frames";
import { logOut } from "./shell/logout";
import { goTo, route, startRouter } from "./shell/router";
import { Shell } from "./shell/shell";
import { startTheme } from "./shell/theme";

startTheme();
startRouter();
startConnection();
startFrames({
    jump: (location, host, named) => {
        const target = named === null ? host : parseHostName(named);
        const [path = "/", hash] = location.split("#", 2);
        if (target === null) return;
        const own = path === "/" ? hostAddress(target, { page: "overview" }) : `/@${target}${path}`;
        const next = parseRoute(own, "", hash === undefined ? "" : `#${hash}`);
        if (next.kind !== "unknown" && routeAddress(next) !== routeAddress(route.value)) goTo(next, "push");
    },
    hash: (hash) => {
        const shown = route.value;
        if (shown.kind === "package") goTo({ ...shown, hash: hash === "" ? "" : `#${hash.replace(/^#/, "")}` }, "replace");
    },
    logout: logOut,
});

const place = document.getElementById("app") ?? document.body.appendChild(document.createElement("div"));
render(h(Shell, {}), place);
