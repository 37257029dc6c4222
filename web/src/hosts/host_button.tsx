/** The button in the masthead that names the host, its user and state, and opens the switcher. */

import type { JSX } from "preact";
import { useId, useRef, useState } from "preact/hooks";

import { _, fill } from "../i18n";
import { hostAddress, type HostName, LOCALHOST } from "../routes";
import { linkState } from "../shell/connection";
import { goTo } from "../shell/router";
import { Button } from "../ui/button";
import { visibleLine } from "../ui/host_text";
import { Icon, type IconName } from "../ui/icon";
import { HostText } from "../ui/text";
import { stateWord } from "./host_problems";
import { connectTo, disconnectFrom, forgetHost, knownHosts, mayForget, userAt } from "./hosts";
import { type HostState, isThere, UNKNOWN_HOST } from "./model";
import { hostRecords } from "./states";
import { readTyped } from "./typed";

const SWITCHER_ID = "host-switcher";

interface Props {
    readonly host: HostName;
    /** What the server's own machine calls itself; empty while unknown. */
    readonly localLabel: string;
    /** Who is logged in to the server. */
    readonly userName: string;
}

export function HostButton({ host, localLabel, userName }: Props): JSX.Element {
    const switcher = useRef<HTMLDivElement>(null);
    const close = (): void => switcher.current?.hidePopover();
    const isLocal = host === LOCALHOST;
    const state = stateOf(host);
    // Who one is here stands on the account menu beside it.
    const user = isLocal ? null : (userAt(host) ?? namedUser(host) ?? userName);
    return (
        <div class="ph-host-place">
            <button
                type="button"
                class="pf-v6-c-button pf-m-plain ph-host-button"
                popovertarget={SWITCHER_ID}
                onKeyDown={(event) => {
                    if (event.key !== "ArrowDown") return;
                    event.preventDefault();
                    switcher.current?.showPopover();
                    move(switcher.current, null, 1);
                }}
            >
                <span class="pf-v6-screen-reader">{_("Host:")} </span>
                <span class="ph-host-name">
                    <HostText text={isLocal ? localLabel || host : placeOf(host)} />
                </span>
                {user !== null && user !== "" && (
                    <span class="ph-host-user">
                        <HostText text={user} />
                    </span>
                )}
                <span class={isLocal || isThere(state) ? "ph-host-state ph-success" : "ph-host-state ph-warning"}>
                    <Icon name={isLocal ? "success" : iconOf(state)} />
                    <span class="ph-host-state-word">{isLocal ? _("This machine") : stateWord(state)}</span>
                </span>
                <Icon name="down" />
            </button>
            <div id={SWITCHER_ID} ref={switcher} popover="auto" class="pf-v6-c-card ph-menu ph-switcher">
                <HostList host={host} localLabel={localLabel} onChosen={close} />
                <ConnectForm onChosen={close} />
            </div>
        </div>
    );
}

function HostList({ host, localLabel, onChosen }: { readonly host: HostName; readonly localLabel: string; readonly onChosen: () => void }): JSX.Element {
    const known = knownHosts.value ?? [];
    const others = host === LOCALHOST || known.includes(host) ? known : [host, ...known];
    return (
        <nav aria-label={_("Hosts")}>
            <ul
                class="ph-host-list"
                onKeyDown={(event) => {
                    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
                    if (step === 0) return;
                    event.preventDefault();
                    move(event.currentTarget, document.activeElement, step);
                }}
            >
                <li>
                    <HostLink host={LOCALHOST} isCurrent={host === LOCALHOST} name={localLabel || LOCALHOST} word={_("This machine")} icon="success" onChosen={onChosen} />
                </li>
                {others.map((other) => {
                    const state = stateOf(other);
                    return (
                        <li key={other}>
                            <HostLink host={other} isCurrent={other === host} name={other} word={stateWord(state)} icon={iconOf(state)} onChosen={onChosen} />
                            <RowAct host={other} state={state} />
                        </li>
                    );
                })}
            </ul>
        </nav>
    );
}

