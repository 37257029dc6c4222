/** The Logs page of one host: owns what is loaded and followed. Opened by the shell. */

import { computed, effect, signal } from "@preact/signals";

import { type Problem, problemOf } from "../../ui/problem";
import type { HostView, LogFilter } from "../../routes";
import { dependOn, type OpenPage, type PageContext, type Stop } from "../../shell/page";
import { tabVisibility } from "../../ui/visibility";
import { followJournal, readFields, readJournal } from "./api";
import { canFollow, type Cursor, EMPTY_LOG, type LogState, PAGE_ROWS, withNewer, withOlder } from "./model";
import { logsView } from "./view";

/** Whether new entries are added at the top: `paused` by the reader, who scrolled away or pressed the button. */
export type Following = "on" | "paused" | "impossible";

/** What is known of the fields of the entry that is unfolded. */
export type Fields =
    | { readonly kind: "none" }
    | { readonly kind: "loading"; readonly cursor: Cursor }
    | { readonly kind: "failed"; readonly cursor: Cursor; readonly problem: Problem }
    | { readonly kind: "ready"; readonly cursor: Cursor; readonly fields: readonly { readonly name: string; readonly value: string }[] };

export function open(context: PageContext, view: Extract<HostView, { page: "logs" }>): OpenPage<Extract<HostView, { page: "logs" }>> {
    const filter = signal<LogFilter>(view.filter);
    const state = signal<LogState>({ kind: "loading" });
    const following = signal<Following>(canFollow(view.filter) ? "on" : "impossible");
    const loadingOlder = signal<"idle" | "loading">("idle");
    const fields = signal<Fields>({ kind: "none" });
    /** Counts the loads, so that an answer to an old question is dropped. */
    let load = 0;

    const failed = (problem: Problem): void => {
        if (!context.isLost(problem)) state.value = { kind: "failed", problem };
    };
    const reload = (): void => {
        load += 1;
        const mine = load;
        const asked = filter.peek();
        if (state.peek().kind !== "ready") state.value = { kind: "loading" };
        fields.value = { kind: "none" };
        readJournal(context.host, asked, { kind: "newest" }).then(
            (entries) => {
                if (mine !== load) return;
                state.value = { kind: "ready", log: withOlder(EMPTY_LOG, entries, PAGE_ROWS) };
                following.value = canFollow(asked) ? "on" : "impossible";
            },
            (error: unknown) => {
                if (mine === load) failed(problemOf(error));
            },
        );
    };
    const older = (): void => {
        const known = state.peek();
        const last = known.kind === "ready" ? known.log.entries.at(-1) : undefined;
        if (known.kind !== "ready" || last === undefined || loadingOlder.peek() === "loading") return;
        const mine = load;
        loadingOlder.value = "loading";
        readJournal(context.host, filter.peek(), { kind: "before", cursor: last.cursor })
            .then(
                (entries) => {
                    const now = state.peek();
                    if (mine !== load || now.kind !== "ready") return;
                    state.value = { kind: "ready", log: withOlder(now.log, entries, PAGE_ROWS) };
                    pauseIfDropped();
                },
                (error: unknown) => {
                    if (mine === load) failed(problemOf(error));
                },
            )
            .finally(() => {
                loadingOlder.value = "idle";
            });
    };
    /** New rows cannot stand above a hole. */
    const pauseIfDropped = (): void => {
        const now = state.peek();
        if (now.kind === "ready" && now.log.newest === "dropped") following.value = "paused";
    };

    const stopLoading = effect(() => {
        // Superuser access shows more of the journal, so its change loads again.
        dependOn(context.superuser, filter);
        if (context.link.value === "up") reload();
    });
    // A computed value changes only when it differs, so that new rows do not start the program again.
    const ready = computed(() => state.value.kind === "ready");
    const stopFollowing = effect((): Stop | undefined => {
        const wanted = following.value === "on" && ready.value && context.link.value === "up" && tabVisibility.value === "visible";
        dependOn(context.superuser, filter);
        const known = state.peek();
        if (!wanted || known.kind !== "ready") return undefined;
        return followJournal(
            context.host,
            filter.value,
            known.log.entries[0]?.cursor ?? null,
            (entries) => {
                const now = state.peek();
                if (now.kind === "ready") state.value = { kind: "ready", log: withNewer(now.log, entries) };
            },
            (problem) => {
                following.value = "paused";
                failed(problem);
            },
        );
    });

    return {
        view: logsView({
            context,
            filter,
            state,
            following,
            loadingOlder,
            fields,
            reload,
            older,
            setFollowing: (wanted) => {
                const now = state.peek();
                // After rows were dropped at the top there is a hole, which only loading anew closes.
                if (wanted === "on" && now.kind === "ready" && now.log.newest === "dropped") reload();
                else following.value = wanted;
            },
            unfold: (cursor) => {
                const now = fields.peek();
                if (now.kind !== "none" && now.cursor === cursor) {
                    fields.value = { kind: "none" };
                    return;
                }
                fields.value = { kind: "loading", cursor };
                const isWanted = (): boolean => {
                    const current = fields.peek();
                    return current.kind !== "none" && current.cursor === cursor;
                };
                readFields(context.host, cursor).then(
                    (all) => {
                        if (isWanted()) fields.value = { kind: "ready", cursor, fields: all };
                    },
                    (error: unknown) => {
                        if (isWanted()) fields.value = { kind: "failed", cursor, problem: problemOf(error) };
                    },
                );
            },
        }),
        show: (next) => {
            if (sameFilter(filter.peek(), next.filter)) return;
            state.value = { kind: "loading" };
            following.value = canFollow(next.filter) ? "on" : "impossible";
            filter.value = next.filter;
        },
        close: () => {
            load += 1;
            stopLoading();
            stopFollowing();
        },
    };
}

function sameFilter(left: LogFilter, right: LogFilter): boolean {
    return (
        left.priority === right.priority &&
        left.unit === right.unit &&
        left.boot === right.boot &&
        left.since === right.since &&
        left.text === right.text
    );
}
