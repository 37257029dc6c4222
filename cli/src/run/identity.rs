//! As whom the processes of `run` run.

use nix::unistd::{Gid, Uid, User};

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
        let own = nix::unistd::geteuid();
        if !own.is_root() {
            let entry = User::from_uid(own).ok().flatten();
            return Self::Plain { user: entry.map_or_else(|| own.to_string(), |entry| entry.name) };
        }
        match User::from_name("pilothouse") {
            Ok(Some(entry)) => Self::Root { server: entry.name, uid: entry.uid, gid: entry.gid },
            Ok(None) | Err(_) => Self::without_user(),
        }
    }

    fn without_user() -> Self {
        let unused = |&id: &u32| {
            matches!(User::from_uid(Uid::from_raw(id)), Ok(None))
                && matches!(nix::unistd::Group::from_gid(Gid::from_raw(id)), Ok(None))
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
            Self::Plain { .. } => nix::unistd::geteuid(),
        }
    }

    /// The group that `serve` runs as.
    pub(crate) fn server_gid(&self) -> Gid {
        match self {
            Self::Root { gid, .. } => *gid,
            Self::Plain { .. } => nix::unistd::getegid(),
        }
    }
}
