/** Times of day for lists of thousands of rows: formatters are made once for a language. */

import { language } from "../i18n";

const CLOCK: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const DAY: Intl.DateTimeFormatOptions = { weekday: "long", year: "numeric", month: "long", day: "numeric" };

let made: { readonly language: string; readonly clock: Intl.DateTimeFormat; readonly day: Intl.DateTimeFormat } | null = null;

/** Hours, minutes and seconds. `time` is in milliseconds since 1970. */
export function clock(time: number): string {
    return formatters().clock.format(time);
}

/** The day in full. `time` is in milliseconds since 1970. */
export function day(time: number): string {
    return formatters().day.format(time);
}

function formatters(): NonNullable<typeof made> {
    const wanted = language();
    if (made?.language !== wanted) {
        made = { language: wanted, clock: new Intl.DateTimeFormat(wanted, CLOCK), day: new Intl.DateTimeFormat(wanted, DAY) };
    }
    return made;
}
