//! `http-stream2`: one request to an HTTP service, and its answer.
//!
//! Used by `cockpit.http()` for services with a socket (containers, composer). A small body is sent with its length, a
//! larger one as it comes. Requests that name a `connection` share it. Text: docs/protocol.md, "http-stream2". Source: RFC 9110, RFC 9112.

pub(super) mod headers;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming as ResponseBody};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use protocol::json::Fields;
use protocol::problem::Problem;
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::channel::{Channel, Closed};
use crate::connection::Destination;
use crate::connection::kept::Place;
use crate::port::{Incoming, Port, Receiver, Sender};

/// Largest body in bytes that is sent in one piece, with its length: some services want one.
const WHOLE_BODY: usize = 1 << 20;

/// How long a connection may take to be ready for another request. The service's part is over then.
const READY_TIME: Duration = Duration::from_secs(1);

/// The kind.
#[derive(Debug)]
pub(super) struct Http;

/// What the page asks for.
#[derive(Deserialize)]
pub(super) struct Options {
    #[serde(flatten)]
    destination: Destination,
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The page's name for the connection that requests share, one after the other.
    connection: Option<String>,
}

/// A connection to a service, for one request after the other.
#[derive(Debug)]
pub struct HttpConnection {
    requests: http1::SendRequest<Body>,
    /// The task that reads and writes.
    _serving: JoinSet<()>,
}

type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

impl Channel for Http {
    const KIND: &'static str = "http-stream2";
    type Options = Options;

    async fn run(options: Options, port: Port) -> Result<Fields, Closed> {
        let request = head(&options)?;
        let Options { destination, connection, .. } = options;
        let place = connection.map(|name| Place { name, destination: destination.clone() });
        let Port { receiver, mut sender, bridge } = port;
        let kept = place.as_ref().and_then(|place| bridge.http.take(place));
        let mut connection = match kept.filter(HttpConnection::is_open) {
            Some(kept) => kept,
            None => HttpConnection::open(&destination).await?,
        };
        sender.ready(Fields::new());
        let Some(body) = body(receiver).await else {
            return Ok(Fields::new());
        };
        let request = with_body(request, body);
        let response = match connection.ask(request).await {
            Ok(response) => response,
            // The service closed the connection that was kept before the request was on its way.
            Err(Unasked::NotSent(request)) => {
                connection = HttpConnection::open(&destination).await?;
                connection.ask(*request).await.map_err(Closed::from)?
            }
            Err(broken @ Unasked::Broken(_)) => return Err(broken.into()),
        };
        answer(response, &mut sender).await?;
        sender.done();
        if let Some(place) = place
            && connection.is_ready_again().await
        {
            bridge.http.keep(place, connection);
        }
        Ok(Fields::new())
    }
}

/// The request but for its body.
fn head(options: &Options) -> Result<Request<()>, Closed> {
    let mut request = Request::builder()
        .method(options.method.as_str())
        .uri(options.path.as_str());
    for (name, value) in &options.headers {
        request = request.header(name, value);
    }
    let mut request = request
        .body(())
        .map_err(|error| Closed::protocol_error(format!("http-stream2: {error}")))?;
    if !request.headers().contains_key(HOST) {
        let host = options.destination.host().parse();
        let host = host.map_err(|_| Closed::protocol_error("address is no name of a host"))?;
        request.headers_mut().insert(HOST, host);
    }
    Ok(request)
}

/// What the page sends: all of it, or the beginning and a stream of the rest. `None` when the page closes.
async fn body(mut receiver: Receiver) -> Option<(Bytes, Option<Receiver>)> {
    let mut whole = BytesMut::new();
    loop {
        match receiver.receive().await? {
            Incoming::Data(data) => {
                receiver.used(data.len());
                whole.extend_from_slice(&data);
                if whole.len() > WHOLE_BODY {
                    return Some((whole.freeze(), Some(receiver)));
                }
            }
            Incoming::Done => return Some((whole.freeze(), None)),
            Incoming::Options(_) | Incoming::Other { .. } => {}
        }
    }
}

fn with_body(head: Request<()>, (begin, rest): (Bytes, Option<Receiver>)) -> Request<Body> {
    let (mut parts, ()) = head.into_parts();
    // How the body is delimited is for us to say.
    parts.headers.remove(TRANSFER_ENCODING);
    let body = match rest {
        None => {
            parts.headers.remove(CONTENT_LENGTH);
            Full::new(begin).boxed_unsync()
        }
        Some(receiver) => {
            let pieces = stream::unfold((Some(begin), receiver), |(begin, receiver)| async {
                let (piece, receiver) = match begin {
                    Some(begin) => (begin, receiver),
                    None => next_piece(receiver).await?,
                };
                Some((Ok(Frame::data(piece)), (None, receiver)))
            });
            StreamBody::new(pieces).boxed_unsync()
        }
    };
    Request::from_parts(parts, body)
}

async fn next_piece(mut receiver: Receiver) -> Option<(Bytes, Receiver)> {
    loop {
        match receiver.receive().await? {
            Incoming::Data(data) => {
                receiver.used(data.len());
                return Some((data, receiver));
            }
            Incoming::Done => return None,
            Incoming::Options(_) | Incoming::Other { .. } => {}
        }
    }
}

impl HttpConnection {
    async fn open(destination: &Destination) -> Result<Self, Closed> {
        let connection = destination.connect().await?;
        let (requests, connection) = http1::Builder::new()
            .title_case_headers(true)
            .handshake(TokioIo::new(connection))
            .await
            .map_err(|error| broken(&error))?;
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let _told_by_the_answer = connection.await;
        });
        Ok(Self { requests, _serving: serving })
    }

    /// Whether the service has not closed it, as far as is known.
    fn is_open(&self) -> bool {
        !self.requests.is_closed()
    }

    /// Whether another request may follow, now that the answer to the last was read.
    async fn is_ready_again(&mut self) -> bool {
        let ready = tokio::time::timeout(READY_TIME, self.requests.ready()).await;
        matches!(ready, Ok(Ok(())))
    }

    /// Sends the request, and waits for the head of the answer.
    async fn ask(&mut self, request: Request<Body>) -> Result<Response<ResponseBody>, Unasked> {
        let asked = self.requests.try_send_request(request).await;
        asked.map_err(|mut error| match error.take_message() {
            Some(request) => Unasked::NotSent(Box::new(request)),
            None => Unasked::Broken(broken(error.error())),
        })
    }
}

/// Why there is no answer.
enum Unasked {
    /// The connection was closed before any of the request was written; here it is again.
    NotSent(Box<Request<Body>>),
    /// The service broke off.
    Broken(Closed),
}

impl From<Unasked> for Closed {
    fn from(unasked: Unasked) -> Self {
        match unasked {
            Unasked::NotSent(_) => Self::new(Problem::Terminated, "the service broke off"),
            Unasked::Broken(closed) => closed,
        }
    }
}

async fn answer(response: Response<ResponseBody>, sender: &mut Sender) -> Result<(), Closed> {
    sender.control("response", headers::response(&response, sender.encoding()));
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() {
            sender.send(&data).await;
        }
    }
    Ok(())
}

fn broken(error: &hyper::Error) -> Closed {
    Closed::new(Problem::Terminated, format!("the service broke off: {error}"))
}
