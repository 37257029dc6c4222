/**
 * What stands in place of another machine's page until it is connected, and above it when it is not any more.
 *
 * Drawn by the shell. A page that was open stays, with what it knew last, and goes on by itself.
 */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { _, fill, formatTime } from "../i18n";
import { hostAddress, type HostName, LOCALHOST, type Route } from "../routes";
import { linkState } from "../shell/connection";
import { Button } from "../ui/button";
import { visibleLine } from "../ui/host_text";
import { Icon } from "../ui/icon";
import { Loading, Notice } from "../ui/states";
import { HostBlock } from "../ui/text";
import { ChangedKey } from "./changed_key";
import { failureDetails, givenUpSentence, hostProblemText, methodSentence, stageSentence } from "./host_problems";
import { connectTo, disconnectFrom, knownHosts } from "./hosts";
import { type Failure, type HostRecord, type HostState, UNKNOWN_HOST } from "./model";
import { hostRecords, linkTo, wasThere } from "./states";

type ShownRoute = Exclude<Route, { kind: "unknown" }>;

/** Around every page of another machine. */
export function HostPlace({ route, children }: { readonly route: ShownRoute; readonly children: ComponentChildren }): JSX.Element {
    if (!mayShow(route)) {
        return (
            <div class="ph-page">
                <HostGate host={route.host} />
            </div>
        );
    }
    // While the server is away, all of it is greyed already.
    const isStale = linkTo(route.host).value === "down" && linkState.value === "up";
    return (
        <>
            <HostNotice host={route.host} />
            <div class={isStale ? "ph-page ph-stale" : "ph-page"}>{children}</div>
        </>
    );
}

/** Whether the host was reached since the page was loaded, and has what the page takes. */
function mayShow(route: ShownRoute): boolean {
    if (!wasThere(route.host)) return false;
    const hasOnlyTerminals = hostRecords.value.get(route.host)?.state.kind === "terminals-only";
    return !hasOnlyTerminals || (route.kind === "host" && route.view.page === "terminal");
}

/** In place of the page. */
function HostGate({ host }: { readonly host: HostName }): JSX.Element {
    const record = hostRecords.value.get(host) ?? UNKNOWN_HOST;
    return (
        <>
            <h1 class="pf-v6-c-title pf-m-2xl">{visibleLine(host)}</h1>
            <Gate host={host} state={record.state} />
            <Warnings record={record} host={host} />
        </>
    );
}

function Gate({ host, state }: { readonly host: HostName; readonly state: HostState }): JSX.Element {
    const name = visibleLine(host);
    switch (state.kind) {
        case "idle":
            if (knownHosts.value?.includes(host) !== false) return <Loading waitingFor={fill(_("Waiting to connect to $0."), name)} />;
            return <NotConnected host={host} sentence={fill(_("You have not connected to $0 from this browser before. Connect only if you know the machine."), name)} />;
        case "disconnected":
            return <NotConnected host={host} sentence={fill(_("You are not connected to $0."), name)} />;
        case "given-up":
            return <NotConnected host={host} sentence={givenUpSentence(state.asked, name)} />;
        case "under-way":
            return (
                <div class="ph-gate" role="status">
                    <p>
                        <Icon name="pending" /> {stageSentence(state.stage, name)}
                    </p>
                    <Button onClick={() => disconnectFrom(host)}>{_("Stop")}</Button>
                </div>
            );
        case "failed":
            return state.failure.problem.code === "invalid-hostkey" ? <ChangedKey host={host} failure={state.failure} /> : <HostFailed host={host} failure={state.failure} />;
        case "connected":
        case "doubted":
            return <Loading waitingFor={_("Waiting for the machine.")} />;
        case "terminals-only":
            return <TerminalsOnly host={host} message={state.problem.message} />;
        case "reconnecting":
            return <Reconnecting host={host} retryAt={state.retryAt} lastSeen={null} />;
    }
}

/** Above a page whose host is away, or has something to say. */
function HostNotice({ host }: { readonly host: HostName }): JSX.Element | null {
    const record = hostRecords.value.get(host);
    if (record === undefined) return null;
    return (
        <div class="ph-host-notice">
            <Offline host={host} record={record} />
            <Warnings record={record} host={host} />
        </div>
    );
}

function Offline({ host, record }: { readonly host: HostName; readonly record: HostRecord }): JSX.Element | null {
    const { state, lastSeen } = record;
    const name = visibleLine(host);
    const connect = (
        <Button look="link" onClick={() => connectTo(host)}>
            {_("Connect")}
        </Button>
    );
    switch (state.kind) {
        case "idle":
        case "connected":
        case "terminals-only":
            return null; // While the server is away, that is told above everything.
        case "doubted":
            return <Notice kind="warning" live="polite" title={asOf(fill(_("The connection to $0 broke."), name), lastSeen)} />;
        case "reconnecting":
            return <Reconnecting host={host} retryAt={state.retryAt} lastSeen={lastSeen} />;
        case "under-way":
            return <Notice kind="warning" live="polite" title={asOf(stageSentence(state.stage, name), lastSeen)} />;
        case "disconnected":
            return <Notice kind="info" live="polite" title={asOf(fill(_("You are not connected to $0."), name), lastSeen)} actions={connect} />;
        case "given-up":
            return <Notice kind="info" live="polite" title={asOf(givenUpSentence(state.asked, name), lastSeen)} actions={connect} />;
        case "failed":
            return state.failure.problem.code === "invalid-hostkey" ? <ChangedKey host={host} failure={state.failure} /> : <HostFailed host={host} failure={state.failure} lastSeen={lastSeen} />;
    }
}

