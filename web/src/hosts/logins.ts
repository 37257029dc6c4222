/**
 * The connections to other machines that this page watches: one `host-login` channel each, as long as the page lives.
 *
 * Called by the views of this folder. While the channel is open the bridge makes a broken connection again; what it
 * gives up for the network's sake is tried again here. After the server was away, all are watched anew.
 */

import { effect } from "@preact/signals";

import { transport } from "../cockpit/transport";
import type { HostName } from "../routes";
import { linkState } from "../shell/connection";
import type { Problem } from "../ui/problem";
import { type Answer, endConnections, type HostLogin, openHostLogin, readUserAt } from "./api";
import { type HostRecord, isSignOfLoss, mayPass, onClosed, onMessage, parseMessage, type Question, UNKNOWN_HOST, withoutQuestion, withState } from "./model";
import { hostRecords, lossDetector } from "./states";

/** How long a lost connection is not believed to be there, in milliseconds. The bridge tells of a loss within it. */
const DOUBT = 2000;

/** Between two tries after the bridge gave up, in milliseconds. */
const PAUSE = 15_000;

interface Watched {
    login: HostLogin | null;
    givenUp: Question["kind"] | null;
    doubtedAt: number | null;
    timer: ReturnType<typeof setTimeout> | undefined;
}

export interface Logins {
    /** Connects, or watches what is connected. Does nothing when that is under way. */
    readonly connect: (host: HostName) => void;
    /** Ends the connection, for all pages of the session. */
    readonly disconnect: (host: HostName) => void;
    readonly answer: (host: HostName, question: Question, answer: Answer) => void;
    /** Stops watching everything. For tests. */
    readonly stop: () => void;
}

/** Watches hosts until stopped. `onConnected` hears of each connection, and who one is there. */
export function startLogins(onConnected: (host: HostName, user: Promise<string | null>) => void): Logins {
    const all = new Map<HostName, Watched>();

    const recordOf = (host: HostName): HostRecord => hostRecords.peek().get(host) ?? UNKNOWN_HOST;
    const change = (host: HostName, next: (record: HostRecord) => HostRecord): void => {
        hostRecords.value = new Map(hostRecords.peek()).set(host, next(recordOf(host)));
    };
    const enter = (host: HostName, state: HostRecord["state"]): void => change(host, (record) => withState(record, state, Date.now()));
    const watched = (host: HostName): Watched => {
        const known = all.get(host);
        if (known !== undefined) return known;
        const made: Watched = { login: null, givenUp: null, doubtedAt: null, timer: undefined };
        all.set(host, made);
        return made;
    };

    const take = (host: HostName, text: string): void => {
        const message = parseMessage(text, Date.now());
        if (message === null) return;
        const one = watched(host);
        if (message.kind === "strange-question") {
            one.login?.answer(message.id, { kind: "give-up" });
            return;
        }
        const before = recordOf(host).state.kind;
        if (message.kind === "state") clearTimeout(one.timer);
        change(host, (record) => onMessage(record, message, Date.now()));
        if (message.kind === "state" && message.state.kind === "connected" && before !== "connected") onConnected(host, readUserAt(host));
    };

    const closed = (host: HostName, close: Readonly<Record<string, unknown>>): void => {
        const one = watched(host);
        one.login = null;
        clearTimeout(one.timer);
        if (transport.state.kind !== "ready") {
            enter(host, { kind: "idle" }); // The server is away; all begin anew when it is back.
            return;
        }
        const record = recordOf(host);
        const state = onClosed(record, close, one.givenUp);
        if (state.kind === "failed" && record.lastSeen !== null && mayPass(state.failure)) {
            enter(host, { kind: "reconnecting", retryAt: Date.now() + PAUSE, problem: state.failure.problem });
            one.timer = setTimeout(() => open(host), PAUSE);
        } else {
            enter(host, state);
            if (state.kind === "disconnected") all.delete(host);
        }
    };

    const open = (host: HostName): void => {
        const one = watched(host);
        clearTimeout(one.timer);
        one.login?.close();
        one.givenUp = null;
        enter(host, { kind: "under-way", stage: "connecting" });
        one.login = openHostLogin(host, { onMessage: (text) => take(host, text), onClosed: (close) => closed(host, close) });
    };

    lossDetector.noteFailure = (host: HostName, problem: Problem): "lost" | "failed" => {
        const one = watched(host);
        const { state } = recordOf(host);
        if (one.login === null || !isSignOfLoss(state, problem, one.doubtedAt, Date.now())) return "failed";
        one.doubtedAt = Date.now();
        enter(host, { kind: "doubted" });
        one.timer = setTimeout(() => enter(host, state), DOUBT);
        return "lost";
    };

    const stopLink = effect(() => {
        if (linkState.value === "down") return;
        for (const [host, one] of all) if (one.login === null && recordOf(host).state.kind === "idle") open(host);
    });

    return {
        connect: (host) => {
            const one = watched(host);
            const { kind } = recordOf(host).state;
            if (linkState.peek() === "down") enter(host, { kind: "idle" });
            else if (one.login === null || kind === "reconnecting") open(host);
        },
        disconnect: (host) => {
            const one = all.get(host);
            endConnections(host);
            // The bridge ends a login of its own kind with the connection, and one that is only trying is given up here.
            if (one?.login == null || recordOf(host).state.kind === "under-way" || recordOf(host).state.kind === "reconnecting") {
                clearTimeout(one?.timer);
                one?.login?.close();
                all.delete(host);
                enter(host, { kind: "disconnected" });
            }
        },
        answer: (host, question, answer) => {
            const one = watched(host);
            if (answer.kind === "give-up") one.givenUp = question.kind;
            one.login?.answer(question.id, answer);
            change(host, (record) => withoutQuestion(record, question.id));
        },
        stop: () => {
            stopLink();
            for (const one of all.values()) {
                clearTimeout(one.timer);
                one.login?.close();
            }
            all.clear();
            hostRecords.value = new Map();
        },
    };
}
