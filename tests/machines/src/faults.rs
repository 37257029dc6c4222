//! Faults that are done to a running machine beside those of power and cable: a full disk, other host keys.

use crate::error::{Error, Result};
use crate::machine::Disk;
use crate::running::Running;

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

    /// Gives it other host keys, as a reinstall does.
    ///
    /// # Errors
    ///
    /// If ssh-keygen or sshd fail.
    pub fn change_host_keys(&self) -> Result<()> {
        self.exec(&["sh", "-c", NEW_HOST_KEYS]).map(drop)
    }
}
