/**
 * The fonts that packages for Cockpit ask any server of the family for. The interface itself uses the system's. Called by
 * `build.ts`.
 *
 * They come with PatternFly under the SIL Open Font License 1.1, which stands in each file. One variable font a family
 * and slant is enough: the server sends it for every weight.
 */

import { copyFile, mkdir } from "node:fs/promises";
import path from "node:path";

const FAMILIES = ["RedHatText", "RedHatDisplay", "RedHatMono"];

/** Copies them from `node_modules` to `folder`, which is made. */
export async function copyFonts(root: string, folder: string): Promise<void> {
    await mkdir(folder, { recursive: true });
    for (const family of FAMILIES) {
        for (const file of [`${family}VF.woff2`, `${family}VF-Italic.woff2`]) {
            await copyFile(path.join(root, "node_modules/@patternfly/patternfly/assets/fonts", family, file), path.join(folder, file));
        }
    }
}
