/**
 * A booted Debian of its own with the real server in it, made by the command `lab` of `tests/machines`.
 *
 * Used by `real.test.mjs` and `screenshots.mjs`. Needs root, `target/debug/lab` and `target/debug/pilothouse`. The
 * machine goes with `down`, and at the latest when this process ends.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const BUILT = `${process.env.CARGO_TARGET_DIR ?? `${ROOT}target`}/debug/`;
const PORT = 9090;

/** A build of `web/` to serve in place of the one in the program, for who works on it and does not build both. */
const WEB_DIR = process.env.WEB_DIR ?? "";
const WEB_PLACE = "/usr/local/share/pilothouse-web";

/** The bridge that is sent to machines without one; the program finds it beside itself. */
const SENT_BRIDGE = `pilothouse-bridge.${process.arch === "arm64" ? "aarch64" : "x86_64"}`;

/** What the machine's people log in with; they protect nothing. */
export const PASSWORDS = { ada: "correct-horse-7", eve: "battery-staple-8" };

/**
 * Boots it, with the server in it: people `ada` (may use sudo with her password) and `eve`, service `cron`. `more` are
 * further arguments of `lab up`.
 */
export function bootMachine({ release = "debian12", name = "web1", more = [] } = {}) {
    if (process.getuid() !== 0) throw new Error("the tests against a real machine boot one, which needs root: run them with sudo");
    for (const program of ["lab", "pilothouse", SENT_BRIDGE]) {
        if (!existsSync(BUILT + program)) throw new Error(`${BUILT}${program} is not there: make debug, cargo build -p machines`);
    }
    const machine = new Machine(`e2e-${process.pid}`, name, release, more);
    process.once("exit", () => machine.down());
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
    machine.copyIn(`${BUILT}pilothouse`, "/usr/local/bin/pilothouse", "755");
    machine.copyIn(`${BUILT}${SENT_BRIDGE}`, `/usr/local/bin/${SENT_BRIDGE}`, "755");
    if (WEB_DIR !== "") machine.copyFolderIn(WEB_DIR, WEB_PLACE);
    machine.copyIn(`${ROOT}packaging/pam/pilothouse`, "/etc/pam.d/pilothouse", "644");
    return machine;
}

class Machine {
    #set;
    #place;
    #isUp = true;

    constructor(set, name, release, more) {
        this.#set = set;
        this.name = name;
        const people = Object.entries(PASSWORDS).flatMap(([user, password]) => ["--user", `${user}=${password}`]);
        const described = run(["--set", set, "up", release, "--name", name, "--json", "--sudo", "password", "--package", "cron", ...people, ...more]);
        this.address = JSON.parse(described).address;
        const listed = JSON.parse(run(["list", "--json"])).find((machine) => machine.address === this.address);
        this.#place = `${listed.lab}/${name}`;
    }

    /** Where the server answers. */
    get origin() {
        return `https://${this.address}:${PORT}`;
    }

    /** Boots another on the same network, with the same people and nothing of ours. It goes with this one's process. */
    besides(name, release = "debian12") {
        const other = new Machine(this.#set, name, release, []);
        process.once("exit", () => other.down());
        return other;
    }

    /** Runs a command as root in it; resolves to what it wrote. Throws unless it ends with status 0. */
    run(...command) {
        return run(["shell", this.#place, ...command]).trimEnd();
    }

    /** The same, for what may fail: only its exit status. */
    status(...command) {
        return spawnSync(`${BUILT}lab`, ["shell", this.#place, ...command], { stdio: "ignore" }).status;
    }

    /** Runs a shell script as root in it, to its end; it stops at the first command that fails. */
    script(text) {
        return execFileSync(`${BUILT}lab`, ["shell", this.#place, "bash", "-e", "-s"], { encoding: "utf8", input: text, stdio: ["pipe", "pipe", "inherit"] }).trimEnd();
    }

    copyIn(file, target, mode) {
        const input = openSync(file, "r");
        try {
            execFileSync(`${BUILT}lab`, ["shell", this.#place, "install", `-Dm${mode}`, "/dev/stdin", target], { stdio: [input, "ignore", "inherit"] });
        } finally {
            closeSync(input);
        }
    }

    copyFolderIn(folder, target) {
        const packed = execFileSync("tar", ["-C", folder, "-c", "."], { maxBuffer: 64 << 20 });
        this.run("mkdir", "-p", target);
        execFileSync(`${BUILT}lab`, ["shell", this.#place, "tar", "-C", target, "-x"], { input: packed });
    }

    /** Starts the server as `systemd-run` does; back when it answers. */
    async startServer() {
        this.run("systemd-run", "--quiet", "--collect", "--unit=pilothouse-run", "/usr/local/bin/pilothouse", "run", ...(WEB_DIR === "" ? [] : ["--web-dir", WEB_PLACE]));
        await until("the server answers", () => this.status("bash", "-c", `: < /dev/tcp/127.0.0.1/${PORT}`) === 0);
    }

    stopServer() {
        this.run("systemctl", "stop", "pilothouse-run.service");
    }

    /** What the server said, for a test that failed. */
    serverLog() {
        return this.run("journalctl", "--no-pager", "-o", "cat", "-u", "pilothouse-run.service");
    }

    down() {
        if (!this.#isUp) return;
        this.#isUp = false;
        run(["--set", this.#set, "down", this.name]);
    }
}

/** Asks again until `holds` says yes; an error that names what was waited for after `limit` milliseconds. */
export async function until(what, holds, limit = 15_000) {
    const end = Date.now() + limit;
    while (!(await holds())) {
        if (Date.now() > end) throw new Error(`not within ${limit / 1000} s: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
}

function run(words) {
    return execFileSync(`${BUILT}lab`, words, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 64 << 20 });
}
