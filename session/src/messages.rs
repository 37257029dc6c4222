//! Requests and replies between `serve` and the root helper of one login: bytes to messages and back.
//!
//! A message is the length of what follows (u32, little-endian, at most [`MAX_MESSAGE`]), one byte for its kind,
//! and fields: byte strings after a u32 length, numbers as u32, choices as one byte, lists after a u32 count.
//! Whatever does not fit exactly is an error; nothing is skipped. This module owns no socket, clock or task, and
//! it is the only parser that runs as root before a login; what the server alone runs is in `server_side`. Callers:
//! `connection` in the helper, and `server`.

mod server_side;

use std::num::TryFromIntError;

use protocol::secret::Secret;
use zeroize::Zeroizing;

/// Largest message in bytes, without its length. A longer one is refused as soon as its length is known.
pub const MAX_MESSAGE: usize = 64 << 10;

/// Bytes of the length that stands before each message.
pub const LENGTH_BYTES: usize = 4;

/// Most answers in one [`Request::Answer`], as many as PAM asks at once (`PAM_MAX_NUM_MSG`).
pub const MAX_ANSWERS: usize = 32;

/// Most messages in one reply: a whole batch of PAM and the texts that waited for it.
pub const MAX_MESSAGES: usize = 64;

/// Longest user name in bytes (`LOGIN_NAME_MAX`).
pub const MAX_USER: usize = 256;

/// What `serve` asks of the helper. The order is that of [`crate::monitor`].
#[derive(Debug)]
pub enum Request {
    /// Begins the one attempt of this helper.
    Authenticate {
        /// Account to log in as, as it was typed.
        user: String,
        /// Answer to the first prompt without echo.
        password: Secret,
        /// Address of the browser as text; PAM gets it as `PAM_RHOST`.
        remote_host: String,
        /// Whether the bridge gets the password.
        reuse_password: ReusePassword,
    },
    /// One answer to each message of the last [`Reply::Prompt`] that [asks](Style::asks), in its order.
    Answer(Vec<Secret>),
    /// Opens the PAM session and starts the bridge.
    StartBridge,
}

/// The box *Reuse my password for superuser access and other hosts*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReusePassword {
    /// Not ticked: the password ends with the PAM conversation.
    Forget,
    /// Ticked: the bridge reads the password from a pipe.
    Keep,
}

/// What the helper answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// PAM asks; [`Request::Answer`] must follow. At least one message asks.
    Prompt(Vec<Message>),
    /// The account may log in; [`Request::StartBridge`] may follow.
    Authenticated {
        /// The account's name as PAM left it (`PAM_USER`).
        user: String,
        /// Texts that no prompt has carried; none of them asks.
        messages: Vec<Message>,
    },
    /// No login. The helper ends.
    Refused {
        /// Why.
        reason: Refusal,
        /// Texts that no prompt has carried; none of them asks. Empty with [`Refusal::AuthenticationFailed`].
        messages: Vec<Message>,
    },
    /// The bridge runs. The server's end of its socket comes with the first byte of this message (`SCM_RIGHTS`).
    BridgeStarted {
        /// Process id of the bridge, for log lines only: it may be reused once [`Reply::Ended`] is here.
        pid: u32,
    },
    /// The bridge and its jobs have ended and the PAM session is closed. The helper ends.
    Ended {
        /// How the bridge ended.
        bridge: BridgeEnd,
    },
}

/// One text of a PAM module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What kind of text it is.
    pub style: Style,
    /// As the module wrote it; may hold line breaks and control characters.
    pub text: String,
}

/// Kind of a PAM message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Asks; the answer must not be seen.
    Secret,
    /// Asks; the answer may be seen.
    Visible,
    /// Tells.
    Info,
    /// Tells of a failure; the conversation may go on after it.
    Error,
}

impl Style {
    /// Whether a message of this kind wants an answer.
    pub fn asks(self) -> bool {
        matches!(self, Self::Secret | Self::Visible)
    }
}

/// Why there is no login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Wrong password, unknown or locked account: one code, so that nobody learns which names exist.
    AuthenticationFailed,
    /// Right password, but the account has run out.
    AccountExpired,
    /// Right password, but it must be changed and was not.
    PasswordExpired,
    /// Right password, but this account may not log in now or here.
    AccessDenied,
    /// Right password, but the account's shell is not one of this machine's login shells.
    UnsupportedShell,
    /// PAM wants no further try.
    TooManyAttempts,
    /// This machine has no PAM library.
    PamUnavailable,
    /// Something else failed; the helper's log line says what.
    Internal,
}

