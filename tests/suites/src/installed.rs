//! A machine on which Pilothouse is installed as a package installs it: by `packaging/install`, run by systemd.

use std::net::SocketAddr;
use std::path::Path;

use machines::{Lab, Machine, Program, Running, Sudo};

use crate::{House, PASSWORD, program};

/// What an administrator types after installing by hand, as `packaging/install` prints it; here without `enable`.
const START: &str = "systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload
    systemctl start pilothouse.socket pilothouse-session.socket";

impl House {
    /// Boots `machine`, installs into it, and opens the sockets; the server starts with the first connection. The
    /// users are those of [`crate::machine`].
    pub fn installed(machine: Machine) -> Self {
        let lab = Lab::start().expect("a lab");
        let machine = machine
            .runs_what_was_built_here()
            .packages(&["dbus", "sudo"])
            .user("ada", PASSWORD)
            .sudo(Sudo::WithPassword)
            .user("ben", PASSWORD)
            // An installed Debian has one of these; without it pam_env complains at every login, of sshd's too.
            .file("/etc/locale.conf", 0o644, "LANG=C.UTF-8\n")
            .file("/etc/default/locale", 0o644, "LANG=C.UTF-8\n");
        let machine = lab.machine(machine).expect("a machine");
        install(&machine);
        machine.exec(&["sh", "-ec", START]).expect("the sockets");
        let address = SocketAddr::from((machine.address(), 9090));
        Self { machine, address, lab }
    }
}

/// Copies what `packaging/install` installs into a machine.
fn install(machine: &Running) {
    let script = packaging().join("install");
    let built = program("pilothouse");
    let folder = tempfile::tempdir().expect("a folder");
    let archive = folder.path().join("files.tar");
    Program::new(script)
        .env("built", built.parent().expect("a folder"))
        .env("DESTDIR", folder.path().join("root"))
        .env("pam", "debian")
        .output()
        .expect("all files");
    Program::new("tar")
        .arg("--create")
        .arg(format!("--file={}", archive.display()))
        .arg(format!("--directory={}", folder.path().join("root").display()))
        .args(["usr", "etc"])
        .output()
        .expect("an archive");
    machine
        .copy_in(&archive, "/root/files.tar", 0o600)
        .expect("the archive in the machine");
    let unpack =
        "tar --extract --no-same-owner --no-overwrite-dir --directory=/ --file=/root/files.tar";
    machine.exec(&["sh", "-c", unpack]).expect("unpacked files");
}

/// The tree's `packaging`.
pub fn packaging() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging"))
}
