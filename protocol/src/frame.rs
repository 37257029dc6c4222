//! Frames: the unit every link carries.
//!
//! A frame is one channel id, a newline and one payload; on a byte stream its length in decimal and a newline stand
//! before it. The empty channel id is the control channel. This module turns bytes into frames and back; it owns no
//! socket, clock or task. Callers: `server::relay`, `bridge::link`. Format: docs/protocol.md, "Framing".

use bytes::{Buf, Bytes, BytesMut};

use crate::limits::{MAX_CONTROL, MAX_FRAME, MAX_LENGTH_DIGITS};
use crate::names::{ChannelId, ChannelIdError};

/// One frame, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A control message: one JSON object, at most [`MAX_CONTROL`] bytes.
    Control(Bytes),
    /// Data of a channel.
    Data(ChannelId, Bytes),
}

/// Why bytes are not a frame. Always the sender's fault; the link ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length line is not a canonical decimal number above zero.
    #[error("malformed frame length")]
    BadLength,
    /// The frame would be longer than [`MAX_FRAME`].
    #[error("frame of {0} bytes, at most {MAX_FRAME} are allowed")]
    TooLong(usize),
    /// A control message would be longer than [`MAX_CONTROL`].
    #[error("control message of {0} bytes, at most {MAX_CONTROL} are allowed")]
    ControlTooLong(usize),
    /// There is no newline behind the channel id.
    #[error("frame without a channel id")]
    NoChannel,
    /// The channel id is not one.
    #[error(transparent)]
    BadChannel(#[from] ChannelIdError),
}

impl Frame {
    /// Parses a whole frame without its length line: what one WebSocket message holds.
    ///
    /// # Errors
    ///
    /// [`FrameError`] when there is no channel id, or a limit is exceeded.
    pub fn parse(mut bytes: Bytes) -> Result<Self, FrameError> {
        if bytes.len() > MAX_FRAME {
            return Err(FrameError::TooLong(bytes.len()));
        }
        let id_length = bytes
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or(FrameError::NoChannel)?;
        let id = bytes.split_to(id_length);
        bytes.advance(1);
        match (id.is_empty(), bytes.len() > MAX_CONTROL) {
            (true, true) => Err(FrameError::ControlTooLong(bytes.len())),
            (true, false) => Ok(Self::Control(bytes)),
            (false, _) => Ok(Self::Data(ChannelId::parse(id)?, bytes)),
        }
    }
}

/// Turns the bytes of a stream into frames.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    received: BytesMut,
}

impl FrameDecoder {
    /// Adds received bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// The buffer to read the next bytes into, with room for `room` more.
    pub fn buffer(&mut self, room: usize) -> &mut BytesMut {
        self.received.reserve(room);
        &mut self.received
    }

    /// Gives back a buffer of more than `capacity` bytes when nothing is in it.
    pub fn release_above(&mut self, capacity: usize) {
        if self.received.is_empty() && self.received.capacity() > capacity {
            self.received = BytesMut::new();
        }
    }

    /// Whether the stream may end here: no frame is half received.
    pub fn is_between_frames(&self) -> bool {
        self.received.is_empty()
    }

    /// Takes the next whole frame; `None` asks for more bytes.
    ///
    /// # Errors
    ///
    /// [`FrameError::TooLong`] as soon as the length line is in, before the frame is buffered.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        match self.next_unparsed()? {
            Some(frame) => Frame::parse(frame).map(Some),
            None => Ok(None),
        }
    }

    /// Takes the next whole frame unparsed, as it stands in one WebSocket message: channel id, newline, payload.
    ///
    /// # Errors
    ///
    /// [`FrameError::BadLength`] and [`FrameError::TooLong`] as [`Self::next_frame`]; what the frame holds is the
    /// caller's to check.
    pub fn next_unparsed(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some((length, line)) = announced_length(&self.received)? else {
            return Ok(None);
        };
        if self.received.len() < line + length {
            return Ok(None);
        }
        self.received.advance(line);
        Ok(Some(self.received.split_to(length).freeze()))
    }
}

/// The length that the stream announces and the bytes of the line that says so, once the line is whole.
fn announced_length(received: &[u8]) -> Result<Option<(usize, usize)>, FrameError> {
    let mut length = 0_usize;
    for (digits, &byte) in received.iter().enumerate() {
        match byte {
            b'\n' if digits > 0 && length > MAX_FRAME => return Err(FrameError::TooLong(length)),
            b'\n' if digits > 0 => return Ok(Some((length, digits + 1))),
            b'0' if digits == 0 => return Err(FrameError::BadLength),
            b'0'..=b'9' if digits < MAX_LENGTH_DIGITS => {
                length = length * 10 + usize::from(byte - b'0');
            }
            _ => return Err(FrameError::BadLength),
        }
    }
    Ok(None)
}

