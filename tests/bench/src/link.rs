//! The floor's link between relay and bridge: frames with a length line on a unix socket.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use anyhow::{Context as _, Result};

/// One end.
pub(crate) struct Link {
    socket: UnixStream,
    /// What is to be sent.
    pub(crate) outgoing: Vec<u8>,
    /// Whether it is worth reading.
    pub(crate) readable: bool,
    buffer: Box<[u8]>,
    received: Vec<u8>,
    taken: usize,
    closed: bool,
}

impl Link {
    /// The link over `socket`.
    pub(crate) fn new(socket: UnixStream) -> Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            outgoing: Vec::new(),
            readable: true,
            buffer: vec![0; 128 << 10].into_boxed_slice(),
            received: Vec::new(),
            taken: 0,
            closed: false,
        })
    }

    /// Sends what the kernel takes.
    pub(crate) fn send(&mut self) -> Result<()> {
        while !self.outgoing.is_empty() {
            match self.socket.write(&self.outgoing) {
                Ok(count) => drop(self.outgoing.drain(..count)),
                Err(full) if full.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The next frame: channel id, newline, payload.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            let received = self.received.get(self.taken..).unwrap_or_default();
            if let Some(line) = received.iter().take(10).position(|&byte| byte == b'\n') {
                let length = std::str::from_utf8(received.get(..line).unwrap_or_default())?;
                let length: usize = length.parse().context("a frame's length")?;
                if let Some(frame) = received.get(line + 1..line + 1 + length) {
                    let frame = frame.to_vec();
                    self.taken += line + 1 + length;
                    return Ok(Some(frame));
                }
            }
            if !self.readable {
                return Ok(None);
            }
            self.received.drain(..self.taken);
            self.taken = 0;
            match self.socket.read(&mut self.buffer) {
                Ok(0) => {
                    self.closed = true;
                    return Ok(None);
                }
                Ok(count) => {
                    self.readable = count == self.buffer.len();
                    let bytes = self.buffer.get(..count).unwrap_or_default();
                    self.received.extend_from_slice(bytes);
                }
                Err(nothing) if nothing.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether the other end has hung up.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Appends `frame` with its length line.
pub(crate) fn put(frame: &[u8], stream: &mut Vec<u8>) {
    stream.extend_from_slice(frame.len().to_string().as_bytes());
    stream.push(b'\n');
    stream.extend_from_slice(frame);
}
