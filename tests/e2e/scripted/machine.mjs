/**
 * A machine made of data: units, a journal, figures, a shell. `bridge.mjs` asks it; tests change it.
 *
 * Figures and times are fixed by a seed and by `now`, so that pictures can be compared.
 */

const MANAGER = "org.freedesktop.systemd1.Manager";
const UNIT = "org.freedesktop.systemd1.Unit";
const PROPERTIES = "org.freedesktop.DBus.Properties";
const ROOT = "/org/freedesktop/systemd1";

const SERVICES = [
    ["nginx.service", "A high performance web server and a reverse proxy server", "failed", "failed", "enabled"],
    ["ssh.service", "OpenBSD Secure Shell server", "active", "running", "enabled"],
    ["cron.service", "Regular background program processing daemon", "active", "running", "enabled"],
    ["dbus.service", "D-Bus System Message Bus", "active", "running", "static"],
    ["systemd-journald.service", "Journal Service", "active", "running", "static"],
    ["systemd-logind.service", "User Login Management", "active", "running", "static"],
    ["systemd-udevd.service", "Rule-based Manager for Device Events and Files", "active", "running", "static"],
    ["getty@tty1.service", "Getty on tty1", "active", "running", "enabled"],
    ["networking.service", "Raise network interfaces", "active", "exited", "enabled"],
    ["systemd-fsck@dev-disk-by\\x2duuid-0b1f2c3d\\x2d4e5f.service", "File System Check on /dev/disk/by-uuid/0b1f2c3d-4e5f", "active", "exited", "static"],
    ["postgresql@15-main.service", "PostgreSQL Cluster 15-main", "activating", "auto-restart", "enabled"],
    ["apt-daily.service", "Daily apt download activities", "inactive", "dead", "static"],
    ["rsync.service", "fast remote file copy program daemon", "inactive", "dead", "disabled"],
    ["bluetooth.service", "Bluetooth service", "inactive", "dead", "masked"],
    ["apt-daily.timer", "Daily apt download activities", "active", "waiting", "enabled"],
    ["logrotate.timer", "Daily rotation of log files", "active", "waiting", "enabled"],
    ["dbus.socket", "D-Bus System Message Bus Socket", "active", "running", "static"],
    ["multi-user.target", "Multi-User System", "active", "active", "static"],
];

const MESSAGES = [
    ["nginx", "nginx.service", 3, "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)"],
    ["systemd", "nginx.service", 4, "nginx.service: Failed with result 'exit-code'."],
    ["sshd", "ssh.service", 6, "Accepted publickey for ada from 10.0.0.12 port 51822 ssh2: ED25519 SHA256:Jm2cQeVYpM"],
    ["CRON", "cron.service", 6, "(root) CMD (   cd / && run-parts --report /etc/cron.hourly)"],
    ["kernel", "", 5, "audit: type=1400 apparmor=\"DENIED\" operation=\"open\" profile=\"/usr/sbin/ntpd\" name=\"/etc/ssl/openssl.cnf\""],
    ["systemd", "apt-daily.service", 6, "Starting apt-daily.service - Daily apt download activities..."],
    ["evil", "", 6, "<img src=x onerror=alert(1)> \u001b[2J\u202egnp.exe"],
    ["postgres", "postgresql@15-main.service", 4, "could not bind IPv6 address \"::1\": Cannot assign requested address"],
    ["systemd", "", 7, "Got message type=method_call sender=n/a destination=org.freedesktop.systemd1 path=/org/freedesktop/systemd1"],
];

