/** `base1/cockpit.js`: sets `window.cockpit` for packages written for Cockpit. A classic script. */

import { cockpit } from "./package_api";

Object.assign(window, { cockpit });
