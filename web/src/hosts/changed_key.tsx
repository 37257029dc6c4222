/**
 * A machine that shows another key than the one that is stored for it. Nothing here accepts it: replacing a key is an
 * act of its own, with a reason, by the command `pilothouse hostkeys`.
 */

import type { JSX } from "preact";

import { _, fill } from "../i18n";
import { hostAddress, type HostName, LOCALHOST } from "../routes";
import { Button } from "../ui/button";
import { visibleLine } from "../ui/host_text";
import { Notice } from "../ui/states";
import { failureDetails } from "./host_problems";
import { connectTo } from "./hosts";
import { type Failure, keyVerdict } from "./model";

export function ChangedKey({ host, failure }: { readonly host: HostName; readonly failure: Failure }): JSX.Element {
    const name = visibleLine(host);
    const verdict = keyVerdict(failure);
    const place = withoutUser(host);
    return (
        <Notice
            kind="danger"
            live="assertive"
            title={titleOf(verdict, name)}
            actions={
                <>
                    <a class="pf-v6-c-button pf-m-primary" href={hostAddress(LOCALHOST, { page: "overview" })}>
                        {_("Do not connect")}
                    </a>{" "}
                    <Button look="link" onClick={() => connectTo(host)}>
                        {_("Look again")}
                    </Button>
                </>
            }
        >
            <div class="ph-ask">
                <p>{meaningOf(verdict)}</p>
                <dl class="ph-key">
                    {failure.stored.map((fingerprint) => (
                        <Key key={fingerprint} label={_("Stored")} fingerprint={fingerprint} />
                    ))}
                    {failure.shown !== null && <Key label={fill(_("Shown now ($0)"), visibleLine(failure.shown.keyType))} fingerprint={failure.shown.fingerprint} />}
                </dl>
                {verdict === "changed" && (
                    <>
                        <p>{fill(_("Compare the one that is shown now on the console of $0 itself:"), name)}</p>
                        <code class="ph-command">for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $key; done</code>
                        <p>{_("Only if it is the same, and you know why it is a new one, replace the stored key in a terminal of this server:")}</p>
                        <code class="ph-command">{`pilothouse hostkeys remove ${place} --reason "reinstalled"`}</code>
                        <p>{_("For the keys that everybody uses, as root and with --system. Then connect again and compare the key once more.")}</p>
                    </>
                )}
                {verdict === "damaged" && (
                    <>
                        <p>{_("See what is stored, and take out the entry that the details name:")}</p>
                        <code class="ph-command">{`pilothouse hostkeys show ${place}`}</code>
                        <code class="ph-command">{`pilothouse hostkeys remove ${place}`}</code>
                    </>
                )}
                {verdict === "revoked" && (
                    <>
                        <p>{_("This says where it is revoked:")}</p>
                        <code class="ph-command">{`pilothouse hostkeys show ${place}`}</code>
                    </>
                )}
                <details class="ph-details">
                    <summary>{_("Details")}</summary>
                    <pre>{failureDetails(failure)}</pre>
                </details>
            </div>
        </Notice>
    );
}

function Key({ label, fingerprint }: { readonly label: string; readonly fingerprint: string }): JSX.Element {
    return (
        <>
            <dt>{label}</dt>
            <dd>
                <code class="ph-fingerprint">{visibleLine(fingerprint)}</code>
            </dd>
        </>
    );
}

function titleOf(verdict: ReturnType<typeof keyVerdict>, host: string): string {
    switch (verdict) {
        case "changed":
            return fill(_("$0 identifies itself with a different key"), host);
        case "revoked":
            return fill(_("The key of $0 is revoked"), host);
        case "damaged":
            return fill(_("What is stored of the key of $0 cannot be read"), host);
    }
}

function meaningOf(verdict: ReturnType<typeof keyVerdict>): string {
    switch (verdict) {
        case "changed":
            return _("This happens after a reinstall. It also happens when someone intercepts the connection. No password was sent.");
        case "revoked":
            return _("Somebody has declared that this key must never be trusted again. It cannot be accepted. No password was sent. The machine needs a new key.");
        case "damaged":
            return _("As long as it cannot be read, nobody can say whether this is the machine. No password was sent.");
    }
}

/** The host as the command takes it. A `HostName` holds nothing that a shell would read as more than a word. */
function withoutUser(host: HostName): string {
    return host.slice(host.lastIndexOf("@") + 1);
}
