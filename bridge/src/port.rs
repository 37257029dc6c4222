//! The port of a channel: where its data come in and go out.
//!
//! Waiting, flow control, acknowledgements and the cutting of text between characters belong here, so that a channel
//! reads as its specification. A port has two halves, [`Receiver`] and [`Sender`], that a channel may use at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use protocol::control::{Control, Encoding, FlowControl, Open, SendAcks};
use protocol::flow::SendWindow;
use protocol::json::Fields;
use protocol::limits::DATA_BLOCK;
use protocol::names::ChannelId;
use protocol::problem::Problem;
use tokio::sync::{Notify, mpsc};

use crate::Bridge;
use crate::channel::Closed;
use crate::outbox::Outbox;

/// Bytes that may wait for one channel before it is closed: a page that sends a file to a program that does not read.
pub const INBOX_BYTES: usize = 16 << 20;

/// Messages that may wait for one channel, for the same reason.
pub const INBOX_MESSAGES: usize = 16 << 10;

/// One channel's connection to the page.
#[derive(Debug)]
pub struct Port {
    /// What comes from the page.
    pub receiver: Receiver,
    /// What goes to the page.
    pub sender: Sender,
    /// What all channels share.
    pub bridge: Arc<Bridge>,
}

/// The router's end of a port.
#[derive(Debug)]
pub struct Inbox {
    queue: mpsc::Sender<Message>,
    shared: Arc<Shared>,
}

/// What a channel receives.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// Data.
    Data(Bytes),
    /// No more data will come.
    Done,
    /// Options that changed.
    Options(Fields),
    /// A message that only the payload knows (`active` of `session-control`).
    Other {
        /// Its command.
        command: String,
        /// Its members.
        fields: Fields,
    },
}

#[derive(Debug)]
enum Message {
    Incoming(Incoming),
    /// To be answered when all that came before it was used.
    Ping(Fields),
}

#[derive(Debug)]
struct Shared {
    waiting_bytes: AtomicUsize,
    window: Mutex<SendWindow>,
    window_moved: Notify,
}

impl Port {
    /// A port for `open`, and the router's end of it.
    pub fn new(open: &Open, bridge: Arc<Bridge>) -> (Self, Inbox) {
        let (queue, messages) = mpsc::channel(INBOX_MESSAGES);
        let shared = Arc::new(Shared {
            waiting_bytes: AtomicUsize::new(0),
            window: Mutex::default(),
            window_moved: Notify::new(),
        });
        let outbox = bridge.outbox.clone();
        let receiver = Receiver {
            channel: open.channel.clone(),
            messages,
            outbox: outbox.clone(),
            shared: Arc::clone(&shared),
            acks: open.send_acks,
        };
        let sender = Sender {
            channel: open.channel.clone(),
            outbox,
            shared: Arc::clone(&shared),
            encoding: open.encoding,
            flow_control: open.flow_control,
            cut_character: Vec::new(),
        };
        (Self { receiver, sender, bridge }, Inbox { queue, shared })
    }

    /// Whether the page wants bytes or text.
    pub fn encoding(&self) -> Encoding {
        self.sender.encoding
    }

    /// Tells the page that the channel is in use.
    pub fn ready(&self, fields: Fields) {
        self.sender.ready(fields);
    }

    /// Waits for what comes from the page; `None` when nothing more can come.
    pub async fn receive(&mut self) -> Option<Incoming> {
        self.receiver.receive().await
    }

    /// Sends data, when page and link have room for them.
    pub async fn send(&mut self, data: &[u8]) {
        self.sender.send(data).await;
    }

    /// Tells the page that no more data will come.
    pub fn done(&mut self) {
        self.sender.done();
    }
}

/// The half of a port from which data come.
#[derive(Debug)]
pub struct Receiver {
    channel: ChannelId,
    messages: mpsc::Receiver<Message>,
    outbox: Outbox,
    shared: Arc<Shared>,
    acks: SendAcks,
}

