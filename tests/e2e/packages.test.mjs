/**
 * Cockpit's own packages, as Debian has them, in frames of our shell: each page opens, does its main job once, and
 * complains of nothing that it does not complain of with stock Cockpit as well. `node --test packages.test.mjs`, as root.
 *
 * The same acts run with stock `cockpit-ws` on the same machine first, so that a failure of ours stands out: what fails
 * there too is the package's, or the machine's. `PACKAGES=337` leaves the other version out. What was seen is written to
 * `results/packages-VERSION.json`; docs/compatibility.md is made of it.
 */

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { launch, openPage } from "./browser.mjs";
import { ACTS } from "./packages/acts.mjs";
import { bootHouse, logIn, openPackage, VERSIONS } from "./packages/house.mjs";

const RESULTS = fileURLToPath(new URL("results/", import.meta.url));
const versions = VERSIONS.filter((version) => (process.env.PACKAGES ?? version) === version);

/**
 * What pages of packages write on the console by themselves, for want of something on this machine. The texts are those
 * of two servers, which name a missing program in different words; so they cannot be compared with each other.
 */
const OF_THE_PACKAGE = [
    /Failed to get current crypto policy/,
    /Failed to get (DMI|dmidecode) information/,
    // Podman's service ends when nobody uses it: stock's bridge closes the stream of events without words, ours says why.
    /the service broke off: connection error/,
    /python3-pcp not installed/,
    /CPU temperature metric closed/,
    /selinuxenabled: No such file/,
    /podman\.sock: No such file/,
    /init uid \S+ getInfo failed/,
    /Can't enable storaged \w+ module/,
    /Tracer failed/,
    /get os list returned error/,
    /Unable to initialize cgroups/,
    /Scrollbar test exception/,
    /minified code outside of NODE_ENV/,
    /FormSelect requires either an id or aria-label/,
    /is deprecated\.$/,
    /task queue exceeded/,
    // The terminal's own style elements: stock Cockpit's policy, which is ours for packages, forbids them too.
    /Applying inline style violates.*'default-src 'self'/,
    /style-src-elem inline in .*\/(terminal|users|index)\.js/,
];

for (const version of versions) {
    describe(`the packages of Cockpit ${version}`, () => {
        let house;
        let browser;
        let rounds = 0;
        const seen = [];

        before(async () => {
            house = await bootHouse(version);
            browser = await launch();
        });

        after(async () => {
            mkdirSync(RESULTS, { recursive: true });
            writeFileSync(`${RESULTS}packages-${version}.json`, JSON.stringify(seen, null, 4));
            await browser?.close();
            house?.machine.down();
        });

        for (const act of ACTS) {
            test(act.name, async (context) => {
                rounds += 1;
                const stock = await attempt(act, house.stock, String(rounds));
                rounds += 1;
                const ours = await attempt(act, house.ours, String(rounds));
                seen.push({ act: act.name, stock, ours });
                if (stock.error !== null) context.diagnostic(`with stock Cockpit: ${stock.error}`);
                if (ours.error !== null) context.diagnostic(`the server said:\n${house.machine.serverLog().slice(-2000)}`);
                assert.equal(ours.error, null);
                const known = new Set(stock.complaints);
                assert.deepEqual(ours.complaints.filter((complaint) => !known.has(complaint) && !OF_THE_PACKAGE.some((text) => text.test(complaint))), []);
            });
        }

        test("the services page: a second visit loads next to nothing; how soon it can be used", async (context) => {
            const figures = { ours: await visits(house.ours), stock: await visits(house.stock) };
            figures.ratio = Number((figures.ours.milliseconds / figures.stock.milliseconds).toFixed(2));
            seen.push({ figures });
            context.diagnostic(JSON.stringify(figures));
            assert.ok(figures.ours.bytes[1] <= figures.ours.bytes[0] * 0.05, JSON.stringify(figures));
        });

        /**
         * Opens the services page three times. The bytes that its frame loads, and those of them that a browser would load again:
         * what it may not keep. It is asked of the server, as Chromium keeps nothing from one whose certificate it was told to
         * overlook. And the median time until the list can be used, which nothing is asserted of.
         */
        async function visits(server) {
            const { page: first, context } = await openPage(browser);
            first.setDefaultTimeout(40_000);
            await logIn(first, server);
            const times = [];
            let bytes = [];
            for (let visit = 0; visit < 3; visit += 1) {
                const page = await context.newPage();
                const began = performance.now();
                const frame = await openPackage(page, server, "system/services");
                await frame.getByText("Regular background program processing daemon").first().waitFor({ timeout: 40_000 });
                times.push(Math.round(performance.now() - began));
                const entries = await frame.evaluate(() => ["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind)).map(({ name, transferSize }) => ({ name, transferSize })));
                if (visit === 0) bytes = [0, 0];
                for (const { name, transferSize } of visit === 0 ? entries : []) {
                    bytes[0] += transferSize;
                    bytes[1] += await loadedAgain(context, name, transferSize);
                }
                await page.close();
            }
            await context.close();
            return { milliseconds: times.sort((a, b) => a - b)[1], times, bytes };
        }

        /** What of `size` bytes a browser that has the file at `address` loads again. */
        async function loadedAgain(context, address, size) {
            const kept = (await context.request.get(address)).headers();
            if (kept["cache-control"]?.includes("immutable")) return 0;
            if (kept.etag === undefined || kept["cache-control"]?.includes("no-store")) return size;
            const again = await context.request.get(address, { headers: { "If-None-Match": kept.etag } });
            return again.status() === 304 ? 300 : size;
        }

        /** Does the act in a browser of its own; never throws. */
        async function attempt(act, server, round) {
            const { page, context, complaints } = await openPage(browser);
            page.setDefaultTimeout(40_000);
            const given = { page, round, version, machine: house.machine };
            const began = performance.now();
            let error = null;
            let opened = null;
            try {
                await logIn(page, server);
                await act.before?.(given);
                const frame = await openPackage(page, server, act.place, typeof act.hash === "function" ? act.hash(given) : act.hash);
                await act.ready(frame, given).waitFor();
                opened = Math.round(performance.now() - began);
                await act.act?.({ ...given, frame });
            } catch (reason) {
                error = String(reason).slice(0, 1000);
                mkdirSync(RESULTS, { recursive: true });
                const file = `${RESULTS}${version}-${server.name}-${act.name}`.replace(/[^\w./-]+/g, "-");
                await page.screenshot({ path: `${file}.png` }).catch(() => undefined);
            }
            await context.close();
            // Addresses differ between the two.
            const plain = complaints.map((complaint) => complaint.replaceAll(server.origin, "").replace(/\$[0-9a-f]{64}/g, "@localhost").replace(/\n[^]*/, ""));
            return { error, opened, complaints: [...new Set(plain)].sort() };
        }
    });
}
