/** The distribution's Chromium, headless, and pages in it that report whatever a user would never see. */

import { chromium } from "playwright-core";

/** Named in the server's `Permissions-Policy`; Chromium has them, but not on Linux, where it says so. */
const FEATURES_OF_OTHER_SYSTEMS = /^Error with Permissions-Policy header: Unrecognized feature: '(bluetooth|web-share)'\.$/;

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

/**
 * A page of its own context. `complaints` collects console errors, exceptions and reports of the policy, of frames
 * too. `scripts` off is a browser that runs none; a certificate that the machine made itself is taken.
 */
export async function openPage(browser, { width = 1280, height = 800, scheme = "light", scripts = "on", baseURL } = {}) {
    const context = await browser.newContext({
        viewport: { width, height },
        colorScheme: scheme,
        reducedMotion: "reduce",
        javaScriptEnabled: scripts === "on",
        ignoreHTTPSErrors: true,
        baseURL,
    });
    const complaints = [];
    // Chromium writes most of these to the console as well, but not what `report-only` or a worker reports.
    await context.exposeBinding("complainOfPolicy", (_source, report) => complaints.push(`policy: ${report}`));
    await context.addInitScript(() => {
        document.addEventListener("securitypolicyviolation", (event) => {
            void window.complainOfPolicy(`${event.effectiveDirective} ${event.blockedURI} in ${event.sourceFile ?? event.documentURI}`);
        });
    });
    const page = await context.newPage();
    page.on("console", (message) => {
        const noted = message.type() === "error" || message.type() === "warning";
        if (noted && !FEATURES_OF_OTHER_SYSTEMS.test(message.text())) complaints.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => complaints.push(`exception: ${error.stack}`));
    page.on("dialog", (dialog) => {
        complaints.push(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
    });
    return { page, context, complaints };
}
