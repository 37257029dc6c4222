//! A scripted page: the other end of a bridge's link.

use std::collections::VecDeque;
use std::time::Duration;

use bridge::link::Link;
use bytes::{Bytes, BytesMut};
use protocol::control::Control;
use protocol::frame::{self, Frame, FrameDecoder};
use protocol::json::Fields;
use protocol::names::ChannelId;
use protocol::problem::Problem;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// How long the page waits for anything before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// The one channel that most tests open.
pub(crate) const CHANNEL: &str = "1";

/// What a page sees of a channel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    Ready(Fields),
    Data(Bytes),
    Done,
    Close(Option<Problem>, Fields),
    Ack(u64),
    Other(String, Fields),
}

/// All that one channel said until it was closed.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) ready: Option<Fields>,
    pub(crate) frames: Vec<Bytes>,
    pub(crate) done: bool,
    pub(crate) problem: Option<Problem>,
    pub(crate) close: Fields,
    pub(crate) acks: u64,
    pub(crate) others: Vec<(String, Fields)>,
}

impl Whole {
    pub(crate) fn data(&self) -> Vec<u8> {
        self.frames.concat()
    }

    /// Each frame as JSON.
    pub(crate) fn json(&self) -> Vec<Value> {
        let parse = |frame: &Bytes| serde_json::from_slice(frame).unwrap();
        self.frames.iter().map(parse).collect()
    }
}

pub(crate) struct Page {
    stream: UnixStream,
    decoder: FrameDecoder,
    seen: VecDeque<(String, Seen)>,
    pongs: usize,
    /// Ends with the page.
    _program: Option<tokio::process::Child>,
}

impl Page {
    /// Starts a bridge and greets it.
    pub(crate) async fn new() -> Self {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let link = Link::from_socket(theirs).unwrap();
        tokio::spawn(async move {
            bridge::run(link, bridge::inherited::Inherited::default())
                .await
                .unwrap();
        });
        Self::greet(ours, None).await
    }

    /// Starts the bridge's program with these variables, and greets it.
    pub(crate) async fn of_program(variables: &[(&str, &std::path::Path)]) -> Self {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let output = theirs.try_clone().unwrap();
        #[expect(clippy::disallowed_methods, reason = "the test starts what it tests")]
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_pilothouse-bridge"));
        let program = command
            .envs(variables.iter().copied())
            .stdin(std::os::fd::OwnedFd::from(theirs))
            .stdout(std::os::fd::OwnedFd::from(output))
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        drop(command);
        Self::greet(ours, Some(program)).await
    }

    async fn greet(
        ours: std::os::unix::net::UnixStream,
        program: Option<tokio::process::Child>,
    ) -> Self {
        ours.set_nonblocking(true).unwrap();
        let mut page = Self {
            stream: UnixStream::from_std(ours).unwrap(),
            decoder: FrameDecoder::default(),
            seen: VecDeque::new(),
            pongs: 0,
            _program: program,
        };
        page.control(&json!({"command": "init", "version": 1, "host": "localhost"}))
            .await;
        page
    }

    /// Opens [`CHANNEL`] with these options; `payload` among them.
    pub(crate) async fn open(&mut self, options: Value) {
        let mut open = json!({"command": "open", "channel": CHANNEL});
        for (name, value) in options.as_object().unwrap() {
            open[name] = value.clone();
        }
        self.control(&open).await;
    }

    /// Opens a channel, sends `done`, and returns all that it says.
    pub(crate) async fn whole(options: Value) -> Whole {
        let mut page = Self::new().await;
        page.open(options).await;
        page.done().await;
        page.rest().await
    }

    pub(crate) async fn control(&mut self, message: &Value) {
        let mut stream = BytesMut::new();
        frame::encode_control(message.to_string().as_bytes(), &mut stream);
        self.stream.write_all(&stream).await.unwrap();
    }

    pub(crate) async fn data(&mut self, data: &[u8]) {
        let mut stream = BytesMut::new();
        frame::encode_data(&ChannelId::try_from(CHANNEL).unwrap(), data, &mut stream);
        self.stream.write_all(&stream).await.unwrap();
    }

