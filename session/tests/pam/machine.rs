//! A private machine: `/etc`, `/home` and `/run` of a mount namespace, accounts and PAM services in it.
#![expect(clippy::disallowed_methods, reason = "starts the system's own tools and this program")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Password of every account that [`add_user`] makes.
pub(crate) const PASSWORD: &str = "correct horse 7 battery";

/// Service with the modules that every Debian and Fedora has.
pub(crate) const PLAIN: &str = "auth required pam_unix.so\n\
    account requisite pam_nologin.so\n\
    account required pam_unix.so\n\
    password required pam_unix.so sha512 minlen=8\n\
    session required pam_unix.so\n";

/// This program in the private machine, where a checkout below `/home` is out of sight; everybody may execute it.
pub(crate) const PROGRAM: &str = "/run/pam-tests";

/// Runs the test `name` in a namespace of its own; whether it passed.
pub(crate) fn passes_inside(name: &str) -> bool {
    let program = std::env::current_exe().unwrap();
    let mut unshare = Command::new("unshare");
    unshare
        .args(["--mount", "--propagation", "private", "--"])
        .arg(program);
    unshare
        .args(["inside", name])
        .stdin(Stdio::null())
        .status()
        .unwrap()
        .success()
}

/// Called inside the namespace, before anything else.
pub(crate) fn make_private() {
    let own = std::process::id();
    shell(&format!(
        "mount -t tmpfs -o mode=755 etc /mnt && cp -a /etc/. /mnt/ && mount --bind /mnt /etc
         umount /mnt 2>/dev/null; mount -t tmpfs -o mode=755 home /home && mount -t tmpfs -o mode=755 run /run
         cp /proc/{own}/exe {PROGRAM} && chmod 755 {PROGRAM}"
    ));
    service("t", PLAIN);
}

/// Writes the PAM service `name`.
pub(crate) fn service(name: &str, text: &str) {
    fs::write(Path::new("/etc/pam.d").join(name), text).unwrap();
}

/// Makes the account `name` with [`PASSWORD`], in place of one that the computer has; `options` go to `useradd`.
pub(crate) fn add_user(name: &str, options: &str) {
    shell(&format!(
        "! id {name} >/dev/null 2>&1 || userdel --force {name} 2>/dev/null
         useradd --create-home --shell /bin/bash --password \
         \"$(printf %s '{PASSWORD}' | openssl passwd -6 -salt pilothouse -stdin)\" {options} {name}"
    ));
}

/// Runs `script`, which must succeed, and gives its output. It is read from standard input: other tests look for
/// passwords in command lines.
pub(crate) fn shell(script: &str) -> String {
    let mut shell = Command::new("sh")
        .args(["-e", "-s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    shell
        .stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    let output = shell.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{script}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Fails with the package's name where PAM's module `name` is missing.
pub(crate) fn needs_module(name: &str, package: &str) {
    let folders = "/lib/security /lib64/security /lib/*/security";
    let found = shell(&format!("find {folders} -maxdepth 1 -name {name} 2>&- || true"));
    assert!(!found.is_empty(), "this test needs {name}: install {package}");
}
