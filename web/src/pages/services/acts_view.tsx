/** Buttons for what may be done to a unit, and the notice that says how it ended. */

import type { JSX } from "preact";

import { _, fill } from "../../i18n";
import { Button } from "../../ui/button";
import { explain } from "../../ui/problem";
import { Notice } from "../../ui/states";
import type { Acts } from "./acts";
import { type Act, actBlockedBy, actLabel, type Unit } from "./model";

export function ActButton(props: {
    readonly unit: Unit;
    readonly act: Act;
    readonly acts: Acts;
    readonly superuser: "on" | "off";
    readonly size: "normal" | "small";
    readonly look?: "primary" | "secondary" | "quiet";
}): JSX.Element {
    const { unit, act, acts, size, look = "secondary" } = props;
    const doing = acts.doing.value.find((other) => other.unit === unit.name);
    const blocked = blockedBy(props, doing !== undefined);
    return (
        <Button
            look={look}
            size={size}
            blockedBy={blocked}
            label={size === "small" ? fill(_("$0: $1"), actLabel(act), unit.name) : undefined}
            onClick={() => acts.run(unit.name, act)}
        >
            {doing?.act === act ? fill(_("$0 …"), actLabel(act)) : actLabel(act)}
        </Button>
    );
}

function blockedBy({ unit, act, acts, superuser }: Parameters<typeof ActButton>[0], isBusy: boolean): string | null {
    if (acts.link.value === "down") return _("There is no connection to this machine.");
    return isBusy ? fill(_("Something is being done to $0."), unit.name) : actBlockedBy(unit, act, superuser);
}

/** How the last act ended. A live region that is always there, so that its change is announced. */
export function ActsNotice({ acts, hint }: { readonly acts: Acts; readonly hint?: JSX.Element }): JSX.Element {
    const notice = acts.notice.value;
    const dismiss = (
        <Button look="link" onClick={acts.dismiss}>
            {_("Dismiss")}
        </Button>
    );
    switch (notice.kind) {
        case "none":
            return <div role="status" />;
        case "done":
            return (
                <div role="status">
                    <Notice kind="success" title={notice.sentence} />
                </div>
            );
        case "failed": {
            const { cause, next } = explain(notice.problem);
            return (
                <div role="status">
                    <Notice kind="danger" title={cause} actions={<>{hint} {dismiss}</>}>
                        {next !== "" && <p>{next}</p>}
                    </Notice>
                </div>
            );
        }
    }
}
