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

test("a question for superuser access is asked again after a reload, and by another tab that wants to answer", () =>
    visit("/", async ({ page, server }) => {
        await page.getByRole("button", { name: "Superuser access: off" }).click();
        await page.getByLabel("[sudo] password for ada:").waitFor();
        await page.reload();
        await page.getByLabel("[sudo] password for ada:").waitFor();
        const other = await page.context().newPage();
        await other.goto(server.address);
        await other.getByLabel("[sudo] password for ada:").fill("secret");
        await other.keyboard.press("Enter");
        for (const tab of [other, page]) {
            await tab.getByRole("button", { name: "Superuser access: on" }).waitFor();
            assert.equal(await tab.getByRole("dialog").count(), 0);
        }
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

test("several lines are not pasted into the terminal before they are seen", () =>
    visit("/host/localhost/terminal", async ({ page }) => {
        await page.locator(".xterm-rows").getByText("Last login").waitFor();
        const paste = (text) =>
            page.locator(".xterm-helper-textarea").evaluate((area, pasted) => {
                const clipboardData = new DataTransfer();
                clipboardData.setData("text/plain", pasted);
                area.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
            }, text);
        await paste("one word");
        await page.locator(".xterm-rows").getByText("one word").waitFor();
        await paste("\nrm -r /srv\n\u202e");
        const dialog = page.getByRole("dialog", { name: "Paste 3 lines?" });
        await dialog.getByText("rm -r /srv").waitFor();
        await dialog.getByRole("button", { name: "Cancel" }).click();
        assert.equal(await page.locator(".xterm-rows").getByText("rm -r").count(), 0);
        await paste("\nfirst\nsecond");
        await page.getByRole("button", { name: "Paste" }).click();
        await page.locator(".xterm-rows").getByText("first: command not found").waitFor();
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

test("when the session has ended one logs in over the page, and what was typed goes on", () =>
    visit(
        "/host/localhost/services?q=ss",
        async ({ page, server, machine }) => {
            machine.code = "123456";
            await page.getByRole("link", { name: "ssh.service" }).waitFor();
            await page.getByLabel("Name or description").fill("ssh");
            server.endSession();
            const dialog = page.getByRole("dialog", { name: "Your session has ended" });
            await dialog.waitFor();
            assert.equal(await dialog.getByLabel("User name").inputValue(), "ada");
            assert.equal(await dialog.getByLabel("Password", { exact: true }).evaluate((field) => field === document.activeElement), true);

            await page.keyboard.type("wrong");
            await page.keyboard.press("Enter");
            await dialog.getByRole("alert").getByText("The password was not accepted.").waitFor();
            assert.equal(await dialog.getByLabel("Password", { exact: true }).inputValue(), "");
            await page.keyboard.type("secret");
            await page.keyboard.press("Enter");
            await dialog.getByText("web1 asks:").waitFor();
            await dialog.getByText("Ada's <b>token</b> is known.").waitFor();
            await dialog.getByLabel("Code from the token:").fill("123456");
            await dialog.getByRole("button", { name: "Continue" }).click();

            await dialog.waitFor({ state: "detached" });
            assert.equal(await page.getByLabel("Name or description").inputValue(), "ssh");
            await turnOnSuperuser(page);
            await page.getByRole("button", { name: "Restart: ssh.service" }).click();
            await page.getByText("ssh.service was restarted.").waitFor();
        },
        { tolerated: /status of 401|WebSocket connection/ },
    ));

test("the login can wait, and is not asked of who has logged in by another tab", () =>
    visit(
        "/",
        async ({ page, server }) => {
            await page.getByRole("link", { name: "Second demo" }).waitFor();
            server.endSession();
            await page.getByRole("button", { name: "Not now" }).click();
            await page.getByText("Your session has ended. What is shown may be old.").waitFor();
            await page.getByRole("button", { name: "Log in again" }).click();
            await page.getByRole("dialog").waitFor();
            server.beginSession();
            await page.evaluate(() => window.dispatchEvent(new Event("focus")));
            await page.getByRole("dialog").waitFor({ state: "detached" });
            await page.getByText("Your session has ended.").waitFor({ state: "detached" });
        },
        { tolerated: /status of 401|WebSocket connection/ },
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

const frame = (page, name = "cockpit1:localhost/demo") => page.frameLocator(`iframe.container-frame[name="${name}"][data-loaded]`);

test("a package of Cockpit runs in a frame, speaks through the shell, and goes on while another page is shown", () =>
    visit("/@localhost/demo", async ({ page }) => {
        await frame(page).getByText("echo says hello").waitFor();
        assert.equal(await page.title(), "Demo – web1 – Pilothouse");
        assert.equal(await page.getByRole("link", { name: "Demo", exact: true }).getAttribute("aria-current"), "page");
        await frame(page).getByLabel("Typed").fill("half a word");
        await page.getByRole("navigation").getByRole("link", { name: "Services" }).first().click();
        await page.getByRole("heading", { name: "Services" }).waitFor();
        assert.equal(await page.locator("iframe[name='cockpit1:localhost/demo']").isVisible(), false);

        await page.getByRole("link", { name: "Demo", exact: true }).click();
        await frame(page).getByText("seen", { exact: true }).waitFor();
        assert.equal(await frame(page).getByLabel("Typed").inputValue(), "half a word");
    }));

test("an address inside a package follows it, survives a reload, and back goes back", () =>
    visit("/@localhost/demo#/start", async ({ page }) => {
        await frame(page).getByText("at /start").waitFor();
        await frame(page).getByRole("button", { name: "Go inside" }).click();
        await page.waitForURL("**/@localhost/demo#/inner?word=x");
        await page.goBack();
        await frame(page).getByText("at /start").waitFor();
        await page.waitForURL("**/@localhost/demo#/start");
        await page.goForward();
        await page.waitForURL("**/@localhost/demo#/inner?word=x");
        await page.reload();
        await frame(page).getByText("at /inner?word=x").waitFor();
    }));

test("Cockpit's old addresses lead to the package, and to our page where there is none", () =>
    visit("/demo/second#/x", async ({ page, machine }) => {
        await frame(page, "cockpit1:localhost/demo/second").getByText("at /x").waitFor();
        assert.equal(new URL(page.url()).pathname, "/@localhost/demo/second");
        machine.install({});
        await page.getByRole("heading", { name: "demo is not installed" }).waitFor();
        await page.goto(new URL("/system/services#/ssh.service", page.url()).href);
        await page.waitForURL("**/host/localhost/services/ssh.service");
    }));

test("a package leads to another page, and asks for logging out", () =>
    visit("/@localhost/demo", async ({ page, machine }) => {
        await frame(page).getByRole("button", { name: "Jump to the second" }).click();
        await page.waitForURL("**/@localhost/demo/second");
        await page.goBack();
        machine.install({ demo: machine.packages.demo });
        await frame(page).getByRole("button", { name: "Jump to services" }).click();
        await page.waitForURL("**/host/localhost/services/ssh.service");
    }));

test("the menu follows what is installed, without logging out", () =>
    visit("/", async ({ page, machine }) => {
        const navigation = page.getByRole("navigation");
        await navigation.getByRole("link", { name: "Second demo" }).waitFor();
        assert.equal(await navigation.getByRole("link", { name: "Overview" }).count(), 1);
        machine.install({ ...machine.packages, storage: { menu: { index: { label: "Storage <i>", order: 1 } } } });
        await navigation.getByRole("link", { name: "Storage <i>" }).waitFor();
        machine.install({});
        await navigation.getByRole("link", { name: "Second demo" }).waitFor({ state: "detached" });
        await navigation.getByText("Cockpit's own pages").waitFor({ state: "detached" });
    }));

test("pages of Cockpit that ours double are kept in a place of their own, and reachable", () =>
    visit("/", async ({ page }) => {
        await page.getByText("Cockpit's own pages").click();
        await page.getByRole("link", { name: "Services" }).nth(1).click();
        await page.waitForURL("**/@localhost/system/services");
        await frame(page, "cockpit1:localhost/system/services").getByText("echo says hello").waitFor();
    }));

test("the search finds pages by label and keyword, and Enter goes there", () =>
    visit("/", async ({ page }) => {
        const field = page.getByRole("searchbox", { name: "Find a page" });
        await page.getByRole("link", { name: "Second demo" }).waitFor();
        await field.fill("zebra");
        await page.getByText("No page matches “zebra”.").waitFor();
        await field.fill("parr");
        await page.getByRole("link", { name: "Demo parrot" }).waitFor();
        await field.press("Enter");
        await page.waitForURL("**/@localhost/demo#/say?word=parrot");
        assert.equal(await field.inputValue(), "");
        await field.fill("log");
        await field.press("Enter");
        await page.waitForURL("**/host/localhost/logs");
    }));

test("a package's status stands in the menu as text, its failure above its frame, its documents under Help", () =>
    visit("/@localhost/demo", async ({ page }) => {
        await frame(page).getByRole("button", { name: "Warn" }).click();
        await page.getByRole("link", { name: "Demo 4 updates <b>" }).waitFor();
        const stored = await page.evaluate(() => JSON.parse(sessionStorage.getItem("cockpit:page_status")));
        assert.deepEqual(stored, { localhost: { demo: { type: "warning", title: "4 updates <b>" } } });
        await frame(page).getByRole("button", { name: "Fail" }).click();
        await page.getByText("Demo reports an error of its own.").waitFor();
        await page.getByRole("button", { name: "Load it again" }).click();
        await page.getByText("Demo reports an error of its own.").waitFor({ state: "detached" });
        await page.getByRole("button", { name: "Help" }).click();
        assert.deepEqual(await page.locator("#help-menu a").evaluateAll((links) => links.map((link) => link.href)), ["https://example.com/echo"]);
    }));

test("what a frame may not say is refused and named in the console; others are unaffected", () =>
    visit(
        "/@localhost/demo",
        async ({ page, machine }) => {
            const warnings = [];
            page.on("console", (message) => message.type() === "warning" && warnings.push(message.text()));
            await frame(page).getByText("echo says hello").waitFor();
            await frame(page).getByRole("button", { name: "Forge" }).click();
            await frame(page).getByRole("button", { name: "Ask again" }).click();
            await frame(page).getByText("echo says again").waitFor();
            assert.equal(warnings.length, 3, warnings.join("\n"));
            assert.match(warnings[0], /^refused a message of cockpit1:localhost\/demo: the channel "1:1" is not its own$/);
            assert.match(warnings[1], /a package may not say "authorize"/);
            assert.deepEqual(machine.spawned, []);
        },
        { tolerated: /refused a message of cockpit1:localhost\/demo/ },
    ));

test("a page of a package that was cut off keeps what is typed, says so, and works again", () =>
    visit(
        "/@localhost/demo",
        async ({ page, server }) => {
            await frame(page).getByText("echo says hello").waitFor();
            await frame(page).getByLabel("Typed").fill("half a word");
            server.cut();
            await page.getByText("Connection lost.").waitFor();
            await frame(page).getByText("closed: disconnected").waitFor();
            server.restore();
            await page.getByRole("button", { name: "Try now" }).click();
            await page.getByText("Demo was cut off when the connection was lost.").waitFor();
            assert.equal(await frame(page).getByLabel("Typed").inputValue(), "half a word");
            await frame(page).getByRole("button", { name: "Ask again" }).click();
            await frame(page).getByText("echo says again").waitFor();
            await page.getByRole("button", { name: "Load it again" }).click();
            await frame(page).getByText("echo says hello").waitFor();
            await page.getByText("Demo was cut off").waitFor({ state: "detached" });
        },
        { tolerated: /WebSocket connection/ },
    ));

test("active pages are listed and can be ended", () =>
    visit("/@localhost/demo", async ({ page }) => {
        await frame(page).getByText("echo says hello").waitFor();
        await page.getByRole("button", { name: "ada" }).click();
        await page.getByRole("button", { name: "Active pages" }).click();
        await page.getByRole("dialog").getByRole("link", { name: "Demo" }).waitFor();
        await page.getByRole("button", { name: "Close Demo" }).click();
        await page.getByText("No page is loaded.").waitFor();
        await page.getByRole("dialog").getByRole("button", { name: "Close", exact: true }).click();
        await page.waitForURL("**/host/localhost/overview");
        assert.equal(await page.locator("iframe").count(), 0);
    }));

test("the language of packages is kept in Cockpit's cookie", () =>
    visit("/@localhost/demo", async ({ page }) => {
        await frame(page).getByText("echo says hello").waitFor();
        await page.getByRole("button", { name: "ada" }).click();
        await page.getByLabel("Language of packages").selectOption("de-de");
        await page.waitForEvent("load");
        await frame(page).getByText("echo says hello").waitFor();
        assert.match(await page.evaluate(() => document.cookie), /CockpitLang=de-de/);
        await page.getByRole("link", { name: "Vorführung" }).waitFor();
        await page.getByRole("button", { name: "ada" }).click();
        assert.equal(await page.getByLabel("Language of packages").inputValue(), "de-de");
    }));

test("the last seconds of an unused session are told, and one can stay", () =>
    visit("/", async ({ page, machine }) => {
        await page.getByRole("link", { name: "Second demo" }).waitFor();
        machine.countDown(20);
        await page.getByRole("dialog", { name: "You are about to be logged out" }).waitFor();
        await page.getByText(/^The session ends in (20|19) seconds\.$/).waitFor();
        await page.getByRole("button", { name: "Stay logged in" }).press("Enter");
        await page.getByRole("dialog").waitFor({ state: "detached" });
        await page.waitForTimeout(1500);
        assert.equal(await page.getByRole("dialog").count(), 0);
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

const FINGERPRINT = "SHA256:Jm2cQeVYpMxxl0n5oYHEB3uV4ZcN1a0c3cFqXb1Rk0E";
const HOST_KEY = { kind: "host-key", address: "10.0.0.5:22", "key-type": "ssh-ed25519", fingerprint: FINGERPRINT, key: "ssh-ed25519 AAAAC3", "known-as": ["old-web.lan"] };

/** This machine, and beside it `web2`, into which one logs as `login` says. */
function withAnother(login) {
    const machine = new Machine();
    machine.others.web2 = Object.assign(new Machine(), { login });
    return { machine, other: machine.others.web2 };
}

async function connectBySwitcher(page, typed) {
    await page.getByRole("button", { name: /^Host:/ }).click();
    await page.getByLabel("Connect to").fill(typed);
    await page.keyboard.press("Enter");
}

test("another machine is reached by the switcher: key, password, and then its pages", () => {
    const { machine, other } = withAnother({ questions: [HOST_KEY, { kind: "password" }], accepts: (answer) => (answer.responses === undefined || answer.responses[0] === "secret" ? "" : "denied") });
    return visit(
        "/",
        async ({ page }) => {
            await connectBySwitcher(page, "-oProxyCommand=x");
            await page.getByRole("alert").getByText("This is neither the name nor the IP address").waitFor();
            await page.getByLabel("Connect to").fill("web2");
            await page.keyboard.press("Enter");
            await page.getByRole("heading", { name: "This is the first contact with web2" }).waitFor();
            await page.getByText(FINGERPRINT, { exact: true }).waitFor();
            const expected = page.getByLabel("Fingerprint that you expect");
            await expected.fill(FINGERPRINT.replace("Jm", "Jn"));
            await page.keyboard.press("Enter");
            await page.getByText("It is different. Do not connect.").waitFor();
            assert.equal(await page.getByRole("button", { name: "It matches, trust it" }).getAttribute("aria-disabled"), "true");
            await expected.fill(`256 ${FINGERPRINT} root@web2 (ED25519)`);
            await page.getByText("It is the same.").waitFor();
            await page.keyboard.press("Enter");
            assert.deepEqual(other.answers, []);
            assert.equal(await page.getByLabel("For everybody who uses this server").isDisabled(), true);
            await page.getByRole("button", { name: "It matches, trust it" }).click();

            const field = page.getByLabel("Password of ada");
            await field.fill("wrong");
            await page.keyboard.press("Enter");
            await page.getByRole("alert").getByText("web2 refused the password of ada.").waitFor();
            assert.equal(await field.inputValue(), "");
            await field.fill("secret");
            await page.keyboard.press("Enter");
            await page.getByRole("heading", { name: "Overview" }).waitFor();
            assert.deepEqual(other.answers[0], { id: 1, key: HOST_KEY.key, store: "me" });
            await page.getByText("You work on web2, another machine than the server's.").waitFor();
            assert.equal(await page.title(), "Overview – web2 – Pilothouse");

            await page.getByRole("link", { name: "Services", exact: true }).first().click();
            await page.getByRole("button", { name: "Superuser access: off" }).click();
            await page.getByText("Sudo on web2 asks:").waitFor();
            await page.getByLabel("[sudo] password for ada:").fill("secret");
            await page.keyboard.press("Enter");
            await page.getByRole("button", { name: "Start: nginx.service" }).click();
            await page.getByText("nginx.service was started.").waitFor();
            assert.equal(machine.superuser, "none");
            await page.getByRole("link", { name: "Logs", exact: true }).click();
            await page.getByRole("button", { name: "Following" }).waitFor();
            assert.ok(other.spawned.length > 0 && machine.spawned.length === 0);
            await page.getByRole("link", { name: "Terminal", exact: true }).first().click();
            await page.locator(".xterm-rows").getByText("Last login").waitFor();
        },
        { machine },
    );
});

test("an address alone connects to nothing, and a known host is connected again after a reload", () => {
    const { machine, other } = withAnother({});
    return visit(
        "/host/web2/services",
        async ({ page }) => {
            await page.getByText("You have not connected to web2 from this browser before.").waitFor();
            await page.getByRole("button", { name: "Connect", exact: true }).first().click();
            await page.getByRole("link", { name: "ssh.service" }).waitFor();
            await page.reload();
            await page.getByRole("link", { name: "ssh.service" }).waitFor();
            await page.getByRole("button", { name: /^Host:/ }).press("ArrowDown");
            await page.keyboard.press("ArrowDown");
            assert.match(await page.evaluate(() => document.activeElement.textContent), /web2/);
            await page.getByRole("button", { name: "Disconnect web2" }).click();
            await page.keyboard.press("Escape");
            await page.getByText("You are not connected to web2.").waitFor();
            assert.deepEqual(other.answers, []);
        },
        { machine },
    );
});

test("a machine that is lost leaves what was known of it, and its page goes on by itself", () => {
    const { machine, other } = withAnother({});
    return visit(
        "/host/web2/services",
        async ({ page }) => {
            await page.getByRole("button", { name: "Connect", exact: true }).first().click();
            await page.getByRole("link", { name: "ssh.service" }).waitFor();
            other.breakLink();
            await page.getByText("The connection to web2 broke. What is shown is as of").waitFor();
            assert.equal(await page.getByRole("link", { name: "ssh.service" }).count(), 1);
            assert.equal(await page.getByRole("button", { name: "Restart: ssh.service" }).getAttribute("title"), "There is no connection to this machine.");
            await page.getByText("The connection to web2 broke.").waitFor({ state: "detached" });
            await page.getByRole("link", { name: "ssh.service" }).waitFor();
        },
        { machine },
    );
});

test("a machine with another key gets nothing, and its own questions are marked and shown as text", () => {
    const old = `SHA256:${"o".repeat(43)}`;
    const { machine, other } = withAnother({ refusal: { problem: "invalid-hostkey", "host-key": "web2 ssh-ed25519 AAAA", "host-fingerprint": FINGERPRINT, message: `host key of web2 changed: pinned ${old}, presented ${FINGERPRINT}` } });
    machine.others.web3 = Object.assign(new Machine(), { login: { questions: [{ kind: "keyboard-interactive", message: "<b>Pilothouse</b> \u202e\u001b[2J", prompts: [{ prompt: "Code:", echo: true }, { prompt: "PIN:", echo: false }] }] } });
    return visit(
        "/",
        async ({ page }) => {
            await connectBySwitcher(page, "web2");
            await page.getByText("web2 identifies itself with a different key").waitFor();
            await page.getByText(old, { exact: true }).waitFor();
            await page.getByText(FINGERPRINT, { exact: true }).waitFor();
            await page.getByText('pilothouse hostkeys remove web2 --reason "reinstalled"').waitFor();
            assert.deepEqual(other.answers, []);
            await connectBySwitcher(page, "web3");
            await page.getByText("web3 asks:").waitFor();
            await page.getByText("<b>Pilothouse</b> ⟨202E⟩␛[2J").waitFor();
            await page.getByLabel("Code:").fill("123");
            await page.getByLabel("PIN:").fill("4567");
            await page.keyboard.press("Enter");
            await page.getByRole("heading", { name: "Overview" }).waitFor();
            assert.deepEqual(machine.others.web3.answers, [{ id: 1, responses: ["123", "4567"] }]);
            await connectBySwitcher(page, "nowhere.example");
            await page.getByText("nowhere.example cannot be reached.").waitFor();
        },
        { machine },
    );
});
