//! The helper's end of the socket to the server: whole messages, within a time, from a known peer.
//!
//! It takes standard input away from the process, so that nothing a PAM module starts can read or write it. Between a
//! request that sets PAM to work and the reply to it the server has nothing to say: a word or a hang-up of its in that
//! time ends the process, whatever a module is waiting for. Callers: `lib` and `dialogue`. It never reads a byte beyond
//! the message it was asked for.

use std::io::{IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg, sockopt};
use rustix::process::Uid;
use rustix::stdio;
use zeroize::Zeroizing;

use crate::SessionError;
use crate::become_user::{end_this_process_with, outlive};
use crate::messages::{LENGTH_BYTES, Reply, Request, announced_length};
use crate::monitor::{Stage, permits};

/// The socket that was standard input.
#[derive(Clone)]
pub(crate) struct Connection(pub(crate) Rc<UnixStream>);

impl Connection {
    /// Takes the socket over and checks who is at its other end (`SO_PEERCRED`).
    pub(crate) fn take_standard_input(
        allowed_peer: Option<Uid>,
        answer_within: Duration,
    ) -> Result<Self, SessionError> {
        let peer = sockopt::socket_peercred(stdio::stdin())?.uid;
        if allowed_peer.is_some_and(|allowed| allowed != peer) {
            return Err(SessionError::WrongPeer(peer.as_raw()));
        }
        let socket = UnixStream::from(fcntl_dupfd_cloexec(stdio::stdin(), 3)?);
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(answer_within))?;
        stdio::dup2_stdin(open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?)?;
        stdio::dup2_stdout(stdio::stderr())?;
        Ok(Self(Rc::new(socket)))
    }

    /// Waits for the next request, which must be one that `stage` permits. While PAM works on it ([`Stage::Working`])
    /// the process ends with its client; from [`Stage::Opening`] on it does not, for a session is to be closed.
    pub(crate) fn receive(&self, stage: Stage) -> Result<Request, SessionError> {
        let mut announced = [0; LENGTH_BYTES];
        (&*self.0).read_exact(&mut announced)?;
        let mut message = Zeroizing::new(vec![0; LENGTH_BYTES + announced_length(announced)?]);
        let (start, rest) = message.split_at_mut(LENGTH_BYTES);
        start.copy_from_slice(&announced);
        (&*self.0).read_exact(rest)?;
        match Request::decode(&message)? {
            Some((request, _)) if permits(stage, &request) => {
                if stage != Stage::Authenticated {
                    end_this_process_with(&*self.0)?;
                }
                Ok(request)
            }
            _ => Err(SessionError::NotPermitted(stage)),
        }
    }

    /// Sends `reply`, and with its first byte `fds`, at most one.
    pub(crate) fn send(&self, reply: &Reply, fds: &[BorrowedFd<'_>]) -> Result<(), SessionError> {
        outlive(&*self.0)?;
        let message = reply.encode()?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(fds));
        }
        // A blocking stream takes everything at once: no signal has a handler that could interrupt it.
        let sent = sendmsg(&*self.0, &[IoSlice::new(&message)], &mut control, SendFlags::NOSIGNAL)?;
        if sent == message.len() { Ok(()) } else { Err(SessionError::HungUp) }
    }
}
