/**
 * Pictures of each page after a real login as an ordinary user of a booted machine: `node screenshots.mjs FOLDER`, as
 * root. `PAGE-LIGHT|DARK.png` are those of the documentation; `results/narrow/` beside this file gets the same at 360 px, to
 * look at.
 */

import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { launch, openPage } from "./browser.mjs";
import { bootMachine, PASSWORDS, until } from "./real/machine.mjs";

const folder = process.argv[2];
if (folder === undefined) throw new Error("node screenshots.mjs FOLDER");

/** Long enough for the graphs to have something to show, in milliseconds. */
const WATCHED = Number(process.env.WATCHED ?? 60_000);

const NARROW = fileURLToPath(new URL("results/narrow/", import.meta.url));

const LOOKS = [
    { name: "light", width: 1280, height: 800, scheme: "light", into: folder },
    { name: "dark", width: 1280, height: 800, scheme: "dark", into: folder },
    { name: "light", width: 360, height: 740, scheme: "light", into: NARROW },
    { name: "dark", width: 360, height: 740, scheme: "dark", into: NARROW },
];

const machine = bootMachine();
await machine.startServer();
const browser = await launch();
// As the first user of a Debian is: somebody who may read the journal.
machine.run("usermod", "--append", "--groups", "adm", "ada");
machine.run("logger", "--priority", "user.warning", "--tag", "backup", "the last copy is 3 days old");
machine.run("logger", "--priority", "user.err", "--tag", "backup", "cannot reach store.lan: no route to host");
// Something to see in the graphs.
machine.run("systemd-run", "--quiet", "--collect", "--unit=nightly-copy", "--description=Copies everything to store.lan", "sh", "-c", "while :; do timeout 3 sh -c 'while :; do :; done'; dd if=/dev/zero of=/var/tmp/load bs=1M count=40 conv=fsync status=none; echo 40 MiB copied to store.lan; sleep 6; done");
await Promise.all(LOOKS.map(take));
machine.run("systemctl", "stop", "nightly-copy.service");
await browser.close();
machine.down();

async function take(look) {
    mkdirSync(look.into, { recursive: true });
    const { page, complaints } = await openPage(browser, { ...look, baseURL: machine.origin });
    page.setDefaultTimeout(30_000);
    const shoot = async (name) => {
        const file = path.join(look.into, `${name}-${look.name}.png`);
        await page.screenshot({ path: file });
        // Colours of a palette: a third of the bytes. Without the program the picture is only larger.
        spawnSync("pngquant", ["--force", "--skip-if-larger", "--output", file, "--quality=80-98", "--speed=1", file]);
    };

    await page.goto("/");
    await page.getByRole("button", { name: "Log in" }).waitFor();
    await shoot("login");
    await page.getByLabel("User name").fill("ada");
    await page.getByLabel("Password", { exact: true }).fill(PASSWORDS.ada);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.locator("canvas").first().waitFor();
    await page.waitForTimeout(WATCHED);
    await shoot("overview");

    await page.getByRole("link", { name: "Services" }).click();
    await page.getByRole("link", { name: "cron.service" }).waitFor();
    await shoot("services");

    await page.getByRole("link", { name: "cron.service" }).click();
    await page.getByRole("region", { name: "Log" }).locator(".ph-entry").first().waitFor();
    await shoot("unit");

    await page.getByRole("link", { name: "Logs", exact: true }).click();
    await page.getByRole("button", { name: "Following" }).waitFor();
    await page.locator(".ph-entry").first().waitFor();
    await shoot("logs");

    await page.getByRole("link", { name: "Terminal" }).click();
    await page.locator(".xterm-rows").getByText("ada@web1").first().waitFor();
    for (const command of ["uptime", "systemctl list-timers --no-pager | head -n 5", "ls --color=always -l / | head -n 12"]) {
        await page.keyboard.type(`${command}\n`);
        await page.waitForTimeout(500);
        await until("the shell waits again", async () => /\$\s*$/.test(await page.locator(".xterm-rows").innerText()));
    }
    await page.waitForTimeout(1000);
    await shoot("terminal");
    for (const complaint of complaints) console.error(`${look.name} ${look.width}: ${complaint}`);
    await page.context().close();
}
