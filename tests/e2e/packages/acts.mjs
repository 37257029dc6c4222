/**
 * What a person does on each page of Cockpit's packages: the main job once, and the machine itself says whether it is
 * done. One text for both servers and both versions; where the versions differ, both are named.
 *
 * Called by `packages.test.mjs`. `round` is a word that no other run on the machine has had.
 */

import { until } from "../real/machine.mjs";

/** What a click in a page may take until the machine shows it. */
const DONE = 30_000;

/**
 * Acts: the page's address, what is on it when it is ready, and the job. `hash` is where in the page it begins, or tells it.
 * Without `act` the page is opened only.
 */
export const ACTS = [
    {
        name: "overview: the host's name is changed",
        place: "system/index",
        // sudo looks the host's name up each time it is asked.
        before: ({ machine, round }) => machine.run("bash", "-c", `echo 127.0.1.1 lamp-${round} >> /etc/hosts`),
        ready: (frame) => frame.locator("#system_information_hostname_button"),
        async act({ frame, machine, round }) {
            const name = `lamp-${round}`;
            await frame.locator("#system_information_hostname_button").click();
            // 287 fills the field in itself a moment later.
            const field = frame.locator("#sich-hostname");
            await until("the field holds the name", async () => {
                await field.fill(name);
                return (await field.inputValue()) === name;
            });
            await frame.getByRole("dialog").getByRole("button", { name: "Change" }).click();
            await until("the host has its new name", () => machine.run("hostnamectl", "--static") === name, DONE);
            await frame.getByRole("dialog").waitFor({ state: "detached" });
            await frame.getByText(name).first().waitFor();
        },
    },
    {
        name: "services: a unit is restarted",
        place: "system/services",
        hash: "#/cron.service",
        ready: (frame) => frame.locator("#service-details-unit-title, .service-name").first(),
        async act({ frame, machine }) {
            const pid = () => machine.run("systemctl", "show", "--value", "--property", "MainPID", "cron.service");
            const before = pid();
            const panel = frame.locator(".service-top-panel");
            await panel.getByRole("button").last().click();
            await frame.getByRole("menuitem", { name: "Restart", exact: true }).click();
            await until("the unit has another process", () => !["0", before].includes(pid()), DONE);
        },
    },
    {
        name: "services: the list is the machine's",
        place: "system/services",
        ready: (frame) => frame.getByText("Regular background program processing daemon").first(),
    },
    {
        name: "logs: an entry is found, and what it holds",
        place: "system/logs",
        hash: "#/?priority=info&tag=lighthouse",
        before: ({ machine, round }) => machine.run("logger", "--tag", "lighthouse", `the lamp was lit ${round}`),
        ready: (frame, { round }) => frame.getByText(`the lamp was lit ${round}`).first(),
        async act({ frame, round }) {
            await frame.getByText(`the lamp was lit ${round}`).first().click();
            await frame.getByText("SYSLOG_IDENTIFIER").first().waitFor();
        },
    },
    {
        name: "terminal: a shell answers",
        place: "system/terminal",
        ready: (frame) => frame.locator(".xterm-screen, .xterm-accessibility").first(),
        async act({ frame, page, machine, round }) {
            await frame.locator(".xterm-helper-textarea").focus();
            await page.keyboard.type(`id -un > /tmp/terminal-${round}\n`);
            await until("the shell ran the line", () => machine.run("bash", "-c", `cat /tmp/terminal-${round} 2>/dev/null || true`) === "ada", DONE);
        },
    },
    {
        name: "accounts: a user is added",
        place: "users/index",
        ready: (frame) => frame.locator("#accounts-create"),
        async act({ frame, machine, round }) {
            const user = `keeper${round}`;
            await frame.locator("#accounts-create").click();
            await frame.locator("#accounts-create-real-name").fill("Lighthouse Keeper");
            await frame.locator("#accounts-create-user-name").fill(user);
            for (const field of ["pw1", "pw2"]) await frame.locator(`#accounts-create-password-${field}`).fill("blue-Whale-sings-7");
            await frame.getByRole("dialog").getByRole("button", { name: "Create", exact: true }).click();
            await until("there is the user", () => machine.status("getent", "passwd", user) === 0, DONE);
            await frame.getByRole("dialog").waitFor({ state: "detached" });
            await frame.getByText(user).first().waitFor();
        },
    },
    {
        name: "networking: an interface gets an address",
        place: "network/index",
        hash: ({ round }) => `#/lan${round}`,
        before({ machine, round }) {
            machine.run("ip", "link", "add", `lan${round}`, "type", "veth", "peer", "name", `far${round}`);
            machine.run("ip", "link", "set", `far${round}`, "up");
            machine.run("nmcli", "device", "set", `lan${round}`, "managed", "yes");
        },
        ready: (frame) => frame.locator("#networking-edit-ipv4"),
        async act({ frame, machine, round }) {
            const address = `192.0.2.${Number(round) + 10}`;
            await frame.locator("#networking-edit-ipv4").click();
            const dialog = frame.getByRole("dialog");
            await dialog.locator("select").first().selectOption("manual");
            const added = dialog.getByRole("textbox").first();
            if ((await added.count()) === 0) await dialog.getByRole("button", { name: "Add" }).first().click();
            await dialog.getByRole("textbox").nth(0).fill(address);
            await dialog.getByRole("textbox").nth(1).fill("24");
            await dialog.getByRole("button", { name: "Save" }).click();
            await until("the interface has the address", () => machine.run("ip", "-4", "addr", "show", `lan${round}`).includes(`${address}/24`), DONE);
        },
    },
    {
        name: "updates: what can be updated is listed",
        place: "updates/index",
        ready: (frame) => frame.getByText("lighthouse").first(),
        async act({ frame }) {
            await frame.getByText("1.1").first().waitFor();
        },
    },
    {
        name: "storage: the page opens",
        place: "storage/index",
        ready: (frame) => frame.getByText(/No storage found|Filesystems|Drives/).first(),
    },
    {
        // In a machine of namespaces no container runs (crun may not set limits there); the page works on those that do not.
        name: "podman: a container is listed and deleted",
        place: "podman/index",
        before: ({ machine, round }) => machine.run("podman", "create", "--name", `lamp${round}`, "localhost/lamp:latest", "/bin/sh"),
        ready: (frame, { round }) => frame.getByRole("row").filter({ hasText: `lamp${round}` }),
        async act({ frame, machine, round }) {
            await frame.getByRole("row").filter({ hasText: `lamp${round}` }).getByRole("button").last().click();
            await frame.getByRole("menuitem", { name: "Delete", exact: true }).click();
            await frame.getByRole("dialog").getByRole("button", { name: /Delete/ }).click();
            await until("the container is gone", () => machine.status("podman", "container", "exists", `lamp${round}`) !== 0, DONE);
        },
    },
    {
        name: "machines: the page opens",
        place: "machines/index",
        ready: (frame) => frame.getByText(/Hardware virtualization is disabled|No VM is running|Virtual machines/).first(),
    },
    {
        name: "metrics: the page opens",
        place: "metrics/index",
        ready: (frame) => frame.getByText(/Load|CPU/).first(),
    },
    {
        name: "applications: the page opens",
        place: "apps/index",
        ready: (frame) => frame.getByText(/No applications|Applications/).first(),
    },
    {
        name: "hardware: the page opens",
        place: "system/hwinfo",
        ready: (frame) => frame.getByText(/System information/i).first(),
    },
];
