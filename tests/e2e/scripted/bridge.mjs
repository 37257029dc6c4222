/**
 * A scripted bridge behind one WebSocket: the frame protocol (docs/protocol.md), with answers from a `Machine`.
 *
 * Called by `serve.mjs`. It refuses what a real bridge would: channels that need superuser access while it is off,
 * unknown kinds, a second use of an id.
 */

const MANAGER = "org.freedesktop.systemd1.Manager";
const PROPERTIES = "org.freedesktop.DBus.Properties";

/** The bridge's own objects that pages watch. */
const WATCHED = { "/superuser": "cockpit.Superuser", "/packages": "cockpit.Packages" };

let links = 0;

export class Bridge {
    #machine;
    #send;
    #channels = new Map();
    /** Other machines that are connected, by name. */
    #connected = new Set();
    #stop;

    constructor(machine, send) {
        links += 1;
        this.#machine = machine;
        this.#send = send;
        this.#stop = machine.onSignal((signal) => {
            for (const channel of this.#channels.values()) if (channel.host === undefined) channel.signal?.(signal);
        });
        for (const [name, other] of Object.entries(machine.others)) {
            other.onSignal((signal) => {
                if (signal.broken) this.#break(name);
                else for (const channel of this.#channels.values()) if (channel.host === name) channel.signal?.(signal);
            });
        }
        this.control({
            command: "init",
            version: 1,
            host: "localhost",
            "channel-seed": `${links}:`,
            "csrf-token": "scripted",
            capabilities: ["multi", "credentials", "binary"],
            system: { version: "0" },
        });
    }

    close() {
        this.#stop();
        for (const channel of this.#channels.values()) channel.stop?.();
        this.#channels.clear();
    }

    control(message) {
        this.#send(`\n${JSON.stringify(message)}`);
    }

    receive(message) {
        const bytes = typeof message === "string" ? Buffer.from(message) : message;
        const end = bytes.indexOf(10);
        const id = bytes.subarray(0, end).toString();
        const payload = bytes.subarray(end + 1);
        if (id !== "") this.#channels.get(id)?.data?.(payload);
        else this.#control(JSON.parse(payload.toString()));
    }

    #control(message) {
        const { command, channel: id } = message;
        if (command === "ping" && id === undefined) this.control({ ...message, command: "pong" });
        if (command === "kill" && message.host !== undefined) {
            this.#connected.delete(message.host);
            for (const [other, channel] of this.#channels) if (channel.host === message.host || channel.to === message.host) this.#end(other, { problem: "terminated" });
        } else if (command === "kill") {
            for (const [other, channel] of this.#channels) if (channel.group === message.group) this.#end(other, { problem: "terminated" });
        }
        if (command === "open") this.#open(message);
        if (command === "close") this.#end(id, null);
        if (command === "done") this.#channels.get(id)?.done?.();
        if (command === "active") this.#channels.get(id)?.active?.();
        if (command === "options") this.#channels.get(id)?.options?.(message);
    }

    /** The way to a machine breaks: its channels end, and whoever watches it is told. */
    #break(name) {
        this.#connected.delete(name);
        for (const [id, channel] of this.#channels) {
            if (channel.host === name) this.#end(id, { problem: "terminated" });
            if (channel.to === name) channel.broken();
        }
    }

    #end(id, options) {
        const channel = this.#channels.get(id);
        if (channel === undefined) return;
        this.#channels.delete(id);
        channel.stop?.();
        if (options !== null) this.control({ command: "close", channel: id, ...options });
    }

