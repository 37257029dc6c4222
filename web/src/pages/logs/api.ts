/** How the journal of a host is read: the only file of the page with channels. The unit page uses it too. */

import { _, fill } from "../../i18n";
import { cockpit } from "../../cockpit/cockpit";
import { type Problem, problemOf } from "../../ui/problem";
import type { HostName, LogFilter } from "../../routes";
import type { Stop } from "../../shell/page";
import { type Cursor, entriesBefore, entryCommand, type Entry, EntryReader, journalCommand, parseAllFields, type Stretch } from "./model";

/** New entries are handed on together once in this time, in milliseconds. */
const GATHER = 200;

/** Entries gathered at most; a flood beyond it is let go, because only the newest are kept anyway. */
const MAX_GATHERED = 5000;

/** `superuser: try` shows everybody's entries where there is access, else those that the user may read. */
const READING = { superuser: "try", err: "message", environ: ["SYSTEMD_COLORS=0"] } as const;

/** Reads one page of the journal, newest first. */
export async function readJournal(host: HostName, filter: LogFilter, stretch: Exclude<Stretch, { kind: "follow" }>): Promise<readonly Entry[]> {
    const reader = new EntryReader();
    const entries: Entry[] = [];
    const process = cockpit.spawn(journalCommand(filter, stretch), { ...READING, host });
    void process.stream((piece) => {
        entries.push(...reader.read(piece));
    });
    try {
        await process;
    } catch (error) {
        if (!isNoMatch(error)) throw error;
    }
    entries.push(...reader.read("\n"));
    return stretch.kind === "before" ? entriesBefore(entries, stretch.cursor) : entries;
}

/** Calls back with what is written from now on, in the order of writing, until stopped or failed. */
export function followJournal(
    host: HostName,
    filter: LogFilter,
    after: Cursor | null,
    onEntries: (entries: readonly Entry[]) => void,
    onProblem: (problem: Problem) => void,
): Stop {
    const reader = new EntryReader();
    let gathered: Entry[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    let wanted = true;
    const handOn = (): void => {
        timer = undefined;
        const entries = gathered;
        gathered = [];
        if (wanted && entries.length > 0) onEntries(entries);
    };
    const process = cockpit.spawn(journalCommand(filter, { kind: "follow", after }), { ...READING, host });
    void process.stream((piece) => {
        gathered = [...gathered, ...reader.read(piece)].slice(-MAX_GATHERED);
        timer ??= setTimeout(handOn, GATHER);
    });
    process.then(
        () => {
            if (wanted) onProblem(problemOf({ problem: "terminated" }));
        },
        (error: unknown) => {
            if (wanted) onProblem(problemOf(error));
        },
    );
    return () => {
        wanted = false;
        clearTimeout(timer);
        void process.close("terminated");
    };
}

/** Reads every field of one entry. */
export async function readFields(host: HostName, cursor: Cursor): Promise<{ name: string; value: string }[]> {
    return parseAllFields(await cockpit.spawn(entryCommand(cursor), { ...READING, host }));
}

/** `journalctl --grep` ends with 1 and says nothing when no entry matches; silence is told by the API's own words. */
function isNoMatch(error: unknown): boolean {
    const { code, message } = problemOf(error);
    return code === "exit-status 1" && (message === "" || message === fill(_("$0 exited with status $1"), "journalctl", 1));
}
