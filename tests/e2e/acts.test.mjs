/** What a person does in the interface, against the scripted bridge. `node --test acts.test.mjs`. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch, openPage } from "./browser.mjs";
import { Machine } from "./scripted/machine.mjs";
import { serve } from "./scripted/serve.mjs";

let browser;
before(async () => {
    browser = await launch();
});
after(() => browser.close());

/** Opens `address` on a fresh machine, runs `body`, and asserts that nothing was complained about. */
async function visit(address, body, { machine = new Machine(), tolerated = /^$/ } = {}) {
    const server = await serve(machine);
    const { page, context, complaints } = await openPage(browser);
    page.setDefaultTimeout(5000);
    try {
        await page.goto(server.address + address);
        await body({ page, server, machine });
        assert.deepEqual(complaints.filter((complaint) => !tolerated.test(complaint)), []);
    } finally {
        await context.close();
        server.close();
    }
}

async function turnOnSuperuser(page, password = "secret") {
    await page.getByRole("button", { name: "Superuser access: off" }).click();
    await page.getByLabel("[sudo] password for ada:").fill(password);
    await page.keyboard.press("Enter");
}

test("superuser access asks in the name of sudo, says what was wrong, and goes on and off", () =>
    visit("/", async ({ page }) => {
        await turnOnSuperuser(page, "wrong");
        await page.getByRole("alert").getByText("Sorry, try again.").waitFor();
        await page.getByText("Sudo on web1 asks:").waitFor();
        const field = page.getByLabel("[sudo] password for ada:");
        assert.equal(await field.inputValue(), "");
        assert.equal(await field.evaluate((input) => input === document.activeElement), true);

        await field.fill("secret");
        await page.getByRole("button", { name: "Continue" }).click();
        await page.getByRole("button", { name: "Superuser access: on" }).click();
        await page.getByRole("button", { name: "Superuser access: off" }).waitFor();
    }));

test("three wrong passwords end with what sudo said, and cancelling ends silently", () =>
    visit("/", async ({ page }) => {
        await turnOnSuperuser(page, "a");
        for (const attempt of ["b", "c"]) {
            await page.getByRole("alert").waitFor();
            await page.getByLabel("[sudo] password for ada:").fill(attempt);
            await page.keyboard.press("Enter");
            await page.waitForTimeout(100);
        }
        await page.getByRole("heading", { name: "Superuser access was not turned on" }).waitFor();
        await page.getByText("3 incorrect password attempts").first().waitFor();
        await page.getByRole("button", { name: "Close" }).click();

        await page.getByRole("button", { name: "Superuser access: off" }).click();
        await page.getByLabel("[sudo] password for ada:").waitFor();
        await page.keyboard.press("Escape");
        await page.getByRole("button", { name: "Superuser access: off" }).waitFor();
        assert.equal(await page.getByRole("dialog").count(), 0);
    }));

test("a service is started with superuser access, and its state follows", () =>
    visit("/host/localhost/services", async ({ page }) => {
        const row = page.getByRole("row", { name: /nginx/ });
        const start = row.getByRole("button", { name: "Start: nginx.service" });
        assert.equal(await start.getAttribute("aria-disabled"), "true");
        assert.equal(await start.getAttribute("title"), "Turn on superuser access to start units.");

        await turnOnSuperuser(page);
        await start.click();
        await page.getByText("nginx.service was started.").waitFor();
        await row.getByText("Running").waitFor();
    }));

test("a unit's page enables and disables it", () =>
    visit("/host/localhost/services/rsync.service", async ({ page }) => {
        await turnOnSuperuser(page);
        await page.getByRole("button", { name: "Start at boot" }).click();
        await page.getByText("rsync.service starts at boot from now on.").waitFor();
        await page.getByRole("button", { name: "Do not start at boot" }).waitFor();
    }));

test("filters live in the address, survive a reload, and back goes back", () =>
    visit("/host/localhost/services", async ({ page }) => {
        await page.getByRole("link", { name: "Timers" }).click();
        await page.getByLabel("Name or description").fill("logrotate");
        await page.waitForURL("**/services?kind=timer&q=logrotate");
        await page.getByText("apt-daily.timer").waitFor({ state: "detached" });
        await page.reload();
        await page.getByRole("link", { name: "logrotate.timer" }).waitFor();
        assert.equal(await page.getByLabel("Name or description").inputValue(), "logrotate");

        await page.goBack();
        await page.waitForURL("**/services");
        await page.getByRole("link", { name: "nginx.service" }).waitFor();
    }));

