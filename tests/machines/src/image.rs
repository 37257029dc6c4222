//! Images: the read-only directories that machines lie on.
//!
//! A base is one release made by mmdebstrap from the mirrors of the host's own apt; a layer is what installing
//! some packages on a base (and the layers below) adds to it, kept as an overlay's upper directory. Both are
//! made once, with the host's network, and kept in the [`Cache`]. Machines never install anything to boot.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::architecture::Architecture;
use crate::cache::{Cache, remove_tree};
use crate::cgroup::{ENTER_AND_EXEC, Groups};
use crate::error::{Doing as _, Error, Result};
use crate::host_apt::{CA_BUNDLE, HostApt};
use crate::program::Program;
use crate::release::Release;

/// What every base has: systemd as PID 1, a bus, sshd, sudo, and what sessions need.
const INCLUDED: &str =
    "systemd,systemd-sysv,dbus,openssh-server,libpam-systemd,sudo,iproute2,passwd";

/// Run in a new base. Every machine gets keys and a machine id of its own; the journal is kept on disk, so
/// that it can be read after a power cut; nothing tries to reach a mirror in the background.
const FINISH_BASE: &str = r"set -e
: > etc/machine-id
rm -f etc/ssh/ssh_host_* etc/resolv.conf etc/hostname var/lib/dbus/machine-id
mkdir -p var/log/journal
rm -f etc/systemd/system/timers.target.wants/apt-daily*.timer
";

/// Packages added to a base, or taken from it, as one layer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Packages {
    /// Commands that run before anything is installed.
    pub first: String,
    /// From the release.
    pub install: Vec<String>,
    /// From the release's backports, with what they need from there.
    pub backports: Vec<String>,
    /// Taken out, with all that needs them.
    pub remove: Vec<String>,
}

impl Packages {
    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.install.is_empty() && self.backports.is_empty() && self.remove.is_empty()
    }

    /// Sorted, so that the same set in another order is the same layer; and safe to stand in a script.
    fn normalized(&self) -> Result<Self> {
        let list = |names: &[String]| -> Result<Vec<String>> {
            let mut names = names.to_vec();
            names.sort();
            names.dedup();
            names.into_iter().map(checked_package_name).collect()
        };
        Ok(Self {
            first: self.first.clone(),
            install: list(&self.install)?,
            backports: list(&self.backports)?,
            remove: list(&self.remove)?,
        })
    }
}

/// Directories of one machine's read-only part, the base last, as overlayfs wants them.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// Top layer first.
    pub(crate) directories: Vec<PathBuf>,
}

impl Image {
    /// Finds or makes the image of `release` with `packages`.
    ///
    /// # Errors
    ///
    /// Whatever mmdebstrap or apt say; nothing half made is kept.
    pub(crate) fn get(
        cache: &Cache,
        release: Release,
        architecture: Architecture,
        packages: &Packages,
    ) -> Result<Self> {
        let mut directories = vec![base(cache, release, architecture)?];
        if !packages.is_empty() {
            directories.insert(0, layer(cache, release, &directories, &packages.normalized()?)?);
        }
        Ok(Self { directories })
    }

    /// For overlayfs' `lowerdir=`.
    pub(crate) fn lowerdir(&self) -> String {
        joined(&self.directories)
    }
}

/// Makes the base image of a release if there is none yet, so that no test waits for it.
///
/// # Errors
///
/// [`Error::NotRoot`], [`Error::Missing`], or what mmdebstrap says.
pub fn build_base(release: Release, architecture: Architecture) -> Result<PathBuf> {
    crate::needs::check()?;
    base(&Cache::of_this_computer(), release, architecture)
}

fn base(cache: &Cache, release: Release, architecture: Architecture) -> Result<PathBuf> {
    architecture.enable()?;
    let (name, suffix) = (release.codename(), architecture.suffix());
    let recipe = format!("base 1\n{name}{suffix}\n{INCLUDED}\n{FINISH_BASE}");
    cache.get("base", &recipe, |directory| {
        let apt = HostApt::of_this_computer()?;
        let options = directory.with_extension("apt.conf");
        fs::write(&options, apt.options()).doing("write", &options)?;
        let made = Program::new("mmdebstrap")
            .args(["--quiet", "--variant=minbase", "--format=directory"])
            .arg(format!("--include={INCLUDED}"))
            .args(architecture.bootstrap_arguments())
            .arg(format!("--aptopt={}", options.display()))
            .arg(release.codename())
            .arg(directory)
            .args(apt.sources(release))
            .output();
        fs::remove_file(&options).doing("remove", &options)?;
        made?;
        let script = format!("cd \"$1\"\n{FINISH_BASE}");
        Program::new("sh")
            .args(["-c", &script, "sh"])
            .arg(directory)
            .output()
            .map(drop)
    })
}

fn layer(
    cache: &Cache,
    release: Release,
    below: &[PathBuf],
    packages: &Packages,
) -> Result<PathBuf> {
    let Packages { first, install, backports, remove } = packages;
    let recipe = format!(
        "layer 1\n{}\n{first}{install:?}\n{backports:?}\n{remove:?}\n{LAYER_BEGINS}\n{LAYER_ENDS}",
        joined(below)
    );
    cache.get("layer", &recipe, |directory| {
        let apt = HostApt::of_this_computer()?;
        let script = layer_script(&apt, release, packages);
        let _alone = cache.lock(&format!("apt-{}", release.codename()))?;
        build_layer(cache, release, &apt, below, directory, &script)
    })
}

