/** The list of units of one host: owns its subscription. Opened by the shell. */

import { effect, signal } from "@preact/signals";

import type { HostView, UnitFilter } from "../../routes";
import type { OpenPage, PageContext, Stop } from "../../shell/page";
import { actsOn } from "./acts";
import { watchUnits } from "./api";
import { type Page, withChange } from "./model";
import { unitsView } from "./view";

type ServicesView = Extract<HostView, { page: "services" }>;

export function open(context: PageContext, view: ServicesView): OpenPage<ServicesView> {
    const state = signal<Page>({ kind: "loading" });
    const filter = signal<UnitFilter>(view.filter);
    let stopWatching: Stop = () => undefined;

    const watch = (): void => {
        stopWatching();
        stopWatching = watchUnits(context.host, {
            onUnits: (units) => {
                state.value = { kind: "ready", units };
            },
            onChange: (path, changed) => {
                const now = state.peek();
                if (now.kind === "ready") state.value = { kind: "ready", units: withChange(now.units, path, changed) };
            },
            onProblem: (problem) => {
                // While the link is down, what was known last stays.
                if (!context.isLost(problem)) state.value = { kind: "failed", problem };
            },
        });
    };
    const stopLinked = effect(() => {
        if (context.link.value === "down") return undefined;
        watch();
        return () => stopWatching();
    });

    return {
        view: unitsView({
            context,
            filter,
            state,
            acts: actsOn(context.host, context.link),
            retry: () => {
                state.value = { kind: "loading" };
                watch();
            },
        }),
        show: (next) => {
            filter.value = next.filter;
        },
        close: stopLinked,
    };
}
