//! The directories and sockets of `run`, all below one state directory.
//!
//! ```text
//! STATE        0755  ours
//! STATE/serve  0700  the server's
//! STATE/run    0750  ours, the server's group: session.sock, notify.sock
//! ```

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use server::config::{Config, Flag};
use tokio::net::{UnixDatagram, UnixListener};

use super::identity::Identity;

/// Where everything is.
#[derive(Debug)]
pub(crate) struct Places {
    /// The state directory.
    pub(crate) state: PathBuf,
}

impl Places {
    /// Makes the directories with owners and modes.
    pub(crate) fn prepare(
        identity: &Identity,
        flags: &[Flag],
        config: &Config,
    ) -> anyhow::Result<Self> {
        let given = flags.iter().any(|flag| flag.name == "state-dir")
            || config.state_dir != Config::default().state_dir;
        let state = match identity {
            Identity::Plain { .. } if !given => own_state_directory()?,
            Identity::Plain { .. } | Identity::Root { .. } => config.state_dir.clone(),
        };
        let places = Self { state };
        make_directory(&places.state, 0o755)?;
        for (name, mode) in [("serve", 0o700), ("run", 0o750)] {
            make_directory(&places.state.join(name), mode)?;
        }
        let (uid, gid) = (identity.server_uid().as_raw(), identity.server_gid().as_raw());
        give(&places.state.join("serve"), Some(uid), gid)?;
        give(&places.state.join("run"), None, gid)?;
        Ok(places)
    }

    /// The socket on which `serve` asks for logins.
    pub(crate) fn session_socket(&self) -> PathBuf {
        self.state.join("run/session.sock")
    }

    /// The socket on which `serve` says that it is ready, as `sd_notify(3)` has it.
    pub(crate) fn notify_socket(&self) -> PathBuf {
        self.state.join("run/notify.sock")
    }

    /// Binds the session socket, for the server's group alone.
    pub(crate) fn listen_for_logins(&self, identity: &Identity) -> anyhow::Result<UnixListener> {
        let path = self.session_socket();
        let socket = bind(&path, |path| UnixListener::bind(path))?;
        admit(&path, identity)?;
        Ok(socket)
    }

    /// Binds the notification socket, for the server's group alone.
    pub(crate) fn listen_for_readiness(&self, identity: &Identity) -> anyhow::Result<UnixDatagram> {
        let path = self.notify_socket();
        let socket = bind(&path, |path| UnixDatagram::bind(path))?;
        admit(&path, identity)?;
        Ok(socket)
    }

    /// Removes the sockets.
    pub(crate) fn clean_up(&self) {
        for path in [self.session_socket(), self.notify_socket()] {
            let _it_may_be_gone = fs::remove_file(path);
        }
    }
}

/// `$XDG_STATE_HOME/pilothouse`, or its default below the home directory.
fn own_state_directory() -> anyhow::Result<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    let base =
        base.context("neither XDG_STATE_HOME nor HOME is set: give --state-dir DIRECTORY")?;
    Ok(base.join("pilothouse"))
}

/// Makes a directory with `mode`. One that is there keeps its own: whether that will do is for its user to say (T55).
fn make_directory(path: &Path, mode: u32) -> anyhow::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .create(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)))
        .with_context(|| format!("cannot make the directory {}", path.display()))
}

fn give(path: &Path, uid: Option<u32>, gid: u32) -> anyhow::Result<()> {
    std::os::unix::fs::chown(path, uid, Some(gid))
        .with_context(|| format!("cannot change the owner of {}", path.display()))
}

/// Binds a socket in place of one that an earlier run left.
fn bind<S>(path: &Path, bind: impl Fn(&Path) -> io::Result<S>) -> anyhow::Result<S> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        anyhow::bail!(
            "another pilothouse runs with {}: give --state-dir another directory",
            path.display()
        );
    }
    let _there_may_be_none = fs::remove_file(path);
    bind(path).with_context(|| format!("cannot make the socket {}", path.display()))
}

fn admit(path: &Path, identity: &Identity) -> anyhow::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o660))?;
    give(path, None, identity.server_gid().as_raw())
}
