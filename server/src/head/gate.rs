//! The gate before hyper: passes the bytes of a connection once [`HeadScanner`] has seen them, within time limits.
//!
//! Bytes are read straight into hyper's buffer and looked at there. A refused connection gets one short answer, then
//! its end; whatever hyper still wants to say on it is dropped. Once a request was upgraded (WebSocket) the gate
//! stands open. Caller: `listen::connection`. Limits: T10, T34.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::{HeadScanner, Position, Refusal};
use crate::headers;

/// Time limits of one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// From the first byte of a head to its end, and the same again for its body.
    pub(crate) head: Duration,
    /// Between an answer and the next request.
    pub(crate) keep_alive: Duration,
    /// How long the client may take nothing of an answer.
    pub(crate) stall: Duration,
}

/// What the service tells the gate about its connection.
#[derive(Debug)]
pub(crate) struct Progress {
    started: Instant,
    in_work: AtomicUsize,
    /// Milliseconds after [`Self::started`].
    last_answer: AtomicU64,
    upgraded: AtomicBool,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            in_work: AtomicUsize::new(0),
            last_answer: AtomicU64::new(0),
            upgraded: AtomicBool::new(false),
        }
    }
}

impl Progress {
    /// Whether nobody waits for an answer on it.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_work.load(Ordering::Acquire) == 0 && !self.upgraded.load(Ordering::Acquire)
    }

    /// From now on bytes are not HTTP any more.
    pub(crate) fn upgraded(&self) {
        self.upgraded.store(true, Ordering::Release);
    }

    fn last_answer(&self) -> Instant {
        self.started + Duration::from_millis(self.last_answer.load(Ordering::Acquire))
    }
}

/// A request in work; dropped when its answer was handed to hyper whole.
#[derive(Debug)]
pub(crate) struct InWork(Arc<Progress>);

impl InWork {
    pub(crate) fn begin(progress: &Arc<Progress>) -> Self {
        progress.in_work.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(progress))
    }
}

impl Drop for InWork {
    fn drop(&mut self) {
        let elapsed = u64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last_answer.store(elapsed, Ordering::Release);
        self.0.in_work.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A connection behind its gate.
pub(crate) struct Gate<S> {
    stream: S,
    scanner: HeadScanner,
    progress: Arc<Progress>,
    patience: Patience,
    /// When the head or body under way began; at first, when the connection did.
    since: Instant,
    /// Whether a whole head was ever seen: a new connection gets less patience than one kept alive.
    life: Life,
    blocked_since: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    farewell: Option<Farewell>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    New,
    KeptAlive,
}

/// The last answer of a refused connection.
struct Farewell {
    bytes: Vec<u8>,
    written: usize,
}

impl<S> Gate<S> {
    pub(crate) fn new(stream: S, progress: Arc<Progress>, patience: Patience) -> Self {
        let now = Instant::now();
        Self {
            stream,
            scanner: HeadScanner::default(),
            progress,
            patience,
            since: now,
            life: Life::New,
            blocked_since: None,
            timer: Box::pin(tokio::time::sleep_until(now + patience.head)),
            farewell: None,
        }
    }

    /// By when the client has to go on; nothing while we have to.
    fn deadline(&self) -> Option<Instant> {
        match self.scanner.position() {
            Position::Head | Position::Body(_) => Some(self.since + self.patience.head),
            Position::Between if self.progress.in_work.load(Ordering::Acquire) > 0 => None,
            Position::Between => Some(match self.life {
                Life::New => self.since + self.patience.head,
                Life::KeptAlive => {
                    self.since.max(self.progress.last_answer()) + self.patience.keep_alive
                }
            }),
        }
    }

    /// Ready once the client is late. While its request is in work the task looks again from time to time, because
    /// hyper does not ask for the next bytes anew when the answer is out.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(deadline) = self.deadline() {
            return self.poll_deadline(cx, deadline);
        }
        let look_again = Instant::now() + self.patience.keep_alive;
        let _in_the_future = self.poll_deadline(cx, look_again);
        Poll::Pending
    }

