//! One browser's WebSocket in a session: one task that carries both directions.
//!
//! From the page to the bridge a message gets a length line and is written at once, many with one call; from the
//! bridge to the page all that waits is put into the socket's buffer and flushed once. Payloads are not looked into;
//! of control messages only what the relay must know is read. A page that breaks the protocol or a limit loses its
//! socket, the session goes on. Caller: [`super::socket()`]. Text: docs/protocol.md, "Handshakes" and "Control messages".

use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::{Bytes, BytesMut};
use futures_util::{Sink as _, Stream as _};
use protocol::control::{Control, Encoding, FlowControl, Init, Open, VERSION};
use protocol::frame::{encode_control, encode_unparsed};
use protocol::limits::MAX_CONTROL;
use protocol::names::ChannelId;
use protocol::problem::Problem;
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval_at, sleep, timeout};
use tokio_tungstenite::tungstenite;

use super::head::Head;
use super::link::{
    Opcode, OpenError, Pings, Route, RouteKind, close_message, pong_for, split_frame,
};
use super::mailbox::{Item, Mailbox, Over, Taken};
use super::pace::Pace;
use crate::config::{Config, PackageHosts};
use crate::sessions::{Boottime, End, Session, TakerId};

/// Why a socket is closed, as its close frame says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closing {
    code: u16,
    problem: Problem,
    /// Whether the page is told with a `close` control message before.
    announced: Announced,
    words: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Announced {
    Yes,
    No,
}

/// What a turn of the task found out.
enum Outcome {
    /// The browser closed, or is gone.
    Gone,
    /// We close.
    Close(Closing),
}

