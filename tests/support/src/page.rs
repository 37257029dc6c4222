//! A scripted page: what a browser's page, or the server on its behalf, says to a bridge.
//!
//! It greets the other end, opens channels, and collects what comes. Every wait has a limit, so that a
//! test that would hang fails and says what it waited for.

use std::collections::{HashSet, VecDeque};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use protocol::control::{Control, Init, VERSION};
use protocol::frame::{self, Frame, FrameDecoder};
use protocol::json::Fields;
use protocol::names::ChannelId;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use crate::browser::Socket;

/// How long a test waits for anything before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A page: on a link to a bridge, or on a WebSocket to the server.
pub struct Page {
    wire: Wire,
    /// Channels that were opened with binary data: what decides the kind of WebSocket message.
    binary: HashSet<String>,
    /// Frames that came while another was waited for.
    earlier: VecDeque<Frame>,
    /// The other end's `init`.
    pub init: Init,
}

/// What a page stands on.
enum Wire {
    Link { socket: UnixStream, decoder: FrameDecoder },
    WebSocket(Box<Socket>),
}

/// What came on one channel until it was closed.
#[derive(Debug, Default)]
pub struct Conversation {
    /// The members of `ready`, if it came.
    pub ready: Option<Fields>,
    /// All data, in order.
    pub data: Vec<u8>,
    /// Each message's length.
    pub messages: Vec<usize>,
    /// Whether `done` came.
    pub done: bool,
    /// The members of `close`; `problem` among them.
    pub close: Fields,
}

impl Conversation {
    /// The problem code of `close`.
    pub fn problem(&self) -> Option<&str> {
        self.close.get("problem").and_then(Value::as_str)
    }

    /// The data as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.data).expect("data of a text channel")
    }
}

impl Page {
    /// A page, and the bridge's end of the link. [`Page::greet`] must follow.
    pub fn pair() -> (Self, StdUnixStream) {
        let (ours, theirs) = StdUnixStream::pair().expect("a socket pair");
        (Self::new(ours), theirs)
    }

    /// A page on a socket that leads to a bridge.
    pub fn new(socket: StdUnixStream) -> Self {
        socket.set_nonblocking(true).expect("a socket");
        let socket = UnixStream::from_std(socket).expect("a tokio runtime");
        Self::on(Wire::Link { socket, decoder: FrameDecoder::default() })
    }

    /// A page on a WebSocket to the server.
    pub fn on_websocket(socket: Socket) -> Self {
        Self::on(Wire::WebSocket(Box::new(socket)))
    }

    fn on(wire: Wire) -> Self {
        Self { wire, binary: HashSet::new(), earlier: VecDeque::new(), init: Init::default() }
    }

    /// Takes the server's `init` and answers it.
    pub async fn greet_server(&mut self) {
        match self.next_control().await {
            Control::Init(init) => self.init = init,
            other => panic!("init expected, not {other:?}"),
        }
        self.control(&json!({ "command": "init", "version": VERSION }))
            .await;
    }

    /// Takes the bridge's `init` and answers it.
    pub async fn greet(&mut self) {
        match self.next_control().await {
            Control::Init(init) => self.init = init,
            other => panic!("init expected, not {other:?}"),
        }
        self.control(&json!({ "command": "init", "version": VERSION, "host": "localhost" }))
            .await;
    }

    /// Opens a channel: `options` holds `payload` and all others.
    pub async fn open(&mut self, channel: &str, options: Value) {
        let Value::Object(mut open) = options else { panic!("options are an object") };
        open.insert("command".to_owned(), "open".into());
        open.insert("channel".to_owned(), channel.into());
        if open.get("binary").is_some_and(|binary| binary != false) {
            self.binary.insert(channel.to_owned());
        }
        self.control(&Value::Object(open)).await;
    }

    /// Sends a control message.
    pub async fn control(&mut self, message: &Value) {
        self.control_bytes(message.to_string().as_bytes()).await;
    }

