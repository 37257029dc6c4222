/** Times of day for lists of thousands of rows: formatters are made once for a language. */

import { language } from "../i18n";

const CLOCK: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const DAY: Intl.DateTimeFormatOptions = { weekday: "long", year: "numeric", month: "long", day: "numeric" };

const SHORT_CLOCK: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

interface Formatters {
    readonly language: string;
    readonly clock: Intl.DateTimeFormat;
    readonly shortClock: Intl.DateTimeFormat;
    readonly day: Intl.DateTimeFormat;
}

let made: Formatters | null = null;

/** Hours, minutes and seconds. `time` is in milliseconds since 1970. */
export function clock(time: number): string {
    return formatters().clock.format(time);
}

/** Hours and minutes. `time` is in milliseconds since 1970. */
export function hourAndMinute(time: number): string {
    return formatters().shortClock.format(time);
}

/** The day in full. `time` is in milliseconds since 1970. */
export function day(time: number): string {
    return formatters().day.format(time);
}

function formatters(): Formatters {
    const wanted = language();
    if (made?.language !== wanted) {
        made = {
            language: wanted,
            clock: new Intl.DateTimeFormat(wanted, CLOCK),
            shortClock: new Intl.DateTimeFormat(wanted, SHORT_CLOCK),
            day: new Intl.DateTimeFormat(wanted, DAY),
        };
    }
    return made;
}