/// A page's socket.
pub(crate) struct Socket {
    browser: WebSocket,
    session: Arc<Session>,
    id: TakerId,
    mailbox: Arc<Mailbox>,
    /// The channels that were opened here.
    channels: HashSet<Bytes>,
    stage: Stage,
    to_bridge: BytesMut,
    /// Taken from the mailbox and not yet given to the browser, last first.
    to_browser: Vec<Item>,
    flush: Flush,
    keepalive: Interval,
    /// When the browser last took something, while something waited.
    progress: Instant,
    stall: Duration,
    controls: Pace,
    pings: Pace,
    /// Nothing is read from the browser until then.
    throttled: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The browser's `init` has not come yet.
    Greeting,
    Running,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    None,
    Some,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flush {
    Done,
    Needed,
}

impl Socket {
    /// Serves `browser` until one side closes. The session must have been found by the browser's cookie.
    pub(crate) async fn serve(browser: WebSocket, session: Arc<Session>, config: &Config) {
        let limits = &config.relay;
        let mailbox = Arc::new(Mailbox::new(limits.socket_queue));
        let Some(id) = session.attach(&mailbox) else {
            return refuse(browser, Problem::NoSession).await;
        };
        let now = Instant::now();
        let mut keepalive = interval_at(now + KEEPALIVE, KEEPALIVE);
        keepalive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let greeting = our_init(&session, id, config.package_hosts);
        let mut socket = Self {
            browser,
            session,
            id,
            mailbox,
            channels: HashSet::new(),
            stage: Stage::Greeting,
            to_bridge: BytesMut::new(),
            to_browser: vec![Item::Text(control_frame(&greeting))],
            flush: Flush::Needed,
            keepalive,
            progress: now,
            stall: limits.socket_stall,
            controls: Pace::new(limits.controls_per_second, now),
            pings: Pace::new(limits.pings_per_second, now),
            throttled: None,
        };
        let outcome = poll_fn(|cx| socket.poll_outcome(cx)).await;
        socket.close_channels();
        match outcome {
            Outcome::Close(closing) => {
                tracing::debug!(
                    session = socket.session.number(),
                    code = closing.code,
                    problem = %closing.problem,
                    reason = closing.words,
                    "closing a socket"
                );
                say_goodbye(&mut socket.browser, &closing).await;
            }
            // Reading once more sends the answer to the browser's close frame.
            Outcome::Gone => drop(timeout(GOODBYE, socket.browser.recv()).await),
        }
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        for _ in 0..ROUNDS_PER_TURN {
            if let Poll::Ready(result) = self.poll_clock(cx) {
                return Poll::Ready(Outcome::Close(result));
            }
            let read = match self.poll_browser(cx) {
                Ok(round) => round,
                Err(outcome) => {
                    self.session.link.send(&mut self.to_bridge);
                    return Poll::Ready(outcome);
                }
            };
            self.session.link.send(&mut self.to_bridge);
            let written = match self.poll_mailbox(cx) {
                Ok(round) => round,
                Err(outcome) => return Poll::Ready(outcome),
            };
            if read == Round::Waits && written == Round::Waits {
                if self.to_bridge.capacity() > KEPT_WHILE_IDLE {
                    self.to_bridge = BytesMut::new();
                }
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Keepalive pings, and the limit for a browser that takes nothing.
    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<Closing> {
        while self.keepalive.poll_tick(cx).is_ready() {
            if self.to_browser.is_empty() {
                self.to_browser.push(Item::Text(Bytes::from_static(PING)));
            }
            if self.flush == Flush::Done {
                self.progress = Instant::now();
            } else if self.progress.elapsed() > self.stall {
                return Poll::Ready(Closing::quiet(1008, Problem::Timeout, "takes nothing"));
            }
        }
        Poll::Pending
    }

    /// Reads what the browser sent, up to a batch.
    fn poll_browser(&mut self, cx: &mut Context<'_>) -> Result<Round, Outcome> {
        if let Some(until) = &mut self.throttled {
            if until.as_mut().poll(cx).is_pending() {
                return Ok(Round::Waits);
            }
            self.throttled = None;
        }
        if self.session.link.poll_room(cx).is_pending() {
            return Ok(Round::Waits);
        }
        let mut any = Round::Waits;
        for _ in 0..MESSAGES_PER_ROUND {
            let message = match Pin::new(&mut self.browser).poll_next(cx) {
                Poll::Pending => return Ok(any),
                Poll::Ready(None) => return Err(Outcome::Gone),
                Poll::Ready(Some(Err(error))) => return Err(read_failure(error)),
                Poll::Ready(Some(Ok(message))) => message,
            };
            any = Round::Moves;
            match message {
                Message::Text(text) => self.on_message(&text.into()).map_err(Outcome::Close)?,
                Message::Binary(bytes) => self.on_message(&bytes).map_err(Outcome::Close)?,
                Message::Ping(_) => {
                    self.count_ping().map_err(Outcome::Close)?;
                    self.flush = Flush::Needed;
                }
                Message::Pong(_) => {}
                Message::Close(_) => return Err(Outcome::Gone),
            }
            if self.to_bridge.len() >= BATCH || self.throttled.is_some() {
                break;
            }
        }
        Ok(any)
    }

    fn on_message(&mut self, frame: &Bytes) -> Result<(), Closing> {
        let Some((id, payload)) = split_frame(frame) else {
            return Err(Closing::violation("message without a channel id"));
        };
        if id.is_empty() {
            if payload.len() > MAX_CONTROL {
                return Err(Closing::quiet(1009, Problem::TooLarge, "control message too long"));
            }
            return self.on_control(frame);
        }
        if self.stage == Stage::Greeting {
            return Err(Closing::violation("data before init"));
        }
        if self.channels.contains(id) {
            encode_unparsed(frame, &mut self.to_bridge);
        }
        Ok(())
    }

    fn on_control(&mut self, frame: &Bytes) -> Result<(), Closing> {
        let message = frame.slice(1..);
        let head = Head::parse(&message).map_err(|error| Closing::violation(&error.to_string()))?;
        let command = head.command.as_ref();
        if self.stage == Stage::Greeting && command != "init" {
            return Err(Closing::violation("the first message is not init"));
        }
        match (command, &head.channel) {
            // The answers of flow control come as fast as the data; they cost no more than data do.
            ("pong", Some(_)) => {}
            _ => self.count_control(),
        }
        match (command, head.channel.as_deref()) {
            ("open", _) => self.on_open(frame)?,
            (_, Some(channel)) => {
                if self.channels.contains(channel.as_bytes()) {
                    self.pass_on(frame, &message)?;
                    if command == "close" {
                        self.channels.remove(channel.as_bytes());
                        self.session.link.forget(channel.as_bytes(), self.id);
                    }
                }
            }
            ("init", None) => self.on_init(&message)?,
            ("ping", None) => {
                self.count_ping()?;
                let pong =
                    pong_for(&message).map_err(|error| Closing::violation(&error.to_string()))?;
                self.to_browser.insert(0, Item::Text(control_frame(&pong)));
            }
            ("kill", None) => self.pass_on(frame, &message)?,
            ("logout", None) => self.on_logout(&message)?,
            // `pong`, `hint`, `authorize` (no password is kept here, T19), and what a newer page says.
            (_, None) => {}
        }
        Ok(())
    }

    /// Passes on a control message as it came. One that a bridge would not read costs the page its socket here, not
    /// everybody the session there.
    fn pass_on(&mut self, frame: &Bytes, message: &[u8]) -> Result<(), Closing> {
        Control::parse(message).map_err(|error| Closing::violation(&error.to_string()))?;
        encode_unparsed(frame, &mut self.to_bridge);
        Ok(())
    }

    /// With `disconnect` false a page only wants its password forgotten, and none is kept here (T19).
    fn on_logout(&mut self, message: &[u8]) -> Result<(), Closing> {
        let control =
            Control::parse(message).map_err(|error| Closing::violation(&error.to_string()))?;
        if let Control::Logout { fields, .. } = control
            && fields.get("disconnect") != Some(&false.into())
        {
            self.session.end(&End::Logout);
        }
        Ok(())
    }

    fn on_init(&mut self, message: &[u8]) -> Result<(), Closing> {
        match Control::parse(message) {
            Ok(Control::Init(Init { version: VERSION, .. })) => {
                self.stage = Stage::Running;
                Ok(())
            }
            Ok(Control::Init(_)) => Err(Closing::announced(
                Problem::NotSupported,
                "the page speaks another version of the protocol",
            )),
            Ok(_) => Err(Closing::violation("init that is none")),
            Err(error) => Err(Closing::violation(&error.to_string())),
        }
    }

    fn on_open(&mut self, frame: &Bytes) -> Result<(), Closing> {
        let open = match Control::parse(&frame.slice(1..)) {
            Ok(Control::Open(open)) => open,
            Ok(_) => return Err(Closing::violation("open that is none")),
            Err(error) => return Err(Closing::violation(&error.to_string())),
        };
        // A copy: the id outlives the message that it stood in.
        let id = Bytes::copy_from_slice(open.channel.as_bytes());
        let route = Route {
            taker: self.id,
            mailbox: Arc::clone(&self.mailbox),
            opcode: opcode(&open),
            pings: match open.flow_control {
                FlowControl::On => Pings::Relayed,
                FlowControl::Off => Pings::Answered,
            },
            kind: RouteKind::Socket,
        };
        match self.session.link.open(id.clone(), route) {
            Ok(()) => drop(self.channels.insert(id)),
            Err(OpenError::InUse) => return Err(Closing::violation("channel id is in use")),
            Err(OpenError::TooMany) => {
                return Err(Closing::quiet(1008, Problem::TooLarge, "too many open channels"));
            }
        }
        match open.flow_control {
            FlowControl::On => encode_unparsed(frame, &mut self.to_bridge),
            // Every channel is throttled, so that a page that reads slowly slows its program and not the server.
            FlowControl::Off => {
                let open = Control::Open(Open { flow_control: FlowControl::On, ..open });
                encode_control(&open.to_bytes(), &mut self.to_bridge);
            }
        }
        Ok(())
    }

    fn count_control(&mut self) {
        if let Err(wait) = self.controls.count(Instant::now()) {
            self.throttled = Some(Box::pin(sleep(wait)));
        }
    }

    fn count_ping(&mut self) -> Result<(), Closing> {
        self.pings
            .count(Instant::now())
            .map_err(|_| Closing::quiet(1008, Problem::ProtocolError, "too many pings"))
    }

    /// Gives the browser what the bridge said, and flushes once when nothing more is there.
    fn poll_mailbox(&mut self, cx: &mut Context<'_>) -> Result<Round, Outcome> {
        let mut any = Round::Waits;
        loop {
            if self.to_browser.is_empty() {
                match self.mailbox.poll_take(&mut self.to_browser, cx) {
                    Poll::Ready(Taken::Items) => self.to_browser.reverse(),
                    Poll::Ready(Taken::Over(over)) => return Err(Outcome::Close(over.into())),
                    Poll::Pending => break,
                }
            }
            match self.poll_give(cx) {
                Poll::Ready(Ok(())) => any = Round::Moves,
                Poll::Ready(Err(outcome)) => return Err(outcome),
                Poll::Pending => {
                    return match self.mailbox.poll_over(cx) {
                        Poll::Ready(over) => Err(Outcome::Close(over.into())),
                        Poll::Pending => Ok(any),
                    };
                }
            }
        }
        // The answers that were due with the delivered items.
        self.session.link.send(&mut self.to_bridge);
        if self.flush == Flush::Needed {
            match Pin::new(&mut self.browser).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.flush = Flush::Done,
                Poll::Ready(Err(_gone)) => return Err(Outcome::Gone),
                Poll::Pending => {}
            }
        }
        if self.to_browser.capacity() > KEPT_ITEMS {
            self.to_browser = Vec::new();
        }
        Ok(any)
    }

    /// Gives all of `to_browser` to the browser's buffer.
    fn poll_give(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Outcome>> {
        let mut progress = Progress::None;
        while !self.to_browser.is_empty() {
            let ready = Pin::new(&mut self.browser).poll_ready(cx);
            if ready.is_pending() && progress == Progress::Some {
                self.progress = Instant::now();
            }
            if ready!(ready).is_err() {
                return Poll::Ready(Err(Outcome::Gone));
            }
            progress = Progress::Some;
            let message = match self.to_browser.pop() {
                Some(Item::Text(frame)) => {
                    let Ok(text) = Utf8Bytes::try_from(frame.clone()) else {
                        self.close_garbled(&frame);
                        continue;
                    };
                    Message::Text(text)
                }
                Some(Item::Binary(frame)) => Message::Binary(frame),
                Some(Item::Closed(id)) => {
                    self.channels.remove(&id);
                    continue;
                }
                Some(Item::Answer(message)) => {
                    encode_control(&message, &mut self.to_bridge);
                    continue;
                }
                None => break,
            };
            self.flush = Flush::Needed;
            if Pin::new(&mut self.browser).start_send(message).is_err() {
                return Poll::Ready(Err(Outcome::Gone));
            }
        }
        if progress == Progress::Some {
            self.progress = Instant::now();
        }
        Poll::Ready(Ok(()))
    }

    /// Closes a text channel whose data are no text, at both ends.
    fn close_garbled(&mut self, frame: &[u8]) {
        let Some((id, _)) = split_frame(frame) else { return };
        if !self.channels.remove(id) {
            return;
        }
        self.session.link.forget(id, self.id);
        if let Some(message) = close_message(id, Problem::ProtocolError) {
            encode_control(&message, &mut self.to_bridge);
            self.to_browser.push(Item::Text(control_frame(&message)));
        }
    }

    /// Closes what this socket opened, toward the bridge.
    fn close_channels(&mut self) {
        for id in std::mem::take(&mut self.channels) {
            self.session.link.forget(&id, self.id);
            if let Some(message) = close_message(&id, Problem::Disconnected) {
                encode_control(&message, &mut self.to_bridge);
            }
        }
        self.session.link.send(&mut self.to_bridge);
        self.session.detach(self.id, Boottime::now());
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    Moves,
    Waits,
}

impl Closing {
    fn quiet(code: u16, problem: Problem, words: &str) -> Self {
        Self { code, problem, announced: Announced::No, words: words.to_owned() }
    }

    fn announced(problem: Problem, words: &str) -> Self {
        Self { code: 1011, problem, announced: Announced::Yes, words: words.to_owned() }
    }

    fn violation(words: &str) -> Self {
        Self::announced(Problem::ProtocolError, words)
    }

    fn overflow() -> Self {
        Self::quiet(1008, Problem::TooLarge, "does not read what it asked for")
    }
}

impl From<Over> for Closing {
    fn from(over: Over) -> Self {
        match over {
            Over::Overflow => Self::overflow(),
            Over::Session(end) => Self::quiet(1001, end.problem(), "the session ended"),
        }
    }
}

fn opcode(open: &Open) -> Opcode {
    match open.encoding {
        Encoding::Text => Opcode::Text,
        Encoding::Binary => Opcode::Binary,
    }
}

fn read_failure(error: axum::Error) -> Outcome {
    match error
        .into_inner()
        .downcast::<tungstenite::Error>()
        .map(|error| *error)
    {
        Ok(tungstenite::Error::Capacity(_)) => {
            Outcome::Close(Closing::quiet(1009, Problem::TooLarge, "message too long"))
        }
        Ok(tungstenite::Error::Utf8(_)) => {
            Outcome::Close(Closing::quiet(1007, Problem::ProtocolError, "text that is not UTF-8"))
        }
        // The connection broke, or what came is not the WebSocket protocol: nobody is there to be told.
        Ok(_) | Err(_) => Outcome::Gone,
    }
}

/// Tells a browser without a session so and closes (T3): `init` with the problem, then 1001.
pub(crate) async fn refuse(mut browser: WebSocket, problem: Problem) {
    let init = Control::Init(Init {
        version: VERSION,
        host: None,
        problem: Some(problem.clone()),
        fields: protocol::json::Fields::new(),
    });
    let Ok(text) = Utf8Bytes::try_from(control_frame(&init.to_bytes())) else { return };
    let words = timeout(GOODBYE, browser.send(Message::Text(text))).await;
    if matches!(words, Ok(Ok(()))) {
        say_goodbye(&mut browser, &Closing::quiet(1001, problem, "no session")).await;
    }
}

/// Sends the close frame and waits a moment for the browser's.
async fn say_goodbye(browser: &mut WebSocket, closing: &Closing) {
    let exchange = async {
        if closing.announced == Announced::Yes {
            let message = Control::Other {
                command: "close".to_owned(),
                channel: None,
                fields: [("problem".to_owned(), closing.problem.code().into())]
                    .into_iter()
                    .collect(),
            };
            let text = Utf8Bytes::try_from(control_frame(&message.to_bytes()))?;
            browser.send(Message::Text(text)).await?;
        }
        let reason = Utf8Bytes::from(closing.problem.code());
        browser
            .send(Message::Close(Some(CloseFrame { code: closing.code, reason })))
            .await?;
        while let Some(Ok(_last_words)) = browser.recv().await {}
        Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    };
    // Whether the browser hears it or not, the socket ends here.
    let _told = timeout(GOODBYE, exchange).await;
}

fn our_init(session: &Session, id: TakerId, package_hosts: PackageHosts) -> Bytes {
    let package_hosts = match package_hosts {
        PackageHosts::Any => "any",
        PackageHosts::Own => "own",
    };
    let fields = [
        ("channel-seed", format!("{}:", id.0).into()),
        ("csrf-token", session.csrf().as_str().into()),
        (
            "capabilities",
            serde_json::json!(["multi", "credentials", "binary", "websocket-channel-close-fix"]),
        ),
        // For our shell, which passes channels of packages on.
        ("package-hosts", package_hosts.into()),
        ("system", serde_json::json!({ "version": SPOKEN_VERSION })),
    ];
    let init = Control::Init(Init {
        version: VERSION,
        host: Some("localhost".to_owned()),
        problem: None,
        fields: fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    });
    init.to_bytes()
}

/// A control message as a whole frame.
pub(crate) fn control_frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(message.len() + 1);
    frame.extend_from_slice(b"\n");
    frame.extend_from_slice(message);
    frame.freeze()
}

/// Makes an id for a channel that the server itself opens.
pub(crate) fn own_channel(number: u64) -> Option<ChannelId> {
    ChannelId::try_from(format!("0:{number}").as_str()).ok()
}

/// The version of Cockpit whose packages we serve: `requires` of a manifest is compared with it.
const SPOKEN_VERSION: &str = "337";

const PING: &[u8] = b"\n{\"command\":\"ping\"}";

/// How often the page is pinged; it takes the link for dead after 30 s of silence.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// How long a browser may take to answer our close frame.
const GOODBYE: Duration = Duration::from_millis(800);

/// Messages read before the bridge gets them.
const MESSAGES_PER_ROUND: usize = 256;

/// Bytes read before the bridge gets them.
const BATCH: usize = 128 << 10;

/// Rounds in one turn of the task, so that other tasks get theirs.
const ROUNDS_PER_TURN: usize = 8;

/// Bytes of buffer that a quiet socket keeps.
const KEPT_WHILE_IDLE: usize = 16 << 10;

/// Items for which a quiet socket keeps room.
const KEPT_ITEMS: usize = 256;
