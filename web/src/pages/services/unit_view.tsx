/** How one unit is drawn. No channels; what the host wrote passes through `HostText` and `HostAddress`. */

import type { ReadonlySignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";

import { _, fill, formatAgo, formatBytes, formatExactTime } from "../../i18n";
import { hostAddress, parseUnitName, type UnitName } from "../../routes";
import type { PageContext } from "../../shell/page";
import { Empty, Failed, Loading, Notice } from "../../ui/states";
import { HostAddress, HostText } from "../../ui/text";
import { EntryRow } from "../logs/entry_view";
import type { LogState } from "../logs/model";
import type { Acts } from "./acts";
import { ActButton, ActsNotice } from "./acts_view";
import { actsFor, enablementLabel } from "./model";
import { UnitState } from "./state_view";
import type { UnitDetails, UnitPage } from "./unit_model";

interface Props {
    readonly context: PageContext;
    readonly name: ReadonlySignal<UnitName>;
    readonly state: ReadonlySignal<UnitPage>;
    readonly log: ReadonlySignal<LogState>;
    readonly acts: Acts;
    readonly retry: () => void;
    readonly retryLog: () => void;
}

export function unitView(props: Props): () => JSX.Element {
    return () => {
        const { context, name } = props;
        return (
            <>
                <div>
                    <a class="ph-way-back" href={hostAddress(context.host, { page: "services", filter: { kind: "service" } })}>
                        {_("All services")}
                    </a>
                    <h1 class="pf-v6-c-title pf-m-2xl ph-unit-title">
                        <HostText text={name.value} />
                    </h1>
                </div>
                <Content {...props} />
            </>
        );
    };
}

function Content(props: Props): JSX.Element {
    const { context, name } = props;
    const state = props.state.value;
    switch (state.kind) {
        case "loading":
            return <Loading waitingFor={_("Waiting for systemd to describe the unit.")} lines={6} />;
        case "failed":
            return <Failed problem={state.problem} onRetry={props.retry} />;
        case "absent":
            return (
                <Empty title={fill(_("This host has no unit named $0."), name.value)}>
                    <a href={hostAddress(context.host, { page: "services", filter: { kind: "service" } })}>{_("Show all services")}</a>
                </Empty>
            );
        case "ready":
            return <Details {...props} details={state.details} />;
    }
}

function Details(props: Props & { readonly details: UnitDetails }): JSX.Element {
    const { details, context, acts } = props;
    const { unit } = details;
    return (
        <>
            {unit.description !== "" && (
                <p class="ph-quiet">
                    <HostText text={unit.description} />
                </p>
            )}
            <div class="ph-acts">
                {actsFor(unit).map((act, index) => (
                    <ActButton key={act} unit={unit} act={act} acts={acts} superuser={context.superuser.value} size="normal" look={index === 0 ? "primary" : "secondary"} />
                ))}
            </div>
            <ActsNotice acts={acts} />
            {details.failure !== null && <Notice kind="danger" title={details.failure} />}
            <section class="pf-v6-c-card" aria-label={_("Status")}>
                <div class="pf-v6-c-card__title">
                    <h2 class="pf-v6-c-card__title-text">{_("Status")}</h2>
                </div>
                <div class="pf-v6-c-card__body">
                    <Facts details={details} context={context} />
                </div>
            </section>
            <section class="pf-v6-c-card" aria-label={_("Log")}>
                <div class="pf-v6-c-card__title ph-card-title">
                    <h2 class="pf-v6-c-card__title-text">{_("Log")}</h2>
                    <a href={hostAddress(context.host, { page: "logs", filter: { unit: unit.name } })}>{_("Show in Logs")}</a>
                </div>
                <div class="pf-v6-c-card__body">
                    <UnitLog log={props.log.value} superuser={context.superuser.value} retry={props.retryLog} />
                </div>
            </section>
        </>
    );
}

function Facts({ details, context }: { readonly details: UnitDetails; readonly context: PageContext }): JSX.Element {
    const { unit } = details;
    return (
        <dl class="pf-v6-c-description-list pf-m-horizontal pf-m-compact ph-facts">
            <Fact term={_("State")}>
                <UnitState unit={unit} />
                {details.since !== null && (
                    <span class="ph-quiet" title={formatExactTime(new Date(details.since))}>
                        {" "}
                        {fill(_("(changed $0)"), formatAgo(new Date(details.since)))}
                    </span>
                )}
            </Fact>
            <Fact term={_("At boot")}>{enablementLabel(unit.enablement)}</Fact>
            {details.nextElapse !== null && (
                <Fact term={_("Next run")}>
                    <span title={formatExactTime(new Date(details.nextElapse))}>{formatAgo(new Date(details.nextElapse))}</span>
                </Fact>
            )}
            {details.mainPid !== null && <Fact term={_("Main process")}>{String(details.mainPid)}</Fact>}
            {details.memory !== null && <Fact term={_("Memory")}>{formatBytes(details.memory)}</Fact>}
            {details.file !== "" && (
                <Fact term={_("File")}>
                    <code>
                        <HostText text={details.file} />
                    </code>
                </Fact>
            )}
            <Related term={_("Triggers")} names={details.triggers} context={context} />
            <Related term={_("Triggered by")} names={details.triggeredBy} context={context} />
            <Related term={_("Requires")} names={details.requires} context={context} />
            <Related term={_("Wanted by")} names={details.wantedBy} context={context} />
            {details.documentation.length > 0 && (
                <Fact term={_("Documentation")}>
                    <ul class="ph-plain-list">
                        {details.documentation.map((address) => (
                            <li key={address}>
                                <HostAddress text={address} />
                            </li>
                        ))}
                    </ul>
                </Fact>
            )}
        </dl>
    );
}

function Fact({ term, children }: { readonly term: string; readonly children: ComponentChildren }): JSX.Element {
    return (
        <div class="pf-v6-c-description-list__group">
            <dt class="pf-v6-c-description-list__term">
                <span class="pf-v6-c-description-list__text">{term}</span>
            </dt>
            <dd class="pf-v6-c-description-list__description">
                <div class="pf-v6-c-description-list__text">{children}</div>
            </dd>
        </div>
    );
}

function Related(props: { readonly term: string; readonly names: readonly string[]; readonly context: PageContext }): JSX.Element | null {
    if (props.names.length === 0) return null;
    return (
        <Fact term={props.term}>
            <ul class="ph-inline-list">
                {props.names.map((text) => {
                    const unit = parseUnitName(text);
                    return (
                        <li key={text}>
                            {unit === null ? (
                                <HostText text={text} />
                            ) : (
                                <a href={hostAddress(props.context.host, { page: "unit", unit })}>
                                    <HostText text={text} />
                                </a>
                            )}
                        </li>
                    );
                })}
            </ul>
        </Fact>
    );
}

function UnitLog({ log, superuser, retry }: { readonly log: LogState; readonly superuser: "on" | "off"; readonly retry: () => void }): JSX.Element {
    switch (log.kind) {
        case "loading":
            return <Loading waitingFor={_("Waiting for journalctl to find the unit's entries.")} lines={4} />;
        case "failed":
            return <Failed problem={log.problem} onRetry={retry} />;
        case "ready":
            if (log.log.entries.length === 0) {
                const why = superuser === "on" ? _("It has written nothing.") : _("It wrote nothing that you may read. Turn on superuser access to see all it wrote.");
                return <p class="ph-quiet">{why}</p>;
            }
            return (
                <div class="ph-log ph-log-in-card" role="log" aria-live="off" aria-label={_("Log")} tabIndex={0}>
                    {log.log.entries.map((entry) => (
                        <EntryRow key={entry.cursor} entry={entry} />
                    ))}
                </div>
            );
    }
}
