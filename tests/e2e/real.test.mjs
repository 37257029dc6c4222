/**
 * What a person does in the interface, against the real server in a booted machine: PAM, sudo, systemd and the
 * journal are the machine's own. `node --test real.test.mjs`, as root.
 *
 * The tests stand in the order of one working day: one machine, one session of `ada`, and what ends it last.
 */

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { launch, openPage } from "./browser.mjs";
import { bootMachine, PASSWORDS, until } from "./real/machine.mjs";
import { startRelay } from "./real/relay.mjs";

let browser;
let machine;
/** Pages of the running test and what each complained about. */
const opened = [];
/** Complaints that the running test brings about on purpose. */
let tolerated = /^$/;

before(async () => {
    machine = bootMachine();
    await machine.startServer();
    browser = await launch();
});

after(async () => {
    await browser?.close();
    machine?.down();
});

afterEach(async (context) => {
    if (context.error !== undefined && context.error !== null) await keepPictures(context.name);
    const complaints = opened.flatMap(({ complaints }) => complaints.splice(0));
    const wrong = complaints.filter((complaint) => !tolerated.test(complaint));
    tolerated = /^$/;
    if (context.error !== undefined && context.error !== null) context.diagnostic(`the server said:\n${machine.serverLog()}`);
    assert.deepEqual(wrong, []);
});

/** What was on the screen when the test failed. */
async function keepPictures(name) {
    for (const [index, { page }] of opened.entries()) {
        const file = new URL(`results/${name.replace(/\W+/g, "-")}-${index}.png`, import.meta.url);
        await page.screenshot({ path: fileURLToPath(file) }).catch(() => undefined);
    }
}

/** A browser of its own, at `origin`. */
async function open(options = {}) {
    const view = await openPage(browser, { baseURL: machine.origin, ...options });
    view.page.setDefaultTimeout(15_000);
    opened.push(view);
    return view;
}

/** A browser in which `user` is at `address`, after logging in there by the form. */
async function openLoggedIn(address, { user = "ada", ...options } = {}) {
    const view = await open(options);
    await view.page.goto(address);
    await logIn(view.page, user, PASSWORDS[user]);
    return view;
}

async function logIn(page, user, password) {
    await page.getByLabel("User name").fill(user);
    await page.getByLabel("Password", { exact: true }).fill(password);
    await page.getByRole("button", { name: "Log in" }).click();
}

async function logOut(page) {
    await page.getByRole("button", { name: "ada" }).click();
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByRole("button", { name: "Log in" }).waitFor();
}

async function close(view) {
    await view.context.close();
    opened.splice(opened.indexOf(view), 1);
}

function property(unit, name) {
    return machine.run("systemctl", "show", "--value", "--property", name, unit);
}

/** Sessions of logind that `user` has. */
function sessionsOf(user) {
    return machine.run("loginctl", "list-sessions", "--no-legend").split("\n").filter((line) => line.split(/\s+/).includes(user));
}

function processesOf(user) {
    // `systemd --user` of the last session lingers for some seconds by logind's own rules.
    return machine.run("bash", "-c", `ps -u ${user} -o comm= || true`).split("\n").filter((name) => !["", "systemd", "(sd-pam)"].includes(name));
}

