/** Start of our own interface: the entry of `shell.js`. Theme and link first, then what is shown. */

import { h, render } from "preact";

import { startConnection } from "./shell/connection";
import { startRouter } from "./shell/router";
import { loadTheRest, Shell } from "./shell/shell";
import { startTheme } from "./shell/theme";

startTheme();
startRouter();
startConnection();

const place = document.getElementById("app") ?? document.body.appendChild(document.createElement("div"));
render(h(Shell, {}), place);
loadTheRest();
