/** How the Logs page is drawn. No channels; what the host wrote passes through `HostText` and `HostBlock`. */

import type { ReadonlySignal } from "@preact/signals";
import { Fragment, type JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { _, fill, ngettext } from "../../i18n";
import { type LogFilter, parseSince, parseText, parseUnitName, PRIORITIES, type Priority } from "../../routes";
import type { PageContext } from "../../shell/page";
import { Button } from "../../ui/button";
import { type Choice, FilterField, Select } from "../../ui/field";
import { Empty, Failed, Loading, Notice } from "../../ui/states";
import { HostBlock } from "../../ui/text";
import { day } from "../../ui/time";
import { type Cursor, type Log, type LogState, priorityLabel } from "./model";
import { EntryRow } from "./entry_view";
import type { Fields, Following } from "./page";

interface Props {
    readonly context: PageContext;
    readonly filter: ReadonlySignal<LogFilter>;
    readonly state: ReadonlySignal<LogState>;
    readonly following: ReadonlySignal<Following>;
    readonly loadingOlder: ReadonlySignal<"idle" | "loading">;
    readonly fields: ReadonlySignal<Fields>;
    readonly reload: () => void;
    readonly older: () => void;
    readonly setFollowing: (wanted: "on" | "paused") => void;
    readonly unfold: (cursor: Cursor) => void;
}

export function logsView(props: Props): () => JSX.Element {
    return () => {
        const { context, following } = props;
        return (
            <>
                <div class="ph-page-head">
                    <h1 class="pf-v6-c-title pf-m-2xl">{_("Logs")}</h1>
                    <FollowButton following={following.value} setFollowing={props.setFollowing} />
                </div>
                <Filters filter={props.filter.value} context={context} />
                {context.superuser.value === "off" && (
                    <Notice kind="info" title={_("These may be only your own entries. Turn on superuser access to see those of the whole machine.")} />
                )}
                <Content {...props} />
            </>
        );
    };
}

function FollowButton(props: { readonly following: Following; readonly setFollowing: Props["setFollowing"] }): JSX.Element {
    switch (props.following) {
        case "on":
            return (
                <Button icon="follow" pressed onClick={() => props.setFollowing("paused")}>
                    {_("Following")}
                </Button>
            );
        case "paused":
            return (
                <Button icon="follow" pressed={false} onClick={() => props.setFollowing("on")}>
                    {_("Follow")}
                </Button>
            );
        case "impossible":
            return (
                <Button icon="follow" blockedBy={_("A past boot has ended: nothing more is written to it.")}>
                    {_("Follow")}
                </Button>
            );
    }
}

function Filters({ filter, context }: { readonly filter: LogFilter; readonly context: PageContext }): JSX.Element {
    const [badUnit, setBadUnit] = useState<string | null>(null);
    const [badSince, setBadSince] = useState<string | null>(null);
    const go = (change: { readonly [Name in keyof LogFilter]: LogFilter[Name] | undefined }): void => {
        const wanted = { ...filter, ...change };
        const there = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined)) as LogFilter;
        context.go({ page: "logs", filter: there }, "replace");
    };
    const setUnit = (text: string): void => {
        // "nginx" means what systemctl takes it for.
        const unit = text === "" ? undefined : (parseUnitName(text) ?? parseUnitName(`${text}.service`));
        setBadUnit(unit === null ? _("This is no name of a unit.") : null);
        if (unit !== null) go({ unit });
    };
    const setSince = (value: string): void => {
        setBadSince(null);
        go({ since: parseSince(value) ?? undefined });
    };
    return (
        <div class="ph-filters">
            <FilterField label={_("Text")} value={filter.text ?? ""} onChange={(text) => go({ text: parseText(text) ?? undefined })} />
            <FilterField label={_("Unit")} value={filter.unit ?? ""} hint={_("All units")} invalid={badUnit} onChange={setUnit} />
            <Select
                label={_("Priority")}
                value={filter.priority ?? ""}
                choices={priorityChoices()}
                onChange={(value) => go({ priority: PRIORITIES.find((priority) => priority === value) })}
            />
            <Select label={_("Boot")} value={filter.boot ?? ""} choices={bootChoices(filter.boot)} onChange={(value) => go({ boot: value === "" ? undefined : value })} />
            <Select label={_("Since")} value={badSince ?? filter.since ?? ""} choices={sinceChoices(filter.since)} onChange={setSince} />
        </div>
    );
}

function priorityChoices(): Choice[] {
    const graver = (priority: Priority): Choice => ({ value: priority, label: fill(_("$0 and graver"), priorityLabel(priority)) });
    return [{ value: "", label: _("All") }, ...(["err", "warning", "notice", "info"] as const).map(graver), ...rare()];

    function rare(): Choice[] {
        return (["crit", "alert"] as const).map(graver).concat({ value: "emerg", label: priorityLabel("emerg") });
    }
}

