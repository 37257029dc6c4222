//! The link to one session's bridge: one reader, many writers.
//!
//! The reader task takes frames off the socket, many with one call, and puts each into the mailbox of the socket that
//! opened its channel; it never waits for a mailbox (T36). Whoever writes does it at once from its own task; what the
//! kernel does not take waits here and is written by the reader task. Payloads are never looked into. A frame that
//! breaks the protocol ends the session (T30). Callers: `sessions`, `super::socket`, `external`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use protocol::control::{Control, VERSION};
use protocol::frame::{FrameDecoder, encode_control};
use protocol::json::Fields;
use protocol::limits::{MAX_CHANNEL_ID, MAX_CONTROL};
use protocol::names::ChannelId;
use protocol::problem::Problem;
use tokio::net::UnixStream;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::head::Head;
use super::mailbox::{Item, Mailbox};
use crate::sessions::{Boottime, End, Session, TakerId};

/// The server's end of a bridge's socket, and which channel belongs to whom.
#[derive(Debug)]
pub(crate) struct Link {
    stream: UnixStream,
    outbox: Mutex<Outbox>,
    routes: Mutex<Routes>,
    limits: Limits,
}

/// How many channels there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// In all.
    pub(crate) channels: usize,
    /// External ones among them.
    pub(crate) external: usize,
}

#[derive(Debug, Default)]
struct Outbox {
    /// What the kernel has not taken yet.
    pending: BytesMut,
    state: State,
    reader: Option<Waker>,
    /// Writers that wait for `pending` to shrink.
    blocked: Vec<Waker>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Closed,
}

#[derive(Debug, Default)]
struct Routes {
    channels: HashMap<Bytes, Route>,
    external: usize,
}

/// Where a channel's messages go.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) taker: TakerId,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) opcode: Opcode,
    pub(crate) pings: Pings,
    pub(crate) kind: RouteKind,
}

/// The kind of WebSocket message that carries a channel's data, fixed by its `open`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    /// UTF-8.
    Text,
    /// Bytes.
    Binary,
}

/// Who answers the flow control's pings of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pings {
    /// The page.
    Relayed,
    /// We, once what came before was delivered.
    Answered,
}

/// Who uses a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RouteKind {
    /// A page on its socket.
    Socket,
    /// One HTTP request.
    External,
}

/// Why a channel cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    /// The id names an open channel.
    #[error("channel id is in use")]
    InUse,
    /// The session has as many channels as it may (T37).
    #[error("too many open channels")]
    TooMany,
}

impl Link {
    /// A link over `stream`, whose handshake is done.
    pub(crate) fn new(stream: UnixStream, limits: Limits) -> Self {
        Self { stream, outbox: Mutex::default(), routes: Mutex::default(), limits }
    }

    /// Takes a channel into the routes; its `open` may be sent then.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: the opener's fault.
    pub(crate) fn open(&self, id: Bytes, route: Route) -> Result<(), OpenError> {
        let mut routes = self.routes();
        let external = route.kind == RouteKind::External;
        if routes.channels.len() >= self.limits.channels
            || (external && routes.external >= self.limits.external)
        {
            return Err(OpenError::TooMany);
        }
        match routes.channels.entry(id) {
            Entry::Occupied(_) => return Err(OpenError::InUse),
            Entry::Vacant(free) => drop(free.insert(route)),
        }
        routes.external += usize::from(external);
        Ok(())
    }

    /// Forgets a channel of `taker`; what the bridge still says about it is dropped.
    pub(crate) fn forget(&self, id: &[u8], taker: TakerId) {
        let mut routes = self.routes();
        if routes
            .channels
            .get(id)
            .is_some_and(|route| route.taker == taker)
        {
            routes.remove(id);
        }
    }

    /// Writes `batch` (frames with their length lines) and leaves it empty. Never waits: what the kernel does not
    /// take is kept, and [`Self::poll_room`] says when there is room for more.
    pub(crate) fn send(&self, batch: &mut BytesMut) {
        if batch.is_empty() {
            return;
        }
        let mut outbox = self.outbox();
        if outbox.state == State::Closed {
            batch.clear();
            return;
        }
        if !outbox.pending.is_empty() {
            outbox.pending.extend_from_slice(batch);
            batch.clear();
            return;
        }
        while !batch.is_empty() {
            match self.stream.try_write(batch) {
                Ok(written) => batch.advance(written),
                Err(full) if full.kind() == ErrorKind::WouldBlock => break,
                // The reader task finds the same and ends the session.
                Err(_broken) => batch.clear(),
            }
        }
        if !batch.is_empty() {
            std::mem::swap(&mut outbox.pending, batch);
            batch.clear();
            let reader = outbox.reader.take();
            drop(outbox);
            wake(reader);
        }
    }

