/** A unit's state as a word, an icon and a colour. */

import type { JSX } from "preact";

import { Icon, type IconName } from "../../ui/icon";
import { type Activity, activityLabel, type Unit } from "./model";

const LOOKS: Readonly<Record<Activity, { readonly icon: IconName; readonly class: string }>> = {
    failed: { icon: "danger", class: "ph-state ph-danger" },
    running: { icon: "running", class: "ph-state ph-success" },
    starting: { icon: "pending", class: "ph-state ph-info" },
    stopping: { icon: "pending", class: "ph-state ph-info" },
    stopped: { icon: "stopped", class: "ph-state ph-quiet" },
};

export function UnitState({ unit }: { readonly unit: Unit }): JSX.Element {
    const look = LOOKS[unit.activity];
    return (
        <span class={look.class}>
            <Icon name={look.icon} />
            <span class="ph-state-word">{activityLabel(unit)}</span>
        </span>
    );
}
