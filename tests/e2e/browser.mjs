/** The distribution's Chromium, headless, and pages in it that report whatever a user would never see. */

import { chromium } from "playwright-core";

export function launch() {
    return chromium.launch({
        executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
        args: [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ],
    });
}

/** A page of its own context. `complaints` collects console errors, exceptions and reports of the policy. */
export async function openPage(browser, { width = 1280, height = 800, scheme = "light" } = {}) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: "reduce" });
    const page = await context.newPage();
    const complaints = [];
    page.on("console", (message) => {
        if (message.type() === "error" || message.type() === "warning") complaints.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => complaints.push(`exception: ${error.stack}`));
    page.on("dialog", (dialog) => {
        complaints.push(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
    });
    return { page, context, complaints };
}
