/** The page of one unit: its state and its log, live. Opened by the shell. */

import { computed, effect, signal } from "@preact/signals";

import type { HostView } from "../../routes";
import { dependOn, type OpenPage, type PageContext, type Stop } from "../../shell/page";
import { problemOf } from "../../ui/problem";
import { followJournal, readJournal } from "../logs/api";
import { EMPTY_LOG, type LogState, withNewer, withOlder } from "../logs/model";
import { actsOn } from "./acts";
import { watchUnit } from "./api";
import type { UnitPage } from "./unit_model";
import { unitView } from "./unit_view";

type OneUnit = Extract<HostView, { page: "unit" }>;

/** Entries of the unit that are shown; the Logs page has the rest. */
const SHOWN_ENTRIES = 50;

export function open(context: PageContext, view: OneUnit): OpenPage<OneUnit> {
    const name = signal(view.unit);
    const state = signal<UnitPage>({ kind: "loading" });
    const log = signal<LogState>({ kind: "loading" });
    const acts = actsOn(context.host, context.link);
    let stopUnit: Stop = () => undefined;

    const watch = (): void => {
        stopUnit();
        stopUnit = watchUnit(context.host, name.peek(), {
            onDetails: (details) => {
                state.value = details === null ? { kind: "absent" } : { kind: "ready", details };
            },
            onProblem: (problem) => {
                if (!context.isLost(problem)) state.value = { kind: "failed", problem };
            },
        });
    };
    const stopLinked = effect(() => {
        dependOn(name);
        if (context.link.value === "down") return undefined;
        watch();
        return () => stopUnit();
    });

    let load = 0;
    const readLog = (): void => {
        load += 1;
        const mine = load;
        readJournal(context.host, { unit: name.peek() }, { kind: "newest" }).then(
            (entries) => {
                if (mine === load) log.value = { kind: "ready", log: withOlder(EMPTY_LOG, entries.slice(0, SHOWN_ENTRIES), SHOWN_ENTRIES) };
            },
            (error: unknown) => {
                const problem = problemOf(error);
                if (mine === load && !context.isLost(problem)) log.value = { kind: "failed", problem };
            },
        );
    };
    const stopLog = effect(() => {
        dependOn(name, context.superuser);
        if (context.link.value === "up") readLog();
    });
    const ready = computed(() => log.value.kind === "ready");
    const stopFollowing = effect((): Stop | undefined => {
        dependOn(context.superuser);
        if (context.link.value === "down" || !ready.value) return undefined;
        const known = log.peek();
        const newest = known.kind === "ready" ? (known.log.entries[0]?.cursor ?? null) : null;
        return followJournal(
            context.host,
            { unit: name.value },
            newest,
            (entries) => {
                const now = log.peek();
                if (now.kind !== "ready") return;
                const grown = withNewer(now.log, entries);
                log.value = { kind: "ready", log: { ...grown, entries: grown.entries.slice(0, SHOWN_ENTRIES) } };
            },
            (problem) => {
                if (!context.isLost(problem)) log.value = { kind: "failed", problem };
            },
        );
    });

    return {
        view: unitView({
            context,
            name,
            state,
            log,
            acts,
            retry: () => {
                state.value = { kind: "loading" };
                watch();
            },
            retryLog: () => {
                log.value = { kind: "loading" };
                readLog();
            },
        }),
        show: (next) => {
            if (next.unit === name.peek()) return;
            state.value = { kind: "loading" };
            log.value = { kind: "loading" };
            name.value = next.unit;
        },
        close: () => {
            load += 1;
            stopLinked();
            stopLog();
            stopFollowing();
        },
    };
}
