//! Reads ahead of TLS: many records with one call to the kernel.
//!
//! rustls asks for 4 KiB at a time, so that one full record costs five calls. Here what the kernel has is taken at once
//! while a client sends much; a quiet connection holds no buffer. Caller: `connection`. It never holds back a byte.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream whose reads are gathered. Writes pass.
pub(crate) struct ReadAhead<S> {
    stream: S,
    /// Read and not yet given on: from `taken` to `filled`.
    ahead: Vec<u8>,
    taken: usize,
    filled: usize,
    /// Bytes to ask for with the next call.
    room: usize,
}

impl<S> ReadAhead<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, ahead: Vec::new(), taken: 0, filled: 0, room: READ_IDLE }
    }
}

impl<S: AsyncRead + Unpin> ReadAhead<S> {
    /// Reads what the kernel has; a full buffer makes the next one larger.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ahead.len() != self.room {
            self.ahead = vec![0; self.room];
        }
        let mut block = ReadBuf::new(&mut self.ahead);
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut block);
        (self.taken, self.filled) = (0, block.filled().len());
        if read.is_pending() {
            self.ahead = Vec::new();
            self.room = READ_IDLE;
        } else if self.filled == self.room {
            self.room = READ_BUSY;
        }
        read
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.taken == this.filled {
            ready!(this.poll_fill(cx))?;
        }
        let ahead = this.ahead.get(this.taken..this.filled).unwrap_or_default();
        let count = ahead.len().min(buffer.remaining());
        buffer.put_slice(ahead.get(..count).unwrap_or_default());
        this.taken += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Bytes asked for while little is sent: what rustls asks for.
const READ_IDLE: usize = 4 << 10;

/// Bytes asked for while the last call filled its buffer: some records.
const READ_BUSY: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn everything_comes_in_order_whatever_the_sizes_of_reads() {
        let (mut client, server) = duplex(READ_BUSY);
        let sent: Vec<u8> = (0..200_000_u32)
            .map(|at| u8::try_from(at % 251).unwrap())
            .collect();
        let mut reader = ReadAhead::new(server);

        let (written, read) = tokio::join!(
            async {
                client.write_all(&sent).await?;
                client.shutdown().await
            },
            async {
                let mut received = vec![0; 5];
                reader.read_exact(&mut received).await?;
                reader.read_to_end(&mut received).await?;
                io::Result::Ok(received)
            }
        );

        written.unwrap();
        assert_eq!(read.unwrap(), sent);
    }

    #[tokio::test]
    async fn a_quiet_connection_holds_no_buffer() {
        let (mut client, server) = duplex(READ_BUSY);
        let mut reader = ReadAhead::new(server);
        client.write_all(&vec![0; READ_BUSY]).await.unwrap();
        let mut received = vec![0; READ_BUSY];
        reader.read_exact(&mut received).await.unwrap();
        assert_eq!(reader.room, READ_BUSY);

        let waiting = std::future::poll_fn(|cx| {
            let mut more = [0];
            let read = Pin::new(&mut reader).poll_read(cx, &mut ReadBuf::new(&mut more));
            Poll::Ready(read.is_pending())
        });

        assert!(waiting.await);
        assert_eq!(reader.ahead.capacity(), 0);
    }
}
