/** How the list of units is drawn. No channels; what the host wrote passes through `HostText`. */

import type { ReadonlySignal } from "@preact/signals";
import type { JSX } from "preact";

import { _, fill, ngettext } from "../../i18n";
import { hostAddress, parseText, UNIT_KINDS, UNIT_STATES, type UnitFilter } from "../../routes";
import type { PageContext } from "../../shell/page";
import { Button } from "../../ui/button";
import { FilterField, Select } from "../../ui/field";
import { Empty, Failed, Loading } from "../../ui/states";
import { Tabs } from "../../ui/tabs";
import { HostText } from "../../ui/text";
import type { Acts } from "./acts";
import { ActButton, ActsNotice } from "./acts_view";
import { actsFor, countFailed, enablementLabel, kindLabel, listed, type Page, type Unit, type Units } from "./model";
import { UnitState } from "./state_view";

interface Props {
    readonly context: PageContext;
    readonly filter: ReadonlySignal<UnitFilter>;
    readonly state: ReadonlySignal<Page>;
    readonly acts: Acts;
    readonly retry: () => void;
}

export function unitsView(props: Props): () => JSX.Element {
    return () => {
        const { context, state, filter } = props;
        const units: Units = state.value.kind === "ready" ? state.value.units : new Map();
        return (
            <>
                <h1 class="pf-v6-c-title pf-m-2xl">{_("Services")}</h1>
                <KindTabs units={units} filter={filter.value} context={context} />
                <Filters filter={filter.value} context={context} />
                <ActsNotice acts={props.acts} />
                <Content {...props} />
            </>
        );
    };
}

function KindTabs(props: { readonly units: Units; readonly filter: UnitFilter; readonly context: PageContext }): JSX.Element {
    const { units, filter, context } = props;
    const tabs = UNIT_KINDS.map((kind) => {
        const problems = countFailed(units, kind);
        return {
            label: kindLabel(kind),
            address: hostAddress(context.host, { page: "services", filter: { ...filter, kind } }),
            current: filter.kind === kind,
            problems,
            problemsLabel: fill(ngettext("$0 has failed", "$0 have failed", problems), problems),
        };
    });
    return <Tabs label={_("Kinds of units")} tabs={tabs} />;
}

function Filters({ filter, context }: { readonly filter: UnitFilter; readonly context: PageContext }): JSX.Element {
    const go = (change: { readonly text?: string | undefined; readonly state?: UnitFilter["state"] | undefined }): void => {
        const { kind, state, text } = { ...filter, ...change };
        context.go({ page: "services", filter: { kind, ...(state && { state }), ...(text !== undefined && { text }) } }, "replace");
    };
    const states = [
        { value: "", label: _("All") },
        { value: "failed", label: _("Failed") },
        { value: "running", label: _("Active") },
        { value: "stopped", label: _("Stopped") },
    ];
    return (
        <div class="ph-filters">
            <FilterField label={_("Name or description")} value={filter.text ?? ""} onChange={(text) => go({ text: parseText(text) ?? undefined })} />
            <Select label={_("State")} value={filter.state ?? ""} choices={states} onChange={(value) => go({ state: UNIT_STATES.find((state) => state === value) })} />
        </div>
    );
}

function Content(props: Props): JSX.Element {
    const state = props.state.value;
    switch (state.kind) {
        case "loading":
            return <Loading waitingFor={_("Waiting for systemd to list its units.")} lines={8} />;
        case "failed":
            return <Failed problem={state.problem} onRetry={props.retry} />;
        case "ready": {
            const units = listed(state.units, props.filter.value);
            return units.length === 0 ? <Nothing {...props} /> : <List {...props} units={units} />;
        }
    }
}

function Nothing({ filter, context }: Props): JSX.Element {
    const { kind, state, text } = filter.value;
    if (state === undefined && text === undefined) return <Empty title={_("This host has no units of this kind.")} />;
    return (
        <Empty title={_("No unit matches these filters.")}>
            <Button onClick={() => context.go({ page: "services", filter: { kind } }, "push")}>{_("Clear filters")}</Button>
        </Empty>
    );
}

function List({ units, context, acts }: Props & { readonly units: readonly Unit[] }): JSX.Element {
    return (
        <table class="pf-v6-c-table pf-m-compact ph-units" aria-label={_("Units")}>
            <thead class="pf-v6-c-table__thead">
                <tr class="pf-v6-c-table__tr">
                    <th class="pf-v6-c-table__th" scope="col">
                        {_("Unit")}
                    </th>
                    <th class="pf-v6-c-table__th ph-units-fact" scope="col">
                        {_("State")}
                    </th>
                    <th class="pf-v6-c-table__th ph-units-fact" scope="col">
                        {_("At boot")}
                    </th>
                    <th class="pf-v6-c-table__th ph-units-acts" scope="col">
                        <span class="pf-v6-screen-reader">{_("Actions")}</span>
                    </th>
                </tr>
            </thead>
            <tbody class="pf-v6-c-table__tbody">
                {units.map((unit) => (
                    <Row key={unit.name} unit={unit} context={context} acts={acts} />
                ))}
            </tbody>
        </table>
    );
}

function Row({ unit, context, acts }: { readonly unit: Unit; readonly context: PageContext; readonly acts: Acts }): JSX.Element {
    const [first] = actsFor(unit);
    return (
        <tr class="pf-v6-c-table__tr">
            <th class="pf-v6-c-table__th ph-unit-name" scope="row">
                <a href={hostAddress(context.host, { page: "unit", unit: unit.name })}>
                    <HostText text={unit.name} />
                </a>
                {unit.description !== "" && unit.description !== unit.name && (
                    <span class="ph-unit-description">
                        <HostText text={unit.description} />
                    </span>
                )}
            </th>
            <td class="pf-v6-c-table__td ph-units-fact">
                <UnitState unit={unit} />
            </td>
            <td class="pf-v6-c-table__td ph-units-fact">{enablementLabel(unit.enablement)}</td>
            <td class="pf-v6-c-table__td ph-units-acts">
                {first !== undefined && <ActButton unit={unit} act={first} acts={acts} superuser={context.superuser.value} size="small" look="quiet" />}
            </td>
        </tr>
    );
}
