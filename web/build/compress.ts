/** Writes one output file with its compressed twins. Called by `build.ts`. */

import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

export interface Sizes {
    readonly plain: number;
    /** What a browser gets: brotli if it is smaller, else the plain file. */
    readonly brotli: number;
}

/** `file`, and beside it `.br` and `.gz` where they are smaller. */
export async function writeCompressed(file: string, content: Uint8Array, mode: "release" | "dev"): Promise<Sizes> {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
    if (mode === "dev") return { plain: content.length, brotli: content.length };

    const brotli = brotliCompressSync(content, {
        params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length },
    });
    const gzip = gzipSync(content, { level: 9 });
    if (brotli.length < content.length) await writeFile(`${file}.br`, brotli);
    if (gzip.length < content.length) await writeFile(`${file}.gz`, gzip);
    return { plain: content.length, brotli: Math.min(brotli.length, content.length) };
}
