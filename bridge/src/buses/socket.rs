//! A socket to a bus: connecting by address, reading and writing, descriptors included.
//!
//! Reads as much as there is at once and tries before it waits, so that a small call costs one system call each way.
//! Callers: `handshake`, `bus`. Source: D-Bus specification, "Server Addresses"; `unix(7)`, "Ancillary
//! messages".

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::SocketAddr;
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpStream, UnixStream};
use zbus::Address;
use zbus::address::Transport;
use zbus::address::transport::UnixSocket;

use crate::readiness;

/// Most descriptors that come with one read: the kernel sends no more at once (`SCM_MAX_FD`).
const MAX_DESCRIPTORS: usize = 253;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub(super) enum SocketError {
    /// The kernel's.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The address is one of a transport that is not spoken here.
    #[error(transparent)]
    Transport(zbus::Error),
}

/// A connected socket in non-blocking mode.
#[derive(Debug)]
pub(super) struct Socket(AsyncFd<OwnedFd>);

impl Socket {
    /// Connects to the bus at `address`.
    ///
    /// # Errors
    ///
    /// [`SocketError`].
    pub(super) async fn connect(address: &Address) -> Result<Self, SocketError> {
        let socket = match address.transport() {
            Transport::Unix(unix) => match unix.path() {
                UnixSocket::File(path) => unix_socket(path).await?,
                UnixSocket::Abstract(name) => {
                    let name = SocketAddr::from_abstract_name(name.as_bytes())?;
                    // Who listens has room, or is asked again: there is no name to wait for.
                    let socket = std::os::unix::net::UnixStream::connect_addr(&name)?;
                    OwnedFd::from(socket)
                }
                UnixSocket::Dir(_) | UnixSocket::TmpDir(_) | _ => return Err(not_spoken(address)),
            },
            Transport::Tcp(tcp) if tcp.nonce_file().is_none() => {
                let socket = TcpStream::connect((tcp.host(), tcp.port())).await?;
                socket.set_nodelay(true)?;
                OwnedFd::from(socket.into_std()?)
            }
            Transport::Tcp(_) | _ => return Err(not_spoken(address)),
        };
        Ok(Self::new(socket)?)
    }

    /// A socket that is connected.
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self(readiness::watched(socket, Interest::READABLE | Interest::WRITABLE)?))
    }

    /// Waits for bytes and reads them into `buffer`, and the descriptors that come with them into `descriptors`; how many
    /// bytes it read, 0 at the end.
    pub(super) async fn read(
        &self,
        buffer: &mut [u8],
        descriptors: &mut Vec<OwnedFd>,
    ) -> io::Result<usize> {
        loop {
            let mut ready = self.0.readable().await?;
            let before = descriptors.len();
            match self.receive(buffer, descriptors) {
                Ok(length) => {
                    // Less than fits is all there was; but a read ends at descriptors too.
                    if length < buffer.len() && descriptors.len() == before {
                        ready.clear_ready();
                    }
                    return Ok(length);
                }
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn receive(&self, buffer: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> Result<usize, Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut buffers = [IoSliceMut::new(buffer)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received = rustix::net::recvmsg(self.0.get_ref(), &mut buffers, &mut ancillary, flags)?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        Ok(received.bytes)
    }

    /// Writes all, waiting where it must.
    pub(super) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let mut ready = self.0.writable().await?;
            match rustix::net::send(self.0.get_ref(), bytes, SendFlags::NOSIGNAL) {
                Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Ends the connection in both directions: the reading task hears of it.
    pub(super) fn shut(&self) {
        let _it_may_be_gone = rustix::net::shutdown(self.0.get_ref(), rustix::net::Shutdown::Both);
    }
}

async fn unix_socket(path: &Path) -> io::Result<OwnedFd> {
    Ok(UnixStream::connect(path).await?.into_std()?.into())
}

fn not_spoken(address: &Address) -> SocketError {
    let message = format!("{address} is of a transport that is not spoken here");
    SocketError::Transport(zbus::Error::Address(message))
}
