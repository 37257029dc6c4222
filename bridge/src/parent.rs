//! The bridge that a privileged bridge belongs to: checked at the start, watched to the end (T56).
//!
//! A privileged bridge has two ancestors: the program that ran it (`sudo`, `pkexec`), which is its parent, and the
//! bridge that asked for it, which made its link. It serves nobody unless both live, and ends with either. It learns of
//! the parent by a signal of the kernel, of the bridge by a descriptor of that process and by the end of the link.
//! Caller: `program`. Sources: `PR_SET_PDEATHSIG(2const)`, `pidfd_open(2)`, `unix(7)`, "`SO_PEERCRED`".

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{SocketAddr, UnixStream};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketType};
use rustix::process::{Pid, PidfdFlags, Signal, Uid};
use tokio::io::Interest;

use crate::readiness;

/// Variables in which sudo and pkexec say which user asked. They set them themselves, whatever the user's say.
const USER_VARIABLES: [&str; 2] = ["SUDO_UID", "PKEXEC_UID"];

/// Why this process is nobody's privileged bridge.
#[derive(Debug, thiserror::Error)]
pub enum ParentError {
    /// The kernel does not say.
    #[error("who started the privileged bridge is not known: {0}")]
    Io(#[from] io::Error),
    /// The program that ran this one has ended.
    #[error("the program that started the privileged bridge has ended")]
    ParentEnded,
    /// Standard input is not one end of a socket pair. (Output need not be: sudo may log it on its way.)
    #[error("the privileged bridge speaks only on the socket that a bridge made for it")]
    NoSocketPair,
    /// The bridge at the other end has ended.
    #[error("the bridge that wanted the privileged one has ended")]
    BridgeEnded,
    /// The socket pair is another user's than the one that was allowed to become root.
    #[error("the link was made by user {found}, but user {allowed} was allowed to become root")]
    OtherUser {
        /// Who made the socket pair.
        found: u32,
        /// Who sudo or pkexec ran this for.
        allowed: u32,
    },
}

/// The living bridge at the other end of standard input. Only [`Parent::check`] makes one.
#[derive(Debug)]
#[must_use]
pub struct Parent {
    /// Its process; none where kernel or namespace do not tell, and then the end of the link is all that is heard.
    bridge: Option<OwnedFd>,
}

impl Parent {
    /// Checks who started this process. To be called before the link is taken from standard input.
    ///
    /// # Errors
    ///
    /// [`ParentError`] says who is missing.
    pub fn check() -> Result<Self, ParentError> {
        stay_with_parent()?;
        let input = rustix::stdio::stdin();
        if !is_socket_pair(input) {
            return Err(ParentError::NoSocketPair);
        }
        let maker = rustix::net::sockopt::socket_peercred(input).map_err(io::Error::from)?;
        if let Some(allowed) = user_who_asked().filter(|allowed| *allowed != maker.uid) {
            let (found, allowed) = (maker.uid.as_raw(), allowed.as_raw());
            return Err(ParentError::OtherUser { found, allowed });
        }
        let bridge = process(maker.pid, ParentError::BridgeEnded)?;
        // The number was looked up while the other end was open, so it is not that of a later process.
        if is_at_end(input) || bridge.as_ref().is_some_and(has_ended) {
            return Err(ParentError::BridgeEnded);
        }
        Ok(Self { bridge })
    }

    /// Waits until the bridge has ended; for ever when nobody would say.
    ///
    /// # Errors
    ///
    /// When its process cannot be watched.
    pub async fn ended(self) -> io::Result<()> {
        match self.bridge {
            Some(bridge) => {
                let bridge = readiness::watched(bridge, Interest::READABLE)?;
                bridge.readable().await.map(|_| ())
            }
            None => std::future::pending().await,
        }
    }
}

/// The kernel ends this process with its parent from now on; an error when that is too late.
fn stay_with_parent() -> Result<(), ParentError> {
    let parent = rustix::process::getppid().ok_or(ParentError::ParentEnded)?;
    let watched = process(parent, ParentError::ParentEnded)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))
        .map_err(io::Error::from)?;
    // What ended before the signal was set sends none.
    if rustix::process::getppid() != Some(parent) || watched.as_ref().is_some_and(has_ended) {
        return Err(ParentError::ParentEnded);
    }
    Ok(())
}

/// A descriptor of a process; none on kernels before 5.3, and for one outside of our namespace.
fn process(pid: Pid, gone: ParentError) -> Result<Option<OwnedFd>, ParentError> {
    match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => Ok(Some(process)),
        Err(Errno::NOSYS | Errno::PERM) => Ok(None),
        Err(Errno::SRCH) => Err(gone),
        Err(error) => Err(ParentError::Io(error.into())),
    }
}

/// Whether a process has ended: its descriptor is readable then.
fn has_ended(process: &OwnedFd) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&now)).is_ok_and(|n| n > 0)
}

/// Whether it is a stream socket without a name at either end, as only a socket pair is.
fn is_socket_pair(fd: impl AsFd) -> bool {
    use rustix::net::sockopt::{socket_domain, socket_type};
    let fd = fd.as_fd();
    let is_stream =
        socket_domain(fd) == Ok(AddressFamily::UNIX) && socket_type(fd) == Ok(SocketType::STREAM);
    is_stream
        && fd.try_clone_to_owned().is_ok_and(|copy| {
            let socket = UnixStream::from(copy);
            [socket.local_addr(), socket.peer_addr()]
                .iter()
                .all(|name| name.as_ref().is_ok_and(SocketAddr::is_unnamed))
        })
}

/// Whether the other end of the link is closed.
fn is_at_end(link: impl AsFd) -> bool {
    let mut byte = [0];
    rustix::net::recv(link, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT)
        .is_ok_and(|(_, length)| length == 0)
}

/// The user for whom sudo or pkexec ran this program.
fn user_who_asked() -> Option<Uid> {
    USER_VARIABLES
        .iter()
        .find_map(|name| std::env::var(name).ok()?.parse().ok().map(Uid::from_raw))
}
