/**
 * A booted Debian with Cockpit's own packages of one version, our server on one port and stock `cockpit-ws` on another.
 *
 * Used by `packages.test.mjs` and `packages.measure.mjs`. What differs between the two servers stands here, so that the
 * acts are one text for both.
 */

import { bootMachine, PASSWORDS, until } from "../real/machine.mjs";

const COCKPIT = ["ws", "system", "networkmanager", "storaged", "packagekit", "podman", "machines"].map((name) => `cockpit-${name}`);
const SERVICES = ["busybox-static", "cracklib-runtime", "libvirt-daemon-system", "network-manager", "packagekit", "podman", "polkitd", "udisks2", "udisks2-lvm2"];

/** What bookworm has, and what its backports have. */
export const VERSIONS = ["287", "337"];

const STOCK_PORT = 9091;

/** What makes of a machine in namespaces one with something to look at on every page. */
const PREPARE = `
# Stock Cockpit on a port of its own.
mkdir -p /etc/systemd/system/cockpit.socket.d
printf '[Socket]\\nListenStream=\\nListenStream=${STOCK_PORT}\\n' > /etc/systemd/system/cockpit.socket.d/port.conf
systemctl daemon-reload
systemctl restart cockpit.socket
# NetworkManager has eth0 as its own, or PackageKit would say that the machine is offline.
address=$(ip -4 -o addr show eth0 | tr -s ' ' | cut -d ' ' -f 4)
nmcli --wait 10 connection add type ethernet con-name lan ifname eth0 ipv4.method manual ipv4.addresses "$address" ipv4.gateway "\${address%.*}.1" ipv6.method ignore
nmcli --wait 10 connection up lan
# A package that can be updated, from a repository on the machine's own disk.
mkdir -p /srv/repository /tmp/lighthouse/DEBIAN
for version in 1.0 1.1; do
    printf 'Package: lighthouse\\nVersion: %s\\nArchitecture: all\\nMaintainer: Ada <ada@example.org>\\nDescription: a lamp on a rock\\n' $version > /tmp/lighthouse/DEBIAN/control
    dpkg-deb -b /tmp/lighthouse /srv/repository/lighthouse_\${version}_all.deb
done
dpkg -i /srv/repository/lighthouse_1.0_all.deb
rm -rf /srv/repository/lighthouse_1.0_all.deb /etc/apt/sources.list /etc/apt/sources.list.d/*
cd /srv/repository
{ cat /tmp/lighthouse/DEBIAN/control
  echo "Filename: ./lighthouse_1.1_all.deb"
  echo "Size: $(stat -c %s lighthouse_1.1_all.deb)"
  echo "SHA256: $(sha256sum lighthouse_1.1_all.deb | cut -d ' ' -f 1)"; } > Packages
echo "deb [trusted=yes] file:/srv/repository ./" > /etc/apt/sources.list
apt-get update -qq
# Overlay on overlay is not possible: a machine of the lab lies on one already.
mkdir -p /etc/containers
printf '[storage]\\ndriver = "vfs"\\nrunroot = "/run/containers/storage"\\ngraphroot = "/var/lib/containers/storage"\\n' > /etc/containers/storage.conf
mkdir -p /tmp/image/bin
cp /bin/busybox /tmp/image/bin/busybox
ln -sf busybox /tmp/image/bin/sh
tar -C /tmp/image -c . | podman import --quiet - localhost/lamp:latest
systemctl reset-failed
`;

/** Boots one, both servers running. */
export async function bootHouse(version) {
    const flag = version === "287" ? "--package" : "--backport";
    const more = [...SERVICES.flatMap((name) => ["--package", name]), ...COCKPIT.flatMap((name) => [flag, name])];
    const machine = bootMachine({ name: `stock${version}`, more });
    machine.script(PREPARE);
    await machine.startServer();
    const ours = { name: "pilothouse", origin: machine.origin };
    const stock = { name: `cockpit ${version}`, origin: `https://${machine.address}:${STOCK_PORT}` };
    return { machine, version, ours, stock };
}

/** Logs `ada` in with superuser access from the start, as each server's own page does it when its box is ticked. */
export async function logIn(page, house) {
    if (house.name !== "pilothouse") {
        const Authorization = `Basic ${Buffer.from(`ada:${PASSWORDS.ada}`).toString("base64")}`;
        const answer = await page.context().request.get(`${house.origin}/cockpit/login`, { headers: { Authorization, "X-Superuser": "any" } });
        if (answer.status() !== 200) throw new Error(`${house.name} did not let ada in: ${answer.status()} ${await answer.text()}`);
        return;
    }
    await page.goto(`${house.origin}/host/localhost/terminal`);
    await page.getByLabel("User name").fill("ada");
    await page.getByLabel("Password", { exact: true }).fill(PASSWORDS.ada);
    await page.getByLabel(/Reuse my password/).check();
    await page.getByRole("button", { name: "Log in" }).click();
    const access = page.getByRole("button", { name: /^Superuser access: (on|off)/ });
    await access.waitFor();
    if ((await access.innerText()).includes("off")) await access.click();
    await page.getByRole("button", { name: "Superuser access: on" }).waitFor();
}

/** Opens a page of a package in the shell of `house`; resolves to its frame when the document is there. */
export async function openPackage(page, house, place, hash = "") {
    await page.goto(`${house.origin}/@localhost/${place}${hash}`);
    const name = `cockpit1:localhost/${place.replace(/\/index$/, "")}`;
    let frame = null;
    await until(`there is a frame ${name}`, () => (frame = page.frame({ name })) !== null && frame.url().includes(".html"));
    return frame;
}
