//! For this crate's tests: a server on a loopback port, with a scripted helper and a scripted bridge at the other ends
//! of real sockets.
//!
//! Requests go through the real table of addresses and its checks; only TLS is left out.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use axum::http::HeaderMap;
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper_util::rt::TokioIo;
use protocol::frame::{FrameDecoder, encode_control, encode_unparsed};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};
use session::messages::{Message, Refusal, Reply, Request, Style};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, tungstenite};

use crate::admission::{Connection, Transport};
use crate::config::Config;
use crate::{Server, routes};

/// A running server.
pub(crate) struct Stage {
    pub(crate) server: Arc<Server>,
    pub(crate) address: SocketAddr,
    /// The bridges of the logins, in order.
    bridges: mpsc::Receiver<Bridge>,
    _state: tempfile::TempDir,
}

/// The bridge's end of a link.
pub(crate) struct Bridge {
    pub(crate) stream: UnixStream,
    decoder: FrameDecoder,
}

/// The browser's end of a socket.
pub(crate) struct Page {
    pub(crate) socket: WebSocketStream<TcpStream>,
    pub(crate) csrf: String,
}

/// Status line, headers and body of one response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// `name=value` of the cookie that was set.
    pub(crate) fn cookie(&self) -> String {
        self.header("set-cookie")
            .split(';')
            .next()
            .unwrap()
            .to_owned()
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A server with changed settings. Its helper lets `ada` in with `hunter2`, asks `otp` for two codes more, says
    /// that `old`'s account has run out, and refuses everybody else.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let state = tempfile::tempdir().unwrap();
        let session_socket = state.path().join("session.sock");
        let mut config = Config { session_socket, ..Config::default() };
        change(&mut config);
        let helpers = UnixListener::bind(&config.session_socket).unwrap();
        let (started, bridges) = mpsc::channel(64);
        tokio::spawn(async move {
            loop {
                let (connection, _) = helpers.accept().await.unwrap();
                tokio::spawn(helper(connection, started.clone()));
            }
        });
        let server = Arc::new(Server::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(Arc::clone(&server), listener));
        Self { server, address, bridges, _state: state }
    }

    /// Sends one request; `headers` are whole lines.
    pub(crate) async fn request(&self, line: &str, headers: &[&str], body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut text =
            format!("{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        for header in headers {
            text += header;
            text += "\r\n";
        }
        if !body.is_empty() {
            text += "Content-Length: ";
            text += &body.len().to_string();
            text += "\r\n";
        }
        text += "\r\n";
        text += body;
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        parse_answer(&received)
    }

    pub(crate) fn origin(&self) -> String {
        format!("Origin: http://{}", self.address)
    }

    /// Posts a form to the login.
    pub(crate) async fn post(&self, path: &str, form: &str) -> Answer {
        let content = "Content-Type: application/x-www-form-urlencoded";
        self.request(&format!("POST {path}"), &[&self.origin(), content], form)
            .await
    }

    /// Logs `ada` in and greets her bridge. Returns the cookie and the bridge.
    pub(crate) async fn log_in(&mut self) -> (String, Bridge) {
        let answer = self
            .request("GET /cockpit/login", &[&basic("ada", "hunter2")], "")
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        (answer.cookie(), self.next_bridge().await)
    }

    pub(crate) async fn next_bridge(&mut self) -> Bridge {
        self.bridges.recv().await.unwrap()
    }

    /// Opens a socket up to the server's first message, which is returned as well.
    pub(crate) async fn connect(&self, cookie: &str) -> (WebSocketStream<TcpStream>, Value) {
        let mut socket = self.upgrade("/cockpit/socket", cookie).await.unwrap();
        let init = control(socket.next().await.unwrap().unwrap());
        (socket, init)
    }

    pub(crate) async fn upgrade(
        &self,
        path: &str,
        cookie: &str,
    ) -> Result<WebSocketStream<TcpStream>, tungstenite::Error> {
        let address = self.address;
        let mut request = format!("ws://{address}{path}")
            .into_client_request()
            .unwrap();
        let headers = request.headers_mut();
        headers.insert("origin", format!("http://{address}").parse().unwrap());
        headers.insert("cookie", cookie.parse().unwrap());
        headers.insert("sec-websocket-protocol", "cockpit1".parse().unwrap());
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (socket, response) = tokio_tungstenite::client_async(request, stream).await?;
        assert_eq!(response.headers()["sec-websocket-protocol"], "cockpit1");
        Ok(socket)
    }

    /// Opens a socket and does not greet yet.
    pub(crate) async fn page_before_init(&self, cookie: &str) -> Page {
        let (socket, init) = self.connect(cookie).await;
        assert!(init.get("problem").is_none(), "{init}");
        Page { socket, csrf: init["csrf-token"].as_str().unwrap().to_owned() }
    }

    /// Opens a socket and greets.
    pub(crate) async fn page(&self, cookie: &str) -> Page {
        let mut page = self.page_before_init(cookie).await;
        page.control(&json!({ "command": "init", "version": 1 }))
            .await;
        page
    }
}