/// What a layer's script starts with. Daemons are not started by packages: nothing is booted there.
const LAYER_BEGINS: &str = r"set -e
export DEBIAN_FRONTEND=noninteractive SUDO_FORCE_REMOVE=yes
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
apt() {
    command apt-get -qq -y -c /run/lab/apt.conf -o APT::Sandbox::User=root \
        -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Use-Pty=0 -o APT::Install-Recommends=false $*
}";

/// What it ends with: nothing that two machines must not share.
const LAYER_ENDS: &str = "rm -f /usr/sbin/policy-rc.d /etc/apt/sources.list.d/lab-backports.list
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id
: > /etc/machine-id";

fn layer_script(apt: &HostApt, release: Release, packages: &Packages) -> String {
    let Packages { first, install, backports, remove } = packages;
    let suite = format!("{}-backports", release.codename());
    let mut lines = vec![LAYER_BEGINS.to_owned(), first.clone()];
    if !backports.is_empty() {
        let line = apt.backports(release);
        lines.push(format!("echo '{line}' > /etc/apt/sources.list.d/lab-backports.list"));
    }
    if !install.is_empty() || !backports.is_empty() {
        lines.push("apt update".to_owned());
    }
    if !install.is_empty() {
        lines.push(format!("apt install {}", install.join(" ")));
    }
    if !backports.is_empty() {
        lines.push(format!("apt install -t {suite} {}", backports.join(" ")));
    }
    if !remove.is_empty() {
        lines.push(format!("apt purge --autoremove {}", remove.join(" ")));
    }
    lines.push(LAYER_ENDS.to_owned());
    lines.join("\n") + "\n"
}

/// Mounts and enters are those of one process tree of their own: whatever ends it, they are gone.
fn build_layer(
    cache: &Cache,
    release: Release,
    apt: &HostApt,
    below: &[PathBuf],
    directory: &Path,
    script: &str,
) -> Result<()> {
    let building = directory.with_extension("building");
    remove_tree(&building)?;
    for name in ["work", "root", "lab"] {
        let path = building.join(name);
        fs::create_dir_all(&path).doing("make", &path)?;
    }
    let options = building.join("lab/apt.conf");
    let mut text = apt.options().to_owned();
    if apt.wants_authorities() {
        let copy = building.join("lab/authorities.crt");
        fs::copy(CA_BUNDLE, &copy).doing("write", &copy)?;
        text += "Acquire::https::CAInfo \"/run/lab/authorities.crt\";\n";
    }
    fs::write(&options, text).doing("write", &options)?;

    let lists = cache.directory(&format!("apt/{}/lists", release.codename()))?;
    let archives = cache.directory(&format!("apt/{}/archives", release.codename()))?;
    let name = format!("lab-build-{}", std::process::id());
    let groups = Groups::make(&name)?;
    let mount = format!(
        "mount -t overlay overlay -o \"lowerdir=$LOWER,upperdir=$UPPER,workdir=$1/work,volatile\" \
         \"$1/root\"; shift; {ENTER_AND_EXEC}"
    );
    let built = Program::new("unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["--propagation", "private", "sh", "-e", "-c", &mount, "sh"])
        .arg(&building)
        .args(["systemd-nspawn", "--quiet", "--pipe", "--keep-unit", "--register=no", "--as-pid2"])
        .args(["--settings=no", "--timezone=off", "--link-journal=no", "--resolv-conf=off"])
        .arg(format!("--machine={name}"))
        .arg(format!("--directory={}", building.join("root").display()))
        .arg(format!("--bind={}:/var/lib/apt/lists", lists.display()))
        .arg(format!("--bind={}:/var/cache/apt/archives", archives.display()))
        .arg(format!("--bind-ro={}:/run/lab", building.join("lab").display()))
        .arg("--bind-ro=/etc/resolv.conf:/etc/resolv.conf")
        .args(["sh", "-s"])
        .env("LOWER", joined(below))
        .env("UPPER", directory)
        .env("LAB_GROUPS", groups.variable())
        .input(script)
        .output();
    drop(groups);
    remove_tree(&building)?;
    built?;
    // The mount point that nspawn made for the name servers.
    drop(fs::remove_file(directory.join("etc/resolv.conf")));
    Ok(())
}

fn joined(directories: &[PathBuf]) -> String {
    let names: Vec<_> = directories
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    names.join(":")
}

fn checked_package_name(name: String) -> Result<String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.:=~".contains(c);
    if name.is_empty() || name.starts_with('-') || !name.chars().all(allowed) {
        return Err(Error::Refused(format!("{name:?} is no package name")));
    }
    Ok(name)
}

#[test]
fn the_order_of_package_names_does_not_make_another_layer() {
    let packages = |names: &[&str]| Packages {
        install: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Packages::default()
    };

    let one = packages(&["b", "a", "b"]).normalized().unwrap();

    assert_eq!(one, packages(&["a", "b"]).normalized().unwrap());
}

#[test]
fn a_package_name_cannot_be_an_option_or_a_command() {
    for name in ["--force", "a;b", "a b", "", "$(x)"] {
        let packages = Packages { install: vec![name.into()], ..Packages::default() };
        assert!(packages.normalized().is_err(), "{name}");
    }
}
