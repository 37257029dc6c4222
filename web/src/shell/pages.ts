/** Which chunk draws which page, and what the page is called. The one list of our own pages. */

import { _ } from "../i18n";
import type { HostView } from "../routes";
import type { IconName } from "../ui/icon";
import type { OpenPage, PageContext } from "./page";

/** The entries of the navigation, in their order. */
export const NAVIGATION = ["overview", "services", "logs", "terminal"] as const;
export type NavigationEntry = (typeof NAVIGATION)[number];

/** Loads a page's chunk and opens it for the context's host. */
export async function openPage(view: HostView, context: PageContext): Promise<OpenPage> {
    switch (view.page) {
        case "overview":
            return (await import("../pages/overview/page")).open(context);
        case "services":
            return (await import("../pages/services/page")).open(context, view) as OpenPage;
        case "unit":
            return (await import("../pages/services/unit_page")).open(context, view) as OpenPage;
        case "logs":
            return (await import("../pages/logs/page")).open(context, view) as OpenPage;
        case "terminal":
            return (await import("../pages/terminal/page")).open(context);
    }
}

/** What stands first in the title of the document. */
export function viewTitle(view: HostView): string {
    return view.page === "unit" ? view.unit : navigationLabel(navigationOf(view));
}

/** The entry under which a page stands. */
export function navigationOf(view: HostView): NavigationEntry {
    return view.page === "unit" ? "services" : view.page;
}

/** Where an entry leads. */
export function navigationView(entry: NavigationEntry): HostView {
    switch (entry) {
        case "overview":
        case "terminal":
            return { page: entry };
        case "services":
            return { page: "services", filter: { kind: "service" } };
        case "logs":
            return { page: "logs", filter: {} };
    }
}

export function navigationLabel(entry: NavigationEntry): string {
    switch (entry) {
        case "overview":
            return _("Overview");
        case "services":
            return _("Services");
        case "logs":
            return _("Logs");
        case "terminal":
            return _("Terminal");
    }
}

/** The picture beside it. */
export function navigationIcon(entry: NavigationEntry): IconName {
    return entry;
}
