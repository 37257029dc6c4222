//! A scripted page: it speaks the protocol to a bridge over a socket pair.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bridge::link::Link;
use bytes::BytesMut;
use protocol::frame::{self, Frame, FrameDecoder};
use protocol::names::ChannelId;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Longer than anything here takes, a bus that says nothing for half a minute included; a test that waits so long fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// The page's end of a link to a bridge that serves it.
pub(crate) struct Page {
    stream: UnixStream,
    decoder: FrameDecoder,
    waiting: HashMap<String, VecDeque<Value>>,
    last_channel: u32,
    last_call: u32,
}

impl Page {
    /// A page with a bridge of its own.
    pub(crate) async fn new() -> Self {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        tokio::spawn(async move {
            bridge::run(Link::from_socket(theirs).unwrap(), bridge::inherited::Inherited::default())
                .await
        });
        let mut page = Self {
            stream: UnixStream::from_std(ours).unwrap(),
            decoder: FrameDecoder::default(),
            waiting: HashMap::new(),
            last_channel: 0,
            last_call: 0,
        };
        assert_eq!(page.control().await["command"], "init");
        page.send_control(&json!({"command": "init", "version": 1, "host": "localhost"}))
            .await;
        page
    }

    /// Opens a channel and returns its id.
    pub(crate) async fn open(&mut self, mut options: Value) -> String {
        self.last_channel += 1;
        let channel = self.last_channel.to_string();
        options["command"] = "open".into();
        options["channel"] = channel.clone().into();
        options["payload"] = "dbus-json3".into();
        self.send_control(&options).await;
        channel
    }

    /// Opens a channel to `name` on the bus at `address` and waits until it is ready and its owner was told.
    pub(crate) async fn open_name(&mut self, address: &str, name: &str) -> String {
        let channel = self.open(json!({"address": address, "name": name})).await;
        let ready = self.control().await;
        assert_eq!(ready["command"], "ready", "{ready}");
        assert!(self.next(&channel).await["owner"].is_string());
        channel
    }

    /// Sends a message on a channel.
    pub(crate) async fn send(&mut self, channel: &str, message: Value) {
        let channel = ChannelId::try_from(channel).unwrap();
        let mut bytes = BytesMut::new();
        frame::encode_data(&channel, message.to_string().as_bytes(), &mut bytes);
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// Sends a call and returns its id.
    pub(crate) async fn call(&mut self, channel: &str, mut message: Value) -> Value {
        self.last_call += 1;
        let id = json!(self.last_call.to_string());
        message["id"] = id.clone();
        self.send(channel, message).await;
        id
    }

    /// Calls and waits for the reply, which must be the next message of the channel.
    pub(crate) async fn ask(&mut self, channel: &str, message: Value) -> Value {
        let id = self.call(channel, message).await;
        let reply = self.next(channel).await;
        assert_eq!(reply["id"], id, "{reply}");
        reply
    }

    /// The next message of a channel.
    pub(crate) async fn next(&mut self, channel: &str) -> Value {
        self.take(channel).await
    }

    /// The next control message.
    pub(crate) async fn control(&mut self) -> Value {
        self.take("").await
    }

    /// Waits for the end of a channel and returns its `close`.
    pub(crate) async fn closed(&mut self, channel: &str) -> Value {
        loop {
            let message = self.control().await;
            if message["command"] == "close" && message["channel"] == channel {
                return message;
            }
        }
    }

    /// Sends a control message.
    pub(crate) async fn send_control(&mut self, message: &Value) {
        let mut bytes = BytesMut::new();
        frame::encode_control(message.to_string().as_bytes(), &mut bytes);
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn take(&mut self, channel: &str) -> Value {
        let taking = async {
            loop {
                if let Some(message) = self.waiting.get_mut(channel).and_then(VecDeque::pop_front) {
                    return message;
                }
                while let Some(frame) = self.decoder.next_frame().unwrap() {
                    let (channel, message) = match frame {
                        Frame::Control(message) => (String::new(), message),
                        Frame::Data(channel, message) => (channel.to_string(), message),
                    };
                    let message = serde_json::from_slice(&message).unwrap();
                    self.waiting.entry(channel).or_default().push_back(message);
                }
                if self.waiting.get(channel).is_none_or(VecDeque::is_empty) {
                    let buffer = self.decoder.buffer(64 << 10);
                    assert!(self.stream.read_buf(buffer).await.unwrap() > 0, "the link ended");
                }
            }
        };
        let taken = tokio::time::timeout(PATIENCE, taking).await;
        taken.unwrap_or_else(|_| panic!("no message on channel {channel:?}"))
    }
}
