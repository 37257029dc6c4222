//! `websocket-stream1`: a WebSocket to a service, message by message.
//!
//! A message of the channel is a message of the WebSocket, text or binary as the channel is. `response` tells the
//! headers of the handshake, then `ready`. Text: docs/protocol.md, "websocket-stream1". Source: RFC 6455.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use protocol::control::Encoding;
use protocol::json::Fields;
use protocol::limits::MAX_WEBSOCKET_MESSAGE;
use protocol::problem::Problem;
use serde::Deserialize;
use tokio_tungstenite::tungstenite::handshake::client::{Request, generate_key};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::http::headers;
use crate::channel::{Channel, Closed};
use crate::connection::{Connection, Destination};
use crate::port::{Incoming, Port};

/// The kind.
#[derive(Debug)]
pub(super) struct WebSocket;

/// What the page asks for.
#[derive(Deserialize)]
pub(super) struct Options {
    #[serde(flatten)]
    destination: Destination,
    path: String,
    origin: Option<String>,
    #[serde(default)]
    protocols: Vec<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl Channel for WebSocket {
    const KIND: &'static str = "websocket-stream1";
    type Options = Options;

    async fn run(options: Options, mut port: Port) -> Result<Fields, Closed> {
        let request = request(&options)?;
        let connection = options.destination.connect().await?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_WEBSOCKET_MESSAGE))
            .max_frame_size(Some(MAX_WEBSOCKET_MESSAGE));
        let (socket, response) = client_async_with_config(request, connection, Some(config))
            .await
            .map_err(|error| handshake_failed(&error))?;
        let mut fields = Fields::new();
        let shown = headers::headers(response.headers(), port.encoding());
        fields.insert("headers".to_owned(), shown.into());
        port.sender.control("response", fields);
        port.ready(Fields::new());
        relay(socket, &mut port).await?;
        port.done();
        Ok(Fields::new())
    }
}

fn request(options: &Options) -> Result<Request, Closed> {
    let host = options.destination.host();
    let mut request = Request::builder()
        .uri(format!("ws://{host}{}", options.path))
        .header("Host", &host)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", generate_key());
    if !options.protocols.is_empty() {
        request = request.header("Sec-WebSocket-Protocol", options.protocols.join(", "));
    }
    if let Some(origin) = &options.origin {
        request = request.header("Origin", origin);
    }
    let is_ours = |name: &str| {
        let name = name.to_ascii_lowercase();
        ["host", "connection", "upgrade"].contains(&name.as_str())
            || name.starts_with("sec-websocket-")
    };
    for (name, value) in options.headers.iter().filter(|(name, _)| !is_ours(name)) {
        request = request.header(name, value);
    }
    request
        .body(())
        .map_err(|error| Closed::protocol_error(format!("websocket-stream1: {error}")))
}

/// Passes messages on, both ways, until one side is done.
async fn relay(mut socket: WebSocketStream<Connection>, port: &mut Port) -> Result<(), Closed> {
    let mut is_done = false;
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => pass_on(port, text.as_bytes()).await,
                Some(Ok(Message::Binary(data))) => pass_on(port, &data).await,
                Some(Ok(Message::Close(frame))) => {
                    let _answer_to_close_was_sent = socket.next().await;
                    return closed(frame);
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(Error::ConnectionClosed)) | None if is_done => return Ok(()),
                Some(Err(error)) => return Err(broken(&error)),
                None => return Err(Closed::new(Problem::Disconnected, "the service broke off")),
            },
            incoming = port.receive() => match incoming {
                Some(Incoming::Data(data)) => {
                    let length = data.len();
                    let message = message(data, port.encoding())?;
                    socket.send(message).await.map_err(|error| broken(&error))?;
                    port.receiver.used(length);
                }
                Some(Incoming::Done) => {
                    is_done = true;
                    let normal = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
                    socket.close(Some(normal)).await.map_err(|error| broken(&error))?;
                }
                Some(Incoming::Options(_) | Incoming::Other { .. }) => {}
                None => return Ok(()),
            },
        }
    }
}

/// One message, uncut; text that the service sends on a binary channel is bytes, and the other way round bytes that
/// are no text are replaced.
async fn pass_on(port: &mut Port, data: &[u8]) {
    port.sender.room().await;
    match port.encoding() {
        Encoding::Binary => port.sender.send_now(data),
        Encoding::Text => port
            .sender
            .send_now(String::from_utf8_lossy(data).as_bytes()),
    }
}

fn message(data: Bytes, encoding: Encoding) -> Result<Message, Closed> {
    match encoding {
        Encoding::Binary => Ok(Message::Binary(data)),
        Encoding::Text => Utf8Bytes::try_from(data)
            .map(Message::Text)
            .map_err(|_| Closed::protocol_error("text with bytes that are not UTF-8")),
    }
}

fn closed(frame: Option<CloseFrame>) -> Result<(), Closed> {
    match frame {
        None => Ok(()),
        Some(frame) if frame.code == CloseCode::Normal || frame.code == CloseCode::Away => Ok(()),
        Some(frame) => {
            let message = format!("the service closed with {}: {}", frame.code, frame.reason);
            Err(Closed::new(Problem::Terminated, message))
        }
    }
}

fn handshake_failed(error: &Error) -> Closed {
    let status = if let Error::Http(response) = error { response.status().as_u16() } else { 0 };
    let problem = match status {
        404 => Problem::NotFound,
        401 | 403 => Problem::AccessDenied,
        _ => Problem::Terminated,
    };
    Closed::new(problem, error.to_string())
}

fn broken(error: &Error) -> Closed {
    let is_too_large = matches!(error, Error::Capacity(_));
    let problem = if is_too_large { Problem::TooLarge } else { Problem::Disconnected };
    Closed::new(problem, error.to_string())
}
