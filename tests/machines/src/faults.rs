//! Faults that are done to a running machine beside those of power and cable: a full disk, other host keys.

use crate::error::{Error, Result};
use crate::machine::Disk;
use crate::needs::missing_programs;
use crate::program::{Program, is_installed};
use crate::running::Running;
use crate::virtual_machine::Kernel;

/// Fills what is free, last byte included; `dd` ends with an error when nothing is.
const FILL: &str = "dd if=/dev/zero of=/var/lab-fill bs=64k 2>/dev/null; \
    dd if=/dev/zero of=/var/lab-fill-rest bs=1 count=70000 2>/dev/null; true";

/// What replaces all host keys, as a reinstall does.
const NEW_HOST_KEYS: &str = "set -e
for file in /etc/ssh/ssh_host_*_key; do
    kind=${file#/etc/ssh/ssh_host_}
    rm -f \"$file\" \"$file.pub\"
    ssh-keygen -q -t \"${kind%_key}\" -N '' -f \"$file\"
done
systemctl restart ssh";

impl Running {
    /// Fills its disk until nothing can be written.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] unless it was made with [`crate::Machine::small_disk`]: the disk would be the host's.
    pub fn fill_disk(&self) -> Result<()> {
        match self.disk {
            Disk::Small(_) => self.exec(&["sh", "-c", FILL]).map(drop),
            Disk::Large => Err(Error::Refused(format!(
                "{} writes to the host's disk; make it with a small disk to fill that",
                self.name
            ))),
        }
    }

    /// Gives back what [`Self::fill_disk`] took.
    ///
    /// # Errors
    ///
    /// [`Error::Off`].
    pub fn empty_disk(&self) -> Result<()> {
        self.exec(&["rm", "-f", "/var/lab-fill", "/var/lab-fill-rest"])
            .map(drop)
    }

    /// Silently drops what arrives at it and matches, in the words of nft(8): `tcp dport 9090`,
    /// `ip saddr 10.0.0.1`. [`Self::drop_nothing`] ends it.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] without nft; its words if it does not understand the match.
    pub fn drop_what_matches(&self, matching: &str) -> Result<()> {
        if !is_installed("nft") {
            missing_programs(&["nft"])?;
        }
        let rule = format!(
            "table inet lab {{ chain in {{ type filter hook input priority -300; {matching} drop; }}; }}"
        );
        self.in_its_network()
            .args(["nft", &rule])
            .output()
            .map(drop)
    }

    /// Ends [`Self::drop_what_matches`].
    ///
    /// # Errors
    ///
    /// If nothing was dropped.
    pub fn drop_nothing(&self) -> Result<()> {
        self.in_its_network()
            .args(["nft", "delete table inet lab"])
            .output()
            .map(drop)
    }

    fn in_its_network(&self) -> Program {
        self.lab
            .enclosure
            .program()
            .args(["ip", "netns", "exec", &self.name])
    }

    /// Sets the clock of a machine with its own kernel, in the words of date(1): `2031-01-01 00:00`, `+1 hour`.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] for a machine on the host's kernel: the clock would be the host's.
    pub fn set_clock(&self, to: &str) -> Result<()> {
        match self.kernel {
            Kernel::Own { .. } => self.exec(&["date", "--utc", "--set", to]).map(drop),
            Kernel::Shared => Err(Error::Refused(format!(
                "{} has the host's clock; make it with its own kernel to set that",
                self.name
            ))),
        }
    }

    /// Gives it other host keys, as a reinstall does.
    ///
    /// # Errors
    ///
    /// If ssh-keygen or sshd fail.
    pub fn change_host_keys(&self) -> Result<()> {
        self.exec(&["sh", "-c", NEW_HOST_KEYS]).map(drop)
    }
}
