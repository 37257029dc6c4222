/** The place of our own pages: loads, opens, tells of new addresses, closes; one at a time. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { _ } from "../i18n";
import type { HostName, HostView } from "../routes";
import { pageProblem, type Problem } from "../ui/problem";
import { Failed, Loading } from "../ui/states";
import type { OpenPage, PageContext } from "./page";
import { openPage } from "./pages";

type Shown = { readonly kind: "loading" } | { readonly kind: "failed"; readonly problem: Problem } | { readonly kind: "open"; readonly page: OpenPage };

/** Shown with a `key` of host and page, so that another page is a new one. */
export function HostPage(props: { readonly host: HostName; readonly view: HostView; readonly context: PageContext }): JSX.Element {
    const { view, context } = props;
    const [shown, setShown] = useState<Shown>({ kind: "loading" });
    const [attempt, setAttempt] = useState(0);
    const latest = useRef(view);
    latest.current = view;

    useEffect(() => {
        let wanted = true;
        let opened: OpenPage | null = null;
        openPage(latest.current, context).then(
            (page) => {
                if (!wanted) {
                    page.close();
                    return;
                }
                opened = page;
                page.show(latest.current);
                setShown({ kind: "open", page });
            },
            () => {
                if (wanted) setShown({ kind: "failed", problem: notLoaded() });
            },
        );
        return () => {
            wanted = false;
            opened?.close();
        };
    }, [attempt]);
    useEffect(() => {
        if (shown.kind === "open") shown.page.show(view);
    }, [view, shown]);

    switch (shown.kind) {
        case "loading":
            return <Loading waitingFor={_("Waiting for the server to send this page.")} lines={4} />;
        case "failed":
            return <Failed problem={shown.problem} onRetry={() => setAttempt(attempt + 1)} />;
        case "open":
            return <PageView page={shown.page} />;
    }
}

function PageView({ page }: { readonly page: OpenPage }): JSX.Element {
    const [View] = useState(() => page.view);
    return <View />;
}

/** A part of the interface that the server has no more. */
export function notLoaded(): Problem {
    return pageProblem("page-not-loaded", _("This page could not be loaded. The server may have been updated: load the whole page again."));
}
