//! The helper's end of the socket to the server: whole messages, within a time, from a known peer.
//!
//! It takes standard input away from the process, so that nothing a PAM module starts can read or write it.
//! Callers: `lib` and `dialogue`. It never reads a byte beyond the message it was asked for.

use std::io::{ErrorKind, IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg, sockopt};
use rustix::process::Uid;
use rustix::stdio;
use zeroize::Zeroizing;

use crate::SessionError;
use crate::messages::{LENGTH_BYTES, Reply, Request, announced_length};
use crate::monitor::{Stage, permits};

/// The socket that was standard input.
#[derive(Clone)]
pub(crate) struct Connection {
    socket: Rc<UnixStream>,
    answer_within: Duration,
}

impl Connection {
    /// Takes the socket over and checks who is at its other end (`SO_PEERCRED`).
    pub(crate) fn take_standard_input(
        allowed_peer: Option<Uid>,
        answer_within: Duration,
    ) -> Result<Self, SessionError> {
        let peer = sockopt::socket_peercred(stdio::stdin())
            .map_err(SessionError::NotASocket)?
            .uid;
        if allowed_peer.is_some_and(|allowed| allowed != peer) {
            return Err(SessionError::WrongPeer(peer.as_raw()));
        }
        let socket = UnixStream::from(fcntl_dupfd_cloexec(stdio::stdin(), 3)?);
        socket.set_nonblocking(false)?;
        stdio::dup2_stdin(open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?)?;
        stdio::dup2_stdout(stdio::stderr())?;
        Ok(Self { socket: Rc::new(socket), answer_within })
    }

    /// Waits for the next request, which must be one that `stage` permits.
    pub(crate) fn receive(&self, stage: Stage) -> Result<Request, SessionError> {
        let deadline = Instant::now() + self.answer_within;
        let mut announced = [0; LENGTH_BYTES];
        self.fill(&mut announced, deadline)?;
        let mut message = Zeroizing::new(vec![0; LENGTH_BYTES + announced_length(announced)?]);
        let (start, rest) = message.split_at_mut(LENGTH_BYTES);
        start.copy_from_slice(&announced);
        self.fill(rest, deadline)?;
        match Request::decode(&message)? {
            Some((request, _)) if permits(stage, &request) => Ok(request),
            _ => Err(SessionError::NotPermitted(stage)),
        }
    }

    /// Sends `reply`.
    pub(crate) fn send(&self, reply: &Reply) -> Result<(), SessionError> {
        self.send_all(reply, &[])
    }

    /// Sends `reply`, and with its first byte a file descriptor.
    pub(crate) fn send_with(&self, reply: &Reply, fd: &OwnedFd) -> Result<(), SessionError> {
        self.send_all(reply, &[fd.as_fd()])
    }

    fn fill(&self, mut place: &mut [u8], deadline: Instant) -> Result<(), SessionError> {
        while !place.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(|_| SessionError::Silent)?;
            let mut readable = [PollFd::new(&*self.socket, PollFlags::IN)];
            match poll(&mut readable, Some(&left)) {
                Ok(0) => return Err(SessionError::Silent),
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            match (&*self.socket).read(place) {
                Ok(0) => return Err(SessionError::HungUp),
                Ok(read) => place = place.get_mut(read..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn send_all(&self, reply: &Reply, fds: &[BorrowedFd<'_>]) -> Result<(), SessionError> {
        let message = reply.encode()?;
        let mut rest = message.as_slice();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(fds));
        }
        while !rest.is_empty() {
            let sent =
                sendmsg(&*self.socket, &[IoSlice::new(rest)], &mut control, SendFlags::NOSIGNAL);
            match sent {
                Ok(sent) => {
                    rest = rest.get(sent..).unwrap_or_default();
                    control.clear();
                }
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(SessionError::HungUp),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