describe("before login", () => {
    test("without scripts one logs in by the form alone, and is told when the password is wrong", async () => {
        const view = await open({ scripts: "off" });
        const { page } = view;
        tolerated = /status of 401/; // The wrong password's answer, which Chromium notes in its console.
        await page.goto("/host/localhost/logs?priority=err");
        assert.equal(await page.title(), "Pilothouse on web1");
        await logIn(page, "ada", "wrong");
        await page.getByRole("alert").getByText("The user name or the password was not accepted.").waitFor();
        assert.equal(await page.getByLabel("User name").inputValue(), "ada");
        assert.equal(await page.getByLabel("Password", { exact: true }).inputValue(), "");

        const posted = page.waitForRequest((request) => request.method() === "POST");
        await logIn(page, "ada", PASSWORDS.ada);
        const headers = await (await posted).allHeaders();
        assert.equal(headers.origin, machine.origin);
        await page.waitForURL("/host/localhost/logs?priority=err");
        // Playwright does not look for texts in there.
        const advice = page.locator("noscript");
        assert.match(await advice.innerText(), /^Pilothouse needs scripts to show and change this machine\./);
        assert.ok((await advice.boundingBox()).height > 0);
        const [cookie] = await view.context.cookies();
        assert.equal(cookie.httpOnly && cookie.secure && cookie.sameSite, "Strict");

        // The same session in a browser with scripts needs no login; there it is ended.
        const scripted = await open();
        await scripted.context.addCookies([cookie]);
        await scripted.page.goto("/host/localhost/logs");
        await logOut(scripted.page);
        await close(scripted);
        await close(view);
    });

    test("an unknown user is told what a wrong password is told", async () => {
        const view = await open();
        tolerated = /status of 401/;
        await view.page.goto("/");
        await logIn(view.page, "nobody-here", "wrong");
        await view.page.getByRole("alert").getByText("The user name or the password was not accepted.").waitFor();
        await close(view);
    });

    test("an expired password is changed in the form, question by question", async () => {
        machine.run("chage", "-d", "0", "eve");
        const view = await open();
        const { page } = view;
        await page.goto("/host/localhost/terminal");
        await logIn(page, "eve", PASSWORDS.eve);
        const wanted = "hunting-the-snark-9";
        for (const [question, answer] of [["Current password", PASSWORDS.eve], ["New password", wanted], ["Retype new password", wanted]]) {
            await page.getByRole("heading", { name: "web1 asks:" }).waitFor();
            await page.getByLabel(question, { exact: false }).fill(answer);
            await page.getByRole("button", { name: "Continue" }).click();
        }
        await page.waitForURL("/host/localhost/terminal");
        await page.getByRole("heading", { name: "Terminal" }).waitFor();
        await close(view);

        const again = await open();
        await again.page.goto("/");
        await logIn(again.page, "eve", wanted);
        await again.page.getByRole("heading", { name: "Overview" }).waitFor();
        await close(again);
    });
});

describe("another machine", () => {
    let other;
    let view;
    let page;

    before(async () => {
        other = machine.besides("web2");
        view = await openLoggedIn("/host/localhost/overview");
        page = view.page;
    });

    after(async () => {
        await page.goto("/host/localhost/overview");
        await logOut(page);
        await close(view);
        other?.down();
    });

    async function choose(typed) {
        await page.getByRole("button", { name: /^Host:/ }).click();
        await page.getByLabel("Connect to").fill(typed);
        await page.keyboard.press("Enter");
    }

    test("its key is shown as its own console shows it, and a wrong password is refused", async () => {
        await choose(other.address);
        await page.getByRole("heading", { name: `This is the first contact with ${other.address}` }).waitFor();
        const [, fingerprint] = other.run("ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub").split(" ");
        await page.getByText(fingerprint, { exact: true }).waitFor();
        await page.getByRole("button", { name: "It matches, trust it" }).click();

        const field = page.getByLabel("Password of ada");
        await field.fill("wrong");
        await page.keyboard.press("Enter");
        await page.getByRole("alert").getByText(`${other.address} refused the password of ada.`).waitFor();
        await field.fill(PASSWORDS.ada);
        await page.keyboard.press("Enter");
        await page.getByText(`You work on ${other.address}, another machine than the server's.`).waitFor();
        const stored = machine.run("cat", "/home/ada/.ssh/known_hosts").split(" ");
        assert.deepEqual([stored[0], stored[2]], [other.address, other.run("cut", "-d", " ", "-f2", "/etc/ssh/ssh_host_ed25519_key.pub")]);
    });

    test("a bridge is sent there, and the overview tells that machine's facts", async () => {
        const system = page.getByRole("region", { name: "System" });
        await system.getByText("web2", { exact: true }).waitFor();
        const [digest, place] = other.run("bash", "-c", "sha256sum /home/ada/.local/lib/pilothouse/*/pilothouse-bridge").split("  ");
        assert.equal(place, `/home/ada/.local/lib/pilothouse/${digest}/pilothouse-bridge`);
    });

    test("a service there is restarted with superuser access of that machine", async () => {
        const pid = () => other.run("systemctl", "show", "--value", "--property", "MainPID", "cron.service");
        await page.getByRole("link", { name: "Services", exact: true }).first().click();
        await page.getByRole("button", { name: "Superuser access: off" }).click();
        await page.getByText(`Sudo on ${other.address} asks:`).waitFor();
        await page.getByLabel("[sudo] password for ada:").fill(PASSWORDS.ada);
        await page.keyboard.press("Enter");
        await page.getByRole("button", { name: "Superuser access: on" }).waitFor();
        const before = [pid(), property("cron.service", "MainPID")];
        await page.getByRole("button", { name: "Restart: cron.service" }).click();
        await page.getByText("cron.service was restarted.").waitFor();
        assert.notEqual(pid(), before[0]);
        assert.equal(property("cron.service", "MainPID"), before[1]);
    });

    test("its journal is followed, and its terminal is a shell there", async () => {
        await page.getByRole("link", { name: "Logs", exact: true }).click();
        await page.getByRole("button", { name: "Following" }).waitFor();
        other.run("logger", "--tag", "lighthouse", "a ship from web2");
        await page.locator(".ph-entry", { hasText: "a ship from web2" }).waitFor();
        await page.getByRole("link", { name: "Terminal", exact: true }).first().click();
        await page.locator(".xterm-rows").getByText("ada@web2").first().waitFor();
    });

    test("a machine whose key has changed gets no password", async () => {
        const passwords = () => other.run("bash", "-c", "journalctl -u ssh | grep -c 'password for ada' || true");
        await page.getByRole("button", { name: /^Host:/ }).click();
        await page.getByRole("button", { name: /^Disconnect/ }).first().click();
        const before = passwords();
        other.script("rm /etc/ssh/ssh_host_*; ssh-keygen -q -A; systemctl restart ssh");
        await page.goto("/host/localhost/overview");
        await choose(other.address);
        await page.getByText(`${other.address} identifies itself with a different key`).waitFor();
        assert.equal(await page.getByLabel("Password of ada").count(), 0);
        assert.equal(passwords(), before);
    });
});

