/**
 * Every page in every state, wide and narrow, light and dark, against the scripted bridge: nothing is complained
 * about, nothing scrolls sideways, axe finds nothing. `node pages.mjs [--short] [FOLDER [ONLY]]` keeps pictures in
 * FOLDER, and leaves out those whose name does not hold ONLY; `--short` leaves most looks out.
 */

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";

import { launch, openPage } from "./browser.mjs";
import { Machine } from "./scripted/machine.mjs";
import { serve } from "./scripted/serve.mjs";

const words = process.argv.slice(2);
const extent = words[0] === "--short" ? "short" : "whole";
const [folder, only] = extent === "short" ? words.slice(1) : words;
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const PAGES = [
    { name: "overview", address: "/", heading: "Overview", shows: "1 unit has failed" },
    { name: "services", address: "/host/localhost/services", heading: "Services", shows: "OpenBSD Secure Shell server" },
    { name: "unit", address: "/host/localhost/services/nginx.service", heading: "nginx.service", shows: "Its program ended with exit status 1." },
    { name: "logs", address: "/host/localhost/logs", heading: "Logs", shows: "Load older entries" },
    { name: "terminal", address: "/host/localhost/terminal", heading: "Terminal", shows: null },
    { name: "package", address: "/@localhost/demo", heading: null, shows: null },
    { name: "drawer", address: "/", heading: "Overview", shows: null, act: openDrawer },
    { name: "missing", address: "/@localhost/storage", heading: "storage is not installed", shows: null, tolerated: /404/ },
    { name: "nowhere", address: "/host/localhost/nowhere", heading: "There is no such page", shows: null },
];

const STATES = {
    ready: () => new Machine(),
    empty: () => new Machine().emptied(),
    failed: () => Object.assign(new Machine(), { problem: "access-denied" }),
    absent: () => Object.assign(new Machine(), { absent: new Set(["org.freedesktop.systemd1", "org.freedesktop.hostname1"]) }),
};

const LOOKS = [
    { name: "light", width: 1280, height: 800, scheme: "light" },
    { name: "dark", width: 1280, height: 800, scheme: "dark" },
    { name: "narrow", width: 360, height: 740, scheme: "light" },
    { name: "narrow-dark", width: 320, height: 740, scheme: "dark" },
];

/** The short form has each page ready in the first and the last look, and in the other states narrow. */
function isLeftOut(state, look, view) {
    if (state !== "ready" && look.name.endsWith("dark")) return true;
    if (extent === "whole") return false;
    if (state === "ready") return look.name === "dark" || look.name === "narrow";
    return look.name !== "narrow" || view.name === "nowhere";
}

const browser = await launch();
const failures = [];
for (const [state, machine] of Object.entries(STATES)) {
    for (const look of LOOKS) {
        if (state !== "ready" && look.name.endsWith("dark")) continue;
        for (const view of PAGES) {
            if (isLeftOut(state, look, view)) continue;
            const label = `${view.name}-${state}-${look.name}`;
            if (only !== undefined && !label.includes(only)) continue;
            const server = await serve(machine());
            const { page, context, complaints } = await openPage(browser, look);
            try {
                await page.goto(server.address + view.address);
                if (view.heading !== null) await page.getByRole("heading", { level: 1, name: view.heading }).waitFor({ timeout: 5000 });
                if (state === "ready" && view.shows !== null) await page.getByText(view.shows).first().waitFor({ timeout: 5000 });
                await view.act?.(page);
                await page.waitForTimeout(view.name === "overview" ? 2500 : 800);
                if (folder !== undefined) await page.screenshot({ path: path.join(folder, `${label}.png`) });
                const wider = await page.evaluate(() => [document.documentElement, document.getElementById("main")].filter((box) => box.scrollWidth > box.clientWidth).map((box) => `${box.tagName} ${box.scrollWidth} > ${box.clientWidth}`));
                if (wider.length > 0) failures.push(`${label}: scrolls sideways: ${wider.join(", ")}`);
                const findings = await check(page);
                failures.push(...findings.map((finding) => `${label}: axe: ${finding}`));
            } catch (error) {
                failures.push(`${label}: ${String(error)}`);
            }
            const wrong = complaints.filter((complaint) => view.tolerated?.test(complaint) !== true);
            failures.push(...wrong.map((complaint) => `${label}: ${complaint}`));
            await context.close();
            server.close();
        }
    }
}
await browser.close();
for (const failure of failures) console.error(failure);
console.log(failures.length === 0 ? "every page passed" : `${failures.length} findings`);
process.exitCode = failures.length === 0 ? 0 : 1;

/** Where the window is narrow, the navigation is behind a button. */
async function openDrawer(page) {
    const button = page.getByRole("button", { name: "Navigation" });
    if (await button.isVisible()) await button.click();
    await page.getByRole("link", { name: "Services" }).first().waitFor({ timeout: 5000 });
}

/** What axe finds, as lines. It is put in by the debugger, past the page's policy, which forbids it otherwise. */
async function check(page) {
    const session = await page.context().newCDPSession(page);
    await session.send("Runtime.evaluate", { expression: axe });
    const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"] }));
    return violations.flatMap((violation) => violation.nodes.slice(0, 3).map((node) => `${violation.id}: ${node.target.join(" ")} ${node.failureSummary?.replace(/\s+/g, " ").slice(0, 200)}`));
}
