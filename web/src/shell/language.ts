/**
 * The language that packages are shown in: the cookie `CockpitLang`, which the server reads for their files.
 *
 * Callers: `package_extras.tsx`. A choice loads the document again, as every text in it may change.
 */

/** Names the cookie; the same as Cockpit's, so that packages agree. */
const COOKIE = "CockpitLang";

/** How long a choice is kept, in seconds: a year. */
const KEPT = 31_536_000;

/** The code that was chosen, such as `de` or `pt-br`; empty for the browser's own. */
export function chosenLanguage(): string {
    const found = document.cookie.split("; ").find((part) => part.startsWith(`${COOKIE}=`));
    return found === undefined ? "" : decodeURIComponent(found.slice(COOKIE.length + 1));
}

/** Takes a choice; empty goes back to the browser's own. */
export function chooseLanguage(code: string): void {
    if (!/^[A-Za-z-]{0,16}$/.test(code)) return;
    const age = code === "" ? 0 : KEPT;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `${COOKIE}=${code}; Path=/; Max-Age=${age}; SameSite=Strict${secure}`;
    location.reload();
}
