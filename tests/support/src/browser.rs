//! A scripted browser: logs in over HTTPS and opens sockets, without a window.
//!
//! It trusts any certificate: who trusts which is tested elsewhere. What it gets is what the server sent: status,
//! headers, body.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Response as Upgraded;

use crate::page::Page;
use crate::tls;

/// A connection to a server, whatever is under it.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// What a server is spoken to over.
#[derive(Clone)]
enum Transport {
    Https(TlsConnector),
    Http,
}

/// A browser with one server open.
#[derive(Clone)]
pub struct Browser {
    address: SocketAddr,
    transport: Transport,
    /// The network namespace that it is in, when that is not the test's own.
    network: Option<PathBuf>,
    /// The cookie header's value, once there is one.
    pub cookie: Option<String>,
    /// The token of the session, once there is one.
    pub csrf_token: Option<String>,
}

/// An answer of the server.
#[derive(Debug)]
pub struct Answer {
    /// `200`.
    pub status: u16,
    /// What stands behind the number.
    pub reason: String,
    /// Headers by name in lower case; of equal ones the last.
    pub headers: HashMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Browser {
    /// A browser for the HTTPS server at `address`.
    pub fn new(address: SocketAddr) -> Self {
        let config = tls::client();
        Self::over(Transport::Https(TlsConnector::from(config)), address)
    }

    /// A browser for the HTTP server at `address`.
    pub fn without_tls(address: SocketAddr) -> Self {
        Self::over(Transport::Http, address)
    }

    fn over(transport: Transport, address: SocketAddr) -> Self {
        Self { address, transport, network: None, cookie: None, csrf_token: None }
    }

    /// The same browser in the network of the process `pid`: the server sees that one's address.
    #[must_use]
    pub fn in_network_of(mut self, pid: i32) -> Self {
        self.network = Some(PathBuf::from(format!("/proc/{pid}/ns/net")));
        self
    }

    /// `https://ADDRESS:PORT`.
    pub fn origin(&self) -> String {
        let scheme = match self.transport {
            Transport::Https(_) => "https",
            Transport::Http => "http",
        };
        format!("{scheme}://{}", self.address)
    }

    /// Logs in, and keeps cookie and token.
    pub async fn log_in(&mut self, user: &str, password: &str) -> Answer {
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        let answer = self
            .request(
                "GET",
                "/cockpit/login",
                &[("Authorization", &format!("Basic {credentials}"))],
                b"",
            )
            .await;
        self.keep(&answer);
        answer
    }

    /// Answers the question of a login that `answer` asks.
    pub async fn reply(&mut self, answer: &Answer, reply: &str) -> Answer {
        let challenge = answer.headers.get("www-authenticate").expect("a question");
        let conversation = challenge.split(' ').nth(1).expect("a conversation id");
        let header = format!("X-Conversation {conversation} {}", STANDARD.encode(reply));
        let answer = self
            .request("GET", "/cockpit/login", &[("Authorization", &header)], b"")
            .await;
        self.keep(&answer);
        answer
    }

    fn keep(&mut self, answer: &Answer) {
        if answer.status != 200 {
            return;
        }
        let cookie = answer
            .headers
            .get("set-cookie")
            .and_then(|cookie| cookie.split(';').next());
        self.cookie = cookie.map(str::to_owned);
        self.csrf_token = answer
            .json()
            .get("csrf-token")
            .and_then(Value::as_str)
            .map(str::to_owned);
    }

    /// Makes one request on a connection of its own.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut lines = vec![
            format!("{method} {path} HTTP/1.1"),
            format!("Host: {}", self.address),
            "Connection: close".to_owned(),
            format!("Content-Length: {}", body.len()),
        ];
        lines.extend(self.cookie.iter().map(|cookie| format!("Cookie: {cookie}")));
        lines.extend(
            headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}")),
        );
        let mut request = (lines.join("\r\n") + "\r\n\r\n").into_bytes();
        request.extend_from_slice(body);
        parse(&self.raw(&request).await)
    }

    /// Sends bytes on a connection of its own, and returns all that comes until the server ends it.
    pub async fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().await.expect("a connection");
        // A server may refuse before it has read all, and one that ends without TLS's goodbye has still answered.
        let _refused = stream.write_all(request).await;
        // TLS keeps what the socket did not take at once, and many browsers in one task use up their turn.
        let _refused_too = stream.flush().await;
        let mut answer = Vec::new();
        let _end = stream.read_to_end(&mut answer).await;
        answer
    }

    /// A connection.
    ///
    /// # Errors
    ///
    /// The server's or the kernel's refusal.
    pub async fn connect(&self) -> io::Result<Box<dyn Connection>> {
        let stream = self.connect_without_tls().await?;
        match &self.transport {
            Transport::Https(tls) => {
                let name = ServerName::from(self.address.ip());
                Ok(Box::new(tls.connect(name, stream).await?))
            }
            Transport::Http => Ok(Box::new(stream)),
        }
    }

    /// A connection on which nothing has been said.
    ///
    /// # Errors
    ///
    /// The server's or the kernel's refusal.
    pub async fn connect_without_tls(&self) -> io::Result<TcpStream> {
        let stream = match &self.network {
            None => TcpStream::connect(self.address).await?,
            Some(network) => connect_in(network.clone(), self.address).await?,
        };
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Opens a WebSocket and greets; what follows is a page's life.
    pub async fn open_page(&self) -> Page {
        let (socket, _) = self.open_socket().await.expect("a WebSocket");
        let mut page = Page::on_websocket(socket);
        page.greet_server().await;
        page
    }

    /// Opens a WebSocket without a word.
    ///
    /// # Errors
    ///
    /// The server's refusal.
    pub async fn open_socket(&self) -> Result<(Socket, Upgraded), Error> {
        self.open_socket_as(Some(&self.origin())).await
    }

    /// Opens a WebSocket for a page of `origin`.
    ///
    /// # Errors
    ///
    /// The server's refusal.
    pub async fn open_socket_as(&self, origin: Option<&str>) -> Result<(Socket, Upgraded), Error> {
        let url = format!("{}/cockpit/socket", self.origin().replacen("http", "ws", 1));
        let mut request = url.into_client_request()?;
        let headers = request.headers_mut();
        if let Some(origin) = origin {
            headers.insert("Origin", origin.parse().expect("an origin"));
        }
        headers.insert("Sec-WebSocket-Protocol", "cockpit1".parse().expect("a protocol"));
        if let Some(cookie) = &self.cookie {
            headers.insert("Cookie", cookie.parse().expect("a cookie"));
        }
        let stream = self.connect().await?;
        tokio_tungstenite::client_async(request, stream).await
    }
}