/// An `Authorization` header line.
pub(crate) fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    let credentials = format!("{user}:{password}");
    let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
    format!("Authorization: Basic {encoded}")
}

async fn serve(server: Arc<Server>, listener: TcpListener) {
    loop {
        let (stream, peer) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let connection = Connection { peer, transport: Transport::PlainLoopback };
            let service = hyper::service::service_fn(|request: hyper::Request<_>| {
                let server = Arc::clone(&server);
                async move {
                    let request = request.map(axum::body::Body::new);
                    let answer = routes::answer(&server, connection, request).await;
                    Ok::<_, std::convert::Infallible>(answer)
                }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
            drop(served);
        });
    }
}

fn parse_answer(received: &[u8]) -> Answer {
    let at = received.windows(4).position(|window| window == b"\r\n\r\n");
    let at = at.unwrap_or_else(|| panic!("no answer: {:?}", received.escape_ascii().to_string()));
    let head = std::str::from_utf8(&received[..at]).unwrap();
    let mut lines = head.split("\r\n");
    let mut status = lines.next().unwrap().splitn(3, ' ').skip(1);
    let mut headers = HeaderMap::new();
    let (status, reason) = (status.next().unwrap().parse().unwrap(), status.next().unwrap_or(""));
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        let name = axum::http::HeaderName::try_from(name).unwrap();
        headers.append(name, value.parse().unwrap());
    }
    let body = received[at + 4..].to_vec();
    Answer { status, reason: reason.to_owned(), headers, body }
}

/// Plays the root helper for one login.
async fn helper(mut connection: UnixStream, started: mpsc::Sender<Bridge>) {
    let Some(Request::Authenticate { user, password, .. }) = request(&mut connection).await else {
        return;
    };
    let message = |style, text: &str| Message { style, text: text.to_owned() };
    let verdict = match user.as_str() {
        "ada" if password.expose() == b"hunter2" => Ok(()),
        "otp" => {
            let asked = Reply::Prompt(vec![
                message(Style::Error, "expired"),
                message(Style::Secret, "First code: "),
                message(Style::Visible, "Second code: "),
            ]);
            reply(&mut connection, &asked).await;
            match request(&mut connection).await {
                Some(Request::Answer(answers))
                    if answers
                        .iter()
                        .map(protocol::secret::Secret::expose)
                        .eq([b"one", b"two"]) =>
                {
                    Ok(())
                }
                Some(_) => Err((Refusal::AuthenticationFailed, vec![])),
                None => return,
            }
        }
        "old" => Err((Refusal::AccountExpired, vec![message(Style::Error, "run out")])),
        _ => Err((Refusal::AuthenticationFailed, vec![])),
    };
    if let Err((reason, messages)) = verdict {
        return reply(&mut connection, &Reply::Refused { reason, messages }).await;
    }
    reply(&mut connection, &Reply::Authenticated { user, messages: vec![] }).await;
    let Some(Request::StartBridge) = request(&mut connection).await else { return };
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut bridge = Bridge { stream: ours, decoder: FrameDecoder::default() };
    let init = json!({
        "command": "init", "version": 1, "capabilities": { "explicit-superuser": true }
    });
    bridge.control(&init).await;
    send_with_descriptor(&connection, &Reply::BridgeStarted { pid: 7 }, &theirs);
    drop(theirs);
    assert_eq!(bridge.next_control().await["command"], "init");
    started.send(bridge).await.unwrap();
    // Stays until the server hangs up, as the real one stays until the bridge ends.
    let _hung_up = connection.read_u8().await;
}