    pub(crate) async fn done(&mut self) {
        self.control(&json!({"command": "done", "channel": CHANNEL}))
            .await;
    }

    pub(crate) async fn close(&mut self) {
        self.control(&json!({"command": "close", "channel": CHANNEL}))
            .await;
    }

    /// What comes next on [`CHANNEL`]. Answers pings as pages do.
    pub(crate) async fn next(&mut self) -> Seen {
        loop {
            if let Some((channel, seen)) = self.seen.pop_front() {
                assert_eq!(channel, CHANNEL);
                return seen;
            }
            tokio::time::timeout(PATIENCE, self.receive())
                .await
                .expect("the bridge says nothing");
        }
    }

    async fn receive(&mut self) {
        let read = self
            .stream
            .read_buf(self.decoder.buffer(64 << 10))
            .await
            .unwrap();
        assert_ne!(read, 0, "the bridge ended");
        while let Some(frame) = self.decoder.next_frame().unwrap() {
            match frame {
                Frame::Data(channel, data) => {
                    self.seen
                        .push_back((channel.as_str().to_owned(), Seen::Data(data)));
                }
                Frame::Control(message) => self.take(&message).await,
            }
        }
    }

    async fn take(&mut self, message: &[u8]) {
        let control = Control::parse(message).unwrap();
        let Some(channel) = control.channel().map(|channel| channel.as_str().to_owned()) else {
            self.pongs += usize::from(matches!(control, Control::Pong { .. }));
            return;
        };
        let seen = match control {
            Control::Ready { fields, .. } => Seen::Ready(fields),
            Control::Done { .. } => Seen::Done,
            Control::Close { problem, fields, .. } => Seen::Close(problem, fields),
            Control::Ack { bytes, .. } => Seen::Ack(bytes),
            Control::Other { command, fields, .. } => Seen::Other(command, fields),
            Control::Ping { fields, .. } => {
                let mut pong = Value::Object(fields);
                pong["command"] = "pong".into();
                pong["channel"] = channel.into();
                return Box::pin(self.control(&pong)).await;
            }
            unexpected => panic!("{unexpected:?}"),
        };
        self.seen.push_back((channel, seen));
    }

    pub(crate) async fn ready(&mut self) -> Fields {
        match self.next().await {
            Seen::Ready(fields) => fields,
            other => panic!("ready was expected, not {other:?}"),
        }
    }

    /// The next data, as JSON.
    pub(crate) async fn json(&mut self) -> Value {
        match self.next().await {
            Seen::Data(data) => serde_json::from_slice(&data).unwrap(),
            other => panic!("data were expected, not {other:?}"),
        }
    }

    /// All that [`CHANNEL`] says until it is closed.
    pub(crate) async fn rest(&mut self) -> Whole {
        let mut whole = Whole {
            ready: None,
            frames: Vec::new(),
            done: false,
            problem: None,
            close: Fields::new(),
            acks: 0,
            others: Vec::new(),
        };
        loop {
            match self.next().await {
                Seen::Ready(fields) => whole.ready = Some(fields),
                Seen::Data(data) => {
                    assert!(!whole.done, "data after done");
                    whole.frames.push(data);
                }
                Seen::Done => whole.done = true,
                Seen::Ack(bytes) => whole.acks += bytes,
                Seen::Other(command, fields) => whole.others.push((command, fields)),
                Seen::Close(problem, fields) => {
                    whole.problem = problem;
                    whole.close = fields;
                    return whole;
                }
            }
        }
    }

    /// Goes through one whole round with the bridge, so that what was sent before has been handled.
    pub(crate) async fn round_trip(&mut self) {
        let before = self.pongs;
        self.control(&json!({"command": "ping"})).await;
        while self.pongs == before {
            tokio::time::timeout(PATIENCE, self.receive())
                .await
                .expect("the bridge says nothing");
        }
    }
}

/// The text of a field, for assertions.
pub(crate) fn text<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or("")
}

/// Applies a merge patch (RFC 7396).
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let target = target.as_object_mut().unwrap();
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}
