//! The description of a machine: what a test asks for.
//!
//! Only words; nothing happens before [`crate::Lab::machine`] is given one. It can be written as JSON, which is
//! how the command hands it to the process that keeps a lab.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::architecture::Architecture;
use crate::image::Packages;
use crate::program::Program;
use crate::release::Release;
use crate::virtual_machine::{Disks, Kernel, Labels};

/// What a machine is to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    pub(crate) release: Release,
    pub(crate) name: Option<String>,
    pub(crate) packages: Packages,
    pub(crate) users: Vec<User>,
    pub(crate) root_password: Option<String>,
    pub(crate) sshd: Vec<String>,
    pub(crate) files: Vec<PlacedFile>,
    pub(crate) scripts: Vec<String>,
    pub(crate) disk: Disk,
    pub(crate) network: Network,
    pub(crate) root: RootDirectory,
    pub(crate) kernel: Kernel,
    pub(crate) labels: Labels,
    pub(crate) disks: Disks,
    pub(crate) architecture: Architecture,
    /// The first wrong use of this builder, told when the machine is asked for.
    pub(crate) mistake: Option<String>,
}

/// What a user may do by sudo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sudo {
    /// Anything, after typing their own password.
    WithPassword,
    /// Anything, without a question.
    WithoutPassword,
    /// Nothing.
    Never,
}

/// A user account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) password: Option<String>,
    pub(crate) sudo: Sudo,
    pub(crate) groups: Vec<String>,
    pub(crate) authorized_keys: Vec<String>,
    pub(crate) shell: String,
}

/// A file that is there before the first boot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PlacedFile {
    pub(crate) path: String,
    pub(crate) mode: u32,
    pub(crate) content: Content,
}

/// Where a placed file's bytes come from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Content {
    Text(String),
    CopyOf(PathBuf),
}

/// What the machine writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Disk {
    /// The host's disk.
    Large,
    /// So many MiB and not a byte more, in memory; needed for a disk that is to run full.
    Small(u32),
}

/// Whether the root directory can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RootDirectory {
    /// As usual.
    Writable,
    /// Nothing but `/var`, `/run` and `/tmp` can be written.
    ReadOnly,
}

/// What the machine is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// The lab's other machines and the host, nothing else.
    Lab,
    /// Also what the host can reach, set up as the host is: for trying what a README says on a fresh machine.
    LabAndUplink,
}

impl Machine {
    /// A machine with this release, no users but root, and no way to log in as root.
    pub fn new(release: Release) -> Self {
        Self {
            release,
            name: None,
            packages: Packages::default(),
            users: Vec::new(),
            root_password: None,
            sshd: Vec::new(),
            files: Vec::new(),
            scripts: Vec::new(),
            disk: Disk::Large,
            network: Network::Lab,
            root: RootDirectory::Writable,
            kernel: Kernel::Shared,
            labels: Labels::None,
            disks: Disks::One,
            architecture: Architecture::Host,
            mistake: None,
        }
    }

    /// Debian bullseye.
    pub fn debian11() -> Self {
        Self::new(Release::Bullseye)
    }

    /// Debian bookworm.
    pub fn debian12() -> Self {
        Self::new(Release::Bookworm)
    }

    /// Debian trixie.
    pub fn debian13() -> Self {
        Self::new(Release::Trixie)
    }

