import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { type BridgeChannel, ScriptedBridge, connectTo, settled, GREETING } from "../testing/bridge";
import { cockpit } from "./package_api";
import { forget } from "./user";

const ADA = { name: "ada", fullname: "Ada L", uid: 1000, gid: 1001, group: "ada", groups: ["ada", "sudo"], home: "/home/ada", shell: "/bin/bash" };
const INFO = { channels: { echo: [], fsinfo: ["x"] }, os_release: { ID: "debian" }, user: ADA };

type Superuser = "none" | "sudo" | "absent";

/** A bridge that knows `user`, and whose superuser access a test changes. */
class Machine {
    readonly bridge = new ScriptedBridge();
    #watcher: BridgeChannel | null = null;

    constructor(kind: "new" | "old", user: typeof ADA = ADA, superuser: Superuser = "none", openAsRoot: "allowed" | "denied" = "denied") {
        this.bridge
            .script("info", { opened: (channel) => (kind === "new" ? channel.send(JSON.stringify({ ...INFO, user })) : channel.close({ problem: "not-supported" })) })
            .script("null", { opened: (channel) => (openAsRoot === "allowed" ? channel.control("ready") : channel.close({ problem: "access-denied" })) })
            .script("dbus-json3", {
                data: (channel, data) => {
                    const { id, watch, call } = JSON.parse(String(data)) as { id?: string; watch?: object; call?: readonly string[] };
                    if (id === undefined) return;
                    if (watch !== undefined) {
                        this.#watcher = channel;
                        if (superuser !== "absent") this.turn(superuser);
                        channel.send(JSON.stringify({ id, reply: [[]] }));
                    } else if (call?.[0] === "/user") {
                        const variant = (t: string, v: unknown) => ({ t, v });
                        const properties = { Name: variant("s", user.name), Full: variant("s", user.fullname), Id: variant("x", user.uid), Groups: variant("as", user.groups), Home: variant("s", user.home), Shell: variant("s", user.shell) };
                        channel.send(JSON.stringify({ id, reply: [[properties]] }));
                    } else channel.send(JSON.stringify({ id, reply: [[]] }));
                },
            });
        connectTo(this.bridge, { ...GREETING, system: { version: "337" } });
    }

    turn(current: Superuser): void {
        this.#watcher?.send(JSON.stringify({ notify: { "/superuser": { "cockpit.Superuser": { Current: current } } } }));
    }

    calls(): unknown[] {
        return this.bridge.channels.flatMap(({ received }) => received.map((text) => (JSON.parse(String(text)) as { readonly call?: unknown }).call)).filter((call) => call !== undefined);
    }
}

beforeEach(forget);

test("user is asked for once, and told as the guide has it", async () => {
    const { bridge } = new Machine("new");

    assert.deepEqual(await cockpit.user(), { id: 1000, gid: 1001, name: "ada", full_name: "Ada L", groups: ["ada", "sudo"], home: "/home/ada", shell: "/bin/bash" });
    assert.equal(await cockpit.user(), await cockpit.user());
    assert.equal(bridge.channels.length, 1);
});

test("user of a bridge without info comes from the internal bus", async () => {
    new Machine("old");
    const { id, name, groups, home } = await cockpit.user();
    assert.deepEqual([id, name, groups, home], [1000, "ada", ["ada", "sudo"], "/home/ada"]);
});

test("user tells a change when it is first known", async () => {
    new Machine("new");
    let changes = 0;
    cockpit.user.addEventListener("changed", () => changes++);

    await cockpit.user();
    await cockpit.user();

    assert.equal(changes, 1);
});

test("user that cannot be had is a failure, and is asked for again", async () => {
    connectTo(new ScriptedBridge().script("info", { opened: (channel) => channel.close({ problem: "terminated" }) }));
    await assert.rejects(cockpit.user(), { problem: "terminated" });
    new Machine("new");
    assert.equal((await cockpit.user()).name, "ada");
});

test("info has the server's version with the link, and all after init", async () => {
    new Machine("new");
    let changes = 0;
    cockpit.info.addEventListener("changed", () => changes++);
    assert.deepEqual({ ...cockpit.info }, {});

    cockpit.channel({ payload: "echo" });
    await settled();
    assert.deepEqual({ ...cockpit.info }, { version: "337", ws: { version: "337" } });
    await cockpit.init();

    assert.deepEqual({ ...cockpit.info }, { version: "337", ws: { version: "337" }, ...INFO });
    assert.equal(changes, 2);
});

test("admin is allowed while superuser access is on", async () => {
    const machine = new Machine("new");
    const permission = cockpit.permission({ admin: true });
    const seen: unknown[] = [];
    permission.onchanged = () => seen.push(permission.allowed);
    assert.equal(permission.allowed, null);
    await settled();
    machine.turn("sudo");
    await settled();
    machine.turn("none");
    await settled();

    assert.deepEqual(seen, [false, true, false]);
    assert.equal(permission.is_superuser, false);
    assert.equal(permission.user?.name, "ada");

    permission.close();
    machine.turn("sudo");
    await settled();
    assert.equal(permission.allowed, false);
});

test("members of the group are allowed, others are not, and root always is", async () => {
    new Machine("new");
    const [member, other, plain] = [cockpit.permission({ group: "sudo" }), cockpit.permission({ group: "wheel" }), cockpit.permission()];
    await settled();
    assert.deepEqual([member.allowed, other.allowed, plain.allowed], [true, false, false]);

    forget();
    new Machine("new", { ...ADA, name: "root", uid: 0, groups: ["root"] });
    const root = cockpit.permission({ group: "wheel" });
    await settled();
    assert.deepEqual([root.allowed, root.is_superuser], [true, true]);
});

for (const access of ["allowed", "denied"] as const) {
    test(`a bridge that does not tell of superuser access is tried: ${access}`, async () => {
        const { bridge } = new Machine("old", ADA, "absent", access);
        const permission = cockpit.permission({ admin: true });
        await settled();

        assert.equal(permission.allowed, access === "allowed");
        assert.equal(bridge.channel("null").open["superuser"], "require");
    });
}

test("privileges are dropped by the bridge's own superuser object", async () => {
    const machine = new Machine("new");
    cockpit.drop_privileges();
    await settled();
    assert.deepEqual(machine.calls(), [["/superuser", "cockpit.Superuser", "Stop", []]]);
});
