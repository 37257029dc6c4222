//! The directories and sockets of `run`, all below one state directory.
//!
//! ```text
//! STATE        0755  ours
//! STATE/serve  0700  the server's
//! STATE/run    0750  ours, the server's group: session.sock, notify.sock
//! ```

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
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
        let (uid, gid) = (identity.server_uid(), identity.server_gid());
        let directory = open_state(&state)?;
        let failed = |name: &str| format!("cannot prepare {}", state.join(name).display());
        let serve = make_directory(&directory, "serve", 0o700).with_context(|| failed("serve"))?;
        give_all(&serve, uid, gid).with_context(|| failed("serve"))?;
        let run = make_directory(&directory, "run", 0o750).with_context(|| failed("run"))?;
        rustix::fs::fchown(&run, None, Some(gid)).with_context(|| failed("run"))?;
        Ok(Self { state })
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

/// Opens the state directory, made if it is not there. One in which others could put what they like is refused.
fn open_state(path: &Path) -> anyhow::Result<OwnedFd> {
    let existed = path.is_dir();
    fs::create_dir_all(path)
        .with_context(|| format!("cannot make the directory {}", path.display()))?;
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path, flags, Mode::empty())
        .with_context(|| format!("cannot open {}", path.display()))?;
    if !existed {
        rustix::fs::fchmod(&directory, Mode::from(0o755))?;
    }
    let found = rustix::fs::fstat(&directory)?;
    let own = rustix::process::geteuid();
    if found.st_uid != own.as_raw() || found.st_mode & 0o022 != 0 {
        anyhow::bail!(
            "state directory {} must belong to uid {own} and be writable for nobody else; it belongs to uid {} and has mode {:04o}",
            path.display(),
            found.st_uid,
            found.st_mode & 0o7777,
        );
    }
    Ok(directory)
}

/// Opens the directory `name`, made with `mode` if it is not there; a link is not followed. One that is there keeps its
/// mode: whether that will do is for its user to say (T55).
fn make_directory(parent: &OwnedFd, name: &str, mode: u32) -> io::Result<OwnedFd> {
    let made = match rustix::fs::mkdirat(parent, name, Mode::from(mode)) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(error) => return Err(error.into()),
    };
    let directory = open_below(parent, name)?;
    if made {
        rustix::fs::fchmod(&directory, Mode::from(mode))?;
    }
    Ok(directory)
}

fn open_below(parent: &OwnedFd, name: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?)
}

/// Gives a directory and what is in it to another user, when an earlier run had it run as somebody else. Only plain
/// files and directories are touched, through their own descriptors (T45).
fn give_all(directory: &OwnedFd, uid: Uid, gid: Gid) -> io::Result<()> {
    if rustix::fs::fstat(directory)?.st_uid == uid.as_raw() {
        return Ok(());
    }
    rustix::fs::fchown(directory, Some(uid), Some(gid))?;
    for entry in rustix::fs::Dir::read_from(directory)? {
        let entry = entry?;
        if [&b"."[..], b".."].contains(&entry.file_name().to_bytes()) {
            continue;
        }
        let inside = open_below(directory, entry.file_name())?;
        let found = rustix::fs::fstat(&inside)?;
        let kind = FileType::from_raw_mode(found.st_mode);
        if kind == FileType::Directory {
            give_all(&inside, uid, gid)?;
        } else if kind == FileType::RegularFile && found.st_nlink == 1 {
            rustix::fs::fchown(&inside, Some(uid), Some(gid))?;
        }
    }
    Ok(())
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
    std::os::unix::fs::chown(path, None, Some(identity.server_gid().as_raw()))
        .with_context(|| format!("cannot change the group of {}", path.display()))
}

#[test]
fn a_link_in_place_of_a_directory_is_refused_and_its_target_is_untouched() {
    let state = tempfile::tempdir().unwrap();
    let target = tempfile::tempdir().unwrap();
    fs::set_permissions(state.path(), Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink(target.path(), state.path().join("serve")).unwrap();

    let directory = open_state(state.path()).unwrap();

    assert!(make_directory(&directory, "serve", 0o700).is_err());
}

#[test]
fn a_state_directory_that_others_may_write_to_is_refused() {
    let state = tempfile::tempdir().unwrap();
    fs::set_permissions(state.path(), Permissions::from_mode(0o777)).unwrap();

    let refused = open_state(state.path()).unwrap_err().to_string();

    assert!(refused.contains("mode 0777"), "{refused}");
}
