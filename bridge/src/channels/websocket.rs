//! `websocket-stream1`: a WebSocket to a service, message by message.
//!
//! A message of the channel is a message of the WebSocket, text or binary as the channel is. `response` tells the
//! headers of the handshake, then `ready`. Text: docs/protocol.md, "websocket-stream1". Source: RFC 6455.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
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
use crate::port::{Incoming, Port, Receiver, Sender};

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

    async fn run(options: Options, port: Port) -> Result<Fields, Closed> {
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
        let Port { mut receiver, mut sender, .. } = port;
        relay(socket, &mut receiver, &mut sender).await?;
        sender.done();
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

/// Passes messages on, both ways at once, until one side is done: when both send much, each also reads.
async fn relay(
    socket: WebSocketStream<Connection>,
    receiver: &mut Receiver,
    sender: &mut Sender,
) -> Result<(), Closed> {
    let (mut service, messages) = socket.split();
    let encoding = sender.encoding();
    let is_done = AtomicBool::new(false);
    tokio::select! {
        ended = to_page(messages, sender, &is_done) => ended,
        ended = to_service(&mut service, receiver, encoding, &is_done) => ended,
    }
}

async fn to_page(
    mut messages: SplitStream<WebSocketStream<Connection>>,
    sender: &mut Sender,
    is_done: &AtomicBool,
) -> Result<(), Closed> {
    loop {
        match messages.next().await {
            Some(Ok(Message::Text(text))) => pass_on(sender, text.as_bytes()).await,
            Some(Ok(Message::Binary(data))) => pass_on(sender, &data).await,
            Some(Ok(Message::Close(frame))) => {
                let _answer_to_close_was_sent = messages.next().await;
                return closed(frame);
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(Error::ConnectionClosed)) | None if is_done.load(Ordering::Relaxed) => {
                return Ok(());
            }
            Some(Err(error)) => return Err(broken(&error)),
            None => return Err(Closed::new(Problem::Disconnected, "the service broke off")),
        }
    }
}

async fn to_service(
    service: &mut SplitSink<WebSocketStream<Connection>, Message>,
    receiver: &mut Receiver,
    encoding: Encoding,
    is_done: &AtomicBool,
) -> Result<(), Closed> {
    while let Some(incoming) = receiver.receive().await {
        match incoming {
            Incoming::Data(data) => {
                let length = data.len();
                let message = message(data, encoding)?;
                service
                    .send(message)
                    .await
                    .map_err(|error| broken(&error))?;
                receiver.used(length);
            }
            Incoming::Done => {
                is_done.store(true, Ordering::Relaxed);
                let normal = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
                let goodbye = Message::Close(Some(normal));
                service
                    .send(goodbye)
                    .await
                    .map_err(|error| broken(&error))?;
            }
            Incoming::Options(_) | Incoming::Other { .. } => {}
        }
    }
    Ok(())
}

/// One message, uncut; text that the service sends on a binary channel is bytes, and the other way round bytes that
/// are no text are replaced.
async fn pass_on(sender: &mut Sender, data: &[u8]) {
    sender.room().await;
    match sender.encoding() {
        Encoding::Binary => sender.send_now(data),
        Encoding::Text => sender.send_now(String::from_utf8_lossy(data).as_bytes()),
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
