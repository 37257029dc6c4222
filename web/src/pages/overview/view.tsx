/** How the overview is drawn. No channels; strings of the host pass through `HostText`. */

import type { ReadonlySignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";

import { _, C_, fill, formatBytes, formatBytesPerSecond, formatDuration, formatExactTime, formatPercent, ngettext } from "../../i18n";
import { hostAddress } from "../../routes";
import type { PageContext } from "../../shell/page";
import { Button } from "../../ui/button";
import { Graph, type Line } from "../../ui/graph";
import { Icon } from "../../ui/icon";
import { Failed, Loading } from "../../ui/states";
import { HostText } from "../../ui/text";
import { clock } from "../../ui/time";
import { type Card, type FailedUnit, NAMED_FAILURES, type SystemFacts } from "./model";
import { type Figures, type History, rangeOf, series, tableRows } from "./metrics_model";

/** What the graphs cover, in milliseconds. */
const SPAN = 5 * 60 * 1000;

/** The table beside a graph has a row for every so many samples. */
const TABLE_STEP = 10;

const KIB = 1024;

interface Props {
    readonly context: PageContext;
    readonly facts: ReadonlySignal<Card<SystemFacts>>;
    readonly failures: ReadonlySignal<Card<readonly FailedUnit[]>>;
    readonly history: ReadonlySignal<Card<History>>;
    readonly retry: { readonly facts: () => void; readonly failures: () => void; readonly metrics: () => void };
}

export function overviewView(props: Props): () => JSX.Element {
    const { context, retry } = props;
    return () => (
        <>
            <h1 class="pf-v6-c-title pf-m-2xl">{_("Overview")}</h1>
            <Section title={_("Health")}>
                <Health card={props.failures.value} context={context} onRetry={retry.failures} />
            </Section>
            <Live card={props.history.value} theme={context.theme.value} onRetry={retry.metrics} />
            <Section title={_("System")}>
                <System card={props.facts.value} onRetry={retry.facts} />
            </Section>
        </>
    );
}

function Section({ title, value, children }: { readonly title: string; readonly value?: string; readonly children: ComponentChildren }): JSX.Element {
    return (
        <section class="pf-v6-c-card" aria-label={title}>
            <div class="pf-v6-c-card__title ph-card-title">
                <h2 class="pf-v6-c-card__title-text">{title}</h2>
                {value !== undefined && <span class="ph-card-value">{value}</span>}
            </div>
            <div class="pf-v6-c-card__body">{children}</div>
        </section>
    );
}

function Health(props: { readonly card: Card<readonly FailedUnit[]>; readonly context: PageContext; readonly onRetry: () => void }): JSX.Element {
    const { card, context } = props;
    switch (card.kind) {
        case "loading":
            return <Loading waitingFor={_("Waiting for systemd to list its units.")} lines={2} />;
        case "failed":
            return <Failed problem={card.problem} onRetry={props.onRetry} />;
        case "ready":
            break;
    }
    const units = card.value;
    if (units.length === 0) {
        return (
            <p class="ph-health">
                <span class="ph-success">
                    <Icon name="success" />
                </span>
                {_("No unit has failed.")}
            </p>
        );
    }
    const all = hostAddress(context.host, { page: "services", filter: { kind: "service", state: "failed" } });
    return (
        <>
            <p class="ph-health">
                <span class="ph-danger">
                    <Icon name="danger" />
                </span>
                <a href={all}>{fill(ngettext("$0 unit has failed", "$0 units have failed", units.length), String(units.length))}</a>
            </p>
            <ul class="ph-plain-list">
                {units.slice(0, NAMED_FAILURES).map((unit) => (
                    <li key={unit.name}>
                        <FailedUnitName unit={unit} context={context} /> <span class="ph-quiet"><HostText text={unit.description} /></span>
                    </li>
                ))}
            </ul>
            {units.length > NAMED_FAILURES && (
                <p class="ph-quiet">{fill(_("and $0 more"), String(units.length - NAMED_FAILURES))}</p>
            )}
        </>
    );
}

function FailedUnitName({ unit, context }: { readonly unit: FailedUnit; readonly context: PageContext }): JSX.Element {
    if (unit.name === null) return <HostText text={unit.text} />;
    return (
        <a href={hostAddress(context.host, { page: "unit", unit: unit.name })}>
            <HostText text={unit.name} />
        </a>
    );
}

function System({ card, onRetry }: { readonly card: Card<SystemFacts>; readonly onRetry: () => void }): JSX.Element {
    switch (card.kind) {
        case "loading":
            return <Loading waitingFor={_("Waiting for the machine to tell about itself.")} lines={4} />;
        case "failed":
            return <Failed problem={card.problem} onRetry={onRetry} />;
        case "ready":
            break;
    }
    const { hostName, operatingSystem, kernel, model, startedAt } = card.value;
    const rows: readonly (readonly [string, JSX.Element])[] = [
        [_("Host name"), <HostText text={hostName || "–"} />],
        [_("Operating system"), <HostText text={operatingSystem || "–"} />],
        [C_("system", "Kernel"), <HostText text={kernel || "–"} />],
        [_("Model"), <HostText text={model || "–"} />],
        [_("Up for"), startedAt === null ? <>–</> : <span title={formatExactTime(new Date(startedAt))}>{formatDuration((Date.now() - startedAt) / 1000)}</span>],
    ];
    return (
        <dl class="pf-v6-c-description-list pf-m-horizontal pf-m-compact ph-facts">
            {rows.map(([term, value]) => (
                <div key={term} class="pf-v6-c-description-list__group">
                    <dt class="pf-v6-c-description-list__term">
                        <span class="pf-v6-c-description-list__text">{term}</span>
                    </dt>
                    <dd class="pf-v6-c-description-list__description">
                        <div class="pf-v6-c-description-list__text">{value}</div>
                    </dd>
                </div>
            ))}
        </dl>
    );
}

function percent(value: number): string {
    return formatPercent(value / 100);
}

interface GraphCard {
    readonly title: string;
    readonly lines: readonly { readonly label: string; readonly name: keyof Figures }[];
    readonly write: (value: number) => string;
    readonly steps: "binary" | "decimal";
    readonly top: (last: Figures | null) => number | null;
    readonly least: number;
    readonly summary: (last: Figures | null) => string;
}

function graphCards(): readonly GraphCard[] {
    const known = (value: number | null | undefined, write: (value: number) => string): string => (value == null ? "–" : write(value));
    return [
        {
            title: _("Processors"),
            lines: [
                { label: _("Busy"), name: "cpu" },
                { label: _("Waiting for disks"), name: "wait" },
            ],
            write: percent,
            steps: "decimal",
            top: () => 100,
            least: 100,
            summary: (last) => known(last?.cpu, percent),
        },
        {
            title: _("Memory"),
            lines: [{ label: _("In use"), name: "memoryUsed" }],
            write: formatBytes,
            steps: "binary",
            top: (last) => last?.memoryTotal ?? null,
            least: KIB * KIB,
            summary: (last) => fill(_("$0 of $1"), known(last?.memoryUsed, formatBytes), known(last?.memoryTotal, formatBytes)),
        },
        {
            title: _("Disks"),
            lines: [
                { label: _("Read"), name: "diskRead" },
                { label: _("Written"), name: "diskWritten" },
            ],
            write: formatBytesPerSecond,
            steps: "decimal",
            top: () => null,
            least: 100_000,
            summary: (last) =>
                fill(_("$0 read, $1 written"), known(last?.diskRead, formatBytesPerSecond), known(last?.diskWritten, formatBytesPerSecond)),
        },
        {
            title: _("Network"),
            lines: [
                { label: _("Received"), name: "received" },
                { label: _("Sent"), name: "sent" },
            ],
            write: formatBytesPerSecond,
            steps: "decimal",
            top: () => null,
            least: 10_000,
            summary: (last) =>
                fill(_("$0 received, $1 sent"), known(last?.received, formatBytesPerSecond), known(last?.sent, formatBytesPerSecond)),
        },
    ];
}

function Live({ card, theme, onRetry }: { readonly card: Card<History>; readonly theme: string; readonly onRetry: () => void }): JSX.Element {
    return (
        <div class="ph-cards">
            {graphCards().map((graph) => {
                const last = card.kind === "ready" ? (card.value.figures.at(-1) ?? null) : null;
                return (
                    <Section key={graph.title} title={graph.title} value={graph.summary(last)}>
                        {card.kind === "loading" && <Loading waitingFor={_("Waiting for the first figures.")} />}
                        {card.kind === "failed" && <Failed problem={card.problem} onRetry={onRetry} />}
                        {card.kind === "ready" && <LiveGraph graph={graph} history={card.value} theme={theme} />}
                    </Section>
                );
            })}
        </div>
    );
}

const COLOURS = ["first", "second"] as const;

function LiveGraph({ graph, history, theme }: { readonly graph: GraphCard; readonly history: History; readonly theme: string }): JSX.Element {
    const [shown, setShown] = useState<"graph" | "table">("graph");
    const lines: Line[] = graph.lines.map(({ label, name }, index) => ({
        label,
        colour: COLOURS[index] ?? "first",
        values: series(history, name),
    }));
    return (
        <>
            {shown === "table" ? (
                <FigureTable graph={graph} history={history} />
            ) : (
                <Graph
                    times={history.times}
                    lines={lines}
                    span={SPAN}
                    top={graph.top(history.figures.at(-1) ?? null)}
                    least={graph.least}
                    write={graph.write}
                    steps={graph.steps}
                    theme={theme}
                />
            )}
            <div class="ph-graph-foot">
                <ul class="ph-legend">
                    {lines.map((line) => (
                        <li key={line.label} class={line.colour === "first" ? "ph-legend-first" : "ph-legend-second"}>
                            {legend(line, graph.write)}
                        </li>
                    ))}
                </ul>
                <Button look="link" label={fill(shown === "graph" ? _("Show $0 as table") : _("Show $0 as graph"), graph.title)} onClick={() => setShown(shown === "graph" ? "table" : "graph")}>
                    {shown === "graph" ? _("Show as table") : _("Show as graph")}
                </Button>
            </div>
        </>
    );
}

function legend(line: Line, write: (value: number) => string): string {
    const range = rangeOf(line.values);
    if (range === null) return fill(_("$0: –"), line.label);
    return fill(_("$0: $1 to $2"), line.label, write(range.lowest), write(range.highest));
}

function FigureTable({ graph, history }: { readonly graph: GraphCard; readonly history: History }): JSX.Element {
    return (
        <div class="ph-table-scroll" tabIndex={0} role="group" aria-label={graph.title}>
            <table class="pf-v6-c-table pf-m-compact ph-figures">
                <thead class="pf-v6-c-table__thead">
                    <tr class="pf-v6-c-table__tr">
                        <th class="pf-v6-c-table__th" scope="col">{_("Time")}</th>
                        {graph.lines.map((line) => (
                            <th key={line.name} class="pf-v6-c-table__th" scope="col">
                                {line.label}
                            </th>
                        ))}
                    </tr>
                </thead>
                <tbody class="pf-v6-c-table__tbody">
                    {tableRows(history, TABLE_STEP).map((row) => (
                        <tr key={row.time} class="pf-v6-c-table__tr">
                            <td class="pf-v6-c-table__td">{clock(row.time)}</td>
                            {graph.lines.map((line) => (
                                <td key={line.name} class="pf-v6-c-table__td">
                                    {writeKnown(row.figures[line.name], graph.write)}
                                </td>
                            ))}
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}

function writeKnown(value: number | null, write: (value: number) => string): string {
    return value === null ? "–" : write(value);
}
