//! The beginning of a connection: who we are, whether descriptors pass, and our name.
//!
//! Who we are the other end hears from the kernel; nothing secret is sent. Caller: `buses`. Source: D-Bus specification,
//! "Authentication Protocol" and "Message Bus Messages: `org.freedesktop.DBus.Hello`".

use std::io;

use zbus::message::Type;
use zbus::{Guid, Message};

use crate::buses::bus::{DAEMON, Flavour, reader};
use crate::buses::incoming::{Incoming, IncomingError};
use crate::buses::socket::Socket;

/// Messages that may come before the answer to `Hello`. A bus sends it first, and a signal beside.
const MOST_BEFORE_HELLO: usize = 16;

/// How we say who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    /// The kernel tells the other end our user.
    External,
    /// Not at all: the other end is ours.
    Anonymous,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The kernel reports an error, or the other end closed the socket.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The other end does not know us.
    #[error("the bus refuses this user: {0}")]
    Refused(String),
    /// The other end is another bus than its address says.
    #[error("the bus is {found}, its address says {wanted}")]
    OtherBus {
        /// What it says it is.
        found: String,
        /// What stands in the address.
        wanted: String,
    },
    /// It greets in no way that we know.
    #[error("the bus does not answer as one: {0}")]
    Unexpected(String),
}

/// Says who we are, and takes what the other end sends until it begins with messages; our name, when a bus gives one.
///
/// # Errors
///
/// [`HandshakeError`].
pub(super) async fn greet(
    socket: &Socket,
    incoming: &mut Incoming,
    (mechanism, flavour): (Mechanism, Flavour),
    wanted: Option<&Guid<'_>>,
) -> Result<Option<String>, HandshakeError> {
    socket.write_all(auth(mechanism).as_bytes()).await?;
    let answer = line(socket, incoming).await?;
    let Some(found) = answer.strip_prefix("OK") else {
        return Err(HandshakeError::Refused(answer));
    };
    let found = found.trim();
    if let Some(wanted) = wanted.filter(|wanted| wanted.as_str() != found) {
        let (found, wanted) = (found.to_owned(), wanted.to_string());
        return Err(HandshakeError::OtherBus { found, wanted });
    }
    socket.write_all(b"NEGOTIATE_UNIX_FD\r\n").await?;
    // Who cannot pass descriptors says ERROR, and will send none.
    line(socket, incoming).await?;
    socket.write_all(b"BEGIN\r\n").await?;
    match flavour {
        Flavour::Peer => Ok(None),
        Flavour::Daemon => hello(socket, incoming).await.map(Some),
    }
}

/// The first line. The zero byte before it is the kernel's chance to say who sends it.
fn auth(mechanism: Mechanism) -> String {
    match mechanism {
        // Who one is may be any text; it cannot be left out. This is `us`.
        Mechanism::Anonymous => "\0AUTH ANONYMOUS 7573\r\n".to_owned(),
        Mechanism::External => {
            let uid = rustix::process::geteuid().as_raw().to_string();
            // Decimal digits in hexadecimal: `3` and the digit.
            let uid: String = uid.chars().flat_map(|digit| ['3', digit]).collect();
            format!("\0AUTH EXTERNAL {uid}\r\n")
        }
    }
}

/// Asks the bus for our name.
async fn hello(socket: &Socket, incoming: &mut Incoming) -> Result<String, HandshakeError> {
    let unexpected = |error: &dyn std::fmt::Display| HandshakeError::Unexpected(error.to_string());
    let call = Message::method_call("/org/freedesktop/DBus", "Hello")
        .destination(DAEMON)
        .interface(DAEMON)
        .build(&())
        .map_err(|error| unexpected(&error))?;
    socket.write_all(call.data().bytes()).await?;
    for _ in 0..MOST_BEFORE_HELLO {
        let message = message(socket, incoming).await?;
        if message.header().reply_serial() != Some(call.primary_header().serial_num()) {
            continue;
        }
        let body = message.body();
        let text = reader(&message, body.data().bytes())
            .string()
            .map(str::to_owned);
        return match (message.message_type(), text) {
            (Type::MethodReturn, Ok(name)) => Ok(name),
            (_, Ok(text)) => Err(HandshakeError::Refused(text)),
            (_, Err(error)) => Err(unexpected(&error)),
        };
    }
    Err(HandshakeError::Unexpected("it does not say our name".to_owned()))
}

async fn line(socket: &Socket, incoming: &mut Incoming) -> Result<String, HandshakeError> {
    loop {
        if let Some(line) = incoming.next_line() {
            return Ok(line);
        }
        more(socket, incoming).await?;
    }
}

async fn message(socket: &Socket, incoming: &mut Incoming) -> Result<Message, HandshakeError> {
    loop {
        let next = incoming.next_message();
        match next.map_err(|error: IncomingError| HandshakeError::Unexpected(error.to_string()))? {
            Some(message) => return Ok(message),
            None => more(socket, incoming).await?,
        }
    }
}

async fn more(socket: &Socket, incoming: &mut Incoming) -> Result<(), HandshakeError> {
    let (buffer, descriptors) = incoming.room();
    if buffer.is_empty() {
        return Err(HandshakeError::Unexpected("a line without an end".to_owned()));
    }
    match socket.read(buffer, descriptors).await? {
        0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        length => {
            incoming.filled(length);
            Ok(())
        }
    }
}
