//! The uplink of a machine that is to reach what the host reaches: package registries.
//!
//! For trying, on a fresh machine, what a README says. `slirp4netns` carries its connections in user space, so
//! that nothing of the host's network is changed and no port of the host is taken. The host's settings for
//! registries (apt's, certificate authorities, npm's, cargo's, pip's, variables) are copied at run time and go
//! away with the machine.

use std::path::{Path, PathBuf};

use crate::enclosure::Attendant;
use crate::error::Result;
use crate::host_apt::{CA_BUNDLE, HostApt};
use crate::needs::missing_programs;
use crate::program::is_installed;
use crate::running::Running;

/// Parts of the names of variables that say how to reach a registry or whom to trust.
const VARIABLES: &[&str] = &[
    "_PROXY",
    "CERT",
    "CA_BUNDLE",
    "CAINFO",
    "INDEX_URL",
    "RUSTUP_DIST_SERVER",
    "RUSTUP_UPDATE_ROOT",
    "NPM_CONFIG_REGISTRY",
];

/// Settings of registry clients below root's home.
const OF_HOME: &[&str] = &[".npmrc", ".cargo/config.toml", ".config/pip/pip.conf", ".pip/pip.conf"];

/// Settings of registry clients for everybody.
const OF_SYSTEM: &[&str] = &["/etc/pip.conf", "/etc/npmrc", CA_BUNDLE];

/// Authorities that the administrator of the host added.
const ADDED_AUTHORITIES: &str = "/usr/local/share/ca-certificates";

/// The name server that slirp4netns answers as.
const NAME_SERVER: &str = "nameserver 10.0.2.3\n";

/// Connects a machine that is off. What it returns carries the connections until it is dropped.
pub(crate) fn connect(machine: &Running) -> Result<Attendant> {
    if !is_installed("slirp4netns") {
        missing_programs(&["slirp4netns"])?;
    }
    copy_settings(machine)?;
    // The route that leads nowhere would be found first.
    machine
        .lab
        .enclosure
        .script(&format!("ip -n {} route del default", machine.name))?;
    let program = machine
        .lab
        .enclosure
        .program_in_host_network()
        .args(["slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback"])
        .args(["--ready-fd=1", "--netns-type=path"])
        .arg(format!("/run/netns/{}", machine.name))
        .arg("uplink");
    Attendant::start_and_wait_for_output(program)
}

/// What the host's environment says about registries.
pub(crate) fn variables() -> Vec<(String, String)> {
    std::env::vars()
        .filter(|(name, _)| {
            VARIABLES
                .iter()
                .any(|part| name.to_ascii_uppercase().contains(part))
        })
        .collect()
}

fn copy_settings(machine: &Running) -> Result<()> {
    let apt = HostApt::of_this_computer()?;
    machine.write("/etc/apt/apt.conf.d/90host", 0o644, apt.options())?;
    machine.write("/etc/resolv.conf", 0o644, NAME_SERVER)?;
    for path in OF_SYSTEM.iter().filter(|path| Path::new(path).is_file()) {
        machine.copy_in(path, path, 0o644)?;
    }
    for entry in std::fs::read_dir(ADDED_AUTHORITIES)
        .into_iter()
        .flatten()
        .flatten()
    {
        if entry.path().is_file() {
            machine.copy_in(entry.path(), &entry.path().to_string_lossy(), 0o644)?;
        }
    }
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    for name in OF_HOME.iter().filter(|name| home.join(name).is_file()) {
        machine.copy_in(home.join(name), &format!("/root/{name}"), 0o600)?;
    }
    let lines: Vec<String> = variables()
        .iter()
        .map(|(name, value)| {
            format!(
                "{name}={value}
"
            )
        })
        .collect();
    machine.write("/etc/environment", 0o644, lines.concat())
}
