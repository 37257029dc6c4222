/**
 * The one way by which text that came from a machine gets onto the screen.
 *
 * Characters that would hide, turn round or erase what stands beside them become visible marks, and long
 * text is cut. Everything that a host, PAM or a log says passes through here. It builds no elements.
 */

/** Longest text that is shown at once, in characters; more is offered by *Show all*. */
export const SHOWN_AT_ONCE = 4096;

// C0 but tab and line feed, DEL and C1, soft hyphen, Arabic letter mark, zero-width and direction marks, line and
// paragraph separators, bidi embeddings and isolates, invisible operators, byte order mark, annotations, tag
// characters, and surrogates without a partner.
const HIDDEN =
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}\ud800-\udfff]/gu;

/** `text` with each hidden character replaced by a mark that shows it. */
export function visible(text: string): string {
    return text.replace(HIDDEN, (character) => mark(character.codePointAt(0) ?? 0));
}

/** As `visible`, in one line: line feeds and tabs become marks or blanks as well. */
export function visibleLine(text: string): string {
    return visible(text).replaceAll("\n", "␊").replaceAll("\t", " ");
}

/** The part of `text` that is shown first, and how many characters are left out. */
export function cut(text: string): { shown: string; left: number } {
    if (text.length <= SHOWN_AT_ONCE) return { shown: text, left: 0 };
    // A pair of surrogates is not cut in half.
    const last = text.charCodeAt(SHOWN_AT_ONCE - 1);
    const end = last >= 0xd800 && last <= 0xdbff ? SHOWN_AT_ONCE - 1 : SHOWN_AT_ONCE;
    return { shown: text.slice(0, end), left: text.length - end };
}

/** The address in `text` if it may become a link: `http` and `https` only, nothing hidden in it; else null. */
export function linkTarget(text: string): string | null {
    if (!/^https?:\/\/[^\s/]/.test(text) || visibleLine(text) !== text) return null;
    try {
        const url = new URL(text);
        return url.username === "" && url.password === "" ? url.href : null;
    } catch {
        return null;
    }
}

function mark(code: number): string {
    // The control pictures of Unicode stand in the order of the control characters.
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    if (code === 0x7f) return "␡";
    return `⟨${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
}