impl Receiver {
    /// Waits for what comes from the page; `None` when nothing more can come.
    ///
    /// Asking for the next message says that the last one was used, unless [`Receiver::used`] was told otherwise.
    pub async fn receive(&mut self) -> Option<Incoming> {
        loop {
            match self.messages.recv().await? {
                Message::Ping(fields) => {
                    let channel = Some(self.channel.clone());
                    self.outbox.control(&Control::Pong { channel, fields });
                }
                Message::Incoming(Incoming::Data(data)) => {
                    self.shared
                        .waiting_bytes
                        .fetch_sub(data.len(), Ordering::Relaxed);
                    return Some(Incoming::Data(data));
                }
                Message::Incoming(other) => return Some(other),
            }
        }
    }

    /// Says that `bytes` of data were used: written, not only received. Sends an `ack` if the page wants them.
    pub fn used(&self, bytes: usize) {
        if self.acks == SendAcks::Bytes && bytes > 0 {
            let bytes = bytes as u64;
            self.outbox
                .control(&Control::Ack { channel: self.channel.clone(), bytes });
        }
    }
}

/// The half of a port into which data go.
#[derive(Debug)]
pub struct Sender {
    channel: ChannelId,
    outbox: Outbox,
    shared: Arc<Shared>,
    encoding: Encoding,
    flow_control: FlowControl,
    /// The first bytes of a character whose rest has not come yet; always empty for binary channels.
    cut_character: Vec<u8>,
}

impl Sender {
    /// The channel's id.
    pub fn channel(&self) -> &ChannelId {
        &self.channel
    }

    /// Whether the page wants bytes or text.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Tells the page that the channel is in use.
    pub fn ready(&self, fields: Fields) {
        self.outbox
            .control(&Control::Ready { channel: self.channel.clone(), fields });
    }

    /// Sends a control message about this channel that only its payload knows (`response` of `http-stream2`).
    pub fn control(&self, command: &str, fields: Fields) {
        let channel = Some(self.channel.clone());
        self.outbox
            .control(&Control::Other { command: command.to_owned(), channel, fields });
    }

    /// Waits until both page and link have room for another block.
    pub async fn room(&self) {
        if self.flow_control == FlowControl::On {
            loop {
                let moved = self.shared.window_moved.notified();
                if self.shared.window().is_open() {
                    break;
                }
                moved.await;
            }
        }
        self.outbox.room().await;
    }

    /// Sends data in blocks, each when there is room for it. On a text channel invalid bytes become U+FFFD, and a
    /// character that is cut at the end of `data` waits for its rest.
    pub async fn send(&mut self, data: &[u8]) {
        match self.encoding {
            Encoding::Binary => self.send_blocks(data).await,
            Encoding::Text => match std::str::from_utf8(data) {
                Ok(text) if self.cut_character.is_empty() => self.send_text(text).await,
                Ok(_) | Err(_) => {
                    let text = self.whole_characters(data);
                    self.send_text(&text).await;
                }
            },
        }
    }

    /// Sends one message now, uncut, without waiting for room: for messages whose number the page decides.
    pub fn send_now(&mut self, data: &[u8]) {
        self.outbox.data(&self.channel, data);
        self.count(data.len());
    }

    /// Tells the page that no more data will come.
    pub fn done(&mut self) {
        if !self.cut_character.is_empty() {
            self.cut_character.clear();
            self.send_now("\u{fffd}".as_bytes());
        }
        self.outbox
            .control(&Control::Done { channel: self.channel.clone() });
    }

    async fn send_blocks(&mut self, data: &[u8]) {
        for block in data.chunks(DATA_BLOCK) {
            self.room().await;
            self.send_now(block);
        }
    }

