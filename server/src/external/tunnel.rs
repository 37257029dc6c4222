//! An external channel as a WebSocket of its own: message by message in both directions.
//!
//! The channel's end closes the socket with 1000, or 1001 and the problem; the browser's close with 1000 is `done`.
//! Caller: [`super::channel`].

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;
use protocol::problem::Problem;
use tokio::time::timeout;

use super::description::Description;
use super::{Channel, Event, refused};
use crate::Server;
use crate::relay::link::Opcode;
use crate::relay::upgrade;
use crate::sessions::Session;

/// Upgrades the request and carries the channel.
pub(crate) async fn serve(
    server: &Arc<Server>,
    parts: &mut Parts,
    session: Arc<Session>,
    description: Description,
) -> Response {
    let Description { open, opcode, protocols, .. } = description;
    let upgrade = match upgrade(parts, &server.config.relay).await {
        Ok(upgrade) => upgrade.protocols(protocols),
        Err(refusal) => return refusal,
    };
    let queue = server.config.relay.socket_queue;
    let channel = match Channel::open(&session, open, opcode, queue) {
        Ok(channel) => channel,
        Err(error) => return refused(server, &error),
    };
    upgrade.on_upgrade(move |browser| carry(browser, channel, opcode))
}

async fn carry(mut browser: WebSocket, mut channel: Channel, opcode: Opcode) {
    let mut sending = Sending::Open;
    loop {
        tokio::select! {
            event = channel.next() => match event {
                Event::Data(data) => {
                    let Some(message) = message(data, opcode) else {
                        return close(browser, Some(Problem::ProtocolError)).await;
                    };
                    // Waiting here is what slows the channel: its pings are answered when the next event is asked for.
                    match timeout(STALL, browser.send(message)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) | Err(_) => return,
                    }
                }
                Event::Control(_) => {}
                Event::Closed(problem) => return close(browser, problem).await,
            },
            received = browser.recv(), if sending == Sending::Open => match received {
                Some(Ok(Message::Text(text))) => {
                    channel.room().await;
                    channel.send(text.as_bytes());
                }
                Some(Ok(Message::Binary(data))) => {
                    channel.room().await;
                    channel.send(&data);
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(Some(CloseFrame { code: 1000, .. })))) => {
                    channel.done();
                    sending = Sending::Done;
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    Open,
    /// The browser has closed; the channel may still have to say something, which nobody hears.
    Done,
}

fn message(data: Bytes, opcode: Opcode) -> Option<Message> {
    match opcode {
        Opcode::Binary => Some(Message::Binary(data)),
        Opcode::Text => Utf8Bytes::try_from(data).ok().map(Message::Text),
    }
}

async fn close(mut browser: WebSocket, problem: Option<Problem>) {
    let (code, reason) = match &problem {
        None => (1000, ""),
        Some(problem) => (1001, problem.code()),
    };
    let frame = CloseFrame { code, reason: Utf8Bytes::from(reason) };
    let goodbye = async {
        if browser.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_last_words)) = browser.recv().await {}
        }
    };
    // Whether the browser hears it or not, the socket ends here.
    let _told = timeout(GOODBYE, goodbye).await;
}

/// How long a browser may take nothing (T36).
const STALL: Duration = Duration::from_mins(1);

/// How long a browser may take to answer our close frame.
const GOODBYE: Duration = Duration::from_millis(800);
