/**
 * Makes xterm.js obey our content policy. Called by `build.ts` for the module `@xterm/xterm`.
 *
 * xterm makes three `<style>` elements and sets one `style` attribute; the policy (`style-src 'self'`) refuses
 * both, and then text is black on black. Here the elements become comment nodes that write into a constructed
 * style sheet, and the attribute becomes `style.cssText`. The build fails when the counts differ, because a new
 * xterm then needs a new look.
 */

/** How often xterm 6.0.0 does what our policy forbids. */
const EXPECTED = { styleElements: 3, styleAttributes: 1 } as const;

const STYLE_ELEMENT = /[\w$.]+\.createElement\("style"\)/g;
const STYLE_ATTRIBUTE = /([\w$]+)\.setAttribute\("style",`\$\{\1\.getAttribute\("style"\)\|\|""\}\$\{([\w$]+)\};`\)/g;

/** Put in front of the module: what stands in for a `<style>` element. */
const SHEET_FACTORY = `
function pilothouseStyleSheet() {
    const sheet = new CSSStyleSheet();
    const node = document.createComment("");
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    Object.defineProperty(node, "textContent", { set: (text) => sheet.replaceSync(text) });
    node.remove = () => {
        document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
        Comment.prototype.remove.call(node);
    };
    return node;
}
`;

/** The module's text with every forbidden call replaced. Throws when there are more or fewer than known. */
export function withoutInlineStyles(source: string): string {
    const elements = countOf(source, STYLE_ELEMENT, 'createElement("style")');
    const attributes = countOf(source, STYLE_ATTRIBUTE, 'setAttribute("style"');
    if (elements !== EXPECTED.styleElements || attributes !== EXPECTED.styleAttributes) {
        throw new Error(
            `xterm makes ${elements} style elements and ${attributes} style attributes; ` +
                `build/xterm.ts knows ${EXPECTED.styleElements} and ${EXPECTED.styleAttributes}`,
        );
    }
    return (
        SHEET_FACTORY +
        source
            .replace(STYLE_ELEMENT, "pilothouseStyleSheet()")
            .replace(STYLE_ATTRIBUTE, '$1.style.cssText+=$2+";"')
    );
}

/** Matches of `pattern`; throws when the plain text occurs in a form that the pattern does not know. */
function countOf(source: string, pattern: RegExp, plain: string): number {
    const matches = source.match(pattern)?.length ?? 0;
    const occurrences = source.split(plain).length - 1;
    if (matches !== occurrences) {
        throw new Error(`xterm: ${occurrences} occurrences of ${plain}, of which ${matches} can be replaced`);
    }
    return matches;
}