    async fn send_text(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let (block, after) = rest.split_at(rest.floor_char_boundary(DATA_BLOCK));
            self.room().await;
            self.send_now(block.as_bytes());
            rest = after;
        }
    }

    /// What was cut off last time and `data`, as text without the character that is cut at its end.
    fn whole_characters(&mut self, data: &[u8]) -> String {
        let mut bytes = std::mem::take(&mut self.cut_character);
        bytes.extend_from_slice(data);
        let cut = cut_character_length(&bytes);
        self.cut_character = bytes.split_off(bytes.len() - cut);
        String::from_utf8(bytes)
            .unwrap_or_else(|invalid| String::from_utf8_lossy(invalid.as_bytes()).into_owned())
    }

    fn count(&self, bytes: usize) {
        if self.flow_control == FlowControl::Off {
            return;
        }
        if let Some(sequence) = self.shared.window().sent(bytes) {
            let mut fields = Fields::new();
            fields.insert("sequence".to_owned(), sequence.into());
            let channel = Some(self.channel.clone());
            self.outbox.control(&Control::Ping { channel, fields });
        }
    }
}

/// How many bytes at the end of `bytes` are the beginning of a character whose rest is missing.
fn cut_character_length(bytes: &[u8]) -> usize {
    let end = bytes.len().saturating_sub(3);
    let tail = bytes.get(end..).unwrap_or_default();
    for (at, byte) in tail.iter().enumerate().rev() {
        let wanted = match byte {
            0x00..=0x7f | 0xf8.. => return 0,
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
        };
        let there = tail.len() - at;
        return if there < wanted { there } else { 0 };
    }
    0
}

impl Inbox {
    /// Gives the channel a message from the page.
    ///
    /// # Errors
    ///
    /// [`Closed`] with `too-large` when too much waits for the channel already: it must be closed.
    pub fn deliver(&self, incoming: Incoming) -> Result<(), Closed> {
        if let Incoming::Data(data) = &incoming {
            let waiting = self
                .shared
                .waiting_bytes
                .fetch_add(data.len(), Ordering::Relaxed);
            if waiting + data.len() > INBOX_BYTES {
                return Err(overfull());
            }
        }
        self.put(Message::Incoming(incoming))
    }

    /// Gives the channel a control message about it. Its `ping` is answered when all that came before was used.
    ///
    /// # Errors
    ///
    /// As [`Inbox::deliver`].
    pub fn control(&self, control: Control) -> Result<(), Closed> {
        match control {
            Control::Done { .. } => self.deliver(Incoming::Done),
            Control::Options { fields, .. } => self.deliver(Incoming::Options(fields)),
            Control::Ping { fields, .. } => self.put(Message::Ping(fields)),
            Control::Pong { fields, .. } => {
                self.pong(&fields);
                Ok(())
            }
            Control::Other { command, fields, .. } => {
                self.deliver(Incoming::Other { command, fields })
            }
            Control::Init(_)
            | Control::Open(_)
            | Control::Ready { .. }
            | Control::Close { .. }
            | Control::Ack { .. }
            | Control::Kill { .. }
            | Control::Authorize { .. }
            | Control::Logout { .. }
            | Control::SuperuserInitDone => Ok(()),
        }
    }

    fn pong(&self, fields: &Fields) {
        if let Some(sequence) = fields.get("sequence").and_then(serde_json::Value::as_u64) {
            self.shared.window().answered(sequence);
            self.shared.window_moved.notify_waiters();
        }
    }

    fn put(&self, message: Message) -> Result<(), Closed> {
        match self.queue.try_send(message) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(overfull()),
        }
    }
}

impl Shared {
    fn window(&self) -> std::sync::MutexGuard<'_, SendWindow> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn overfull() -> Closed {
    let limit = INBOX_BYTES >> 20;
    Closed::new(
        Problem::TooLarge,
        format!(
            "more than {limit} MiB or {INBOX_MESSAGES} messages wait for this channel, which does not read them"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_beginning_of_a_character_is_kept_back() {
        for (bytes, cut) in [
            (&b""[..], 0),
            (b"abc", 0),
            ("ä".as_bytes(), 0),
            (b"a\xc3", 1),
            (b"\xe2\x82", 2),
            (b"\xf0\x9f\x98", 3),
            (b"\xf0\x9f\x98\x80", 0),
            (b"\x80\x80\x80\x80", 0),
            (b"\xff", 0),
        ] {
            assert_eq!(cut_character_length(bytes), cut, "{bytes:x?}");
        }
    }
}
