//! A page: one WebSocket with channels on it, without a library between.
//!
//! Frames are masked with zeros, which a server cannot tell from any other mask and which costs this side nothing.

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

use crate::http;
use crate::subject::Visitor;
use crate::wire::{Wait, Wire};

/// A page on its socket, after both `init`s.
pub(crate) struct Page {
    wire: Wire,
    outgoing: Vec<u8>,
    seed: String,
    opened: u64,
}

/// What came.
pub(crate) enum Incoming<'a> {
    /// A control message.
    Control(Map<String, Value>),
    /// Data of a channel.
    Data(&'a [u8]),
}

/// Text or bytes.
#[derive(Clone, Copy)]
pub(crate) enum Opcode {
    /// UTF-8.
    Text = 1,
    /// Bytes.
    Binary = 2,
}

impl Page {
    /// Connects, shakes hands, and greets.
    pub(crate) fn open(visitor: &Visitor) -> Result<Self> {
        Self::open_on(visitor.connect()?, visitor)
    }

    /// The same on a connection that stands.
    pub(crate) fn open_on(mut wire: Wire, visitor: &Visitor) -> Result<Self> {
        let headers = format!(
            "Origin: https://{host}\r\nCookie: {cookie}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: cockpit1\r\n",
            host = visitor.host,
            cookie = visitor.cookie,
        );
        let answer = http::get(&mut wire, &visitor.host, "/cockpit/socket", &headers)?;
        if answer.status != 101 {
            bail!("no WebSocket: {}", answer.status);
        }
        let outgoing = Vec::new();
        let mut page = Self { wire, outgoing, seed: String::new(), opened: 0 };
        let init = page.control()?;
        if init.get("command") != Some(&json!("init")) || init.contains_key("problem") {
            bail!("init expected, not {init:?}");
        }
        init.get("channel-seed")
            .and_then(Value::as_str)
            .unwrap_or("1:")
            .clone_into(&mut page.seed);
        page.say(&json!({ "command": "init", "version": 1 }));
        Ok(page)
    }

    /// Opens a channel and returns its id. `options` is an object.
    pub(crate) fn channel(&mut self, options: Value) -> Result<String> {
        let mut options = options;
        self.opened += 1;
        let id = format!("{}{}", self.seed, self.opened);
        let members = options.as_object_mut().context("options are an object")?;
        members.insert("command".to_owned(), "open".into());
        members.insert("channel".to_owned(), id.as_str().into());
        members.insert("flow-control".to_owned(), true.into());
        self.say(&options);
        self.flush()?;
        Ok(id)
    }

    /// Opens a channel and waits until it is ready.
    pub(crate) fn ready_channel(&mut self, options: Value) -> Result<String> {
        let id = self.channel(options)?;
        let message = self.control()?;
        if message.get("command") != Some(&json!("ready")) {
            bail!("ready expected, not {message:?}");
        }
        Ok(id)
    }

    /// Queues a control message.
    pub(crate) fn say(&mut self, message: &Value) {
        self.frame(Opcode::Text, "", message.to_string().as_bytes());
    }

