//! One TLS connection, driven by `poll`: bytes go in and out at the same time on one thread.
//!
//! Reads 64 KiB with one call where rustls alone reads 4 KiB, so that the client is not what is measured. Callers:
//! `http`, `page`, and the floor's server.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection};

/// A connection and what came on it.
pub(crate) struct Wire {
    socket: TcpStream,
    tls: Connection,
    /// Read from the socket, not yet given to TLS.
    ahead: Box<[u8]>,
    /// Plain bytes that came, from `taken` on.
    received: Vec<u8>,
    taken: usize,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Closed,
}

/// Whether to wait for something to happen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Until bytes came, or [`PATIENCE`] is over.
    Yes,
    /// Only what can be done at once.
    No,
}

impl Wire {
    /// Connects, without the handshake, which comes with the first bytes.
    pub(crate) fn connect(address: SocketAddr, client: &Arc<ClientConfig>) -> Result<Self> {
        let socket =
            TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
        let name = ServerName::from(address.ip());
        let tls = ClientConnection::new(Arc::clone(client), name)?;
        Self::new(socket, tls.into())
    }

    /// A connection over `socket`.
    pub(crate) fn new(socket: TcpStream, mut tls: Connection) -> Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        tls.set_buffer_limit(None);
        Ok(Self {
            socket,
            tls,
            ahead: vec![0; READ_SIZE].into_boxed_slice(),
            received: Vec::new(),
            taken: 0,
            end: End::Open,
        })
    }

    /// Queues bytes; they are sent by the next turn.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.tls.writer().write_all(bytes)?)
    }

    /// Whether the kernel has not taken all that was written.
    pub(crate) fn is_clogged(&self) -> bool {
        self.tls.wants_write()
    }

    /// What came and was not taken.
    pub(crate) fn received(&self) -> &[u8] {
        self.received.get(self.taken..).unwrap_or_default()
    }

    /// Takes the first `bytes` away.
    pub(crate) fn take(&mut self, bytes: usize) {
        self.taken += bytes;
        if self.taken >= self.received.len() {
            self.received.clear();
            self.taken = 0;
        }
    }

    /// Sends what is queued and reads what is there.
    pub(crate) fn turn(&mut self, wait: Wait) -> Result<()> {
        let before = self.received.len();
        self.send()?;
        self.read()?;
        while wait == Wait::Yes && self.received.len() == before {
            if self.end == End::Closed {
                bail!("the server hung up");
            }
            let flags = self.interest();
            let mut descriptors = [PollFd::new(&self.socket, flags)];
            if poll(&mut descriptors, Some(&PATIENCE))? == 0 {
                bail!("nothing came for {} s", PATIENCE.tv_sec);
            }
            self.send()?;
            self.read()?;
        }
        Ok(())
    }

    /// What to poll the socket for.
    pub(crate) fn interest(&self) -> PollFlags {
        if self.tls.wants_write() { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN }
    }

    /// Whether the other end has hung up.
    pub(crate) fn is_closed(&self) -> bool {
        self.end == End::Closed
    }

    /// Sends what is queued, as far as the kernel takes it, and reads nothing.
    pub(crate) fn send(&mut self) -> Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(full) if full.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn read(&mut self) -> Result<()> {
        loop {
            let count = match self.socket.read(&mut self.ahead) {
                Ok(0) => {
                    self.end = End::Closed;
                    return Ok(());
                }
                Ok(count) => count,
                Err(nothing) if nothing.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            if self.taken > KEPT {
                self.received.drain(..self.taken);
                self.taken = 0;
            }
            let mut ahead = self.ahead.get(..count).unwrap_or_default();
            while !ahead.is_empty() {
                self.tls.read_tls(&mut ahead)?;
                let state = self.tls.process_new_packets()?;
                let plain = state.plaintext_bytes_to_read();
                if plain > 0 {
                    let at = self.received.len();
                    self.received.resize(at + plain, 0);
                    let room = self.received.get_mut(at..).unwrap_or_default();
                    self.tls.reader().read_exact(room)?;
                }
            }
            self.send()?;
            if count < READ_SIZE {
                return Ok(());
            }
        }
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Bytes asked of the kernel with one call.
const READ_SIZE: usize = 64 << 10;

/// Bytes that were taken and may stand before the others until they are moved away.
const KEPT: usize = 256 << 10;

/// How long anything may take before the run fails.
const PATIENCE: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

/// The same for those that count in std's unit.
pub(crate) const LONG: Duration = Duration::from_secs(30);
