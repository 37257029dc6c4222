//! The half of the messages that only the server runs: writing requests, reading replies.
//!
//! It is no part of what runs as root. Caller: `server`, and tests.

use zeroize::Zeroizing;

use super::{
    ANSWER, AUTHENTICATE, AUTHENTICATED, BRIDGE_STARTED, BridgeEnd, ENDED, Fields, MAX_ANSWERS,
    MAX_MESSAGES, MAX_USER, Message, MessageError, PROMPT, REFUSALS, REFUSED, REUSE, Reply,
    Request, START_BRIDGE, STYLES, Writer, text, within, without_zero,
};

impl Request {
    /// The whole message, length included, in a buffer that is wiped when dropped.
    ///
    /// # Errors
    ///
    /// [`MessageError::TooLong`] and [`MessageError::ZeroByte`]: the fields were not fit for PAM.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, MessageError> {
        let mut out = Writer::new();
        match self {
            Self::Authenticate { user, password, remote_host, reuse_password } => {
                out.byte(AUTHENTICATE);
                out.for_pam(within(user.as_bytes(), MAX_USER)?)?;
                out.for_pam(password.expose())?;
                out.for_pam(remote_host.as_bytes())?;
                out.choice(&REUSE, reuse_password)?;
            }
            Self::Answer(answers) => {
                out.byte(ANSWER);
                out.count(answers.len(), MAX_ANSWERS)?;
                answers
                    .iter()
                    .try_for_each(|answer| out.for_pam(answer.expose()))?;
            }
            Self::StartBridge => out.byte(START_BRIDGE),
        }
        out.finish()
    }
}

impl Reply {
    /// Takes the first message of `received`, and how many bytes it took; `None` asks for more bytes.
    ///
    /// # Errors
    ///
    /// [`MessageError`]: the sender does not speak this protocol, and the connection is of no more use.
    pub fn decode(received: &[u8]) -> Result<Option<(Self, usize)>, MessageError> {
        let Some((mut fields, taken)) = Fields::of_first_message(received)? else {
            return Ok(None);
        };
        let reply = match fields.byte()? {
            PROMPT => Self::Prompt(fields.messages()?),
            AUTHENTICATED => {
                Self::Authenticated { user: text(fields.bytes()?)?, messages: fields.messages()? }
            }
            REFUSED => {
                Self::Refused { reason: fields.choice(&REFUSALS)?, messages: fields.messages()? }
            }
            BRIDGE_STARTED => Self::BridgeStarted { pid: fields.number()? },
            ENDED => Self::Ended {
                bridge: match fields.byte()? {
                    0 => BridgeEnd::Exited(fields.number()?),
                    1 => BridgeEnd::Killed(fields.number()?),
                    _ => return Err(MessageError::Malformed),
                },
            },
            _ => return Err(MessageError::Malformed),
        };
        fields.end()?;
        Ok(Some((reply, taken)))
    }
}

impl Writer {
    fn for_pam(&mut self, bytes: &[u8]) -> Result<(), MessageError> {
        self.bytes(without_zero(bytes)?)
    }
}

impl Fields<'_> {
    fn messages(&mut self) -> Result<Vec<Message>, MessageError> {
        let count = self.count(MAX_MESSAGES)?;
        let message = |_| Ok(Message { style: self.choice(&STYLES)?, text: text(self.bytes()?)? });
        (0..count).map(message).collect()
    }
}
