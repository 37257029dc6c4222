//! External channels: one HTTP request, or one WebSocket of its own, is one channel of a session.
//!
//! The page builds the address (`channel/TOKEN?BASE64 of the open message`), the cookie says whose session it is. The
//! bridge's flow control is answered here as the browser takes the data, so that a slow download slows its file.
//! Package files are channels too. Callers: `routes`. Text: docs/protocol.md, "HTTP surface".

pub(crate) mod description;
mod download;
mod package;
#[cfg(test)]
mod tests;
mod tunnel;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::{Bytes, BytesMut};
use protocol::control::{Control, FlowControl, Open};
use protocol::frame::{encode_control, encode_data};
use protocol::names::ChannelId;
use protocol::problem::Problem;

use crate::Server;
use crate::admission::{Application, Connection, OwnOrigin};
use crate::pages::ErrorPage;
use crate::relay::link::{Opcode, OpenError, Pings, Route, RouteKind, close_message, split_frame};
use crate::relay::mailbox::{Item, Mailbox, Over, Taken};
use crate::relay::socket::own_channel;
use crate::sessions::{Boottime, Session, TakerId};
use description::Description;

pub(crate) use package::{is_checksum, package};

/// `GET /cockpit[+APP]/channel/TOKEN?BASE64`, to be upgraded or not.
pub(crate) async fn channel(
    State(server): State<Arc<Server>>,
    connection: Connection,
    application: Application,
    request: Request,
) -> Response {
    let (mut parts, _no_body) = request.into_parts();
    let session = server
        .sessions
        .find(&parts.headers, connection.transport, &application);
    let Some(session) = session else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    if !session.csrf().is(token(&parts)) || foreign_site(&parts.headers) {
        return server.pages.error_page(&ErrorPage::NotFound);
    }
    let description = match Description::parse(parts.uri.query().unwrap_or_default()) {
        Ok(description) => description,
        Err(error) => {
            tracing::debug!(session = session.number(), %error, "bad external channel");
            return server.pages.error_page(&ErrorPage::BadRequest);
        }
    };
    if parts.headers.contains_key(header::UPGRADE) {
        if parts.extensions.get::<OwnOrigin>().is_none() {
            return server.pages.error_page(&ErrorPage::Forbidden);
        }
        return tunnel::serve(&server, &mut parts, session, description).await;
    }
    download::serve(&server, &session, description).await
}

/// The last part of the path.
fn token(parts: &Parts) -> &str {
    parts.uri.path().rsplit('/').next().unwrap_or_default()
}

/// Whether the browser says that a page of another site asks (T1).
fn foreign_site(headers: &HeaderMap) -> bool {
    let said = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    !matches!(said, None | Some(b"same-origin" | b"none"))
}

/// A channel that the server itself opened. Closed toward the bridge when dropped.
pub(crate) struct Channel {
    session: Arc<Session>,
    taker: TakerId,
    id: ChannelId,
    mailbox: Arc<Mailbox>,
    /// Taken and not yet used, last first.
    items: Vec<Item>,
    to_bridge: BytesMut,
    life: Life,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Open,
    /// The bridge has closed it, or is gone.
    Over,
}

/// What a channel says.
#[derive(Debug)]
pub(crate) enum Event {
    /// Payload.
    Data(Bytes),
    /// `ready`, `done` or another control message but `close`.
    Control(Control),
    /// The end, with the problem if there was one.
    Closed(Option<Problem>),
}

/// Why there is no channel.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChannelError {
    /// The session has ended.
    #[error("the session is over")]
    NoSession,
    /// As many as there may be.
    #[error("too many channels")]
    TooMany,
}

impl Channel {
    /// Opens a channel; `open` gets our id, raw data and flow control.
    ///
    /// # Errors
    ///
    /// [`ChannelError`].
    pub(crate) fn open(
        session: &Arc<Session>,
        mut open: Open,
        opcode: Opcode,
        queue: usize,
    ) -> Result<Self, ChannelError> {
        let mailbox = Arc::new(Mailbox::new(queue));
        let taker = session.attach(&mailbox).ok_or(ChannelError::NoSession)?;
        let number = NEXT_CHANNEL.fetch_add(1, Ordering::Relaxed);
        let detach = || session.detach(taker, Boottime::now());
        let Some(id) = own_channel(number) else {
            detach();
            return Err(ChannelError::TooMany);
        };
        let route = Route {
            taker,
            mailbox: Arc::clone(&mailbox),
            opcode,
            pings: Pings::Answered,
            kind: RouteKind::External,
        };
        let opened = session
            .link
            .open(Bytes::copy_from_slice(id.as_bytes()), route);
        if let Err(OpenError::TooMany | OpenError::InUse) = opened {
            detach();
            return Err(ChannelError::TooMany);
        }
        open.channel = id.clone();
        open.flow_control = FlowControl::On;
        let mut channel = Self {
            session: Arc::clone(session),
            taker,
            id,
            mailbox,
            items: Vec::new(),
            to_bridge: BytesMut::new(),
            life: Life::Open,
        };
        channel.control(&Control::Open(open));
        Ok(channel)
    }