export class Machine {
    /** Problem with which every channel but the internal ones is refused; null for none. */
    problem = null;
    /** Machines that this one reaches by SSH, by the name that is typed. */
    others = {};
    /** How one logs in to this one from another, see `hostLogin` in `bridge.mjs`; and what was answered. */
    login = {};
    answers = [];
    /** Names that nobody owns on the system bus. */
    absent = new Set();
    superuser = "none";
    password = "secret";
    /** What the token says that a login asks for; null for a machine without tokens. */
    code = null;
    interval = 1000;
    /** Every command that was run, for tests that nothing else was. */
    spawned = [];
    user = { name: "ada", fullname: "Ada Lovelace", uid: 1000, gid: 1000, group: "ada", groups: ["ada", "sudo"], home: "/home/ada", shell: "/bin/bash" };
    files = {
        "/proc/sys/kernel/hostname": "web1\n",
        "/proc/sys/kernel/osrelease": "6.1.0-42-amd64\n",
        "/proc/meminfo": "MemTotal:        8009248 kB\nMemFree:          878906 kB\n",
        "/proc/uptime": "3552840.12 7000000.00\n",
        "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\n',
        "/sys/class/dmi/id/sys_vendor": "Dell Inc.\n",
        "/sys/class/dmi/id/product_name": "PowerEdge R650\n",
        "/sys/devices/system/cpu/online": "0-3\n",
    };
    /** Manifests of the installed packages, by name. */
    packages = {
        demo: {
            menu: { index: { label: "Demo", order: 20, docs: [{ label: "How to echo", url: "https://example.com/echo" }, { label: "bad", url: "javascript:alert(1)" }], keywords: [{ matches: ["parrot"], goto: "/say?word=parrot" }] } },
            tools: { second: { label: "Second demo", path: "second.html" } },
            preload: ["index"],
        },
        system: { menu: { index: { label: "Overview", order: -1 }, services: { label: "Services", order: 30 } }, tools: { terminal: { label: "Terminal" } } },
        shell: { locales: { "en-us": "English", "de-de": "Deutsch", "he-il": "\u202eעברית" } },
        broken: { menu: { index: { label: "", path: "../../etc/passwd" }, other: 5 }, tools: null },
    };
    #listeners = new Set();
    #tick = 0;
    #subscribed = new Set();
    #attempts = 0;
    #start = null;
    #pending = [];
    #units = new Map(
        SERVICES.map(([name, description, active, sub, file]) => [name, { name, description, active, sub, file, path: pathOf(name) }]),
    );
    #entries = Array.from({ length: 450 }, (_none, index) => entry(450 - index, 1763740000000 - index * 47_000));

    onSignal(listener) {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
    }

    /** Installs or removes packages while pages are open. */
    install(packages) {
        this.packages = packages;
        this.#signal({ internal: true, notify: { "/packages": { "cockpit.Packages": this.properties("/packages", "cockpit.Packages") } } });
    }

    /** Breaks the way to this machine. */
    breakLink() {
        this.#signal({ broken: true });
    }

    /** Lets the session run out in so many seconds. */
    countDown(seconds) {
        this.#signal({ countdown: seconds });
    }

    /** Empties everything that can be empty. */
    emptied() {
        this.packages = {};
        this.#units.clear();
        this.#entries = [];
        return this;
    }

    properties(path, iface) {
        if (path === "/superuser" && iface === "cockpit.Superuser") return this.#superuserProperties();
        if (path === "/packages" && iface === "cockpit.Packages") return { Manifests: JSON.stringify(this.packages) };
        if (path === "/user" && iface === "cockpit.User") {
            const { name, fullname, uid, gid, home, shell, groups } = this.user;
            return { Name: name, Full: fullname, Id: uid, Gid: gid, Home: home, Shell: shell, Groups: groups };
        }
        if (iface === "org.freedesktop.hostname1") {
            return {
                StaticHostname: "web1",
                OperatingSystemPrettyName: "Debian GNU/Linux 12 (bookworm)",
                KernelRelease: "6.1.0-42-amd64",
                HardwareVendor: "Dell Inc.",
                HardwareModel: "PowerEdge R650",
            };
        }
        const unit = [...this.#units.values()].find((candidate) => candidate.path === path);
        if (iface === UNIT) return unit === undefined ? { LoadState: "not-found", ActiveState: "inactive" } : unitProperties(unit);
        if (iface.startsWith("org.freedesktop.systemd1.")) return ownProperties(unit);
        return null;
    }

    call(path, iface, method, args, answer) {
        if (iface === "cockpit.Superuser") {
            this.#superuserCall(method, args, answer);
            return;
        }
        if (iface === "cockpit.Packages") {
            answer.reply([]);
            return;
        }
        const [name] = args;
        const jobs = { StartUnit: ["active", "running"], RestartUnit: ["active", "running"], StopUnit: ["inactive", "dead"] };
        if (method === "Subscribe") this.#subscribe(answer);
        else if (method === "Reload") answer.reply([]);
        else if (method === "ListUnits") answer.reply([[...this.#units.values()].map(unitRow)]);
        else if (method === "ListUnitsFiltered") answer.reply([[...this.#units.values()].filter((unit) => unit.active === name[0]).map(unitRow)]);
        else if (method === "ListUnitFiles") answer.reply([[...this.#units.values()].map((unit) => [`/lib/systemd/system/${unit.name}`, unit.file])]);
        else if (method === "LoadUnit") answer.reply([pathOf(name)]);
        else if (method in jobs && answer.privileged) this.#job(name, jobs[method], answer);
        else if (method === "EnableUnitFiles" || method === "DisableUnitFiles") {
            this.#change(name[0], { file: method === "EnableUnitFiles" ? "enabled" : "disabled" });
            answer.reply([[]]);
        } else answer.error("org.freedesktop.DBus.Error.AccessDenied", "Access denied");
    }

    /** Channels share one bus connection, the privileged ones another, and systemd refuses who asks twice. */
    #subscribe(answer) {
        if (this.#subscribed.has(answer.privileged)) answer.error("org.freedesktop.systemd1.AlreadySubscribed", "Client is already subscribed.");
        else answer.reply([]);
        this.#subscribed.add(answer.privileged);
    }

    /** One sample for `names`, in the same order. */
    sample(names) {
        this.#tick += 1;
        const wave = (speed, phase) => 0.5 + 0.5 * Math.sin(this.#tick / speed + phase);
        const figures = {
            "cpu.basic.user": 300 + 900 * wave(9, 0) * wave(3, 1),
            "cpu.basic.nice": 0,
            "cpu.basic.system": 120 + 200 * wave(5, 2),
            "cpu.basic.iowait": 80 * wave(4, 3),
            "memory.used": 5.1e9 + 4e8 * wave(30, 0),
            "disk.all.read": 2e5 * wave(7, 1),
            "disk.all.written": 3.4e6 * wave(6, 4) ** 4,
            "network.interface.rx": [8e5 * wave(8, 2), 0],
            "network.interface.tx": [1.6e5 * wave(5, 5), 0],
        };
        return names.map((name) => figures[name] ?? false);
    }

    journal(args, port) {
        const option = (name) => args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
        const follow = args.includes("--follow");
        const cursor = option("cursor");
        const unit = option("unit");
        const priority = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"].indexOf(option("priority") ?? "debug");
        const text = option("grep")?.replace(/\\(.)/g, "$1").toLowerCase();
        const matches = (row) =>
            (unit === undefined || row._SYSTEMD_UNIT === unit) && Number(row.PRIORITY) <= priority && (text === undefined || row.MESSAGE.toLowerCase().includes(text));
        const write = (row) => port.text(`${JSON.stringify(row)}\n`);
        if (follow) {
            const timer = setInterval(() => {
                const row = entry(1000 + this.#tick, Date.now());
                this.#tick += 1;
                if (matches(row)) write(row);
            }, 1500);
            return { stop: () => clearInterval(timer) };
        }
        if (cursor !== undefined) {
            const row = this.#entries.find((candidate) => candidate.__CURSOR === cursor);
            if (row !== undefined) write({ ...row, _BOOT_ID: "f".repeat(32), _TRANSPORT: "stdout", _UID: "0", _EXE: "/usr/sbin/nginx", _HOSTNAME: "web1" });
        } else {
            const after = option("after-cursor");
            const from = after === undefined ? 0 : this.#entries.findIndex((row) => row.__CURSOR === after) + 1;
            for (const row of this.#entries.slice(from).filter(matches).slice(0, Number(option("lines")))) write(row);
        }
        port.end({ "exit-status": 0 });
        return {};
    }

    /** A shell that knows how to greet, echo and exit. */
    shell(_options, port) {
        const prompt = "\u001b[1;32mada@web1\u001b[0m:\u001b[1;34m~\u001b[0m$ ";
        let line = "";
        port.ready({ pid: 4712 });
        port.bytes("\u001b]52;c;ZXZpbA==\u0007\u001b]0;hostile title\u0007Linux web1 6.1.0-42-amd64\r\nLast login: Fri Nov 21 09:12:44 from 10.0.0.12\r\n");
        port.bytes("\u001b[31mred\u001b[0m \u001b[1mbold\u001b[0m \u001b[4munderlined\u001b[0m \u001b[33mäöü 東京\u001b[0m\r\n" + prompt);
        return {
            data: (payload) => {
                for (const key of payload.toString()) {
                    if (key !== "\r") {
                        line += key;
                        port.bytes(key);
                        continue;
                    }
                    const exit = /^exit(?: (\d+))?$/.exec(line.trim());
                    port.bytes("\r\n");
                    if (exit !== null) {
                        port.end({ "exit-status": Number(exit[1] ?? 0) });
                        return;
                    }
                    port.bytes(`${line === "" ? "" : `${line}: command not found\r\n`}${prompt}`);
                    line = "";
                }
            },
        };
    }

    #superuserProperties() {
        return { Current: this.#start === null || this.superuser !== "none" ? this.superuser : "init", Pending: this.#pending, Bridges: ["sudo", "pkexec"], Methods: { sudo: { t: "a{sv}", v: { label: { t: "s", v: "Sudo" } } } } };
    }

    #superuserCall(method, args, answer) {
        const tell = () => this.#signal({ internal: true, notify: { "/superuser": { "cockpit.Superuser": this.#superuserProperties() } } });
        const ask = (error) => {
            const asked = ["", "[sudo] password for ada:", "", false, error];
            this.#pending = [asked];
            this.#signal({ internal: true, signal: ["/superuser", "cockpit.Superuser", "Prompt", asked] });
            tell();
        };
        const become = (current) => {
            this.superuser = current;
            this.#start = null;
            this.#pending = [];
            tell();
        };
        if (method === "Start") {
            this.#attempts = 0;
            this.#start = answer;
            ask("");
        } else if (method === "Answer") {
            answer.reply([]);
            this.#attempts += 1;
            this.#pending = [];
            tell();
            const start = this.#start;
            if (args[0] === this.password) {
                become("sudo");
                start?.reply([]);
            } else if (this.#attempts < 3) ask("Sorry, try again.");
            else {
                become("none");
                start?.error("cockpit.Superuser.Error", "sudo: 3 incorrect password attempts");
            }
        } else {
            answer.reply([]);
            const start = this.#start;
            become("none");
            start?.error("cockpit.Superuser.Error.Cancelled", "cancelled");
        }
    }

    #job(name, [active, sub], answer) {
        answer.reply([`${ROOT}/job/7`]);
        this.#change(name, { active: "activating", sub: "start" });
        setTimeout(() => {
            this.#change(name, { active, sub });
            this.#signal({ internal: false, signal: [ROOT, MANAGER, "JobRemoved", [7, `${ROOT}/job/7`, name, "done"]] });
        }, 300);
    }

    #change(name, change) {
        const unit = this.#units.get(name);
        if (unit === undefined) return;
        Object.assign(unit, change);
        const changed = { ActiveState: unit.active, SubState: unit.sub, UnitFileState: unit.file };
        const variants = Object.fromEntries(Object.entries(changed).map(([key, value]) => [key, { t: "s", v: value }]));
        this.#signal({ internal: false, signal: [unit.path, PROPERTIES, "PropertiesChanged", [UNIT, variants, []]] });
    }

    #signal(signal) {
        for (const listener of this.#listeners) listener(signal);
    }
}

function pathOf(name) {
    return `${ROOT}/unit/${[...name].map((character) => (/[A-Za-z0-9]/.test(character) ? character : `_${character.charCodeAt(0).toString(16)}`)).join("")}`;
}

function unitRow(unit) {
    return [unit.name, unit.description, "loaded", unit.active, unit.sub, "", unit.path, 0, "", "/"];
}

function unitProperties(unit) {
    return {
        LoadState: "loaded",
        ActiveState: unit.active,
        SubState: unit.sub,
        Description: unit.description,
        UnitFileState: unit.file,
        FragmentPath: `/lib/systemd/system/${unit.name}`,
        StateChangeTimestamp: 1763739900000000,
        Documentation: ["man:nginx(8)", "https://nginx.org/en/docs/"],
        Requires: ["system.slice", "sysinit.target"],
        WantedBy: ["multi-user.target"],
        Triggers: [],
        TriggeredBy: [],
    };
}

function ownProperties(unit) {
    const running = unit?.active === "active";
    return { MainPID: running ? 812 : 0, MemoryCurrent: running ? 6_430_720 : 1.8446744073709552e19, Result: unit?.active === "failed" ? "exit-code" : "success", ExecMainStatus: 1 };
}

function entry(number, time) {
    const [source, unit, priority, message] = MESSAGES[number % MESSAGES.length];
    return {
        __CURSOR: `s=8f2b;i=${number.toString(16)};b=ffff`,
        __REALTIME_TIMESTAMP: String(time * 1000),
        PRIORITY: String(priority),
        SYSLOG_IDENTIFIER: source,
        _PID: String(800 + (number % 50)),
        _SYSTEMD_UNIT: unit,
        MESSAGE: message,
    };
}
