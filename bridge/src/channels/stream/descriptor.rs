//! A descriptor that a service handed over in a D-Bus reply.

use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use protocol::json::Fields;
use protocol::problem::Problem;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixStream, unix::pipe};

use super::socket::relay;
use crate::channel::Closed;
use crate::port::Port;

/// Connects the page with the descriptor that is offered as `id`: a socket, or the end of a pipe.
pub(super) async fn run(id: &str, port: Port) -> Result<Fields, Closed> {
    let descriptor = port.bridge.descriptors.take(id).ok_or_else(|| {
        Closed::new(Problem::NotFound, format!("no descriptor {id:?} is on offer, or not any more"))
    })?;
    let failed = |error| Closed::from_io(id, &error);
    let flags = rustix::fs::fcntl_getfl(&descriptor).map_err(|error| failed(error.into()))?;
    let mode = flags & rustix::fs::OFlags::ACCMODE;
    let (reader, writer): (Box<dyn AsyncRead + Send + Unpin>, Box<dyn AsyncWrite + Send + Unpin>) =
        if mode == rustix::fs::OFlags::RDONLY {
            (Box::new(readable(descriptor).map_err(failed)?), Box::new(tokio::io::sink()))
        } else if mode == rustix::fs::OFlags::WRONLY {
            (Box::new(Silent), Box::new(pipe::Sender::from_owned_fd(descriptor).map_err(failed)?))
        } else {
            let (reader, writer) = socket(descriptor).map_err(failed)?.into_split();
            (Box::new(reader), Box::new(writer))
        };
    relay(reader, writer, port).await
}

fn readable(descriptor: OwnedFd) -> std::io::Result<pipe::Receiver> {
    pipe::Receiver::from_owned_fd(descriptor)
}

fn socket(descriptor: OwnedFd) -> std::io::Result<UnixStream> {
    let socket = std::os::unix::net::UnixStream::from(descriptor);
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

/// What is read from a descriptor that can only be written: nothing comes, and it does not end before the page ends it.
struct Silent;

impl AsyncRead for Silent {
    fn poll_read(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        _buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Poll::Pending
    }
}
