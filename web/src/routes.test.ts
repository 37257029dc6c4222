import assert from "node:assert/strict";
import { test } from "node:test";

import { parseRoute, routeAddress, type Route } from "./routes";

function parse(address: string): Route {
    const url = new URL(address, "https://admin1.lan:9090");
    return parseRoute(url.pathname, url.search, url.hash);
}

test("every address that the interface writes reads back as the same route", () => {
    const addresses = [
        "/host/localhost/overview",
        "/host/ada@web1:2222/terminal",
        "/host/localhost/services",
        "/host/localhost/services?kind=timer&state=failed&q=backup",
        "/host/localhost/services/getty@tty1.service",
        "/host/web1/logs?priority=err&unit=nginx.service&boot=-1&since=2026-05-12+14%3A03&q=100%25+%26+more",
        "/@localhost/system/services#/?type=timer",
        "/@web1/podman",
    ];

    for (const address of addresses) assert.equal(routeAddress(parse(address)), address);
});

test("the root is the overview of the local host until there is a host list", () => {
    assert.equal(routeAddress(parse("/")), "/host/localhost/overview");
});

test("an address of Cockpit without a host names a package of the local host", () => {
    assert.equal(routeAddress(parse("/system/services")), "/@localhost/system/services");
});

test("a unit name with an escape survives the address", () => {
    const unit = "systemd-fsck@dev-disk-by\\x2duuid-1.service";
    const address = routeAddress(parse(`/host/localhost/services/${encodeURIComponent(unit)}`));

    assert.deepEqual(parse(address), { kind: "host", host: "localhost", view: { page: "unit", unit } });
});

test("parameters that do not fit their type are dropped and select nothing", () => {
    const attacks = [
        "/host/localhost/logs?priority=urgent&boot=1;reboot&since=$(reboot)&unit=--file=/etc/shadow",
        "/host/localhost/logs?unit=a%20b.service&q=%00&since=yesterday&boot=--flush",
        `/host/localhost/logs?q=${"x".repeat(201)}`,
    ];

    for (const address of attacks) {
        const route = parse(address);
        assert.deepEqual(route, { kind: "host", host: "localhost", view: { page: "logs", filter: {} } });
    }
});

test("host names that could be an option, a path or a second host are refused", () => {
    const names = ["-oProxyCommand=x", "a%20b", "..%2Fetc", "user@-x", "@", "a%0Ab", "web1:123456"];

    for (const name of names) assert.equal(parse(`/host/${name}/overview`).kind, "unknown", name);
});

test("a package address cannot climb out of the package", () => {
    for (const path of ["/@localhost/..%2F..%2Fetc/passwd", "/@localhost/system/..%2Fx", "/@localhost/.hidden/x"]) {
        assert.equal(parse(path).kind, "unknown", path);
    }
});

test("an address with a stray percent sign is unknown, not an exception", () => {
    assert.equal(parseRoute("/host/%E0%A4%A/overview").kind, "unknown");
});