function HostLink(props: { readonly host: HostName; readonly isCurrent: boolean; readonly name: string; readonly word: string; readonly icon: IconName; readonly onChosen: () => void }): JSX.Element {
    const { host, isCurrent, name, word, icon, onChosen } = props;
    return (
        <a
            class={isCurrent ? "ph-host-link ph-host-current" : "ph-host-link"}
            href={hostAddress(host, { page: "overview" })}
            aria-current={isCurrent ? "page" : undefined}
            onClick={(event) => {
                if (event.ctrlKey || event.metaKey || event.shiftKey) return; // In a window of its own, which asks itself.
                connectTo(host);
                onChosen();
            }}
        >
            <Icon name={icon} />
            <span class="ph-host-link-name">
                <HostText text={name} />
            </span>
            <span class="ph-quiet">{word}</span>
        </a>
    );
}

function RowAct({ host, state }: { readonly host: HostName; readonly state: HostState }): JSX.Element | null {
    const name = visibleLine(host);
    if (isThere(state) || state.kind === "under-way" || state.kind === "reconnecting" || state.kind === "doubted") {
        return (
            <Button look="quiet" size="small" label={fill(_("Disconnect $0"), name)} onClick={() => disconnectFrom(host)}>
                {_("Disconnect")}
            </Button>
        );
    }
    if (!mayForget(host)) return null;
    return (
        <Button look="quiet" size="small" label={fill(_("Remove $0 from this list"), name)} onClick={() => forgetHost(host)}>
            {_("Remove")}
        </Button>
    );
}

function ConnectForm({ onChosen }: { readonly onChosen: () => void }): JSX.Element {
    const id = useId();
    const field = useRef<HTMLInputElement>(null);
    const [wrong, setWrong] = useState<string | null>(null);
    const submit = (event: Event): void => {
        event.preventDefault();
        const input = field.current;
        if (input === null) return;
        const typed = readTyped(input.value);
        if (typed.kind === "wrong") {
            setWrong(typed.sentence);
            input.focus();
            return;
        }
        setWrong(null);
        input.value = "";
        onChosen();
        connectTo(typed.host);
        goTo({ kind: "host", host: typed.host, view: { page: "overview" } }, "push");
    };
    return (
        <form class="ph-connect" onSubmit={submit} noValidate>
            <label class="ph-field-label" for={id}>
                {_("Connect to")}
            </label>
            <span class="ph-connect-row">
                <span class={wrong === null ? "pf-v6-c-form-control" : "pf-v6-c-form-control pf-m-error"}>
                    <input
                        id={id}
                        ref={field}
                        type="text"
                        placeholder="user@host:port"
                        autocomplete="off"
                        autocapitalize="none"
                        spellcheck={false}
                        maxLength={400}
                        aria-invalid={wrong !== null}
                        aria-describedby={wrong === null ? undefined : `${id}-error`}
                        onInput={() => setWrong(null)}
                    />
                </span>
                <Button type="submit">{_("Connect")}</Button>
            </span>
            {wrong !== null && (
                <span id={`${id}-error`} class="ph-field-error" role="alert">
                    {wrong}
                </span>
            )}
        </form>
    );
}

/** Puts the focus on the next or the previous host, round the ends. */
function move(place: HTMLElement | null, from: Element | null, step: 1 | -1): void {
    const links = [...(place?.querySelectorAll<HTMLAnchorElement>(".ph-host-link") ?? [])];
    const at = links.findIndex((link) => link === from || link.parentElement?.contains(from) === true);
    links[(at + step + links.length) % links.length]?.focus();
}

function stateOf(host: HostName): HostState {
    return (hostRecords.value.get(host) ?? UNKNOWN_HOST).state;
}

function iconOf(state: HostState): IconName {
    if (linkState.value === "down") return "stopped";
    switch (state.kind) {
        case "idle":
        case "disconnected":
        case "given-up":
            return "stopped";
        case "under-way":
            return "pending";
        case "connected":
            return "success";
        case "terminals-only":
        case "doubted":
        case "reconnecting":
            return "warning";
        case "failed":
            return "danger";
    }
}

/** The user in the address; null when none was named. */
function namedUser(host: HostName): string | null {
    const at = host.lastIndexOf("@");
    return at < 0 ? null : host.slice(0, at);
}

/** The address without its user. */
function placeOf(host: HostName): string {
    return host.slice(host.lastIndexOf("@") + 1);
}
