/** Acts on units as both Services pages do them: one at a time for each unit, with one notice for the last end. */

import { type ReadonlySignal, signal } from "@preact/signals";

import type { HostName, UnitName } from "../../routes";
import { type Problem, problemOf } from "../../ui/problem";
import { doAct, JobFailed } from "./api";
import { type Act, type Doing, doneSentence } from "./model";

export type ActNotice =
    | { readonly kind: "none" }
    | { readonly kind: "done"; readonly sentence: string }
    | { readonly kind: "failed"; readonly unit: UnitName; readonly problem: Problem };

export interface Acts {
    readonly doing: ReadonlySignal<readonly Doing[]>;
    readonly notice: ReadonlySignal<ActNotice>;
    /** Whether anything can be done there at all. */
    readonly link: ReadonlySignal<"up" | "down">;
    readonly run: (unit: UnitName, act: Act) => void;
    readonly dismiss: () => void;
}

/** How long a good end stays on the screen, in milliseconds. A failure stays until it is put away. */
const DONE_SHOWN = 10_000;

/** The acts on one host; `link` is the way there. */
export function actsOn(host: HostName, link: ReadonlySignal<"up" | "down">): Acts {
    const doing = signal<readonly Doing[]>([]);
    const notice = signal<ActNotice>({ kind: "none" });
    return {
        doing,
        notice,
        link,
        run: (unit, act) => {
            if (doing.value.some((other) => other.unit === unit)) return;
            doing.value = [...doing.value, { unit, act }];
            notice.value = { kind: "none" };
            doAct(host, unit, act)
                .then(
                    () => {
                        const done: ActNotice = { kind: "done", sentence: doneSentence(act, unit) };
                        notice.value = done;
                        setTimeout(() => {
                            if (notice.value === done) notice.value = { kind: "none" };
                        }, DONE_SHOWN);
                    },
                    (error: unknown) => {
                        const problem = error instanceof JobFailed ? error.reason : problemOf(error);
                        notice.value = { kind: "failed", unit, problem };
                    },
                )
                .finally(() => {
                    doing.value = doing.value.filter((other) => other.unit !== unit);
                });
        },
        dismiss: () => {
            notice.value = { kind: "none" };
        },
    };
}
