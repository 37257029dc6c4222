//! An external channel as the body of one response.
//!
//! Nothing is answered before the channel has said `ready` or sent data, so that a problem becomes a status. After
//! that a problem cuts the connection. Caller: [`super::channel`].

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use protocol::control::Control;
use protocol::problem::Problem;

use super::description::Description;
use super::{Channel, Event, refused, status_of};
use crate::Server;
use crate::pages::ErrorPage;
use crate::sessions::Session;

/// Answers with what the channel sends.
pub(crate) async fn serve(
    server: &Server,
    session: &Arc<Session>,
    description: Description,
) -> Response {
    let Description { open, opcode, headers, .. } = description;
    let queue = server.config.relay.socket_queue;
    let mut channel = match Channel::open(session, open, opcode, queue) {
        Ok(channel) => channel,
        Err(error) => return refused(server, &error),
    };
    channel.done();
    let beginning = match Beginning::of(&mut channel).await {
        Ok(beginning) => beginning,
        Err(problem) => return problem_response(server, &problem),
    };
    let length = beginning.length;
    let body = ChannelBody { channel, first: beginning.first, rest: length, state: State::Open };
    let mut response = Response::new(Body::new(body));
    for (name, value) in headers {
        response.headers_mut().insert(name, value);
    }
    response
        .headers_mut()
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("application/octet-stream"));
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    response
}

fn problem_response(server: &Server, problem: &Problem) -> Response {
    let page = match status_of(problem) {
        StatusCode::NOT_FOUND => ErrorPage::NotFound,
        StatusCode::FORBIDDEN => ErrorPage::Forbidden,
        StatusCode::BAD_GATEWAY => ErrorPage::BridgeFailed,
        _ => ErrorPage::Internal,
    };
    server.pages.error_page(&page)
}

/// What is known once the channel has begun.
struct Beginning {
    first: Option<Bytes>,
    length: Option<u64>,
}

impl Beginning {
    async fn of(channel: &mut Channel) -> Result<Self, Problem> {
        let mut length = None;
        loop {
            match channel.next().await {
                Event::Data(data) => return Ok(Self { first: Some(data), length }),
                Event::Control(Control::Ready { fields, .. }) => {
                    length = fields.get("size-hint").and_then(serde_json::Value::as_u64);
                    if length.is_some() {
                        return Ok(Self { first: None, length });
                    }
                }
                Event::Control(Control::Done { .. }) | Event::Closed(None) => {
                    return Ok(Self { first: None, length });
                }
                Event::Control(_) => {}
                Event::Closed(Some(problem)) => return Err(problem),
            }
        }
    }
}

/// The channel's data as a body. Asking for the next piece says that the last one was used.
pub(crate) struct ChannelBody {
    channel: Channel,
    first: Option<Bytes>,
    /// Bytes still to come, where the length was announced.
    rest: Option<u64>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Over,
}

impl ChannelBody {
    /// A body of unknown length that goes on where `channel` is.
    pub(crate) fn new(channel: Channel, first: Option<Bytes>) -> Self {
        Self { channel, first, rest: None, state: State::Open }
    }

    fn piece(&mut self, data: Bytes) -> Result<Frame<Bytes>, BodyError> {
        if let Some(rest) = &mut self.rest {
            *rest = rest
                .checked_sub(data.len() as u64)
                .ok_or(BodyError::TooLong)?;
        }
        Ok(Frame::data(data))
    }
}

/// Why a body breaks off; the browser sees that the connection is cut.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The channel closed with a problem.
    #[error("the channel ended: {0}")]
    Problem(Problem),
    /// More or less data than announced: the file changed.
    #[error("more data than announced")]
    TooLong,
}

impl From<Infallible> for BodyError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl hyper::body::Body for ChannelBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(data) = self.first.take() {
            return Poll::Ready(Some(self.piece(data)));
        }
        while self.state == State::Open {
            match ready!(self.channel.poll_next(cx)) {
                Event::Data(data) if data.is_empty() => {}
                Event::Data(data) => return Poll::Ready(Some(self.piece(data))),
                Event::Control(_) => {}
                Event::Closed(None) => self.state = State::Over,
                Event::Closed(Some(problem)) => {
                    self.state = State::Over;
                    return Poll::Ready(Some(Err(BodyError::Problem(problem))));
                }
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Over && self.first.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.rest
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