function bootChoices(current: string | undefined): Choice[] {
    const choices = [
        { value: "", label: _("All boots") },
        { value: "0", label: _("This boot") },
        { value: "-1", label: _("The boot before") },
    ];
    return withCurrent(choices, current);
}

function sinceChoices(current: string | undefined): Choice[] {
    const choices = [
        { value: "", label: _("Always") },
        { value: "-1h", label: _("1 hour ago") },
        { value: "-6h", label: _("6 hours ago") },
        { value: "-1d", label: _("1 day ago") },
        { value: "-7d", label: _("7 days ago") },
    ];
    return withCurrent(choices, current);
}

/** The choices, and what the address selects if it is none of them. */
function withCurrent(choices: Choice[], current: string | undefined): Choice[] {
    if (current === undefined || choices.some((choice) => choice.value === current)) return choices;
    return [...choices, { value: current, label: current }];
}

function Content(props: Props): JSX.Element {
    const state = props.state.value;
    switch (state.kind) {
        case "loading":
            return <Loading waitingFor={_("Waiting for journalctl to find matching entries.")} lines={8} />;
        case "failed":
            return <Failed problem={state.problem} onRetry={props.reload} />;
        case "ready":
            return state.log.entries.length === 0 ? <Nothing {...props} /> : <Entries {...props} log={state.log} />;
    }
}

function Nothing({ filter, context }: Props): JSX.Element {
    if (Object.keys(filter.value).length === 0) return <Empty title={_("The journal has no entries that you may read.")} />;
    return (
        <Empty title={_("No entry matches these filters.")}>
            <Button onClick={() => context.go({ page: "logs", filter: {} }, "push")}>{_("Clear filters")}</Button>
        </Empty>
    );
}

function Entries(props: Props & { readonly log: Log }): JSX.Element {
    const { log, following, setFollowing } = props;
    const list = useRef<HTMLDivElement>(null);

    // Whoever scrolls down reads; new rows would push the text away. Back at the top it goes on.
    useEffect(() => {
        const scroller = list.current?.closest("main");
        if (scroller == null) return undefined;
        let pausedHere = false;
        const scrolled = (): void => {
            const atTop = scroller.scrollTop < 8;
            if (!atTop && following.peek() === "on") {
                pausedHere = true;
                setFollowing("paused");
            } else if (atTop && pausedHere && following.peek() === "paused") {
                pausedHere = false;
                setFollowing("on");
            }
        };
        scroller.addEventListener("scroll", scrolled, { passive: true });
        return () => scroller.removeEventListener("scroll", scrolled);
    }, []);

    const fields = props.fields.value;
    return (
        <>
            {log.newest === "dropped" && (
                <Notice
                    kind="info"
                    title={_("Newer entries are not shown any more, to keep the page small.")}
                    actions={
                        <Button look="link" onClick={props.reload}>
                            {_("Back to the newest")}
                        </Button>
                    }
                />
            )}
            <div class="ph-log" ref={list} role="log" aria-live="off" aria-label={_("Entries")}>
                {log.entries.map((entry, index) => {
                    const date = day(entry.time);
                    const before = log.entries[index - 1];
                    return (
                        <Fragment key={entry.cursor}>
                            {(before === undefined || day(before.time) !== date) && <h2 class="ph-log-day">{date}</h2>}
                            <EntryRow entry={entry} open={fields.kind !== "none" && fields.cursor === entry.cursor} onToggle={() => props.unfold(entry.cursor)} />
                            {fields.kind !== "none" && fields.cursor === entry.cursor && <EntryFields fields={fields} />}
                        </Fragment>
                    );
                })}
            </div>
            <Older {...props} log={log} />
        </>
    );
}

function EntryFields({ fields }: { readonly fields: Exclude<Fields, { kind: "none" }> }): JSX.Element {
    switch (fields.kind) {
        case "loading":
            return <Loading waitingFor={_("Waiting for journalctl to find the entry.")} />;
        case "failed":
            return <Failed problem={fields.problem} />;
        case "ready":
            return (
                <dl class="ph-entry-fields">
                    {fields.fields.map((field) => (
                        <Fragment key={field.name}>
                            <dt>{field.name}</dt>
                            <dd>
                                <HostBlock text={field.value} />
                            </dd>
                        </Fragment>
                    ))}
                </dl>
            );
    }
}

function Older({ log, loadingOlder, older }: Props & { readonly log: Log }): JSX.Element {
    if (log.older === "none") return <p class="ph-log-end">{_("The journal begins here.")}</p>;
    return (
        <p class="ph-log-end">
            <Button blockedBy={loadingOlder.value === "loading" ? _("Older entries are being loaded.") : null} onClick={older}>
                {loadingOlder.value === "loading" ? _("Loading…") : _("Load older entries")}
            </Button>{" "}
            <span class="ph-quiet">{fill(ngettext("$0 entry is shown", "$0 entries are shown", log.entries.length), String(log.entries.length))}</span>
        </p>
    );
}
