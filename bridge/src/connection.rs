//! A connection to a service, on this machine or in its network, as a page asked for it.
//!
//! By path of a Unix socket, or by port and address, with TLS over the latter if wanted. As far as this user may
//! connect; nothing here is privileged. Callers: `channels::{http, websocket}`. Text: docs/protocol.md,
//! "http-stream2".

pub mod kept;
mod tls;

use std::pin::Pin;

use protocol::problem::Problem;
use rustls_pki_types::ServerName;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::channel::Closed;
use crate::file_work::away;
pub use tls::Tls;

/// Bytes in order, both ways.
pub trait ByteStream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> ByteStream for T {}

/// A connection of whatever kind.
pub type Connection = Pin<Box<dyn ByteStream>>;

/// Where a page wants to connect to: the members of its `open`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Destination {
    unix: Option<String>,
    port: Option<u16>,
    address: Option<String>,
    tls: Option<Tls>,
}

/// The address of a service that names none.
const DEFAULT_ADDRESS: &str = "localhost";

/// Where to connect to, without contradictions.
enum Peer<'a> {
    Unix(&'a str),
    Tcp(&'a str, u16, Option<&'a Tls>),
}

impl Destination {
    /// The name of the service for a `Host` header.
    pub fn host(&self) -> String {
        let address = self.address.as_deref().unwrap_or(DEFAULT_ADDRESS);
        let address =
            if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        let usual = if self.tls.is_some() { 443 } else { 80 };
        match self.port {
            Some(port) if port != usual => format!("{address}:{port}"),
            Some(_) | None => address,
        }
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// `protocol-error` when the page contradicts itself, `not-found` when nobody listens there, `access-denied`,
    /// `unknown-hostkey` when the service's certificate is not the right one, `terminated` when it breaks off.
    pub async fn connect(&self) -> Result<Connection, Closed> {
        match self.peer()? {
            Peer::Unix(path) => {
                let socket = UnixStream::connect(path).await;
                Ok(Box::pin(socket.map_err(|error| unreachable(path, &error))?))
            }
            Peer::Tcp(address, port, tls) => {
                let subject = format!("{address}:{port}");
                let socket = TcpStream::connect((address, port)).await;
                let socket = socket.map_err(|error| unreachable(&subject, &error))?;
                let _slower_without = socket.set_nodelay(true);
                match tls {
                    Some(tls) => secured(socket, address, tls).await,
                    None => Ok(Box::pin(socket)),
                }
            }
        }
    }

    fn peer(&self) -> Result<Peer<'_>, Closed> {
        match (&self.unix, self.port, &self.tls) {
            (Some(_), None, Some(_)) => {
                Err(Closed::protocol_error("TLS over a Unix socket is not supported"))
            }
            (Some(path), None, None) => Ok(Peer::Unix(path)),
            (None, Some(port), tls) => {
                let address = self.address.as_deref().unwrap_or(DEFAULT_ADDRESS);
                Ok(Peer::Tcp(address, port, tls.as_ref()))
            }
            (Some(_), Some(_), _) => Err(Closed::protocol_error("both unix and port are given")),
            (None, None, _) => Err(Closed::protocol_error("neither unix nor port is given")),
        }
    }
}

async fn secured(socket: TcpStream, address: &str, tls: &Tls) -> Result<Connection, Closed> {
    let name = ServerName::try_from(address.to_owned())
        .map_err(|_| Closed::protocol_error(format!("{address:?} is no name of a host")))?;
    let wanted = tls.clone();
    let connector = TlsConnector::from(away(move || wanted.config()).await?);
    match connector.connect(name, socket).await {
        Ok(stream) => Ok(Box::pin(stream)),
        Err(error) => Err(Closed::new(handshake_problem(&error), format!("{address}: {error}"))),
    }
}

fn handshake_problem(error: &std::io::Error) -> Problem {
    let tls = error
        .get_ref()
        .and_then(|error| error.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(_)) => Problem::UnknownHostkey,
        Some(_) | None => Problem::Terminated,
    }
}

/// Why nobody answers at `subject`.
pub fn unreachable(subject: &str, error: &std::io::Error) -> Closed {
    let problem = if error.kind() == std::io::ErrorKind::PermissionDenied {
        Problem::AccessDenied
    } else {
        Problem::NotFound
    };
    Closed::new(problem, format!("{subject}: {error}"))
}
