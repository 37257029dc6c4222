//! The first words between server and bridge: each sends one `init`.
//!
//! The bridge speaks first; its `init` ends the login, and a problem in it is a failed login. Ours tells it its name
//! and whether the privileged bridge is wanted. Caller: `sessions`. Text: docs/protocol.md, "Handshakes".

use std::io::{self, ErrorKind};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use protocol::control::{Control, Init, VERSION};
use protocol::frame::{Frame, FrameDecoder, encode_control};
use protocol::json::Fields;
use protocol::problem::Problem;
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Whether the login wants the privileged bridge at once (`X-Superuser`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SuperuserStart {
    /// The first method that works.
    Any,
    /// Not now.
    No,
}

/// Why a bridge that was started cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GreetError {
    /// It said no `init` in time.
    #[error("the bridge took too long to say anything")]
    Timeout,
    /// It ended before its `init`.
    #[error("the bridge ended before it said anything")]
    Gone,
    /// The socket broke.
    #[error("link to the bridge: {0}")]
    Io(#[from] io::Error),
    /// It said what no bridge may say first.
    #[error("the bridge's first words: {0}")]
    Violation(String),
    /// It refuses.
    #[error("the bridge refuses: {problem}")]
    Refused {
        /// Its reason.
        problem: Problem,
        /// Its words for people.
        message: Option<String>,
    },
}

/// Exchanges `init` over `stream` within `limit`. The decoder may hold what the bridge said right after.
///
/// # Errors
///
/// [`GreetError`]; the stream is of no more use.
pub(crate) async fn greet(
    stream: &UnixStream,
    superuser: SuperuserStart,
    idle: Option<Duration>,
    limit: Duration,
) -> Result<FrameDecoder, GreetError> {
    let exchange = async {
        let mut decoder = FrameDecoder::default();
        let theirs = first_init(stream, &mut decoder).await?;
        let mut frame = BytesMut::new();
        encode_control(&our_init(&theirs, superuser, idle).to_bytes(), &mut frame);
        write_all(stream, &mut frame).await?;
        Ok(decoder)
    };
    timeout(limit, exchange)
        .await
        .unwrap_or(Err(GreetError::Timeout))
}

async fn first_init(stream: &UnixStream, decoder: &mut FrameDecoder) -> Result<Init, GreetError> {
    let violation = |words: &dyn std::fmt::Display| GreetError::Violation(words.to_string());
    loop {
        match decoder.next_frame().map_err(|error| violation(&error))? {
            Some(Frame::Control(message)) => {
                let message = Control::parse(&message).map_err(|error| violation(&error))?;
                let Control::Init(init) = message else {
                    return Err(violation(&"no init"));
                };
                return accepted(init);
            }
            Some(Frame::Data(..)) => return Err(violation(&"data before init")),
            None => {}
        }
        stream.readable().await?;
        match stream.try_read_buf(decoder.buffer(READ_ROOM)) {
            Ok(0) => return Err(GreetError::Gone),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn accepted(mut init: Init) -> Result<Init, GreetError> {
    if let Some(problem) = init.problem {
        let message = match init.fields.remove("message") {
            Some(Value::String(message)) => Some(message),
            Some(_) | None => None,
        };
        return Err(GreetError::Refused { problem, message });
    }
    if init.version != VERSION {
        return Err(GreetError::Refused { problem: Problem::NotSupported, message: None });
    }
    Ok(init)
}

fn our_init(theirs: &Init, superuser: SuperuserStart, idle: Option<Duration>) -> Control {
    let mut fields = Fields::new();
    let explicit = theirs
        .fields
        .get("capabilities")
        .and_then(|capabilities| capabilities.get("explicit-superuser"));
    if explicit == Some(&Value::Bool(true)) {
        let start = match superuser {
            SuperuserStart::Any => json!({ "id": "any" }),
            SuperuserStart::No => Value::Bool(false),
        };
        fields.insert("superuser".to_owned(), start);
    }
    // Ours: how long without input until `session-control` logs out, in seconds; 0 is never. The bridge owns it (T18).
    fields.insert("idle-timeout".to_owned(), idle.map_or(0, |idle| idle.as_secs()).into());
    Control::Init(Init {
        version: VERSION,
        host: Some("localhost".to_owned()),
        problem: None,
        fields,
    })
}

async fn write_all(stream: &UnixStream, bytes: &mut BytesMut) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(written) => bytes.advance(written),
            Err(full) if full.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// How long a bridge may take until its `init` (T27).
pub(crate) const GREETING_LIMIT: Duration = Duration::from_secs(20);

/// Bytes read with one call.
const READ_ROOM: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn greeted_with(words: &[u8]) -> (Result<FrameDecoder, GreetError>, String) {
        let (ours, mut bridge) = UnixStream::pair().unwrap();
        bridge.write_all(words).await.unwrap();
        bridge.shutdown().await.unwrap();
        let idle = Some(Duration::from_mins(15));
        let result = greet(&ours, SuperuserStart::Any, idle, GREETING_LIMIT).await;
        drop(ours);
        let mut answer = String::new();
        let _ended = bridge.read_to_string(&mut answer).await;
        (result, answer)
    }

    fn frame(message: &str) -> Vec<u8> {
        let mut frame = BytesMut::new();
        encode_control(message.as_bytes(), &mut frame);
        frame.to_vec()
    }

    #[tokio::test]
    async fn superuser_is_named_only_to_a_bridge_that_asks_for_it() {
        let (result, answer) = greeted_with(&frame(
            r#"{"command":"init","version":1,"capabilities":{"explicit-superuser":true}}"#,
        ))
        .await;
        assert!(result.is_ok());
        assert!(answer.contains(r#""superuser":{"id":"any"}"#), "{answer}");
        assert!(answer.contains(r#""host":"localhost""#), "{answer}");

        let (_, answer) = greeted_with(&frame(r#"{"command":"init","version":1}"#)).await;
        assert!(!answer.contains("superuser"), "{answer}");
    }

    #[tokio::test]
    async fn what_follows_init_is_kept() {
        let words = [frame(r#"{"command":"init","version":1}"#), b"5\na\nfoo".to_vec()].concat();
        let mut decoder = greeted_with(&words).await.0.unwrap();
        assert_eq!(decoder.next_unparsed().unwrap().unwrap(), "a\nfoo");
    }

    #[tokio::test]
    async fn a_bridge_that_cannot_be_used_is_told_apart() {
        let refused = |words: Vec<u8>| async move { greeted_with(&words).await.0.unwrap_err() };

        assert!(matches!(refused(Vec::new()).await, GreetError::Gone));
        assert!(matches!(refused(b"12\n".to_vec()).await, GreetError::Gone));
        assert!(matches!(refused(b"hello".to_vec()).await, GreetError::Violation(_)));
        assert!(matches!(refused(b"5\na\nfoo".to_vec()).await, GreetError::Violation(_)));
        assert!(matches!(refused(frame(r#"{"command":"ping"}"#)).await, GreetError::Violation(_)));
        assert!(matches!(
            refused(frame(r#"{"command":"init","version":2}"#)).await,
            GreetError::Refused { problem: Problem::NotSupported, .. }
        ));
        let denied =
            frame(r#"{"command":"init","version":1,"problem":"access-denied","message":"no"}"#);
        let GreetError::Refused { problem: Problem::AccessDenied, message } = refused(denied).await
        else {
            panic!()
        };
        assert_eq!(message.as_deref(), Some("no"));
    }

    #[tokio::test]
    async fn a_silent_bridge_is_given_up() {
        let (ours, _bridge) = UnixStream::pair().unwrap();
        let limit = Duration::from_millis(20);
        let refused = greet(&ours, SuperuserStart::No, None, limit)
            .await
            .unwrap_err();
        assert!(matches!(refused, GreetError::Timeout));
    }
}
