/** Asks whether a key that nobody here knows is the machine's. Enter does not accept it. */

import type { JSX } from "preact";
import { useEffect, useId, useState } from "preact/hooks";

import { _, fill } from "../../i18n";
import { LOCALHOST } from "../../routes";
import { type SuperuserAccess, superuserOf } from "../../shell/superuser";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { visibleLine } from "../../ui/host_text";
import { Icon } from "../../ui/icon";
import { HostText } from "../../ui/text";
import type { Answer } from "../api";
import { type Comparison, compareKey } from "../fingerprint";
import type { Question, StoreFor } from "../model";

type Asked = Extract<Question, { kind: "host-key" }>;

export function HostKeyDialog({ question, answer }: { readonly question: Asked; readonly answer: (answer: Answer) => void }): JSX.Element {
    const [pasted, setPasted] = useState("");
    const [store, setStore] = useState<StoreFor>("me");
    const mayStore = useSuperuserHere() === "on";
    const comparison = compareKey(pasted, question.fingerprint, question.key);
    const host = visibleLine(question.host);
    const wantedStore = mayStore ? store : "me";
    return (
        <Dialog
            title={fill(_("This is the first contact with $0"), host)}
            onClose={() => answer({ kind: "give-up" })}
            actions={
                <>
                    <Button look="primary" onClick={() => answer({ kind: "give-up" })}>
                        {_("Do not connect")}
                    </Button>
                    <Button blockedBy={trustBlockedBy(comparison)} onClick={() => answer({ kind: "host-key", key: question.key, store: wantedStore })}>
                        {_("It matches, trust it")}
                    </Button>
                </>
            }
        >
            <div class="ph-ask">
                <p>{fill(_("Nobody here knows its key yet. Compare the fingerprint with the one that this command prints on the console of $0 itself:"), host)}</p>
                <code class="ph-command">{`ssh-keygen -lf ${keyFile(question.keyType)}`}</code>
                <dl class="ph-key">
                    <dt>{_("Fingerprint")}</dt>
                    <dd>
                        <code class="ph-fingerprint">{visibleLine(question.fingerprint)}</code>
                    </dd>
                    <dt>{_("Type of key")}</dt>
                    <dd>
                        <HostText text={question.keyType} />
                    </dd>
                    <dt>{_("Address")}</dt>
                    <dd>
                        <HostText text={question.address} />
                    </dd>
                    <dt>{_("Known as")}</dt>
                    <dd>{question.knownAs.length === 0 ? _("The key is stored under no other name.") : <Names names={question.knownAs} />}</dd>
                </dl>
                <ExpectedField value={pasted} comparison={comparison} onChange={setPasted} />
                <fieldset class="ph-theme">
                    <legend>{_("Remember the key")}</legend>
                    <StoreChoice value="me" label={_("For me")} store={wantedStore} onChoose={setStore} />
                    <StoreChoice
                        value="everybody"
                        label={_("For everybody who uses this server")}
                        store={wantedStore}
                        onChoose={setStore}
                        blockedBy={mayStore ? null : _("Turn on superuser access on this machine, the server's own, to store it for everybody.")}
                    />
                </fieldset>
            </div>
        </Dialog>
    );
}

/** Several machines with one key are copies of one another, or one machine with several names. */
function Names({ names }: { readonly names: readonly string[] }): JSX.Element {
    return (
        <>
            {names.map((name, index) => (
                <span key={name}>
                    {index > 0 && ", "}
                    <HostText text={name} />
                </span>
            ))}
        </>
    );
}

function ExpectedField({ value, comparison, onChange }: { readonly value: string; readonly comparison: Comparison; readonly onChange: (text: string) => void }): JSX.Element {
    const id = useId();
    const verdict = verdictOf(comparison);
    return (
        <div class="ph-field">
            <label class="ph-field-label" for={id}>
                {_("Fingerprint that you expect: paste it here, and it is compared for you")}
            </label>
            <span class={verdict?.kind === "danger" ? "pf-v6-c-form-control pf-m-error" : "pf-v6-c-form-control"}>
                <input
                    id={id}
                    type="text"
                    value={value}
                    placeholder="SHA256:…"
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck={false}
                    maxLength={2000}
                    aria-describedby={`${id}-verdict`}
                    aria-invalid={verdict?.kind === "danger"}
                    onInput={(event) => onChange(event.currentTarget.value)}
                />
            </span>
            <span id={`${id}-verdict`} role="status" class={verdict?.kind === "danger" ? "ph-verdict ph-danger" : "ph-verdict ph-success"}>
                {verdict !== null && (
                    <>
                        <Icon name={verdict.kind} /> {verdict.sentence}
                    </>
                )}
            </span>
        </div>
    );
}

function StoreChoice(props: {
    readonly value: StoreFor;
    readonly label: string;
    readonly store: StoreFor;
    readonly onChoose: (store: StoreFor) => void;
    readonly blockedBy?: string | null;
}): JSX.Element {
    const { value, label, store, onChoose, blockedBy = null } = props;
    const id = useId();
    return (
        <>
            <label class="ph-radio">
                <input type="radio" name="store" value={value} checked={store === value} disabled={blockedBy !== null} aria-describedby={blockedBy === null ? undefined : id} onChange={() => onChoose(value)} />
                {label}
            </label>
            {blockedBy !== null && (
                <p id={id} class="ph-quiet ph-radio-reason">
                    {blockedBy}
                </p>
            )}
        </>
    );
}

/** Superuser access of the management server: the store for everybody is there. */
function useSuperuserHere(): "on" | "off" {
    const [access, setAccess] = useState<SuperuserAccess | null>(null);
    useEffect(() => {
        const here = superuserOf(LOCALHOST);
        setAccess(here);
        return () => here.close();
    }, []);
    return access?.access.value ?? "off";
}

function trustBlockedBy(comparison: Comparison): string | null {
    switch (comparison) {
        case "empty":
        case "same":
            return null;
        case "different":
            return _("The fingerprint that you pasted is another one.");
        case "md5":
        case "unreadable":
            return _("What you pasted cannot be compared. Take it away, or paste the fingerprint that begins with SHA256.");
    }
}

function verdictOf(comparison: Comparison): { readonly kind: "success" | "danger"; readonly sentence: string } | null {
    switch (comparison) {
        case "empty":
            return null;
        case "same":
            return { kind: "success", sentence: _("It is the same.") };
        case "different":
            return { kind: "danger", sentence: _("It is different. Do not connect.") };
        case "md5":
            return { kind: "danger", sentence: _("This is an MD5 fingerprint, which proves nothing. ssh-keygen -E sha256 -lf prints the one to paste.") };
        case "unreadable":
            return { kind: "danger", sentence: _("This is no fingerprint and no public key.") };
    }
}

/** Where the machine keeps a key of that type, by the names that OpenSSH gives. */
function keyFile(type: string): string {
    const kind = type.startsWith("ecdsa-") ? "ecdsa" : type.includes("rsa") ? "rsa" : "ed25519";
    return `/etc/ssh/ssh_host_${kind}_key.pub`;
}
