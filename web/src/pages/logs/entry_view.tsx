/** One entry of the journal as a row, on the Logs page and on the page of a unit. */

import type { JSX } from "preact";

import { formatExactTime } from "../../i18n";
import { Icon } from "../../ui/icon";
import { HostBlock, HostText } from "../../ui/text";
import { clock } from "../../ui/time";
import { type Entry, priorityLabel, severity } from "./model";

const ROWS = {
    danger: "ph-entry ph-entry-danger",
    warning: "ph-entry ph-entry-warning",
    plain: "ph-entry",
    quiet: "ph-entry ph-entry-quiet",
} as const;

/** `onToggle` unfolds the fields; without it the row is only text. */
export function EntryRow(props: { readonly entry: Entry; readonly open?: boolean; readonly onToggle?: () => void }): JSX.Element {
    const { entry, open = false, onToggle } = props;
    const kind = severity(entry.priority);
    const time = (
        <time dateTime={new Date(entry.time).toISOString()} title={formatExactTime(new Date(entry.time))}>
            {clock(entry.time)}
        </time>
    );
    return (
        <div class={ROWS[kind]}>
            {onToggle === undefined ? (
                <span class="ph-entry-time">{time}</span>
            ) : (
                <button class="ph-entry-time" type="button" aria-expanded={open} onClick={onToggle}>
                    {time}
                </button>
            )}
            <span class="ph-entry-priority">
                {(kind === "danger" || kind === "warning") && (
                    <>
                        <Icon name={kind} />
                        <span class="pf-v6-screen-reader">{priorityLabel(entry.priority)}</span>
                    </>
                )}
            </span>
            <span class="ph-entry-source">
                <HostText text={entry.source || "–"} />
            </span>
            <span class="ph-entry-message">
                <HostBlock text={entry.message} />
            </span>
        </div>
    );
}
