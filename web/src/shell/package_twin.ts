/** Our own page in place of a package's that is not installed, or that ours doubles. No DOM. */

import { type HostView, parseUnitName, UNIT_KINDS } from "../routes";
import { ownTwin, type PackageRoute, pathOf } from "./package_menu_model";

/** The view of ours that shows what `route` would show; null when there is none. */
export function twinOf(route: PackageRoute): HostView | null {
    const twin = ownTwin(pathOf(route));
    const [path = "", query = ""] = route.hash.replace(/^#\/?/, "").split("?", 2);
    switch (twin) {
        case null:
            return null;
        case "overview":
        case "terminal":
            return { page: twin };
        case "logs":
            return { page: "logs", filter: {} };
        case "services": {
            const unit = parseUnitName(safelyDecoded(path));
            if (unit !== null) return { page: "unit", unit };
            const type = new URLSearchParams(query).get("type");
            return { page: "services", filter: { kind: UNIT_KINDS.find((kind) => kind === type) ?? "service" } };
        }
    }
}

function safelyDecoded(text: string): string {
    try {
        return decodeURIComponent(text);
    } catch {
        return "";
    }
}