/// Appends a data frame with its length line to `stream`.
pub fn encode_data(channel: &ChannelId, payload: &[u8], stream: &mut BytesMut) {
    encode(channel.as_bytes(), payload, stream);
}

/// Appends a control frame with its length line to `stream`.
pub fn encode_control(message: &[u8], stream: &mut BytesMut) {
    encode(b"", message, stream);
}

/// Appends a frame that came as one WebSocket message (channel id, newline, payload) with its length line to `stream`.
pub fn encode_unparsed(frame: &[u8], stream: &mut BytesMut) {
    stream.reserve(MAX_LENGTH_DIGITS + 1 + frame.len());
    push_decimal(frame.len(), stream);
    stream.extend_from_slice(b"\n");
    stream.extend_from_slice(frame);
}

fn encode(channel: &[u8], payload: &[u8], stream: &mut BytesMut) {
    let length = channel.len() + 1 + payload.len();
    stream.reserve(MAX_LENGTH_DIGITS + 1 + length);
    push_decimal(length, stream);
    stream.extend_from_slice(b"\n");
    stream.extend_from_slice(channel);
    stream.extend_from_slice(b"\n");
    stream.extend_from_slice(payload);
}

fn push_decimal(number: usize, stream: &mut BytesMut) {
    let mut digits = [b'0'; 20];
    let mut rest = number;
    let mut first = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit += u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        first = at;
        if rest == 0 {
            break;
        }
    }
    stream.extend_from_slice(digits.get(first..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn channel(id: &str) -> ChannelId {
        ChannelId::try_from(id).unwrap()
    }

    #[test]
    fn decoder_waits_for_the_rest_of_a_split_frame() {
        let mut decoder = FrameDecoder::default();
        decoder.feed(b"6\na5\na");
        assert_eq!(decoder.next_frame(), Ok(None));

        decoder.feed(b"bc");
        assert_eq!(decoder.next_frame(), Ok(Some(Frame::Data(channel("a5"), "abc".into()))));
        assert!(decoder.is_between_frames());
    }

    #[test]
    fn decoder_refuses_lengths_that_are_not_canonical() {
        for stream in ["0\n", "01\n", "+3\n", "-1\n", "\n", " 3\n", "3 \n", "1234567890\n", "abc"] {
            let mut decoder = FrameDecoder::default();
            decoder.feed(stream.as_bytes());
            assert_eq!(decoder.next_frame(), Err(FrameError::BadLength), "{stream:?}");
        }
    }

    #[test]
    fn decoder_refuses_a_too_long_frame_before_it_is_buffered() {
        let mut decoder = FrameDecoder::default();
        decoder.feed(format!("{}\n", MAX_FRAME + 1).as_bytes());
        assert_eq!(decoder.next_frame(), Err(FrameError::TooLong(MAX_FRAME + 1)));
    }

    #[test]
    fn a_control_message_over_its_limit_is_refused() {
        let mut message = vec![b'\n'];
        message.resize(MAX_CONTROL + 2, b' ');
        assert_eq!(Frame::parse(message.into()), Err(FrameError::ControlTooLong(MAX_CONTROL + 1)));
    }

    #[test]
    fn an_unparsed_frame_comes_out_as_it_went_in() {
        let mut stream = BytesMut::new();
        encode_unparsed(b"a5\nabc", &mut stream);
        assert_eq!(&stream[..], b"6\na5\nabc");

        let mut decoder = FrameDecoder::default();
        decoder.feed(&stream);
        assert_eq!(decoder.next_unparsed(), Ok(Some(Bytes::from_static(b"a5\nabc"))));
        assert_eq!(decoder.next_unparsed(), Ok(None));
    }

    proptest! {
        #[test]
        fn frames_survive_encoding_and_any_cut(
            frames in prop::collection::vec(("[!-~]{0,12}", prop::collection::vec(any::<u8>(), 0..64)), 1..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut stream = BytesMut::new();
            let mut expected = Vec::new();
            for (id, payload) in &frames {
                if let Ok(id) = ChannelId::try_from(id.as_str()) {
                    encode_data(&id, payload, &mut stream);
                    expected.push(Frame::Data(id, payload.clone().into()));
                } else {
                    encode_control(payload, &mut stream);
                    expected.push(Frame::Control(payload.clone().into()));
                }
            }
            let (first, second) = stream.split_at(cut.index(stream.len()));
            let mut decoder = FrameDecoder::default();
            let mut seen = Vec::new();
            for part in [first, second] {
                decoder.feed(part);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    seen.push(frame);
                }
            }
            prop_assert_eq!(seen, expected);
        }

        #[test]
        fn received_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let mut decoder = FrameDecoder::default();
            decoder.feed(&bytes);
            while let Ok(Some(_)) = decoder.next_frame() {}
        }
    }
}