    /// Its host name, unique in the lab; without it `debian12`, `debian12-2`, …
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Adds a user with a home directory and `/bin/bash`. What follows ([`Self::sudo`], [`Self::groups`],
    /// [`Self::authorized_key`]) is about this user.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push(User {
            name: name.to_owned(),
            password: Some(password.to_owned()),
            sudo: Sudo::Never,
            groups: Vec::new(),
            authorized_keys: Vec::new(),
            shell: "/bin/bash".to_owned(),
        });
        self
    }

    /// What the last user may do by sudo.
    #[must_use]
    pub fn sudo(self, sudo: Sudo) -> Self {
        self.last_user(|user| user.sudo = sudo)
    }

    /// Groups of the last user beside their own; those that do not exist are made.
    #[must_use]
    pub fn groups(self, names: &[&str]) -> Self {
        self.last_user(|user| {
            user.groups
                .extend(names.iter().map(|&name| name.to_owned()));
        })
    }

    /// A line for the last user's `authorized_keys`.
    #[must_use]
    pub fn authorized_key(self, line: &str) -> Self {
        self.last_user(|user| user.authorized_keys.push(line.to_owned()))
    }

    /// The last user's shell.
    #[must_use]
    pub fn shell(self, path: &str) -> Self {
        self.last_user(|user| path.clone_into(&mut user.shell))
    }

    /// Gives root a password, for su and the console; SSH refuses it still.
    #[must_use]
    pub fn root_password(mut self, password: &str) -> Self {
        self.root_password = Some(password.to_owned());
        self
    }

    /// Lets root log in by SSH as any user may.
    #[must_use]
    pub fn permit_root_login(self) -> Self {
        self.sshd("PermitRootLogin yes")
    }

    /// A line for sshd's configuration; of two for one keyword the first counts, as sshd has it.
    #[must_use]
    pub fn sshd(mut self, line: &str) -> Self {
        self.sshd.push(line.to_owned());
        self
    }

    /// One more package.
    #[must_use]
    pub fn package(self, name: &str) -> Self {
        self.packages(&[name])
    }

    /// More packages of the release, without those they only recommend. Sets are made once and kept: ask for
    /// the same set in many tests rather than for many sets.
    #[must_use]
    pub fn packages(mut self, names: &[&str]) -> Self {
        self.packages
            .install
            .extend(names.iter().map(|&name| name.to_owned()));
        self
    }

    /// Packages of the release's backports.
    #[must_use]
    pub fn backports(mut self, names: &[&str]) -> Self {
        self.packages
            .backports
            .extend(names.iter().map(|&name| name.to_owned()));
        self
    }

    /// Packages of the base that are to be gone.
    #[must_use]
    pub fn without_packages(mut self, names: &[&str]) -> Self {
        self.packages
            .remove
            .extend(names.iter().map(|&name| name.to_owned()));
        self
    }

    /// A file of root's with this text, there before the first boot.
    #[must_use]
    pub fn file(mut self, path: &str, mode: u32, text: &str) -> Self {
        let content = Content::Text(text.to_owned());
        self.files
            .push(PlacedFile { path: path.to_owned(), mode, content });
        self
    }

    /// A copy of one of the host's files, there before the first boot: the binary under test, for example.
    #[must_use]
    pub fn copy_of(mut self, host_path: impl Into<PathBuf>, path: &str, mode: u32) -> Self {
        let content = Content::CopyOf(host_path.into());
        self.files
            .push(PlacedFile { path: path.to_owned(), mode, content });
        self
    }

    /// Is a later release where what was built on this host would not run: it needs a C library as new as the host's.
    #[must_use]
    pub fn runs_what_was_built_here(mut self) -> Self {
        let libc = Program::new("getconf").arg("GNU_LIBC_VERSION").output();
        self.release = self.release.with_libc(&libc.unwrap_or_default());
        self
    }

    /// Shell commands that root runs in it before the first boot: no network, no systemd yet. `$LAB_NAME` and
    /// `$LAB_ADDRESS` say which machine it is.
    #[must_use]
    pub fn script(mut self, commands: &str) -> Self {
        self.scripts.push(commands.to_owned());
        self
    }

    /// The name server that it asks.
    #[must_use]
    pub fn name_server(self, address: Ipv4Addr) -> Self {
        self.file("/etc/resolv.conf", 0o644, &format!("nameserver {address}\n"))
    }

    /// A disk of so many MiB.
    #[must_use]
    pub fn small_disk(mut self, mib: u32) -> Self {
        self.disk = Disk::Small(mib);
        self
    }

    /// Also connects it to what the host reaches, with the host's settings for package registries.
    #[must_use]
    pub fn uplink(mut self) -> Self {
        self.network = Network::LabAndUplink;
        self
    }

    /// Makes the root directory read-only.
    #[must_use]
    pub fn read_only_root(mut self) -> Self {
        self.root = RootDirectory::ReadOnly;
        self
    }

    fn last_user(mut self, change: impl FnOnce(&mut User)) -> Self {
        match self.users.last_mut() {
            Some(user) => change(user),
            None => {
                self.mistake = Some("sudo, groups, keys and shells follow a user".to_owned());
            }
        }
        self
    }
}