    /// Waits until so little is kept that more may be sent.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut outbox = self.outbox();
        if outbox.pending.len() <= PENDING_HIGH || outbox.state == State::Closed {
            return Poll::Ready(());
        }
        if !outbox
            .blocked
            .iter()
            .any(|waker| waker.will_wake(cx.waker()))
        {
            outbox.blocked.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Hangs up: the bridge sees the end of its stream, and the reader task ends.
    pub(crate) fn close(&self) {
        let (reader, blocked) = {
            let mut outbox = self.outbox();
            outbox.state = State::Closed;
            outbox.pending = BytesMut::new();
            (outbox.reader.take(), std::mem::take(&mut outbox.blocked))
        };
        // Fails only when the bridge has hung up before us.
        let _gone = rustix::net::shutdown(&self.stream, rustix::net::Shutdown::Both);
        wake(reader);
        blocked.into_iter().for_each(Waker::wake);
    }

    /// Writes what is kept, as far as the kernel takes it, and registers the reader task for the rest.
    fn poll_pending(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut outbox = self.outbox();
        if outbox.state == State::Closed {
            return Poll::Ready(());
        }
        if !outbox
            .reader
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            outbox.reader = Some(cx.waker().clone());
        }
        while !outbox.pending.is_empty() {
            if ready!(self.stream.poll_write_ready(cx)).is_err() {
                return Poll::Pending;
            }
            match self.stream.try_write(&outbox.pending) {
                Ok(written) => outbox.pending.advance(written),
                Err(full) if full.kind() == ErrorKind::WouldBlock => {}
                // The reader finds the same and says so.
                Err(_broken) => return Poll::Pending,
            }
            if outbox.pending.len() <= PENDING_LOW {
                outbox.blocked.drain(..).for_each(Waker::wake);
            }
        }
        outbox.pending = BytesMut::new();
        Poll::Pending
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Routes {
    fn remove(&mut self, id: &[u8]) -> Option<Route> {
        let route = self.channels.remove(id)?;
        self.external -= usize::from(route.kind == RouteKind::External);
        Some(route)
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The task that reads a session's link until the session is over.
pub(crate) struct Reader {
    session: Arc<Session>,
    decoder: FrameDecoder,
    /// Bytes asked of the kernel with one call.
    room: usize,
    /// Takers that got something in this batch.
    woken: Vec<Waker>,
    /// What we say to the bridge ourselves.
    answers: BytesMut,
    clock: Interval,
}

/// Why the bridge's words end the session.
#[derive(Debug, thiserror::Error)]
enum Violation {
    #[error(transparent)]
    Frame(#[from] protocol::frame::FrameError),
    #[error(transparent)]
    Head(#[from] super::head::HeadError),
    #[error(transparent)]
    Control(#[from] protocol::control::ControlError),
    #[error(transparent)]
    Channel(#[from] protocol::names::ChannelIdError),
    #[error("the bridge opened a channel")]
    Opened,
    #[error("the bridge speaks version {0}")]
    Version(u64),
}

impl Reader {
    /// A reader that goes on where the handshake stopped: `decoder` may hold frames already.
    pub(crate) fn new(session: Arc<Session>, decoder: FrameDecoder) -> Self {
        let mut clock = interval(session.clock_tick());
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            session,
            decoder,
            room: READ_IDLE,
            woken: Vec::new(),
            answers: BytesMut::new(),
            clock,
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        while self.clock.poll_tick(cx).is_ready() {
            self.session.check_life(Boottime::now());
        }
        let session = Arc::clone(&self.session);
        if session.link.poll_pending(cx).is_ready() {
            return Poll::Ready(End::BridgeGone(None));
        }
        for _ in 0..READS_PER_TURN {
            if let Err(violation) = self.route_received(&session.link) {
                self.wake_takers();
                return Poll::Ready(End::Violation(violation.to_string()));
            }
            self.wake_takers();
            session.link.send(&mut self.answers);
            match ready!(self.poll_read(&session.link, cx)) {
                Ok(0) | Err(_) => return Poll::Ready(End::BridgeGone(None)),
                Ok(_more) => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_read(&mut self, link: &Link, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        loop {
            if link.stream.poll_read_ready(cx)?.is_pending() {
                if self.decoder.is_between_frames() {
                    self.decoder.release_above(READ_IDLE);
                }
                return Poll::Pending;
            }
            match link.stream.try_read_buf(self.decoder.buffer(self.room)) {
                Ok(read) => {
                    self.room = if read < READ_IDLE { READ_IDLE } else { READ_BUSY };
                    return Poll::Ready(Ok(read));
                }
                Err(nothing) if nothing.kind() == ErrorKind::WouldBlock => {}
                Err(broken) => return Poll::Ready(Err(broken)),
            }
        }
    }

    fn route_received(&mut self, link: &Link) -> Result<(), Violation> {
        let Some(mut frame) = self.decoder.next_unparsed()? else {
            return Ok(());
        };
        let mut routes = link.routes();
        loop {
            self.route(&mut routes, frame)?;
            match self.decoder.next_unparsed()? {
                Some(next) => frame = next,
                None => return Ok(()),
            }
        }
    }

    fn route(&mut self, routes: &mut Routes, frame: Bytes) -> Result<(), Violation> {
        let Some((id, payload)) = split_frame(&frame) else {
            return Err(protocol::frame::FrameError::NoChannel.into());
        };
        if id.is_empty() {
            if payload.len() > MAX_CONTROL {
                return Err(protocol::frame::FrameError::ControlTooLong(payload.len()).into());
            }
            return self.route_control(routes, &frame);
        }
        let Some(route) = routes.channels.get(id) else {
            ChannelId::parse(frame.slice(..id.len()))?;
            return Ok(());
        };
        let item = match route.opcode {
            Opcode::Text => Item::Text(frame),
            Opcode::Binary => Item::Binary(frame),
        };
        self.woken.extend(route.mailbox.put(item));
        Ok(())
    }

    fn route_control(&mut self, routes: &mut Routes, frame: &Bytes) -> Result<(), Violation> {
        let message = frame.slice(1..);
        let head = Head::parse(&message)?;
        let Some(channel) = &head.channel else {
            return self.answer(&head.command, &message);
        };
        let id = channel.as_bytes();
        let command = head.command.as_ref();
        if command == "open" {
            return Err(Violation::Opened);
        }
        if command == "close" {
            if let Some(route) = routes.remove(id) {
                let id = Bytes::copy_from_slice(id);
                self.woken
                    .extend(route.mailbox.put(Item::Text(frame.clone())));
                self.woken.extend(route.mailbox.put(Item::Closed(id)));
            }
            return Ok(());
        }
        let Some(route) = routes.channels.get(id) else {
            return Ok(());
        };
        let item = match (command, route.pings) {
            ("ping", Pings::Answered) => Item::Answer(pong_for(&message)?),
            (_, Pings::Answered | Pings::Relayed) => Item::Text(frame.clone()),
        };
        self.woken.extend(route.mailbox.put(item));
        Ok(())
    }

    /// What the bridge says about the link itself.
    fn answer(&mut self, command: &str, message: &[u8]) -> Result<(), Violation> {
        match command {
            "ping" => encode_control(&pong_for(message)?, &mut self.answers),
            "authorize" => {
                if let Control::Authorize { cookie: Some(cookie), .. } = Control::parse(message)? {
                    encode_control(&no_password(cookie), &mut self.answers);
                }
            }
            "init" => {
                if let Control::Init(init) = Control::parse(message)?
                    && init.version != VERSION
                {
                    return Err(Violation::Version(init.version));
                }
            }
            // `pong`, `superuser-init-done`, and what a newer bridge says.
            _ => {}
        }
        Ok(())
    }

    fn wake_takers(&mut self) {
        self.woken.drain(..).for_each(Waker::wake);
    }
}

impl Future for Reader {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let end = ready!(self.poll_end(cx));
        self.session.end(&end);
        Poll::Ready(())
    }
}

/// Channel id and payload of a whole frame; `None` without a newline where one must be.
pub(crate) fn split_frame(frame: &[u8]) -> Option<(&[u8], &[u8])> {
    let longest = frame.len().min(MAX_CHANNEL_ID + 1);
    let at = frame
        .get(..longest)?
        .iter()
        .position(|&byte| byte == b'\n')?;
    Some((frame.get(..at)?, frame.get(at + 1..)?))
}

/// The `pong` for a `ping`: the same message with the command swapped.
pub(crate) fn pong_for(ping: &[u8]) -> Result<Bytes, protocol::control::ControlError> {
    let ping = Control::parse(ping)?;
    let Control::Ping { channel, fields } = ping else {
        return Ok(ping.to_bytes());
    };
    Ok(Control::Pong { channel, fields }.to_bytes())
}

/// The answer to any question about credentials: this server keeps none (T19).
fn no_password(cookie: String) -> Bytes {
    let answer = Control::Authorize {
        challenge: None,
        cookie: Some(cookie),
        response: Some(String::new()),
        fields: Fields::new(),
    };
    answer.to_bytes()
}

/// A `close` with a problem, as a control frame's payload.
pub(crate) fn close_message(id: &[u8], problem: Problem) -> Option<Bytes> {
    let channel = ChannelId::parse(Bytes::copy_from_slice(id)).ok()?;
    Some(Control::Close { channel, problem: Some(problem), fields: Fields::new() }.to_bytes())
}

/// Bytes that may wait for the bridge before its sockets are no longer read.
const PENDING_HIGH: usize = 1 << 20;

/// Bytes at which they are read again.
const PENDING_LOW: usize = 256 << 10;

/// Bytes read with one call while little is said.
const READ_IDLE: usize = 16 << 10;

/// Bytes read with one call while the last one brought more than that.
const READ_BUSY: usize = 128 << 10;

/// Calls in one turn of the task, so that other tasks get theirs.
const READS_PER_TURN: usize = 16;
