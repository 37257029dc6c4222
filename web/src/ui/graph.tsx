/**
 * A small live line graph. uPlot is loaded with the first one.
 *
 * The picture is for the eyes alone; whoever shows a graph also says its figures in words and offers them as
 * a table. Colours come from the style sheet, so that themes apply.
 */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";

import { hourAndMinute } from "./time";

export interface Line {
    readonly label: string;
    readonly colour: "first" | "second";
    readonly values: readonly (number | null)[];
}

export interface GraphProps {
    /** Milliseconds since 1970, ascending, as many as each line has values. */
    readonly times: readonly number[];
    readonly lines: readonly Line[];
    /** What the axis covers, in milliseconds, ending at the last time. */
    readonly span: number;
    /** Upper end of the scale; null lets it follow the values, but never below `least`. */
    readonly top: number | null;
    readonly least: number;
    /** How a value is written at the axis. */
    readonly write: (value: number) => string;
    /** Whether round values of the axis are round in powers of two or of ten. */
    readonly steps: "binary" | "decimal";
    /** Changes when the theme does, so that colours are read again. */
    readonly theme: string;
}

const HEIGHT = 120;

type Plot = InstanceType<typeof uPlot>;

export function Graph(props: GraphProps): JSX.Element {
    const place = useRef<HTMLDivElement>(null);
    const plot = useRef<Plot | null>(null);
    const latest = useRef(props);
    latest.current = props;
    const [library, setLibrary] = useState<typeof uPlot | null>(null);

    useEffect(() => {
        let wanted = true;
        void import("uplot").then((loaded) => {
            if (wanted) setLibrary(() => loaded.default);
        });
        return () => {
            wanted = false;
        };
    }, []);

    useEffect(() => {
        const element = place.current;
        if (library === null || element === null) return undefined;
        const made = new library(options(element, latest), data(latest.current), element);
        plot.current = made;
        const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
        observer.observe(element);
        return () => {
            observer.disconnect();
            made.destroy();
            plot.current = null;
        };
    }, [library, props.theme]);

    useEffect(() => {
        plot.current?.setData(data(props));
    }, [props.times, props.lines]);

    return <div ref={place} class="ph-graph" aria-hidden="true" />;
}

function data({ times, lines }: GraphProps): uPlot.AlignedData {
    return [times.map((time) => time / 1000), ...lines.map((line) => [...line.values])];
}

function options(element: HTMLElement, latest: { readonly current: GraphProps }): uPlot.Options {
    const style = getComputedStyle(element);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const quiet = style.color;
    const grid = { stroke: style.borderTopColor, width: 1 };
    const font = `11px ${style.fontFamily}`;
    return {
        width: element.clientWidth,
        height: HEIGHT,
        padding: [8, 18, 0, 0], // On the right, half a time of day.
        legend: { show: false },
        cursor: { show: false },
        select: { show: false, left: 0, top: 0, width: 0, height: 0 },
        scales: {
            x: {
                time: true,
                range: (_plot, _least, last) => [last - latest.current.span / 1000, last],
            },
            y: {
                range: (_plot, _least, highest) => {
                    const { top, least } = latest.current;
                    return [0, top ?? Math.max(least, highest * 1.1)];
                },
            },
        },
        axes: [
            {
                stroke: quiet,
                font,
                grid: { show: false },
                ticks: { show: false },
                size: 22,
                space: 60,
                incrs: [60],
                values: (_plot, seconds) => seconds.map((second) => hourAndMinute(second * 1000)),
            },
            {
                stroke: quiet,
                font,
                grid,
                ticks: { show: false },
                border: { show: false },
                size: 64,
                space: 34,
                ...(latest.current.steps === "binary" && { incrs: BINARY_STEPS }),
                values: (_plot, values) => values.map((value) => latest.current.write(value)),
            },
        ],
        series: [
            {},
            ...latest.current.lines.map((line) => ({
                label: line.label,
                stroke: colour(COLOURS[line.colour].stroke),
                fill: colour(COLOURS[line.colour].fill),
                width: 1.5,
                points: { show: false },
                spanGaps: false,
            })),
        ],
    };
}

const COLOURS = {
    first: { stroke: "--ph-graph-first", fill: "--ph-graph-first-fill" },
    second: { stroke: "--ph-graph-second", fill: "--ph-graph-second-fill" },
} as const;

const BINARY_STEPS = Array.from({ length: 50 }, (_none, power) => 2 ** power);