/// How a bridge ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BridgeEnd {
    /// By itself, with this exit status.
    Exited(u32),
    /// By this signal.
    Killed(u32),
}

/// Why bytes are no message, or a message cannot become bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Longer than [`MAX_MESSAGE`], or a list or name longer than its own limit.
    #[error("the message or a field of it is too long")]
    TooLong,
    /// The fields are not those of a message of this kind, or there is no such kind.
    #[error("the message has fields that do not fit its kind")]
    Malformed,
    /// A zero byte in what PAM gets as a C string: it would cut a password short.
    #[error("a field for PAM holds a zero byte")]
    ZeroByte,
}

impl From<TryFromIntError> for MessageError {
    fn from(_: TryFromIntError) -> Self {
        Self::TooLong
    }
}

/// Bytes that follow the length `announced`, for readers that want no byte more.
///
/// # Errors
///
/// [`MessageError::TooLong`]: the peer does not speak this protocol.
pub fn announced_length(announced: [u8; LENGTH_BYTES]) -> Result<usize, MessageError> {
    let length = usize::try_from(u32::from_le_bytes(announced))?;
    if length > MAX_MESSAGE { Err(MessageError::TooLong) } else { Ok(length) }
}

impl Request {
    /// Takes the first message of `received`, and how many bytes it took; `None` asks for more bytes.
    ///
    /// # Errors
    ///
    /// [`MessageError`]: the sender does not speak this protocol, and the connection is of no more use.
    pub fn decode(received: &[u8]) -> Result<Option<(Self, usize)>, MessageError> {
        let Some((mut fields, taken)) = Fields::of_first_message(received)? else {
            return Ok(None);
        };
        let request = match fields.byte()? {
            AUTHENTICATE => Self::Authenticate {
                user: text(within(fields.for_pam()?, MAX_USER)?)?,
                password: Secret::new(fields.for_pam()?.to_vec()),
                remote_host: text(fields.for_pam()?)?,
                reuse_password: fields.choice(&REUSE)?,
            },
            ANSWER => {
                let count = fields.count(MAX_ANSWERS)?;
                let answer = |_| Ok(Secret::new(fields.for_pam()?.to_vec()));
                let answers: Result<_, MessageError> = (0..count).map(answer).collect();
                Self::Answer(answers?)
            }
            START_BRIDGE => Self::StartBridge,
            _ => return Err(MessageError::Malformed),
        };
        fields.end()?;
        Ok(Some((request, taken)))
    }
}

impl Reply {
    /// The whole message, length included.
    ///
    /// # Errors
    ///
    /// [`MessageError::TooLong`]: the texts exceed the limits.
    pub fn encode(&self) -> Result<Vec<u8>, MessageError> {
        let mut out = Writer::new();
        match self {
            Self::Prompt(messages) => {
                out.byte(PROMPT);
                out.messages(messages)?;
            }
            Self::Authenticated { user, messages } => {
                out.byte(AUTHENTICATED);
                out.bytes(user.as_bytes())?;
                out.messages(messages)?;
            }
            Self::Refused { reason, messages } => {
                out.byte(REFUSED);
                out.choice(&REFUSALS, reason)?;
                out.messages(messages)?;
            }
            Self::BridgeStarted { pid } => {
                out.byte(BRIDGE_STARTED);
                out.number(*pid);
            }
            Self::Ended { bridge } => {
                out.byte(ENDED);
                let (choice, number) = match bridge {
                    BridgeEnd::Exited(status) => (0, status),
                    BridgeEnd::Killed(signal) => (1, signal),
                };
                out.byte(choice);
                out.number(*number);
            }
        }
        out.finish().map(|mut bytes| std::mem::take(&mut *bytes))
    }
}

// No number is both a request and a reply, so that neither side can be fed its own words.
const AUTHENTICATE: u8 = 1;
const ANSWER: u8 = 2;
const START_BRIDGE: u8 = 3;
const PROMPT: u8 = 129;
const AUTHENTICATED: u8 = 130;
const REFUSED: u8 = 131;
const BRIDGE_STARTED: u8 = 132;
const ENDED: u8 = 133;