    /// Sends the bytes of a control message.
    pub async fn control_bytes(&mut self, message: &[u8]) {
        match &mut self.wire {
            Wire::Link { .. } => {
                let mut stream = BytesMut::new();
                frame::encode_control(message, &mut stream);
                self.raw(&stream).await;
            }
            Wire::WebSocket(socket) => {
                let text = format!("\n{}", String::from_utf8_lossy(message));
                socket
                    .send(Message::Text(text.into()))
                    .await
                    .expect("the server reads");
            }
        }
    }

    /// Sends data.
    pub async fn data(&mut self, channel: &str, payload: &[u8]) {
        match &mut self.wire {
            Wire::Link { .. } => {
                let mut stream = BytesMut::new();
                frame::encode_data(&id(channel), payload, &mut stream);
                self.raw(&stream).await;
            }
            Wire::WebSocket(socket) => {
                let mut message = format!("{channel}\n").into_bytes();
                message.extend_from_slice(payload);
                let message = if self.binary.contains(channel) {
                    Message::Binary(message.into())
                } else {
                    Message::Text(String::from_utf8(message).expect("text").into())
                };
                socket.send(message).await.expect("the server reads");
            }
        }
    }

    /// Says that no more data will come.
    pub async fn done(&mut self, channel: &str) {
        self.control(&json!({ "command": "done", "channel": channel }))
            .await;
    }

    /// Closes a channel.
    pub async fn close(&mut self, channel: &str) {
        self.control(&json!({ "command": "close", "channel": channel }))
            .await;
    }

    /// Sends bytes on a link as they are.
    pub async fn raw(&mut self, stream: &[u8]) {
        match &mut self.wire {
            Wire::Link { socket, .. } => socket.write_all(stream).await.expect("the bridge reads"),
            Wire::WebSocket(_) => panic!("a WebSocket carries messages"),
        }
    }

    /// The next frame; `None` when the bridge has ended the link.
    pub async fn next_frame(&mut self) -> Option<Frame> {
        if let Some(frame) = self.earlier.pop_front() {
            return Some(frame);
        }
        self.receive().await
    }

    /// The next control message, past data.
    pub async fn next_control(&mut self) -> Control {
        loop {
            match self
                .next_frame()
                .await
                .expect("a control message before the end")
            {
                Frame::Control(message) => {
                    return Control::parse(&message).expect("a control message");
                }
                Frame::Data(..) => {}
            }
        }
    }

    /// The next data of `channel`; other frames wait.
    pub async fn next_data(&mut self, channel: &str) -> Bytes {
        let wanted = id(channel);
        self.next_where(
            |frame| matches!(frame, Frame::Data(id, _) if *id == wanted),
            |frame| match frame {
                Frame::Data(_, payload) => payload,
                Frame::Control(_) => Bytes::new(),
            },
        )
        .await
    }

    /// The next data of `channel`, or the members of its `close`.
    ///
    /// # Errors
    ///
    /// When it was closed.
    pub async fn next_data_or_close(&mut self, channel: &str) -> Result<Bytes, Fields> {
        let wanted = id(channel);
        loop {
            match self.next_for(&wanted).await {
                Frame::Data(_, payload) => return Ok(payload),
                Frame::Control(message) => match Control::parse(&message).expect("parsed before") {
                    Control::Close { problem, mut fields, .. } => {
                        if let Some(problem) = problem {
                            fields.insert("problem".to_owned(), problem.code().into());
                        }
                        return Err(fields);
                    }
                    Control::Ping { channel, fields } => {
                        let pong = Control::Pong { channel, fields }.to_bytes();
                        self.control_bytes(&pong).await;
                    }
                    _ => {}
                },
            }
        }
    }

    /// The next data of `channel` as JSON.
    pub async fn next_json(&mut self, channel: &str) -> Value {
        serde_json::from_slice(&self.next_data(channel).await).expect("JSON")
    }

