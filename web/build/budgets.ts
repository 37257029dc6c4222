/** What the browser may be sent, in brotli bytes. Called by `build.ts`, which fails when a budget is exceeded. */

const KB = 1000;

export interface Output {
    /** Path below `dist/`. */
    readonly file: string;
    readonly brotli: number;
    /** Modules from `src/pages` or `node_modules` that are in it; empty for style sheets and pictures. */
    readonly inputs: readonly string[];
}

export interface Figures {
    readonly outputs: readonly Output[];
    /** Scripts that the shell loads before anything else: its entry and what that imports statically. */
    readonly shellScripts: readonly string[];
    readonly shellSheet: string;
    readonly loginSheet: string;
}

interface Line {
    readonly what: string;
    readonly bytes: number;
    readonly limit: number;
}

/** Every budget with its figure, in the order in which it is printed. */
export function budgetLines(figures: Figures): readonly Line[] {
    const size = (file: string) => figures.outputs.find((output) => output.file === file)?.brotli ?? 0;
    const sum = (sizes: readonly number[]) => sizes.reduce((total, bytes) => total + bytes, 0);
    return [
        // The page itself is a template of the server and has the rest of the 10 KB.
        { what: "login.css", bytes: size(figures.loginSheet), limit: 6 * KB },
        { what: "shell: scripts", bytes: sum(figures.shellScripts.map(size)), limit: 30 * KB },
        { what: "shell: style sheet", bytes: size(figures.shellSheet), limit: 22 * KB },
        ...figures.outputs.filter((output) => !figures.shellScripts.includes(output.file)).flatMap(chunkLine),
        { what: "all of web/", bytes: sum(figures.outputs.map((output) => output.brotli)), limit: 300 * KB },
    ];
}

function chunkLine(output: Output): Line[] {
    if (!output.file.startsWith("assets/") || !output.file.endsWith(".js")) return [];
    if (has(output, "node_modules/@xterm/")) return [{ what: `terminal: ${output.file}`, bytes: output.brotli, limit: 80 * KB }];
    if (has(output, "node_modules/uplot/")) return [{ what: `graphs: ${output.file}`, bytes: output.brotli, limit: 24 * KB }];
    return [{ what: `chunk: ${output.file}`, bytes: output.brotli, limit: 12 * KB }];
}

function has(output: Output, folder: string): boolean {
    return output.inputs.some((input) => input.includes(folder));
}
