/** The states that every page and card can be in besides ready: loading, failed, empty. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { _ } from "../i18n";
import { explain, type Problem } from "./problem";
import { Button } from "./button";
import { visible } from "./host_text";
import { Icon } from "./icon";

/** How long one waits before it is said what for, in milliseconds. */
const EXPLAIN_AFTER = 5000;

/** A skeleton that shows up after 200 ms (by the style sheet) and after 5 s says what is waited for. */
export function Loading({ waitingFor, lines = 3 }: { readonly waitingFor: string; readonly lines?: number }): JSX.Element {
    const [late, setLate] = useState(false);
    useEffect(() => {
        const timer = setTimeout(() => setLate(true), EXPLAIN_AFTER);
        return () => clearTimeout(timer);
    }, []);
    return (
        <div class="ph-loading" role="status">
            <span class="pf-v6-screen-reader">{_("Loading")}</span>
            {Array.from({ length: lines }, (_none, index) => (
                <div key={index} class="pf-v6-c-skeleton pf-m-text-md" />
            ))}
            {late && <p class="ph-quiet">{waitingFor}</p>}
        </div>
    );
}

/** What failed: cause, next step, a way to try again, and the details folded away. */
export function Failed(props: { readonly problem: Problem; readonly onRetry?: (() => void) | undefined }): JSX.Element {
    const { cause, next } = explain(props.problem);
    const details = visible(detailsOf(props.problem));
    return (
        <Notice kind="danger" title={cause} actions={props.onRetry && <Button look="link" onClick={props.onRetry}>{_("Try again")}</Button>}>
            <p>{next}</p>
            <details class="ph-details">
                <summary>{_("Details")}</summary>
                <pre>{details}</pre>
                <Button look="link" onClick={() => void navigator.clipboard.writeText(details)}>
                    {_("Copy details")}
                </Button>
            </details>
        </Notice>
    );
}

/** Nothing to show: one sentence why, and the next act. */
export function Empty(props: { readonly title: string; readonly children?: ComponentChildren }): JSX.Element {
    return (
        <div class="pf-v6-c-empty-state pf-m-sm">
            <div class="pf-v6-c-empty-state__content">
                <p class="pf-v6-c-empty-state__title-text">{props.title}</p>
                {props.children !== undefined && <div class="pf-v6-c-empty-state__footer">{props.children}</div>}
            </div>
        </div>
    );
}

export type NoticeKind = "info" | "success" | "warning" | "danger";

const NOTICES: Readonly<Record<NoticeKind, string>> = {
    info: "pf-v6-c-alert pf-m-inline pf-m-info",
    success: "pf-v6-c-alert pf-m-inline pf-m-success",
    warning: "pf-v6-c-alert pf-m-inline pf-m-warning",
    danger: "pf-v6-c-alert pf-m-inline pf-m-danger",
};

/** A message that stays where it is. `live` announces it: for what happened just now. */
export function Notice(props: {
    readonly kind: NoticeKind;
    readonly title: string;
    readonly live?: "polite" | "assertive";
    readonly actions?: ComponentChildren;
    readonly children?: ComponentChildren;
}): JSX.Element {
    return (
        <div class={NOTICES[props.kind]} role={props.live === "assertive" ? "alert" : props.live === "polite" ? "status" : undefined}>
            <div class="pf-v6-c-alert__icon">
                <Icon name={props.kind} />
            </div>
            <p class="pf-v6-c-alert__title">{visible(props.title)}</p>
            {props.children !== undefined && <div class="pf-v6-c-alert__description">{props.children}</div>}
            {props.actions !== undefined && <div class="pf-v6-c-alert__action-group">{props.actions}</div>}
        </div>
    );
}

function detailsOf(problem: Problem): string {
    return `${problem.code}\n${problem.message}`.trim();
}