test("logs are filtered by journalctl itself, and fields unfold", () =>
    visit("/host/localhost/logs", async ({ page, machine }) => {
        await page.getByLabel("Priority").selectOption("err");
        await page.waitForURL("**/logs?priority=err");
        await page.getByText("Got message type").first().waitFor({ state: "detached" });
        await page.locator(".ph-entry button").first().click();
        await page.getByText("SYSLOG_IDENTIFIER").waitFor();
        assert.ok(machine.spawned.some((command) => command.includes("--priority=err")));
    }));

test("an address cannot smuggle anything into the journal's command", () =>
    visit("/host/localhost/logs?unit=--flush&boot=1%3Breboot&since=$(reboot)&priority=x&q=--vacuum-size%3D1", async ({ page, machine }) => {
        await page.getByText("No entry matches these filters.").waitFor();
        for (const command of machine.spawned) {
            assert.equal(command[0], "journalctl");
            assert.deepEqual(command.filter((part) => /flush|reboot/.test(part)), []);
            assert.equal(command.some((part) => part.startsWith("--vacuum")), false);
        }
    }));

test("older entries are added below, and scrolling away stops following until one is back", () =>
    visit("/host/localhost/logs", async ({ page }) => {
        await page.getByRole("button", { name: "Following" }).waitFor();
        await page.getByRole("button", { name: "Load older entries" }).click();
        await page.getByText(/^4\d\d entries are shown$/).waitFor();
        await page.getByRole("button", { name: "Follow", exact: true }).waitFor();
        await page.getByRole("main").evaluate((main) => main.scrollTo(0, 0));
        await page.getByRole("button", { name: "Following" }).waitFor();
    }));

test("the terminal takes keys, tells how the shell ended, and starts a new one", () =>
    visit("/host/localhost/terminal", async ({ page }) => {
        await page.locator(".xterm-rows").getByText("Last login").waitFor();
        assert.equal(await page.title(), "Terminal – web1 – Pilothouse");
        await page.keyboard.type("hello\r");
        await page.locator(".xterm-rows").getByText("hello: command not found").waitFor();
        await page.keyboard.type("exit 3\r");
        await page.getByText("Shell ended (exit status 3).").waitFor();
        await page.getByRole("button", { name: "New shell" }).click();
        await page.getByText("Shell ended").waitFor({ state: "detached" });
        await page.locator(".xterm-rows").getByText("Last login").waitFor();
    }));

test("a lost connection is told, what is shown stays, and it comes back by itself", () =>
    visit(
        "/host/localhost/services",
        async ({ page, server }) => {
            await page.getByRole("link", { name: "ssh.service" }).waitFor();
            server.cut();
            await page.getByText("Connection lost.").waitFor();
            assert.equal(await page.getByRole("link", { name: "ssh.service" }).count(), 1);
            server.restore();
            await page.getByRole("button", { name: "Try now" }).click();
            await page.getByText("Connection lost.").waitFor({ state: "detached" });
            await turnOnSuperuser(page);
            await page.getByRole("button", { name: "Restart: ssh.service" }).click();
            await page.getByText("ssh.service was restarted.").waitFor();
        },
        { tolerated: /WebSocket connection/ },
    ));

test("the theme is kept and told to packages", () =>
    visit("/", async ({ page }) => {
        await page.getByRole("button", { name: "ada" }).click();
        await page.getByLabel("Dark").check();
        assert.equal(await page.evaluate(() => localStorage.getItem("shell:style")), "dark");
        await page.reload();
        await page.getByRole("heading", { name: "Overview" }).waitFor();
        assert.equal(await page.evaluate(() => document.documentElement.classList.contains("pf-v6-theme-dark")), true);
    }));

test("a graph is offered as a table", () =>
    visit("/", async ({ page }) => {
        await page.getByRole("button", { name: "Show Memory as table" }).click();
        await page.getByRole("columnheader", { name: "In use" }).waitFor();
    }));

test("a package of Cockpit runs in a frame and speaks through the shell", () =>
    visit("/@localhost/demo", async ({ page }) => {
        await page.frameLocator("iframe").getByText("echo says hello").waitFor();
        assert.equal(await page.title(), "demo – web1 – Pilothouse");
        assert.equal(await page.locator("iframe").getAttribute("name"), "cockpit1:localhost/demo/index");
        await page.getByRole("link", { name: "Services" }).click();
        await page.getByRole("heading", { name: "Services" }).waitFor();
    }));

test("the keyboard reaches the content by the skip link and moves with the page", () =>
    visit("/", async ({ page }) => {
        await page.getByRole("heading", { name: "Overview" }).waitFor();
        await page.keyboard.press("Tab");
        await page.keyboard.press("Enter");
        assert.equal(await page.evaluate(() => document.activeElement?.id), "main");
        await page.getByRole("link", { name: "Logs" }).click();
        await page.getByRole("heading", { name: "Logs" }).waitFor();
        assert.equal(await page.evaluate(() => document.activeElement?.id), "main");
    }));
