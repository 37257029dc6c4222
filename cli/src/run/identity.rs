//! As whom the processes of `run` run.

use nix::unistd::{Group, User};
use rustix::fs::{Gid, Uid};

/// Uids among which an unused one is looked for when there is no user "pilothouse": the range that systemd leaves for
/// services without a user of their own.
const UNUSED_UIDS: std::ops::RangeInclusive<u32> = 61_184..=65_519;

/// Who started us, and as whom `serve` runs.
#[derive(Debug, Clone)]
pub(crate) enum Identity {
    /// Root: `serve` gets a user without any right.
    Root {
        /// For messages: a user name, or a number.
        server: String,
        /// The user of `serve`.
        uid: Uid,
        /// Its group, which may use the session socket.
        gid: Gid,
    },
    /// Somebody else: everything runs as that user.
    Plain {
        /// The user's name.
        user: String,
    },
}

impl Identity {
    /// Finds out.
    pub(crate) fn find() -> Self {
        let own = rustix::process::geteuid();
        if !own.is_root() {
            let entry = User::from_uid(own.as_raw().into()).ok().flatten();
            return Self::Plain { user: entry.map_or_else(|| own.to_string(), |entry| entry.name) };
        }
        match User::from_name("pilothouse") {
            Ok(Some(entry)) => Self::Root {
                uid: Uid::from_raw(entry.uid.as_raw()),
                gid: Gid::from_raw(entry.gid.as_raw()),
                server: entry.name,
            },
            Ok(None) | Err(_) => Self::without_user(),
        }
    }

    fn without_user() -> Self {
        let unused = |&id: &u32| {
            matches!(User::from_uid(id.into()), Ok(None))
                && matches!(Group::from_gid(id.into()), Ok(None))
        };
        let id = UNUSED_UIDS
            .clone()
            .find(unused)
            .unwrap_or(*UNUSED_UIDS.end());
        let server = format!("uid {id}, which nobody uses");
        Self::Root { server, uid: Uid::from_raw(id), gid: Gid::from_raw(id) }
    }

    /// The uid that `serve` runs as.
    pub(crate) fn server_uid(&self) -> Uid {
        match self {
            Self::Root { uid, .. } => *uid,
            Self::Plain { .. } => rustix::process::geteuid(),
        }
    }

    /// The group that `serve` runs as.
    pub(crate) fn server_gid(&self) -> Gid {
        match self {
            Self::Root { gid, .. } => *gid,
            Self::Plain { .. } => rustix::process::getegid(),
        }
    }
}
