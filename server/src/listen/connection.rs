//! One connection from its first byte to its last: TLS or not, the gate, hyper, the answer of `routes`.
//!
//! Caller: `listen`, one task for each. A failed connection is the client's affair and is logged at `debug`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::header::{self, HeaderValue};
use axum::http::{Request, Response, StatusCode};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::Server;
use crate::admission::{Connection, Transport};
use crate::config::LoopbackHttp;
use crate::head::MOST_HEAD;
use crate::head::gate::{Gate, InWork, Patience, Progress};
use crate::headers::{self, Strict};
use crate::listen::doors::Place;
use crate::listen::read_ahead::ReadAhead;
use crate::listen::stopped;
use crate::pages::ErrorPage;
use crate::routes;

/// First byte of a TLS record that holds a handshake (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// What every connection needs.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) server: Arc<Server>,
    pub(crate) tls: TlsAcceptor,
    /// Turns to `true` once, when the server stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// What is served on a connection.
#[derive(Clone, Copy)]
enum Service {
    Everything(Connection),
    /// Plain HTTP from elsewhere: the way to HTTPS, and `/ping`.
    Redirect(Connection),
}

impl House {
    /// Serves `stream` until it ends, its place is needed, or the server stops.
    pub(crate) async fn receive(self, stream: TcpStream, peer: SocketAddr, place: Place) {
        let progress = Arc::clone(place.progress());
        tokio::select! {
            () = place.taken_away() => tracing::debug!(%peer, "closed an idle connection for a newer one"),
            () = self.greet(stream, peer, progress) => {}
        }
    }

    /// Tells TLS from plain HTTP by the first byte.
    async fn greet(self, stream: TcpStream, peer: SocketAddr, progress: Arc<Progress>) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let patience = self.server.config.connections.handshake;
        let greeted = tokio::time::timeout(patience, async {
            let mut first = [0];
            match stream.peek(&mut first).await? {
                0 => Ok(Greeted::Nothing),
                _ if first == [TLS_HANDSHAKE] => self
                    .tls
                    .accept(ReadAhead::new(stream))
                    .await
                    .map(|stream| Greeted::Tls(Box::new(stream))),
                _ => Ok::<_, std::io::Error>(Greeted::Plain(stream)),
            }
        });
        let serves = self.server.config.loopback_http == LoopbackHttp::Serve;
        match greeted.await {
            Ok(Ok(Greeted::Tls(stream))) => {
                let connection = Connection { peer, transport: Transport::Tls };
                self.converse(stream, Service::Everything(connection), progress)
                    .await;
            }
            Ok(Ok(Greeted::Plain(stream))) => {
                let connection = Connection { peer, transport: Transport::PlainLoopback };
                let service = if serves && peer.ip().is_loopback() {
                    Service::Everything(connection)
                } else {
                    Service::Redirect(connection)
                };
                self.converse(stream, service, progress).await;
            }
            Ok(Ok(Greeted::Nothing)) => {}
            Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS connection"),
            Err(_) => tracing::debug!(%peer, "no request or TLS handshake in time"),
        }
    }

    /// The self-check of the watchdog: everything but the socket.
    pub(crate) async fn check(self, stream: tokio::io::DuplexStream) {
        let peer = SocketAddr::from(([127, 0, 0, 1], 0));
        let connection = Connection { peer, transport: Transport::Tls };
        self.converse(stream, Service::Everything(connection), Arc::default())
            .await;
    }

    /// HTTP/1.1 on a stream of bytes.
    async fn converse<S>(mut self, stream: S, service: Service, progress: Arc<Progress>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limits = &self.server.config.connections;
        let stall = self.server.config.relay.socket_stall;
        let patience = Patience { head: limits.head, keep_alive: limits.keep_alive, stall };
        let gate = Gate::new(stream, Arc::clone(&progress), patience);
        let server = Arc::clone(&self.server);
        let service = service_fn(move |request: Request<Incoming>| {
            let in_work = InWork::begin(&progress);
            let server = Arc::clone(&server);
            let progress = Arc::clone(&progress);
            async move {
                let response = match service {
                    Service::Everything(connection) => {
                        routes::answer(&server, connection, request.map(Body::new)).await
                    }
                    Service::Redirect(connection) => redirect(&server, connection, &request),
                };
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    progress.upgraded();
                }
                Ok::<_, Infallible>(response.map(|body| Answer { body, _in_work: in_work }))
            }
        });
        let conversation = http1::Builder::new()
            .max_buf_size(MOST_HEAD + 4_096)
            .serve_connection(TokioIo::new(gate), service)
            .with_upgrades();
        let mut conversation = pin!(conversation);
        tokio::select! {
            result = conversation.as_mut() => return log_end(result),
            () = stopped(&mut self.stopping) => conversation.as_mut().graceful_shutdown(),
        }
        log_end(conversation.await);
    }
}

/// A connection after its first byte.
enum Greeted {
    Tls(Box<tokio_rustls::server::TlsStream<ReadAhead<TcpStream>>>),
    Plain(TcpStream),
    Nothing,
}

fn log_end(result: hyper::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%error, "connection ended early");
    }
}

/// T11: the same address over HTTPS, made of a name that is ours.
fn redirect(
    server: &Server,
    connection: Connection,
    request: &Request<Incoming>,
) -> Response<Body> {
    let mut response = if request.uri().path() == "/ping" {
        routes::ping()
    } else {
        match server.admission.host(request.headers()) {
            Ok(host) => {
                let wanted = request
                    .uri()
                    .path_and_query()
                    .map_or("/", |wanted| wanted.as_str());
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
                if let Ok(location) = HeaderValue::from_str(&host.https_address(wanted)) {
                    response.headers_mut().insert(header::LOCATION, location);
                }
                response
            }
            Err(name) => {
                tracing::debug!(peer = %connection.peer, "refused a foreign Host");
                server.pages.error_page(&ErrorPage::UnknownHost(&name))
            }
        }
    };
    headers::complete(response.headers_mut(), Strict::Omit);
    response
}

/// A body that says when it is gone.
struct Answer {
    body: Body,
    _in_work: InWork,
}

impl hyper::body::Body for Answer {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
