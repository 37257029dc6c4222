//! What the lab needs of the computer it runs on, checked before anything is made.
//!
//! Called by [`crate::Lab::start`] and by the builders of images. Facts behind the kernel limits: each booted
//! system watches many files, and root in every machine is one user to the kernel, so that with the default
//! of 128 inotify instances about the twentieth machine hangs half booted without a word.

use std::path::Path;

use crate::error::{Doing as _, Error, Result};
use crate::program::is_installed;

/// Debian packages that bring what the lab needs, one a line.
pub const PACKAGES: &str = include_str!("../packages.txt");

/// Programs that every lab needs.
const PROGRAMS: &[&str] =
    &["mmdebstrap", "systemd-nspawn", "ip", "nsenter", "unshare", "journalctl", "chroot", "mount"];

/// Kernel limits shared by all machines: file below `/proc/sys`, least value.
const LIMITS: &[(&str, u64)] = &[
    ("fs/inotify/max_user_instances", 8192),
    ("fs/inotify/max_user_watches", 524_288),
    ("kernel/keys/maxkeys", 20_000),
    ("kernel/keys/maxbytes", 2_000_000),
];

/// Says what is missing, if anything.
///
/// # Errors
///
/// [`Error::NotRoot`] or [`Error::Missing`], each with the command that helps.
pub fn check() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        let command = std::env::args().collect::<Vec<_>>().join(" ");
        return Err(Error::NotRoot { command });
    }
    let missing: Vec<&str> = PROGRAMS
        .iter()
        .copied()
        .filter(|name| !is_installed(name))
        .collect();
    missing_programs(&missing)
}

/// As [`check`], for the programs of one kind of machine.
///
/// # Errors
///
/// [`Error::Missing`].
pub(crate) fn missing_programs(missing: &[&str]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let packages = PACKAGES.split_whitespace().collect::<Vec<_>>().join(" ");
    Err(Error::Missing { programs: missing.join(", "), packages })
}

/// Raises the kernel's limits; never lowers one.
pub(crate) fn raise_limits() -> Result<()> {
    for (name, least) in LIMITS {
        let path = Path::new("/proc/sys").join(name);
        let text = std::fs::read_to_string(&path).doing("read", &path)?;
        if text.trim().parse::<u64>().is_ok_and(|value| value < *least) {
            std::fs::write(&path, least.to_string()).doing("write", &path)?;
        }
    }
    Ok(())
}
