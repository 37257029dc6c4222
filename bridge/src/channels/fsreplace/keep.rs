//! What a new file has beside its content: owner, mode, extended attributes.
//!
//! What the page asks for comes first; the rest is that of the file that is replaced, if the page knew it. A new file
//! gets the mode that the process gives new files. Caller: `fsreplace1`. Source: xattr(7), chown(2).

use std::os::fd::OwnedFd;

use protocol::problem::Problem;
use rustix::fs::{Gid, Mode, Stat, Uid, XattrFlags};
use rustix::io::Errno;
use serde::Deserialize;

use crate::channel::Closed;
use crate::path_watch::own_path;

/// The attributes that a page may ask for. Another one is the page's mistake: it would believe that it was set.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attributes {
    user: Option<Owner>,
    group: Option<Owner>,
    mode: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Owner {
    Id(u32),
    Name(String),
}

/// The mode bits that a page may set.
const MODE_BITS: u32 = 0o7777;

/// Largest list of names, and largest value, of extended attributes in bytes (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
const XATTR_SIZE: usize = 64 << 10;

/// Extended attributes that speak about the old content, and must not about the new one.
const OF_CONTENT: [&[u8]; 3] = [b"security.capability", b"security.evm", b"security.ima"];

impl Attributes {
    /// Looks the names up.
    pub(super) fn resolve(self) -> Result<Wanted, Closed> {
        if self.mode.is_some_and(|mode| mode & !MODE_BITS != 0) {
            return Err(Closed::protocol_error("attrs: mode has bits that are no permissions"));
        }
        Ok(Wanted {
            user: self.user.map(user_id).transpose()?,
            group: self.group.map(group_id).transpose()?,
            mode: self.mode,
            extended: Vec::new(),
        })
    }
}

fn user_id(owner: Owner) -> Result<u32, Closed> {
    match owner {
        Owner::Id(id) => Ok(id),
        Owner::Name(name) => match nix::unistd::User::from_name(&name) {
            Ok(Some(user)) => Ok(user.uid.as_raw()),
            Ok(None) | Err(_) => Err(no_owner("user", &name)),
        },
    }
}

fn group_id(owner: Owner) -> Result<u32, Closed> {
    match owner {
        Owner::Id(id) => Ok(id),
        Owner::Name(name) => match nix::unistd::Group::from_name(&name) {
            Ok(Some(group)) => Ok(group.gid.as_raw()),
            Ok(None) | Err(_) => Err(no_owner("group", &name)),
        },
    }
}

fn no_owner(kind: &str, name: &str) -> Closed {
    Closed::new(Problem::InternalError, format!("there is no {kind} {name:?} on this machine"))
}

/// Name and value of an extended attribute.
type Extended = (Vec<u8>, Vec<u8>);

/// What a new file will have.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    user: Option<u32>,
    group: Option<u32>,
    mode: Option<u32>,
    extended: Vec<Extended>,
}

impl Wanted {
    /// The same, and what is not asked for as `old` has it.
    pub(super) fn or_as(self, old: &OwnedFd) -> Self {
        let Ok(stat) = rustix::fs::fstat(old) else {
            return self;
        };
        Self {
            user: self.user.or(Some(stat.st_uid)),
            group: self.group.or(Some(stat.st_gid)),
            mode: self.mode.or(Some(stat.st_mode & MODE_BITS)),
            extended: extended(old).unwrap_or_default(),
        }
    }

    /// Gives `new` all of it. Order matters: a change of owner takes set-id bits away, and an ACL sets the mode.
    pub(super) fn apply(&self, new: &OwnedFd) -> Result<(), Errno> {
        let now = rustix::fs::fstat(new)?;
        self.apply_owner(new, &now)?;
        for (name, value) in &self.extended {
            let name = name.as_slice();
            match rustix::fs::fsetxattr(new, name, value, XattrFlags::empty()) {
                // What this user may not set, or this file system does not have, the file goes without.
                Ok(()) | Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) => {}
                Err(error) => return Err(error),
            }
        }
        let mode = self.mode.unwrap_or_else(|| 0o666 & !umask());
        rustix::fs::fchmod(new, Mode::from_raw_mode(mode))
    }

    fn apply_owner(&self, new: &OwnedFd, now: &Stat) -> Result<(), Errno> {
        let user = self.user.filter(|&user| user != now.st_uid);
        let group = self.group.filter(|&group| group != now.st_gid);
        if user.is_none() && group.is_none() {
            return Ok(());
        }
        rustix::fs::fchown(new, user.map(Uid::from_raw), group.map(Gid::from_raw))
    }
}

/// The extended attributes of a file, but for those that speak about its content.
fn extended(old: &OwnedFd) -> Result<Vec<Extended>, Errno> {
    let path = own_path(old);
    let mut names = Vec::with_capacity(XATTR_SIZE);
    rustix::fs::listxattr(&path, rustix::buffer::spare_capacity(&mut names))?;
    let names = names.split(|&byte| byte == 0);
    let mut found = Vec::new();
    for name in names.filter(|name| !name.is_empty() && !OF_CONTENT.contains(name)) {
        let mut value = Vec::with_capacity(XATTR_SIZE);
        match rustix::fs::getxattr(&path, name, rustix::buffer::spare_capacity(&mut value)) {
            Ok(_) => found.push((name.to_owned(), value)),
            Err(_may_not_be_read) => {}
        }
    }
    Ok(found)
}

/// The bits that this process takes from the mode of new files. Asking umask(2) itself would change it for a moment,
/// for all threads. Source: `proc_pid_status(5)`, Linux 4.7.
fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))
        .and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok())
        .unwrap_or(0o022)
}
