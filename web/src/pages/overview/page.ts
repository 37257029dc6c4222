/** The overview of one host: owns its subscriptions and gives the view what to draw. Opened by the shell. */

import { effect, signal } from "@preact/signals";

import { problemOf } from "../../ui/problem";
import type { OpenPage, PageContext, Stop } from "../../shell/page";
import { tabVisibility } from "../../ui/visibility";
import { readFacts, readCapacity, watchFailedUnits, watchMetrics } from "./api";
import { type Card, factsFrom, type FailedUnit, type SystemFacts } from "./model";
import { figuresOf, type History, NO_HISTORY, remember } from "./metrics_model";
import { overviewView } from "./view";

export function open(context: PageContext): OpenPage {
    const facts = signal<Card<SystemFacts>>({ kind: "loading" });
    const failures = signal<Card<readonly FailedUnit[]>>({ kind: "loading" });
    const history = signal<Card<History>>({ kind: "loading" });
    const stops = new Map<"facts" | "failures" | "metrics", Stop>();

    const loadFacts = (): void => {
        facts.value = { kind: "loading" };
        readFacts(context.host).then(
            (sources) => {
                facts.value = { kind: "ready", value: factsFrom(sources) };
            },
            (error: unknown) => {
                facts.value = { kind: "failed", problem: problemOf(error) };
            },
        );
    };
    const loadFailures = (): void => {
        stops.get("failures")?.();
        const stop = watchFailedUnits(
            context.host,
            (units) => {
                failures.value = { kind: "ready", value: units };
            },
            (problem) => {
                // While the link is down, what was known last stays.
                if (!context.isLost(problem)) failures.value = { kind: "failed", problem };
            },
        );
        stops.set("failures", stop);
    };
    const loadMetrics = (): void => {
        stops.get("metrics")?.();
        let wanted = true;
        let stopWatching: Stop = () => undefined;
        void readCapacity(context.host).then((capacity) => {
            if (!wanted) return;
            stopWatching = watchMetrics(
                context.host,
                (sample) => {
                    const known = history.peek();
                    const before = known.kind === "ready" ? known.value : NO_HISTORY;
                    history.value = { kind: "ready", value: remember(before, Date.now(), figuresOf(sample, capacity)) };
                },
                (problem) => {
                    if (!context.isLost(problem)) history.value = { kind: "failed", problem };
                },
            );
        });
        stops.set("metrics", () => {
            wanted = false;
            stopWatching();
        });
    };

    const stopLinked = effect(() => {
        if (context.link.value === "down") return undefined;
        if (facts.peek().kind !== "ready") loadFacts();
        loadFailures();
        return () => stops.get("failures")?.();
    });
    const stopVisible = effect(() => {
        if (context.link.value === "down" || tabVisibility.value === "hidden") return undefined;
        loadMetrics();
        return () => stops.get("metrics")?.();
    });

    return {
        view: overviewView({ context, facts, failures, history, retry: { facts: loadFacts, failures: loadFailures, metrics: loadMetrics } }),
        show: () => undefined, // The overview has one address.
        close: () => {
            stopLinked();
            stopVisible();
        },
    };
}