// A choice is sent as its place in these tables.
const REUSE: [ReusePassword; 2] = [ReusePassword::Forget, ReusePassword::Keep];
const STYLES: [Style; 4] = [Style::Secret, Style::Visible, Style::Info, Style::Error];
const REFUSALS: [Refusal; 8] = [
    Refusal::AuthenticationFailed,
    Refusal::AccountExpired,
    Refusal::PasswordExpired,
    Refusal::AccessDenied,
    Refusal::UnsupportedShell,
    Refusal::TooManyAttempts,
    Refusal::PamUnavailable,
    Refusal::Internal,
];

/// A message under construction; the first [`LENGTH_BYTES`] are filled in last.
struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// Has room for the longest message, so that no buffer with a secret in it is moved and left behind.
    fn new() -> Self {
        let mut buffer = Zeroizing::new(Vec::with_capacity(MAX_MESSAGE + 64));
        buffer.extend_from_slice(&[0; LENGTH_BYTES]);
        Self(buffer)
    }

    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn choice<T: PartialEq>(&mut self, table: &[T], choice: &T) -> Result<(), MessageError> {
        let place = table.iter().position(|entry| entry == choice);
        self.byte(u8::try_from(place.unwrap_or(table.len()))?);
        Ok(())
    }

    fn number(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn count(&mut self, count: usize, limit: usize) -> Result<(), MessageError> {
        if count > limit {
            return Err(MessageError::TooLong);
        }
        self.number(count.try_into()?);
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), MessageError> {
        if self.0.len() + bytes.len() > MAX_MESSAGE {
            return Err(MessageError::TooLong);
        }
        self.number(bytes.len().try_into()?);
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn messages(&mut self, messages: &[Message]) -> Result<(), MessageError> {
        self.count(messages.len(), MAX_MESSAGES)?;
        messages.iter().try_for_each(|message| {
            self.choice(&STYLES, &message.style)?;
            self.bytes(message.text.as_bytes())
        })
    }

    fn finish(mut self) -> Result<Zeroizing<Vec<u8>>, MessageError> {
        let length = within(&self.0, LENGTH_BYTES + MAX_MESSAGE)?.len() - LENGTH_BYTES;
        if let Some(start) = self.0.first_chunk_mut() {
            *start = u32::try_from(length)?.to_le_bytes();
        }
        Ok(self.0)
    }
}

/// The fields of one message that are not yet read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The first message of `received` and its length with everything; `None` until it is whole.
    fn of_first_message(received: &'a [u8]) -> Result<Option<(Self, usize)>, MessageError> {
        let Some((length, rest)) = received.split_first_chunk() else {
            return Ok(None);
        };
        let length = announced_length(*length)?;
        let message = rest.get(..length);
        Ok(message.map(|message| (Self(message), LENGTH_BYTES + length)))
    }

    fn byte(&mut self) -> Result<u8, MessageError> {
        let (first, rest) = self.0.split_first().ok_or(MessageError::Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    fn choice<T: Copy>(&mut self, table: &[T]) -> Result<T, MessageError> {
        let known = table.get(usize::from(self.byte()?));
        known.copied().ok_or(MessageError::Malformed)
    }

    fn number(&mut self) -> Result<u32, MessageError> {
        let (first, rest) = self.0.split_first_chunk().ok_or(MessageError::Malformed)?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*first))
    }

    fn count(&mut self, limit: usize) -> Result<usize, MessageError> {
        let count = usize::try_from(self.number()?)?;
        if count > limit { Err(MessageError::TooLong) } else { Ok(count) }
    }

    fn bytes(&mut self) -> Result<&'a [u8], MessageError> {
        let length = usize::try_from(self.number()?)?;
        let whole = self.0.split_at_checked(length);
        let (first, rest) = whole.ok_or(MessageError::Malformed)?;
        self.0 = rest;
        Ok(first)
    }

    fn for_pam(&mut self) -> Result<&'a [u8], MessageError> {
        without_zero(self.bytes()?)
    }

    fn end(self) -> Result<(), MessageError> {
        if self.0.is_empty() { Ok(()) } else { Err(MessageError::Malformed) }
    }
}

fn text(bytes: &[u8]) -> Result<String, MessageError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| MessageError::Malformed)
}

fn within(bytes: &[u8], limit: usize) -> Result<&[u8], MessageError> {
    if bytes.len() > limit { Err(MessageError::TooLong) } else { Ok(bytes) }
}

fn without_zero(bytes: &[u8]) -> Result<&[u8], MessageError> {
    if bytes.contains(&0) { Err(MessageError::ZeroByte) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests;
