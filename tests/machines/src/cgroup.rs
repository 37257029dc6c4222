//! A control group of its own for every booted system.
//!
//! `systemd-nspawn --keep-unit` splits the group it is started in into `supervisor` and `payload`; two machines
//! started in one group would share a tree. The groups are made in the unified tree and, where systemd's named
//! tree of version 1 is mounted beside it, there too. Source: systemd-nspawn(1), cgroups(7).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Doing as _, Result};

/// The shell lines that move the shell into the groups given as `$LAB_GROUPS`, then become `"$@"`.
pub(crate) const ENTER_AND_EXEC: &str =
    r#"for group in $LAB_GROUPS; do echo 0 > "$group/cgroup.procs"; done; exec "$@""#;

/// How long processes that were killed may take to leave their group.
const LEAVING: Duration = Duration::from_secs(5);

/// The group of one machine, in each tree that systemd uses.
#[derive(Debug)]
pub(crate) struct Groups {
    directories: Vec<PathBuf>,
}

impl Groups {
    /// Makes the group `name` (letters, digits, dashes).
    pub(crate) fn make(name: &str) -> Result<Self> {
        let directories: Vec<PathBuf> = trees().into_iter().map(|tree| tree.join(name)).collect();
        for directory in &directories {
            fs::create_dir_all(directory).doing("make", directory)?;
        }
        Ok(Self { directories })
    }

    /// For the environment of [`ENTER_AND_EXEC`].
    pub(crate) fn variable(&self) -> String {
        let names: Vec<_> = self
            .directories
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        names.join(" ")
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for directory in &self.directories {
            remove(directory);
        }
    }
}

/// Removes what is left of groups whose name starts with `prefix`.
pub(crate) fn remove_leftovers(prefix: &str) {
    for tree in trees() {
        for entry in fs::read_dir(tree).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                remove(&entry.path());
            }
        }
    }
}

/// A group can go only when its last process is gone, which the kernel finishes a moment after the kill.
fn remove(directory: &Path) {
    let until = Instant::now() + LEAVING;
    while directory.is_dir() {
        remove_empty(directory);
        if Instant::now() > until {
            return;
        }
        if directory.is_dir() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn remove_empty(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_empty(&entry.path());
        }
    }
    drop(fs::remove_dir(directory));
}

/// Mount points of the unified tree and of systemd's named one.
fn trees() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (at, kind, options) = (words.next()?, words.next()?, words.next()?);
            let named =
                kind == "cgroup" && options.split(',').any(|option| option == "name=systemd");
            (kind == "cgroup2" || named).then(|| PathBuf::from(at))
        })
        .collect()
}