    /// The next control message about `channel`; other frames wait.
    pub async fn next_about(&mut self, channel: &str) -> Control {
        let wanted = id(channel);
        let about = |frame: &Frame| match frame {
            Frame::Control(message) => {
                Control::parse(message).is_ok_and(|control| control.channel() == Some(&wanted))
            }
            Frame::Data(..) => false,
        };
        self.next_where(about, |frame| match frame {
            Frame::Control(message) => Control::parse(&message).expect("parsed before"),
            Frame::Data(..) => panic!("not a control message"),
        })
        .await
    }

    /// Waits for `ready` of `channel`; a `close` in its place fails the test.
    pub async fn ready(&mut self, channel: &str) -> Fields {
        match self.next_about(channel).await {
            Control::Ready { fields, .. } => fields,
            other => panic!("ready expected, not {other:?}"),
        }
    }

    /// Collects all that comes on `channel` until it is closed, and answers its pings.
    pub async fn converse(&mut self, channel: &str) -> Conversation {
        let wanted = id(channel);
        let mut seen = Conversation::default();
        loop {
            let frame = self.next_for(&wanted).await;
            match frame {
                Frame::Data(_, payload) => {
                    seen.messages.push(payload.len());
                    seen.data.extend_from_slice(&payload);
                }
                Frame::Control(message) => match Control::parse(&message).expect("parsed before") {
                    Control::Ready { fields, .. } => seen.ready = Some(fields),
                    Control::Done { .. } => seen.done = true,
                    Control::Close { problem, mut fields, .. } => {
                        if let Some(problem) = problem {
                            fields.insert("problem".to_owned(), problem.code().into());
                        }
                        seen.close = fields;
                        return seen;
                    }
                    Control::Ping { channel, fields } => {
                        let pong = Control::Pong { channel, fields }.to_bytes();
                        self.control_bytes(&pong).await;
                    }
                    _ => {}
                },
            }
        }
    }

    async fn next_for(&mut self, wanted: &ChannelId) -> Frame {
        let about = |frame: &Frame| match frame {
            Frame::Control(message) => {
                Control::parse(message).is_ok_and(|control| control.channel() == Some(wanted))
            }
            Frame::Data(id, _) => id == wanted,
        };
        self.next_where(about, |frame| frame).await
    }

    async fn next_where<T>(
        &mut self,
        wanted: impl Fn(&Frame) -> bool,
        take: impl FnOnce(Frame) -> T,
    ) -> T {
        if let Some(at) = self.earlier.iter().position(&wanted)
            && let Some(frame) = self.earlier.remove(at)
        {
            return take(frame);
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let frame = tokio::time::timeout_at(deadline, self.wire.receive())
                .await
                .unwrap_or_else(|_| panic!("not within 20 s; there was {:?}", self.earlier))
                .expect("more frames before the end of the link");
            if wanted(&frame) {
                return take(frame);
            }
            self.earlier.push_back(frame);
        }
    }

    async fn receive(&mut self) -> Option<Frame> {
        let receiving = self.wire.receive();
        tokio::time::timeout(PATIENCE, receiving)
            .await
            .expect("something within 20 s")
    }
}

impl Wire {
    async fn receive(&mut self) -> Option<Frame> {
        match self {
            Self::Link { socket, decoder } => loop {
                if let Some(frame) = decoder.next_frame().expect("frames from the bridge") {
                    return Some(frame);
                }
                match socket.read_buf(decoder.buffer(64 << 10)).await {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => {}
                }
            },
            Self::WebSocket(socket) => loop {
                let frame = match socket.next().await? {
                    Ok(Message::Text(text)) => text.into(),
                    Ok(Message::Binary(bytes)) => bytes,
                    Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
                    Ok(Message::Close(_)) | Err(_) => return None,
                };
                return Some(Frame::parse(frame).expect("frames from the server"));
            },
        }
    }
}

fn id(channel: &str) -> ChannelId {
    ChannelId::try_from(channel).expect("a channel id")
}