describe("after login", () => {
    /** One page for all of these. */
    let page;

    before(async () => {
        ({ page } = await openLoggedIn("/host/localhost/services/cron.service"));
    });

    test("a deep link is where one is after login, and after a reload", async () => {
        for (let round = 0; round < 2; round += 1) {
            await page.getByRole("heading", { level: 1, name: "cron.service" }).waitFor();
            assert.equal(page.url(), `${machine.origin}/host/localhost/services/cron.service`);
            await until("the title has the host's own name", async () => (await page.title()) === "cron.service – web1 – Pilothouse");
            await page.reload();
        }
        await page.getByRole("button", { name: "ada" }).waitFor();
    });

    test("a unit's page tells what systemd tells", async () => {
        await page.getByText(property("cron.service", "MainPID"), { exact: true }).waitFor();
        await page.getByText(property("cron.service", "FragmentPath"), { exact: true }).waitFor();
        await page.getByRole("region", { name: "Status" }).getByText("Running").waitFor();
        assert.equal(await page.getByRole("button", { name: "Restart" }).getAttribute("aria-disabled"), "true");
    });

    test("the overview tells the machine's facts, and its figures move", async () => {
        await page.getByRole("link", { name: "Overview" }).click();
        const system = page.getByRole("region", { name: "System" });
        await system.getByText("web1", { exact: true }).waitFor();
        await system.getByText("Debian GNU/Linux 12 (bookworm)").waitFor();
        await system.getByText(machine.run("uname", "-r"), { exact: true }).waitFor();

        const memory = page.getByRole("region", { name: "Memory" });
        const total = Number(/MemTotal:\s+(\d+)/.exec(machine.run("cat", "/proc/meminfo"))[1]) / 1024 / 1024;
        await memory.getByText(new RegExp(`of ${total.toFixed(1)}\\sGiB`)).waitFor();

        // A processor that is kept busy is seen to be.
        machine.run("systemd-run", "--quiet", "--collect", "--unit=busy", "timeout", "20", "sh", "-c", "while :; do :; done");
        const busy = page.getByRole("region", { name: "Processors" }).locator(".ph-card-value");
        await until("the processors are seen to be busy", async () => Number.parseFloat(await busy.innerText()) >= 30);
        const drawn = await page.getByRole("region", { name: "Processors" }).locator("canvas").evaluate((canvas) => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return new Set(new Uint32Array(data.buffer)).size;
        });
        assert.ok(drawn > 3, `the graph has ${drawn} colours`);
        machine.run("systemctl", "stop", "busy.service");
    });

    test("the list of services is systemd's own", async () => {
        await page.getByRole("link", { name: "Services" }).click();
        await page.getByRole("link", { name: "cron.service" }).waitFor();
        const shown = (await page.getByRole("rowheader").getByRole("link").allInnerTexts()).map((name) => name.trim());
        const active = machine.run("systemctl", "list-units", "--type=service", "--state=active,failed", "--plain", "--no-legend").split("\n").map((line) => line.split(" ")[0]);
        // Templates are no units yet, and an alias is another name of one.
        const installed = machine.run("systemctl", "list-unit-files", "--type=service", "--plain", "--no-legend").split("\n").filter((line) => !/@\.|\balias\b/.test(line));
        const files = installed.map((line) => line.split(" ")[0]);
        assert.deepEqual([...active, ...files].filter((name) => !shown.includes(name) && !name.includes("run-")), []);
    });

    test("sudo asks in the page, says what was wrong, and a restarted service is seen to be", async () => {
        const row = page.getByRole("row", { name: /cron\.service/ });
        const restart = row.getByRole("button", { name: "Restart: cron.service" });
        assert.equal(await restart.getAttribute("aria-disabled"), "true");

        await page.getByRole("button", { name: "Superuser access: off" }).click();
        const field = page.getByRole("dialog").getByLabel("[sudo] password for ada:");
        await field.fill("wrong");
        await page.keyboard.press("Enter");
        await page.getByRole("alert").getByText("Sorry, try again.").waitFor();
        await page.getByText("Sudo on web1 asks:").waitFor();
        await field.fill(PASSWORDS.ada);
        await page.getByRole("button", { name: "Continue" }).click();
        await page.getByRole("button", { name: "Superuser access: on" }).waitFor();
        assert.equal(await page.getByRole("dialog").count(), 0);

        const before = property("cron.service", "MainPID");
        await restart.click();
        await page.getByText("cron.service was restarted.").waitFor();
        assert.notEqual(property("cron.service", "MainPID"), before);
        await row.getByText("Running").waitFor();
    });

    test("what happens to a service elsewhere is seen at once", async () => {
        const row = page.getByRole("row", { name: /cron\.service/ });
        machine.run("systemctl", "stop", "cron.service");
        await row.getByText("Stopped").waitFor();
        await row.getByRole("button", { name: "Start: cron.service" }).click();
        await page.getByText("cron.service was started.").waitFor();
        await row.getByText("Running").waitFor();
        assert.equal(property("cron.service", "ActiveState"), "active");
    });

    test("a unit is stopped, disabled and enabled on its page, and its log goes on", async () => {
        await page.getByRole("link", { name: "cron.service" }).click();
        await page.getByRole("button", { name: "Do not start at boot" }).click();
        await page.getByRole("button", { name: "Start at boot", exact: true }).click();
        await page.getByRole("button", { name: "Do not start at boot" }).waitFor();
        assert.equal(machine.run("systemctl", "is-enabled", "cron.service"), "enabled");
        const log = page.getByRole("region", { name: "Log" });
        await page.getByRole("button", { name: "Restart", exact: true }).click();
        await log.getByText(`(CRON) INFO (pidfile fd = 3)`).first().waitFor();
        await page.getByRole("region", { name: "Status" }).getByText(property("cron.service", "MainPID"), { exact: true }).waitFor();
    });

    test("the journal is shown, followed and filtered", async () => {
        await page.getByRole("link", { name: "Logs", exact: true }).click();
        await page.getByText("cron.service - Regular background program processing daemon").first().waitFor();
        machine.run("logger", "--priority", "user.err", "--tag", "lighthouse", "the lamp is out");
        const entry = page.locator(".ph-entry", { hasText: "the lamp is out" });
        await entry.getByText("lighthouse").waitFor();

        await page.getByLabel("Priority").selectOption("err");
        await page.getByText("cron.service - Regular background program processing daemon").first().waitFor({ state: "detached" });
        machine.run("logger", "--priority", "user.info", "--tag", "lighthouse", "a gull sits on the rail");
        machine.run("logger", "--priority", "user.crit", "--tag", "lighthouse", "the rocks are near");
        await page.getByText("the rocks are near").waitFor();
        assert.equal(await page.getByText("a gull sits on the rail").count(), 0);
        await entry.getByRole("button").click();
        await page.getByText("SYSLOG_IDENTIFIER").waitFor();
    });

    test("superuser access is turned off, and what needed it can no more be done", async () => {
        const before = machine.run("bash", "-c", "pgrep -u root -fc '^[^ ]*pilothouse bridge --privileged' || true");
        assert.equal(before, "1");
        await page.getByRole("button", { name: "Superuser access: on" }).click();
        await page.getByRole("button", { name: "Superuser access: off" }).waitFor();
        await until("the privileged bridge is gone", () => machine.status("pgrep", "-u", "root", "-f", "^[^ ]*pilothouse bridge --privileged") !== 0);
    });

    test("the terminal is a shell of the user, of the window's size, until it ends", async () => {
        await page.getByRole("link", { name: "Terminal" }).click();
        const screen = page.locator(".xterm-rows");
        await screen.getByText("ada@web1").first().waitFor();
        await page.keyboard.type("echo I am $(id -un), on $(tty | cut -c1-9)\n");
        await screen.getByText("I am ada, on /dev/pts/").waitFor();

        const columns = async (word) => {
            await page.keyboard.type(`echo ${word} $(stty size)\n`);
            const line = screen.getByText(new RegExp(`^${word} \\d+ \\d+`));
            await line.waitFor();
            return (await line.innerText()).split(" ").slice(1).map(Number);
        };
        const [rows, wide] = await columns("large:");
        await page.setViewportSize({ width: 800, height: 500 });
        await until("the shell knows of its new size", async () => machine.run("bash", "-c", "stty size < $(ls -t /dev/pts/[0-9]* | head -n 1)") !== `${rows} ${wide}`);
        const [fewer, narrow] = await columns("small:");
        assert.ok(fewer < rows && narrow < wide, `${fewer} of ${rows} rows, ${narrow} of ${wide} columns`);
        await page.setViewportSize({ width: 1280, height: 800 });

        await page.keyboard.type("exit 3\n");
        await page.getByText("Shell ended (exit status 3).").waitFor();
        await page.getByRole("button", { name: "New shell" }).click();
        await screen.getByText("ada@web1").first().waitFor();
        assert.equal(processesOf("ada").filter((name) => name === "bash").length, 1);
    });

    test("leaving the terminal ends its shell", async () => {
        await page.getByRole("link", { name: "Overview" }).click();
        await until("the shell is gone", () => !processesOf("ada").includes("bash"));
    });

    test("logging out leads to the login page and leaves nothing behind", async () => {
        assert.equal(sessionsOf("ada").length > 0, true);
        await logOut(page);
        await page.goto("/host/localhost/overview");
        await page.getByRole("button", { name: "Log in" }).waitFor();
    });
});

