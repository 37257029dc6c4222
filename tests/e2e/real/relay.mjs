/** A relay on loopback in front of the machine's server, so that a test can cut the network between the two. */

import { connect, createServer } from "node:net";

/** Resolves to the relay; `cut` resets all connections and takes none until `restore`. */
export async function startRelay(host, port) {
    const pairs = new Set();
    let isCut = false;
    const server = createServer((near) => {
        if (isCut) return void near.resetAndDestroy();
        const far = connect(port, host);
        const pair = [near, far];
        pairs.add(pair);
        for (const [from, to] of [[near, far], [far, near]]) {
            from.pipe(to);
            from.on("error", () => to.destroy());
            from.on("close", () => {
                to.destroy();
                pairs.delete(pair);
            });
        }
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    return {
        origin: `https://127.0.0.1:${server.address().port}`,
        cut: () => {
            isCut = true;
            for (const pair of pairs) for (const end of pair) end.resetAndDestroy();
        },
        restore: () => {
            isCut = false;
        },
        close: () => {
            for (const pair of pairs) for (const end of pair) end.destroy();
            server.close();
        },
    };
}