    /// Ready once `deadline` has passed; otherwise the task is woken then.
    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if self.timer.deadline() > deadline || self.timer.is_elapsed() {
            self.timer.as_mut().reset(deadline);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    fn admit(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let before = self.scanner.position();
        self.scanner.scan(bytes)?;
        let after = self.scanner.position();
        let begins = before == Position::Between
            || matches!((before, after), (Position::Head, Position::Body(_)));
        if begins {
            self.since = Instant::now();
        }
        if after == Position::Between {
            self.life = Life::KeptAlive;
        }
        Ok(())
    }

    fn refuse(&mut self, status: &str, why: &str) {
        tracing::debug!(status, why, "refused a request before it was parsed");
        self.farewell = Some(Farewell { bytes: headers::bare_answer(status, why), written: 0 });
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Gate<S> {
    /// Writes the last answer; ready when it is out or cannot be sent.
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(farewell) = &mut self.farewell else {
            return Poll::Ready(());
        };
        while let Some(left) = farewell
            .bytes
            .get(farewell.written..)
            .filter(|left| !left.is_empty())
        {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, left)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(written) => farewell.written += written,
            }
        }
        Pin::new(&mut self.stream).poll_flush(cx).map(|_| ())
    }

    /// A pending write, watched for a client that reads nothing.
    fn poll_blocked(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        if self.progress.upgraded.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        let since = *self.blocked_since.get_or_insert_with(Instant::now);
        ready!(self.poll_deadline(cx, since + self.patience.stall));
        Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gate<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let gate = self.get_mut();
        let before = buffer.filled().len();
        if gate.farewell.is_none() {
            match Pin::new(&mut gate.stream).poll_read(cx, buffer) {
                Poll::Ready(Ok(())) => {
                    let read = buffer.filled().get(before..).unwrap_or_default();
                    if read.is_empty() || gate.progress.upgraded.load(Ordering::Acquire) {
                        return Poll::Ready(Ok(()));
                    }
                    match gate.admit(read) {
                        Ok(()) => return Poll::Ready(Ok(())),
                        Err(refusal) => {
                            buffer.set_filled(before);
                            gate.refuse(refusal.status(), &refusal.to_string());
                        }
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    if gate.progress.upgraded.load(Ordering::Acquire) {
                        return Poll::Pending;
                    }
                    ready!(gate.poll_late(cx));
                    if gate.scanner.position() == Position::Between {
                        return Poll::Ready(Ok(()));
                    }
                    gate.refuse("408 Request Timeout", "request was not complete in time");
                }
            }
        }
        // The end of the connection, as hyper sees it.
        gate.poll_farewell(cx).map(Ok)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let gate = self.get_mut();
        if gate.farewell.is_some() {
            return Poll::Ready(Ok(bytes.len()));
        }
        match Pin::new(&mut gate.stream).poll_write(cx, bytes) {
            Poll::Pending => gate.poll_blocked(cx),
            Poll::Ready(result) => {
                gate.blocked_since = None;
                Poll::Ready(result)
            }
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let gate = self.get_mut();
        if gate.farewell.is_some() {
            return Poll::Ready(Ok(parts.iter().map(|part| part.len()).sum()));
        }
        match Pin::new(&mut gate.stream).poll_write_vectored(cx, parts) {
            Poll::Pending => gate.poll_blocked(cx),
            Poll::Ready(result) => {
                gate.blocked_since = None;
                Poll::Ready(result)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let gate = self.get_mut();
        match Pin::new(&mut gate.stream).poll_flush(cx) {
            Poll::Pending => gate.poll_blocked(cx).map_ok(|_| ()),
            Poll::Ready(result) => {
                gate.blocked_since = None;
                Poll::Ready(result)
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