describe("the end of sessions", () => {
    test("when everybody has logged out, no session and no process of theirs is left", async () => {
        const view = await openLoggedIn("/");
        await view.page.getByRole("heading", { name: "Overview" }).waitFor();
        await logOut(view.page);
        await close(view);
        await until("no session of ada is left", () => sessionsOf("ada").length === 0);
        await until("no process of ada is left", () => processesOf("ada").length === 0);
    });

    test("a cut network is told, and the session goes on without a login", async () => {
        tolerated = /WebSocket connection|ERR_/;
        const relay = await startRelay(machine.address, 9090);
        try {
            const view = await openLoggedIn("/host/localhost/services", { baseURL: relay.origin });
            const { page } = view;
            await page.getByRole("link", { name: "cron.service" }).waitFor();
            relay.cut();
            await page.getByText("Connection lost.").waitFor();
            assert.equal(await page.getByRole("link", { name: "cron.service" }).count(), 1);
            machine.run("systemctl", "stop", "cron.service");
            relay.restore();
            // Unless it has come back by itself before the click.
            await page.getByRole("button", { name: "Try now" }).click({ timeout: 5_000 }).catch(() => undefined);
            await page.getByText("Connection lost.").waitFor({ state: "detached" });
            await page.getByRole("row", { name: /cron\.service/ }).getByText("Stopped").waitFor();
            machine.run("systemctl", "start", "cron.service");
            await page.getByRole("row", { name: /cron\.service/ }).getByText("Running").waitFor();
            await logOut(page);
            await close(view);
        } finally {
            relay.close();
        }
    });

    test("a stopped server is told, and once it is back one logs in again at the same address", async () => {
        tolerated = /WebSocket connection|ERR_|status of 401/;
        const view = await openLoggedIn("/host/localhost/services?q=cron");
        const { page } = view;
        await page.getByRole("link", { name: "cron.service" }).waitFor();
        machine.stopServer();
        await page.getByText("Connection lost.").waitFor();
        await until("the session ended with the server", () => sessionsOf("ada").length === 0);
        await machine.startServer();
        const dialog = page.getByRole("dialog", { name: "Your session has ended" });
        await dialog.getByLabel("Password", { exact: true }).fill(PASSWORDS.ada);
        await page.keyboard.press("Enter");
        await dialog.waitFor({ state: "detached" });
        assert.equal(page.url(), `${machine.origin}/host/localhost/services?q=cron`);
        machine.run("systemctl", "restart", "cron.service");
        await page.getByRole("row", { name: /cron\.service/ }).getByText("Running").waitFor();
        await close(view);
    });
});
