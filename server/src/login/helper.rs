//! The connection to one root helper (`session`), which runs the PAM conversation of one login.
//!
//! Messages are those of [`session::messages`]; the bridge's socket comes beside one of them as a descriptor. Every
//! wait has a limit. Dropping the helper before the bridge runs ends the attempt: the helper sees the hang-up, even
//! while a PAM module hangs, and its place is free when it has ended, not before (T35). Caller: [`super::attempt`].

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use session::messages::{MessageError, Reply, Request};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::slots::Slot;

/// A helper that was started for one login.
#[derive(Debug)]
pub(crate) struct Helper {
    socket: UnixStream,
    received: Vec<u8>,
    /// A descriptor that came and that no message has claimed yet.
    descriptor: Option<OwnedFd>,
    /// Taken until PAM has done its work: until the bridge runs, or the helper has ended.
    slot: Option<Slot>,
}

/// Why a helper is of no more use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HelperError {
    /// It cannot be reached, or the connection broke.
    #[error("login helper: {0}")]
    Io(#[from] io::Error),
    /// It hung up.
    #[error("the login helper ended")]
    Gone,
    /// It took too long; a PAM module may hang.
    #[error("the login helper did not answer for {} s", REPLY_LIMIT.as_secs())]
    Timeout,
    /// It does not speak its protocol, or a field does not fit into it.
    #[error("login helper: {0}")]
    Message(#[from] MessageError),
    /// A reply that does not fit to the request.
    #[error("the login helper said what nobody asked")]
    Unexpected,
    /// No descriptor, or more than one.
    #[error("the login helper sent no socket for the bridge")]
    NoSocket,
}

impl Helper {
    /// Connects to the socket on which helpers are started, one for each connection; `slot` is its place.
    ///
    /// # Errors
    ///
    /// [`HelperError::Io`]: nothing listens there, or we may not connect.
    pub(crate) async fn connect(path: &Path, slot: Slot) -> Result<Self, HelperError> {
        let socket = timeout(CONNECT_LIMIT, UnixStream::connect(path))
            .await
            .map_err(|_| HelperError::Timeout)??;
        Ok(Self { socket, received: Vec::new(), descriptor: None, slot: Some(slot) })
    }

    /// Sends a request and waits for what the helper says to it.
    ///
    /// # Errors
    ///
    /// [`HelperError`]; after it the helper is of no more use. [`HelperError::Message`] also says that a name or
    /// password does not fit (too long, a zero byte).
    pub(crate) async fn ask(&mut self, request: &Request) -> Result<Reply, HelperError> {
        let bytes: Zeroizing<Vec<u8>> = request.encode()?;
        timeout(REPLY_LIMIT, async {
            self.write_all(&bytes).await?;
            self.reply().await
        })
        .await
        .map_err(|_| HelperError::Timeout)?
    }

    /// Has the bridge started, after [`Reply::Authenticated`]. Returns its process id and the server's end of its
    /// socket.
    ///
    /// # Errors
    ///
    /// [`HelperError`]; [`Reply::Refused`] comes back as the inner error.
    pub(crate) async fn start_bridge(
        &mut self,
    ) -> Result<Result<(u32, UnixStream), Reply>, HelperError> {
        match self.ask(&Request::StartBridge).await? {
            Reply::BridgeStarted { pid } => {
                let descriptor = self.descriptor.take().ok_or(HelperError::NoSocket)?;
                let stream = std::os::unix::net::UnixStream::from(descriptor);
                stream.set_nonblocking(true)?;
                drop(self.slot.take());
                Ok(Ok((pid, UnixStream::from_std(stream)?)))
            }
            refused @ Reply::Refused { .. } => Ok(Err(refused)),
            Reply::Prompt(_) | Reply::Authenticated { .. } | Reply::Ended { .. } => {
                Err(HelperError::Unexpected)
            }
        }
    }

    /// Waits, without limit, until the helper says how the bridge ended.
    ///
    /// # Errors
    ///
    /// [`HelperError`]: it ended without a word.
    pub(crate) async fn ended(mut self) -> Result<Reply, HelperError> {
        self.reply().await
    }

    async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.socket.writable().await?;
            match self.socket.try_write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(full) if full.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn reply(&mut self) -> Result<Reply, HelperError> {
        loop {
            if let Some((reply, taken)) = Reply::decode(&self.received)? {
                self.received.drain(..taken);
                return Ok(reply);
            }
            if self.receive().await? == 0 {
                return Err(HelperError::Gone);
            }
        }
    }

    /// Receives bytes and, if one comes with them, a descriptor: read by any other call it would be lost.
    async fn receive(&mut self) -> Result<usize, HelperError> {
        let mut bytes = [0; 4096];
        let (read, descriptors) = self
            .socket
            .async_io(Interest::READABLE, || {
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
                let mut control = RecvAncillaryBuffer::new(&mut space);
                let received = recvmsg(
                    &self.socket,
                    &mut [IoSliceMut::new(&mut bytes)],
                    &mut control,
                    RecvFlags::CMSG_CLOEXEC,
                )?;
                let mut descriptors = Vec::new();
                for message in control.drain() {
                    if let RecvAncillaryMessage::ScmRights(sent) = message {
                        descriptors.extend(sent);
                    }
                }
                if received.flags.contains(ReturnFlags::CTRUNC) {
                    return Err(io::Error::other("more descriptors than one"));
                }
                Ok((received.bytes, descriptors))
            })
            .await?;
        if !descriptors.is_empty() && self.descriptor.is_some() {
            return Err(HelperError::NoSocket);
        }
        self.descriptor = descriptors.into_iter().next().or(self.descriptor.take());
        self.received
            .extend_from_slice(bytes.get(..read).unwrap_or_default());
        Ok(read)
    }
}

impl Drop for Helper {
    /// Hangs up, and lets go of the place when the helper has done so too.
    fn drop(&mut self) {
        let (Some(slot), Ok(runtime)) = (self.slot.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        // Without a descriptor to wait with, the place is free at once.
        let Ok(Ok(socket)) = self.socket.as_fd().try_clone_to_owned().map(|socket| {
            let socket = std::os::unix::net::UnixStream::from(socket);
            socket.shutdown(Shutdown::Write)?;
            UnixStream::from_std(socket)
        }) else {
            return;
        };
        runtime.spawn(async move {
            let _ended_or_too_late = timeout(END_LIMIT, async {
                let mut rest = [0; 256];
                loop {
                    socket.readable().await?;
                    match socket.try_read(&mut rest) {
                        Ok(0) => return Ok(()),
                        Ok(_) => {}
                        Err(empty) if empty.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => return Err(error),
                    }
                }
            })
            .await;
            drop(slot);
        });
    }
}

/// How long a connection to the helper's socket may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How long the helper may take to answer. PAM's own delay after a failure is 2 to 3 s; network directories may take
/// longer, a module that hangs must not hold a login for ever.
const REPLY_LIMIT: Duration = Duration::from_secs(45);

/// After this a helper that we hung up on has ended, whatever hung: a session that PAM was opening has two minutes.
const END_LIMIT: Duration = Duration::from_mins(3);

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::UnixListener;

    use super::*;
    use crate::Config;
    use crate::admission::Source;
    use crate::login::slots::Slots;

    #[tokio::test]
    async fn a_place_is_free_when_its_helper_has_ended_and_not_when_it_was_hung_up_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.sock");
        let helpers = UnixListener::bind(&path).unwrap();
        let mut limits = Config::default().logins;
        limits.helpers = 1;
        let slots = Slots::new(&limits);
        let source = Source::of([192, 0, 2, 1].into());
        let slot = slots.try_take(source).unwrap();
        let helper = Helper::connect(&path, slot).await.unwrap();
        let (mut its_end, _) = helpers.accept().await.unwrap();

        drop(helper);
        let hung_up = its_end.read_u8().await.is_err();
        let taken = slots.try_take(source).is_none();
        drop(its_end);
        let free = slots.take(source).await;

        assert!(hung_up);
        assert!(taken);
        assert!(free.is_ok());
    }
}