    /// Sends a control message about this channel.
    fn control(&mut self, message: &Control) {
        encode_control(&message.to_bytes(), &mut self.to_bridge);
        self.session.link.send(&mut self.to_bridge);
    }

    /// Says that nothing more will be sent.
    pub(crate) fn done(&mut self) {
        self.control(&Control::Done { channel: self.id.clone() });
    }

    /// Sends a payload. The caller waits with [`Self::room`] before.
    pub(crate) fn send(&mut self, payload: &[u8]) {
        encode_data(&self.id, payload, &mut self.to_bridge);
        self.session.link.send(&mut self.to_bridge);
    }

    /// Waits until the bridge takes more.
    pub(crate) async fn room(&self) {
        poll_fn(|cx| self.session.link.poll_room(cx)).await;
    }

    /// Waits for what the channel says next. Asking for it says that all before it was used.
    pub(crate) async fn next(&mut self) -> Event {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            let Some(item) = self.items.pop() else {
                if self.life == Life::Over {
                    return Poll::Ready(Event::Closed(None));
                }
                match self.mailbox.poll_take(&mut self.items, cx) {
                    Poll::Ready(Taken::Items) => self.items.reverse(),
                    Poll::Ready(Taken::Over(over)) => {
                        self.life = Life::Over;
                        let problem = match over {
                            Over::Session(end) => end.problem(),
                            Over::Overflow => Problem::TooLarge,
                        };
                        return Poll::Ready(Event::Closed(Some(problem)));
                    }
                    Poll::Pending => return Poll::Pending,
                }
                continue;
            };
            match item {
                Item::Answer(pong) => {
                    encode_control(&pong, &mut self.to_bridge);
                    self.session.link.send(&mut self.to_bridge);
                }
                Item::Closed(_) => self.life = Life::Over,
                Item::Text(frame) | Item::Binary(frame) => {
                    if let Some(event) = self.event(&frame) {
                        return Poll::Ready(event);
                    }
                }
            }
        }
    }

    fn event(&mut self, frame: &Bytes) -> Option<Event> {
        let (id, _) = split_frame(frame)?;
        let payload = frame.slice(id.len() + 1..);
        if !id.is_empty() {
            return Some(Event::Data(payload));
        }
        match Control::parse(&payload) {
            Ok(Control::Close { problem, .. }) => {
                self.life = Life::Over;
                Some(Event::Closed(problem))
            }
            Ok(control) => Some(Event::Control(control)),
            Err(error) => {
                tracing::debug!(session = self.session.number(), %error, "bad control message");
                Some(Event::Closed(Some(Problem::ProtocolError)))
            }
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.session.link.forget(self.id.as_bytes(), self.taker);
        if self.life == Life::Open
            && let Some(message) = close_message(self.id.as_bytes(), Problem::Disconnected)
        {
            encode_control(&message, &mut self.to_bridge);
            self.session.link.send(&mut self.to_bridge);
        }
        self.session.detach(self.taker, Boottime::now());
    }
}

/// The status of a response for a channel that ended before it sent anything.
fn status_of(problem: &Problem) -> StatusCode {
    match problem.code() {
        "not-found" => StatusCode::NOT_FOUND,
        "access-denied" => StatusCode::FORBIDDEN,
        "no-host"
        | "unknown-host"
        | "unknown-hostkey"
        | "invalid-hostkey"
        | "no-cockpit"
        | "authentication-failed"
        | "authentication-not-supported"
        | "terminated"
        | "timeout" => StatusCode::BAD_GATEWAY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The answer for a channel that could not be opened.
fn refused(server: &Server, error: &ChannelError) -> Response {
    match error {
        ChannelError::NoSession => StatusCode::UNAUTHORIZED.into_response(),
        ChannelError::TooMany => server.pages.error_page(&ErrorPage::Busy(1)),
    }
}

/// Numbers the channels of all sessions; their ids begin with `0:`, which no page is given as its seed.
static NEXT_CHANNEL: AtomicU64 = AtomicU64::new(1);