async fn request(connection: &mut UnixStream) -> Option<Request> {
    let mut received = Vec::new();
    loop {
        if let Some((request, taken)) = Request::decode(&received).unwrap() {
            assert_eq!(taken, received.len());
            return Some(request);
        }
        if connection.read_buf(&mut received).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

async fn reply(connection: &mut UnixStream, reply: &Reply) {
    // A server that hung up meanwhile is part of some tests.
    let _gone = connection.write_all(&reply.encode().unwrap()).await;
}

fn send_with_descriptor(connection: &UnixStream, reply: &Reply, descriptor: &UnixStream) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    let bytes = reply.encode().unwrap();
    let sent = sendmsg(connection, &[IoSlice::new(&bytes)], &mut control, SendFlags::empty());
    assert_eq!(sent.unwrap(), bytes.len());
}

impl Bridge {
    /// A bridge at the end of a link that nobody greeted yet.
    pub(crate) fn over(stream: UnixStream) -> Self {
        Self { stream, decoder: FrameDecoder::default() }
    }

    pub(crate) async fn control(&mut self, message: &Value) {
        let mut frame = BytesMut::new();
        encode_control(message.to_string().as_bytes(), &mut frame);
        self.stream.write_all(&frame).await.unwrap();
    }

    /// Sends `CHANNEL\nPAYLOAD`.
    pub(crate) async fn data(&mut self, frame: &[u8]) {
        let mut stream = BytesMut::new();
        encode_unparsed(frame, &mut stream);
        self.stream.write_all(&stream).await.unwrap();
    }

    /// The next frame; `None` when the server has hung up.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.decoder.next_unparsed().unwrap() {
                return Some(frame);
            }
            if self
                .stream
                .read_buf(self.decoder.buffer(1 << 16))
                .await
                .unwrap_or(0)
                == 0
            {
                return None;
            }
        }
    }

    pub(crate) async fn next_control(&mut self) -> Value {
        let frame = self.next().await.expect("the server hung up");
        assert_eq!(frame[0], b'\n', "{frame:?}");
        serde_json::from_slice(&frame[1..]).unwrap()
    }
}

impl Page {
    pub(crate) async fn control(&mut self, message: &Value) {
        self.text(&format!("\n{message}")).await;
    }

    pub(crate) async fn text(&mut self, message: &str) {
        self.socket
            .send(tungstenite::Message::text(message))
            .await
            .unwrap();
    }

    /// Opens a channel whose flow control the page does itself.
    pub(crate) async fn open(&mut self, id: &str, more: Value) {
        let mut message = json!({
            "command": "open", "channel": id, "payload": "echo", "flow-control": true
        });
        message
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.control(&message).await;
    }

    /// The next message that is no keepalive.
    pub(crate) async fn next(&mut self) -> tungstenite::Message {
        loop {
            let message = self.socket.next().await.unwrap().unwrap();
            if message != tungstenite::Message::text("\n{\"command\":\"ping\"}") {
                return message;
            }
        }
    }

    pub(crate) async fn next_control(&mut self) -> Value {
        control(self.next().await)
    }

    /// Reads until the close frame. Returns its code, its reason, and the control messages before it.
    pub(crate) async fn closed(&mut self) -> (u16, String, Vec<Value>) {
        let mut before = Vec::new();
        loop {
            let message = self.next().await;
            if let tungstenite::Message::Close(Some(frame)) = message {
                return (frame.code.into(), frame.reason.to_string(), before);
            }
            if let tungstenite::Message::Text(text) = message
                && text.starts_with('\n')
            {
                before.push(serde_json::from_str(&text).unwrap());
            }
        }
    }
}

pub(crate) fn control(message: tungstenite::Message) -> Value {
    let tungstenite::Message::Text(text) = message else { panic!("{message:?}") };
    serde_json::from_str(text.strip_prefix('\n').expect("no control message")).unwrap()
}