    #open(options) {
        const { channel: id, payload } = options;
        if (this.#channels.has(id)) throw new Error(`channel ${id} is in use`);
        const port = {
            ready: (extra) => this.control({ command: "ready", channel: id, ...extra }),
            text: (text) => this.#send(`${id}\n${text}`),
            json: (value) => this.#send(`${id}\n${JSON.stringify(value)}`),
            bytes: (bytes) => this.#send(Buffer.concat([Buffer.from(`${id}\n`), Buffer.from(bytes)])),
            control: (command, extra) => this.control({ command, channel: id, ...extra }),
            end: (extra = {}) => {
                this.control({ command: "done", channel: id });
                this.#end(id, extra);
            },
            fail: (problem, extra = {}) => this.#end(id, { problem, ...extra }),
        };
        const kinds = { "dbus-json3": dbus, fsread1: read, metrics1: metrics, stream, info, echo, null: () => ({}), "session-control": sessionControl };
        const kind = kinds[payload];
        this.#channels.set(id, { group: options.group });
        if (payload === "host-login") {
            const login = hostLogin(options.to, port, this.#machine.others[options.to], () => this.#connected.add(options.to));
            if (this.#channels.has(id)) this.#channels.set(id, { ...login, to: options.to });
            return undefined;
        }
        const host = options.host === undefined || options.host === "localhost" ? undefined : options.host;
        if (host !== undefined && !this.#connected.has(host)) return port.fail("unknown-host");
        const machine = host === undefined ? this.#machine : this.#machine.others[host];
        if (this.#machine.problem !== null && options.bus !== "internal") return port.fail(this.#machine.problem);
        if ((options.superuser === "require" || options.superuser === true) && machine.superuser === "none") {
            return port.fail("access-denied");
        }
        if (kind === undefined) return port.fail("not-supported");
        const made = kind(options, port, machine);
        if (this.#channels.has(id)) this.#channels.set(id, { ...made, group: options.group, host });
        return undefined;
    }
}

/** Connects to `machine` as its `login` says: each question in turn, then connected, or closed with `refusal`. */
function hostLogin(to, port, machine, onConnected) {
    port.ready();
    if (machine === undefined) return port.fail("no-host"), {};
    const { questions = [], accepts = () => "", refusal = null, states = [] } = machine.login;
    let at = 0;
    let id = 0;
    const ask = (error = "") => port.json({ question: { id: ++id, host: to, user: "ada", error, ...questions[at] } });
    const goOn = () => {
        if (at < questions.length) return ask();
        if (refusal !== null) return port.fail(refusal.problem, refusal);
        for (const state of states) port.json(state);
        onConnected();
        return port.json({ state: "connected" });
    };
    port.json({ state: "authenticating" });
    goOn();
    return {
        data: (payload) => {
            const { answer } = JSON.parse(payload.toString());
            machine.answers.push(answer);
            if (answer.key === undefined && answer.responses === undefined && answer.passphrase === undefined) return port.fail("authentication-failed");
            const error = accepts(answer);
            if (error !== "") return ask(error);
            at += 1;
            return goOn();
        },
        broken: () => {
            port.json({ state: "reconnecting", in: 1, problem: "terminated" });
            setTimeout(goOn, 1000);
        },
    };
}

function echo(_options, port) {
    port.ready();
    return { data: (payload) => port.bytes(payload), done: () => port.end() };
}

/** Counts down when the machine says so, until somebody does something. */
function sessionControl(_options, port, machine) {
    port.ready({ timeout: 900 });
    let timer;
    const stop = () => clearInterval(timer);
    const unlisten = machine.onSignal((signal) => {
        if (signal.countdown === undefined) return;
        let counter = signal.countdown;
        stop();
        const count = () => {
            port.control("countdown", { counter });
            counter -= 1;
            if (counter >= 0) return;
            stop();
            port.control("logout", {});
        };
        timer = setInterval(count, 1000);
        count();
    });
    return { active: stop, stop: () => (stop(), unlisten()) };
}

function info(_options, port, machine) {
    port.ready();
    port.json({ channels: {}, os_release: {}, user: machine.user });
    port.end();
    return {};
}

function read(options, port, machine) {
    const content = machine.files[options.path];
    port.ready();
    if (content === undefined) return port.end({ tag: "-" });
    if (content === null) return port.fail("access-denied");
    port.text(content);
    port.end({ tag: "1" });
    return {};
}

function metrics(options, port, machine) {
    port.ready();
    const names = options.metrics.map((metric) => metric.name);
    port.json({ source: "internal", interval: 1000, timestamp: Date.now(), now: Date.now(), metrics: options.metrics });
    const send = () => port.json([machine.sample(names)]);
    send();
    const timer = setInterval(send, machine.interval);
    return { stop: () => clearInterval(timer) };
}

function stream(options, port, machine) {
    if (options.pty === true) return machine.shell(options, port);
    const [program, ...args] = options.spawn ?? [];
    if (program !== "journalctl") {
        port.fail("not-found");
        return {};
    }
    machine.spawned.push(options.spawn);
    port.ready({ pid: 4711 });
    return machine.journal(args, port);
}

function dbus(options, port, machine) {
    const rules = [];
    const internal = options.bus === "internal";
    if (!internal && machine.absent.has(options.name)) {
        port.fail("not-found");
        return {};
    }
    port.ready({ "unique-name": ":1.42" });
    const reply = (message, values, extra = {}) => message.id !== undefined && port.json({ reply: [values], id: message.id, ...extra });
    const error = (message, name, text) => port.json({ error: [name, [text]], id: message.id });
    const properties = (path, iface) => {
        const found = machine.properties(path, iface);
        return found === null ? null : Object.fromEntries(Object.entries(found).map(([name, value]) => [name, { t: "v", v: value }]));
    };
    return {
        data: (payload) => {
            const message = JSON.parse(payload.toString());
            if (message["add-match"]) rules.push(message["add-match"]);
            if (message.watch) {
                const iface = WATCHED[message.watch.path];
                const found = iface === undefined ? null : machine.properties(message.watch.path, iface);
                if (found !== null) {
                    port.json({ meta: { [iface]: { methods: {}, properties: {}, signals: {} } } });
                    port.json({ notify: { [message.watch.path]: { [iface]: found } } });
                }
                reply(message, []);
            }
            if (!message.call) return;
            const [path, iface, method, args] = message.call;
            if (iface === PROPERTIES && method === "GetAll") {
                const found = properties(path, args[0]);
                if (found === null) error(message, "org.freedesktop.DBus.Error.UnknownObject", `No object at ${path}`);
                else reply(message, [found]);
                return;
            }
            machine.call(path, iface, method, args, {
                privileged: options.superuser === "require",
                reply: (values) => reply(message, values),
                error: (name, text) => error(message, name, text),
            });
        },
        signal: (signal) => {
            if (signal.internal === undefined || signal.internal !== internal) return;
            if (signal.notify) {
                port.json({ notify: signal.notify });
                return;
            }
            const [path, iface, member, args] = signal.signal;
            const wanted = rules.some(
                (rule) =>
                    (rule.path === undefined || rule.path === path) &&
                    (rule.path_namespace === undefined || path.startsWith(rule.path_namespace)) &&
                    (rule.interface === undefined || rule.interface === iface) &&
                    (rule.member === undefined || rule.member === member) &&
                    (rule.arg0 === undefined || rule.arg0 === args[0]),
            );
            if (wanted) port.json({ signal: [path, iface, member, args] });
        },
    };
}

export { MANAGER, PROPERTIES };
