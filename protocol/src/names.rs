//! Names that cross the wire, parsed once and valid ever after.
//!
//! Used by every crate; nothing here resolves or looks anything up.

mod host_spec;

use bytes::Bytes;

pub use self::host_spec::{DnsName, HostName, HostSpec, HostSpecError, Port, UserName};
use crate::limits::MAX_CHANNEL_ID;

/// The name of one channel, chosen by the side that opens it; never empty.
///
/// Graphic ASCII of at most [`MAX_CHANNEL_ID`] bytes. Cheap to clone: it shares the bytes of the frame it came in.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(Bytes);

/// Why a channel id is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelIdError {
    /// The empty id names the control channel.
    #[error("channel id is empty")]
    Empty,
    /// More than [`MAX_CHANNEL_ID`] bytes.
    #[error("channel id has {0} bytes, at most {MAX_CHANNEL_ID} are allowed")]
    TooLong(usize),
    /// A byte outside of graphic ASCII.
    #[error("channel id contains byte {0:#04x}, only graphic ASCII is allowed")]
    BadByte(u8),
}

impl ChannelId {
    /// Checks `bytes` and takes them as a channel id.
    ///
    /// # Errors
    ///
    /// [`ChannelIdError`], always the sender's fault.
    pub fn parse(bytes: Bytes) -> Result<Self, ChannelIdError> {
        if bytes.is_empty() {
            return Err(ChannelIdError::Empty);
        }
        if bytes.len() > MAX_CHANNEL_ID {
            return Err(ChannelIdError::TooLong(bytes.len()));
        }
        match bytes.iter().find(|byte| !byte.is_ascii_graphic()) {
            Some(&byte) => Err(ChannelIdError::BadByte(byte)),
            None => Ok(Self(bytes)),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The id as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<&str> for ChannelId {
    type Error = ChannelIdError;

    fn try_from(text: &str) -> Result<Self, ChannelIdError> {
        Self::parse(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl std::fmt::Display for ChannelId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for ChannelId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChannelId({self})")
    }
}

#[test]
fn channel_ids_are_graphic_ascii_of_limited_length() {
    assert!(ChannelId::try_from("2:4!17").is_ok());
    assert_eq!(ChannelId::try_from(""), Err(ChannelIdError::Empty));
    assert_eq!(ChannelId::try_from("a b"), Err(ChannelIdError::BadByte(b' ')));
    assert_eq!(ChannelId::try_from("a".repeat(257).as_str()), Err(ChannelIdError::TooLong(257)));
}