/// A WebSocket to a server.
pub type Socket = WebSocketStream<Box<dyn Connection>>;

/// Connects from another network namespace: a socket stays in the one in which it was made.
async fn connect_in(network: PathBuf, address: SocketAddr) -> io::Result<TcpStream> {
    // A thread of its own, which ends: the namespace is the thread's.
    let connecting = std::thread::spawn(move || {
        let namespace = std::fs::File::open(network)?;
        move_into_link_name_space(
            std::os::fd::AsFd::as_fd(&namespace),
            Some(LinkNameSpaceType::Network),
        )?;
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nonblocking(true)?;
        Ok::<_, io::Error>(stream)
    });
    let stream = tokio::task::spawn_blocking(move || connecting.join().expect("no panic"))
        .await
        .map_err(io::Error::other)??;
    TcpStream::from_std(stream)
}

/// Takes an answer apart.
pub fn parse(answer: &[u8]) -> Answer {
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or(answer.len());
    let head = String::from_utf8_lossy(answer.get(..end).unwrap_or_default()).into_owned();
    let mut lines = head.split("\r\n");
    let mut status = lines.next().unwrap_or_default().splitn(3, ' ').skip(1);
    let (status, reason) = (status.next().unwrap_or_default(), status.next().unwrap_or_default());
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let body = answer.get(end + 4..).unwrap_or_default();
    let chunked = headers
        .get("transfer-encoding")
        .is_some_and(|coding| coding == "chunked");
    Answer {
        status: status.parse().unwrap_or_default(),
        reason: reason.to_owned(),
        headers,
        body: if chunked { joined(body) } else { body.to_vec() },
    }
}

/// The bytes that come in chunks (RFC 9112, section 7.1); as far as they are whole.
fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line) = chunks.iter().position(|&byte| byte == b'\n') {
        let size = String::from_utf8_lossy(chunks.get(..line).unwrap_or_default());
        let size = usize::from_str_radix(size.trim(), 16).expect("a chunk's size");
        let rest = chunks.get(line + 1..).unwrap_or_default();
        let Some(chunk) = rest.get(..size).filter(|chunk| !chunk.is_empty()) else { break };
        body.extend_from_slice(chunk);
        chunks = rest.get(size + 2..).unwrap_or_default();
    }
    body
}