    /// Queues a message of a channel.
    pub(crate) fn frame(&mut self, opcode: Opcode, channel: &str, payload: &[u8]) {
        let length = channel.len() + 1 + payload.len();
        self.outgoing.push(0x80 | opcode as u8);
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ ..=125), _) => self.outgoing.push(MASKED | short),
            (_, Ok(length)) => {
                self.outgoing.push(MASKED | 0x7e);
                self.outgoing.extend_from_slice(&length.to_be_bytes());
            }
            _ => {
                self.outgoing.push(MASKED | 0x7f);
                self.outgoing
                    .extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        self.outgoing.extend_from_slice(&[0; 4]);
        self.outgoing.extend_from_slice(channel.as_bytes());
        self.outgoing.push(b'\n');
        self.outgoing.extend_from_slice(payload);
    }

    /// Sends what is queued, as far as the kernel takes it, and reads what is there.
    pub(crate) fn flush(&mut self) -> Result<()> {
        if !self.outgoing.is_empty() {
            self.wire.write(&self.outgoing)?;
            self.outgoing.clear();
        }
        self.wire.turn(Wait::No)
    }

    /// Whether the server does not take what we send at the moment.
    pub(crate) fn is_clogged(&self) -> bool {
        self.wire.is_clogged()
    }

    /// Gives `take` what comes until it breaks.
    pub(crate) fn each<T>(
        &mut self,
        mut take: impl FnMut(Incoming<'_>) -> Result<Option<T>>,
    ) -> Result<T> {
        loop {
            if let Some(found) = self.each_received(&mut take)? {
                return Ok(found);
            }
            self.flush()?;
            if message(self.wire.received())?.is_none() {
                self.wire.turn(Wait::Yes)?;
            }
        }
    }

    /// Gives `take` what has come, until it breaks.
    pub(crate) fn each_received<T>(
        &mut self,
        take: &mut impl FnMut(Incoming<'_>) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        while let Some((opcode, start, end)) = message(self.wire.received())? {
            let body = self.wire.received().get(start..end).unwrap_or_default();
            let mut pong = None;
            let found = match (opcode, body) {
                (8, _) => bail!("the server closes the socket"),
                (1, [b'\n', control @ ..]) => {
                    let mut control: Map<String, Value> = serde_json::from_slice(control)?;
                    if control.get("command") == Some(&json!("ping")) {
                        control.insert("command".to_owned(), "pong".into());
                        pong = Some(Value::Object(control));
                        None
                    } else {
                        take(Incoming::Control(control))?
                    }
                }
                (1 | 2, data) => {
                    let id = data
                        .iter()
                        .position(|&byte| byte == b'\n')
                        .context("a channel id")?;
                    take(Incoming::Data(data.get(id + 1..).unwrap_or_default()))?
                }
                _ => None,
            };
            self.wire.take(end);
            if let Some(pong) = pong {
                self.say(&pong);
            }
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Waits for a control message.
    pub(crate) fn control(&mut self) -> Result<Map<String, Value>> {
        self.each(|incoming| match incoming {
            Incoming::Control(message) => Ok(Some(message)),
            Incoming::Data(_) => Ok(None),
        })
    }

    /// Waits for data and says how many bytes came.
    pub(crate) fn data(&mut self) -> Result<usize> {
        self.each(|incoming| match incoming {
            Incoming::Control(message) => bail!("data expected, not {message:?}"),
            Incoming::Data(data) => Ok(Some(data.len())),
        })
    }

    /// Waits for `close`, which must not name a problem. Returns how many bytes of data came before.
    pub(crate) fn until_closed(&mut self) -> Result<usize> {
        let mut bytes = 0;
        self.each(|incoming| {
            match incoming {
                Incoming::Data(data) => bytes += data.len(),
                Incoming::Control(message) => {
                    if message.contains_key("problem") {
                        bail!("closed: {message:?}");
                    }
                    if message.get("command") == Some(&json!("close")) {
                        return Ok(Some(()));
                    }
                }
            }
            Ok(None)
        })?;
        Ok(bytes)
    }

    /// Closes a channel.
    pub(crate) fn close(&mut self, channel: &str) -> Result<()> {
        self.say(&json!({ "command": "close", "channel": channel }));
        self.flush()
    }
}

/// The bit that says that a mask follows.
const MASKED: u8 = 0x80;

/// Opcode, start and end of the first message in `received`, when it is whole (RFC 6455, 5.2). Servers mask nothing.
fn message(received: &[u8]) -> Result<Option<(u8, usize, usize)>> {
    let [first, second, rest @ ..] = received else { return Ok(None) };
    if first & 0x80 == 0 {
        bail!("the server sends fragments");
    }
    let (length, start) = match (second & 0x7f, rest) {
        (126, [a, b, ..]) => (usize::from(u16::from_be_bytes([*a, *b])), 4),
        (127, [_, _, _, _, a, b, c, d, ..]) => (u32::from_be_bytes([*a, *b, *c, *d]) as usize, 10),
        (126 | 127, _) => return Ok(None),
        (length, _) => (usize::from(length), 2),
    };
    Ok((received.len() >= start + length).then_some((first & 0x0f, start, start + length)))
}
