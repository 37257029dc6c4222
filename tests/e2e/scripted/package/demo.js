/* A package as Cockpit's guide describes one: it echoes a word through the shell, and does what a package may do. */
document.addEventListener("DOMContentLoaded", () => {
    const element = (id) => document.getElementById(id);
    const shell = (control) => window.parent.postMessage("\n" + JSON.stringify(control), window.location.origin);
    const say = (word) => {
        const channel = cockpit.channel({ payload: "echo" });
        channel.addEventListener("message", (_event, data) => {
            element("answer").textContent = `echo says ${data}`;
        });
        channel.addEventListener("close", (_event, options) => {
            element("answer").textContent = `closed: ${options.problem}`;
        });
        channel.send(word);
    };
    const show = () => {
        element("place").textContent = `at ${cockpit.location.href}`;
    };
    const see = () => {
        element("seen").textContent = cockpit.hidden ? "hidden" : "seen";
    };
    const acts = {
        go: () => cockpit.location.go(["inner"], { word: "x" }),
        jump: () => cockpit.jump("/system/services#/ssh.service"),
        "jump-second": () => cockpit.jump(["demo", "second"]),
        warn: () => shell({ command: "notify", page_status: { type: "warning", title: "4 updates <b>" } }),
        fail: () => shell({ command: "oops" }),
        forge: () => {
            shell({ command: "open", channel: "1:1", payload: "stream", spawn: ["reboot"] });
            shell({ command: "authorize", cookie: "x", response: "Basic x" });
            window.parent.postMessage("1:2\nforged", window.location.origin);
        },
        ask: () => say("again"),
        restart: () => shell({ command: "hint", hint: "restart" }),
        logout: () => cockpit.logout(),
    };
    for (const [id, act] of Object.entries(acts)) element(id).addEventListener("click", act);
    cockpit.addEventListener("locationchanged", show);
    cockpit.addEventListener("visibilitychange", see);
    window.addEventListener("cockpit-style", (event) => {
        document.documentElement.dataset.style = event.detail.style;
    });
    show();
    see();
    say("hello");
});