/** `sentence`, and how old what is shown is. */
function asOf(sentence: string, lastSeen: number | null): string {
    return lastSeen === null ? sentence : fill(_("$0 What is shown is as of $1."), sentence, formatTime(new Date(lastSeen)));
}

function NotConnected({ host, sentence }: { readonly host: HostName; readonly sentence: string }): JSX.Element {
    return (
        <div class="ph-gate">
            <p>{sentence}</p>
            <Button look="primary" onClick={() => connectTo(host)}>
                {_("Connect")}
            </Button>
        </div>
    );
}

function Reconnecting({ host, retryAt, lastSeen }: { readonly host: HostName; readonly retryAt: number; readonly lastSeen: number | null }): JSX.Element {
    const [now, setNow] = useState(() => Date.now());
    useEffect(() => {
        setNow(Date.now());
        const timer = setInterval(() => setNow(Date.now()), 1000);
        return () => clearInterval(timer);
    }, [retryAt]);
    const seconds = Math.max(0, Math.ceil((retryAt - now) / 1000));
    return (
        <Notice
            kind="warning"
            live="polite"
            title={asOf(fill(_("The connection to $0 broke."), visibleLine(host)), lastSeen)}
            actions={
                <>
                    {/* Counts down every second: not to be read out each time. */}
                    <span aria-live="off">{seconds === 0 ? _("Trying again now.") : fill(_("Trying again in $0 s."), seconds)}</span>{" "}
                    <Button look="link" onClick={() => connectTo(host)}>
                        {_("Try now")}
                    </Button>
                </>
            }
        />
    );
}

function TerminalsOnly({ host, message }: { readonly host: HostName; readonly message: string }): JSX.Element {
    return (
        <Notice
            kind="warning"
            title={fill(_("No bridge can run on $0, so only a terminal works there."), visibleLine(host))}
            actions={
                <>
                    <a href={hostAddress(host, { page: "terminal" })}>{_("Open the terminal")}</a>{" "}
                    <Button look="link" onClick={() => disconnectFrom(host)}>
                        {_("Disconnect")}
                    </Button>
                </>
            }
        >
            <p>{_("Install the package pilothouse-bridge or cockpit-bridge there to see the rest, then connect again.")}</p>
            {message !== "" && <Folded>{<HostBlock text={message} />}</Folded>}
        </Notice>
    );
}

function HostFailed({ host, failure, lastSeen = null }: { readonly host: HostName; readonly failure: Failure; readonly lastSeen?: number | null }): JSX.Element {
    const { sentence, nextStep } = hostProblemText(failure.problem.code, visibleLine(host));
    return (
        <Notice
            kind="danger"
            title={asOf(sentence, lastSeen)}
            live="polite"
            actions={
                <>
                    <Button look="link" onClick={() => connectTo(host)}>
                        {_("Try again")}
                    </Button>{" "}
                    <a href={hostAddress(LOCALHOST, { page: "overview" })}>{_("Back to this machine")}</a>
                </>
            }
        >
            <p>{nextStep}</p>
            {failure.methods.length > 0 && (
                <>
                    <p>{_("What was tried:")}</p>
                    <ul class="ph-plain-list">
                        {failure.methods.map((one) => (
                            <li key={one.method}>{visibleLine(methodSentence(one))}</li>
                        ))}
                    </ul>
                </>
            )}
            <Folded>{failureDetails(failure)}</Folded>
        </Notice>
    );
}

function Folded({ children }: { readonly children: ComponentChildren }): JSX.Element {
    return (
        <details class="ph-details">
            <summary>{_("Details")}</summary>
            <pre>{children}</pre>
        </details>
    );
}

/** What the machine's banner says, and what our own side does not honour: each under its sender. */
function Warnings({ record, host }: { readonly record: HostRecord; readonly host: HostName }): JSX.Element | null {
    if (record.warnings.length === 0 || record.state.kind === "idle") return null;
    return (
        <details class="ph-details">
            <summary>{fill(_("Messages about the connection to $0 ($1)"), visibleLine(host), record.warnings.length)}</summary>
            {record.warnings.map((warning, index) => (
                <div key={index} class={warning.host === null ? "ph-own-words" : "ph-foreign"}>
                    <p class="ph-foreign-sender">{warning.host === null ? _("This server says:") : fill(_("$0 says:"), visibleLine(warning.host))}</p>
                    <p>
                        <HostBlock text={warning.text} />
                    </p>
                </div>
            ))}
        </details>
    );
}
