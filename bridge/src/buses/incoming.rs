//! Messages out of the bytes of a connection.
//!
//! Holds what was read and not taken yet. A message that is longer than the buffer gets a place of its own, into which
//! the rest is read. Waits for nothing and owns no socket. Caller: `bus`. Source: D-Bus specification, "Message Format".

use std::os::fd::OwnedFd;

use futures_util::FutureExt as _;
use protocol::dbus_json::{DecodeError, Endian, descriptor_count};
use zbus::Message;
use zbus::connection::socket::ReadHalf;

/// Bytes that are read at once: many small messages, or the beginning of a large one.
const BUFFER: usize = 16 << 10;

/// The part of a header that says how long the message is: sixteen bytes.
const FIXED_HEADER: usize = 16;

/// Longest message, by the specification.
const MAX_MESSAGE: usize = 128 << 20;

/// Descriptors that may wait for the message that says it has them.
const MAX_DESCRIPTORS: usize = 1_024;

/// What came over a connection is no message.
#[derive(Debug, thiserror::Error)]
pub(super) enum IncomingError {
    /// The first sixteen bytes are no beginning of a header, or announce too much.
    #[error("what came over the bus is no message")]
    Header,
    /// More descriptors came than messages say they have, or fewer.
    #[error("messages of the bus and their descriptors do not fit together")]
    Descriptors,
    /// The header's fields cannot be read.
    #[error("a message of the bus is broken: {0}")]
    Fields(#[from] DecodeError),
    /// The header's fields are wrong.
    #[error("a message of the bus is broken: {0}")]
    Message(#[from] zbus::Error),
}

/// Bytes and descriptors that came.
#[derive(Debug)]
pub(super) struct Incoming {
    buffer: Box<[u8]>,
    /// What was not taken yet lies from `start` to `end`.
    start: usize,
    end: usize,
    /// The message that is longer than the buffer, and how much of it is there.
    large: Option<(Vec<u8>, usize)>,
    descriptors: Vec<OwnedFd>,
}

impl Default for Incoming {
    fn default() -> Self {
        Self {
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            large: None,
            descriptors: Vec::new(),
        }
    }
}

impl Incoming {
    /// Where the next bytes go, never empty once [`Incoming::next_message`] had nothing more, and where their descriptors go.
    pub(super) fn room(&mut self) -> (&mut [u8], &mut Vec<OwnedFd>) {
        if let Some((message, there)) = &mut self.large {
            return (message.get_mut(*there..).unwrap_or_default(), &mut self.descriptors);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        (self.buffer.get_mut(self.end..).unwrap_or_default(), &mut self.descriptors)
    }

    /// Takes that `length` bytes were read.
    pub(super) fn filled(&mut self, length: usize) {
        match &mut self.large {
            Some((_, there)) => *there += length,
            None => self.end += length,
        }
    }

    /// Takes a line without its end, as the handshake has them; `None` when its end is not there yet.
    pub(super) fn next_line(&mut self) -> Option<String> {
        let waiting = self.waiting();
        let end = waiting.windows(2).position(|two| two == b"\r\n")?;
        let line = waiting.get(..end).unwrap_or_default();
        let line = String::from_utf8_lossy(line).into_owned();
        self.start += end + 2;
        Some(line)
    }

    /// Takes the next whole message; `None` when more must be read.
    ///
    /// # Errors
    ///
    /// [`IncomingError`], the other end's fault: the connection cannot go on.
    pub(super) fn next_message(&mut self) -> Result<Option<Message>, IncomingError> {
        if let Some((message, there)) = &mut self.large {
            if *there < message.len() {
                return Ok(None);
            }
            let message = std::mem::take(message);
            self.large = None;
            return self.message(message).map(Some);
        }
        let waiting = self.waiting();
        let Some(header) = waiting.first_chunk() else { return Ok(None) };
        let length = message_length(header)?;
        if let Some(message) = waiting.get(..length) {
            let message = message.to_vec();
            self.start += length;
            return self.message(message).map(Some);
        }
        if length > BUFFER {
            let mut message = Vec::with_capacity(length);
            message.extend_from_slice(waiting);
            let there = message.len();
            message.resize(length, 0);
            self.large = Some((message, there));
            (self.start, self.end) = (0, 0);
        }
        Ok(None)
    }

    fn waiting(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// The message that `bytes` are, with the descriptors that it says it has.
    fn message(&mut self, bytes: Vec<u8>) -> Result<Message, IncomingError> {
        let wanted = match (self.descriptors.is_empty(), bytes.first()) {
            (true, _) => 0,
            (false, Some(b'B')) => descriptor_count(&bytes, Endian::Big)?,
            (false, _) => descriptor_count(&bytes, Endian::Little)?,
        };
        if wanted > self.descriptors.len() || self.descriptors.len() > MAX_DESCRIPTORS {
            return Err(IncomingError::Descriptors);
        }
        let own = self.descriptors.drain(..wanted).collect();
        parse(bytes, own)
    }
}

/// How long the message is whose header begins with these bytes.
fn message_length(header: &[u8; FIXED_HEADER]) -> Result<usize, IncomingError> {
    let [order, _, _, _, b0, b1, b2, b3, _, _, _, _, f0, f1, f2, f3] = *header;
    let number = match order {
        b'l' => u32::from_le_bytes,
        b'B' => u32::from_be_bytes,
        _ => return Err(IncomingError::Header),
    };
    let (body, fields) = (number([b0, b1, b2, b3]) as usize, number([f0, f1, f2, f3]) as usize);
    let length = (FIXED_HEADER + fields).next_multiple_of(8) + body;
    if length > MAX_MESSAGE { Err(IncomingError::Header) } else { Ok(length) }
}

/// A message of its bytes. zbus makes none of them but in the place where it reads; all of them are there already.
fn parse(mut bytes: Vec<u8>, mut descriptors: Vec<OwnedFd>) -> Result<Message, IncomingError> {
    let mut nothing_more = NothingMore;
    let message = nothing_more.receive_message(0, &mut bytes, &mut descriptors);
    match message.now_or_never() {
        Some(message) => Ok(message?),
        None => Err(IncomingError::Header),
    }
}

/// The end of what can be read.
#[derive(Debug)]
struct NothingMore;

impl ReadHalf for NothingMore {}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &(impl serde::Serialize + zbus::wire::DynamicType)) -> Vec<u8> {
        let message = Message::signal("/a", "a.b", "C").build(body).unwrap();
        message.data().bytes().to_vec()
    }

    /// Feeds `bytes` in pieces of `piece` bytes; the bodies of the messages that come out.
    fn feed(incoming: &mut Incoming, mut bytes: &[u8], piece: usize) -> Vec<String> {
        let mut bodies = Vec::new();
        while !bytes.is_empty() {
            let (room, _) = incoming.room();
            let length = piece.min(bytes.len()).min(room.len());
            assert!(length > 0, "there is room");
            room[..length].copy_from_slice(&bytes[..length]);
            bytes = &bytes[length..];
            incoming.filled(length);
            while let Some(message) = incoming.next_message().unwrap() {
                bodies.push(message.body().deserialize::<String>().unwrap());
            }
        }
        bodies
    }

    #[test]
    fn messages_come_out_whole_however_they_are_cut() {
        for (count, body) in
            [(3, "x".to_owned()), (2, "y".repeat(BUFFER)), (1, "z".repeat(BUFFER * 5))]
        {
            let bytes = message(&body.as_str()).repeat(count);
            for piece in [1, 15, 16, 17, 4_096, BUFFER, usize::MAX] {
                let mut incoming = Incoming::default();
                assert_eq!(
                    feed(&mut incoming, &bytes, piece),
                    vec![body.clone(); count],
                    "{piece}"
                );
                assert_eq!(feed(&mut incoming, &bytes, piece).len(), count, "and again");
            }
        }
    }

    #[test]
    fn what_is_no_message_or_announces_too_much_is_refused() {
        let good = message(&"x");
        for (at, byte) in [(0, b'x'), (7, 0xff), (15, 0xff), (3, 2)] {
            let mut incoming = Incoming::default();
            let (room, _) = incoming.room();
            room[..good.len()].copy_from_slice(&good);
            room[at] = byte;
            incoming.filled(good.len());
            assert!(incoming.next_message().is_err(), "{at}");
        }
    }

    #[test]
    fn a_message_that_says_it_has_descriptors_which_did_not_come_is_refused() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let with_two = message(&(zbus::Fd::from(&null), zbus::Fd::from(&null)));
        for there in 0..3 {
            let mut incoming = Incoming::default();
            let (room, descriptors) = incoming.room();
            room[..with_two.len()].copy_from_slice(&with_two);
            descriptors.extend((0..there).map(|_| null.try_clone().unwrap().into()));
            incoming.filled(with_two.len());
            match incoming.next_message() {
                Ok(Some(message)) => assert_eq!((there, message.data().fds().len()), (2, 2)),
                Ok(None) => panic!("the message is whole"),
                Err(_) => assert!(there < 2),
            }
        }
    }
}
