//! Sockets: where they come from, who is let in, and how they end.
//!
//! TLS and plain HTTP share a port. A socket is bound here, handed over by systemd, or passed as standard input by a
//! supervisor. Caller: [`crate::run`]. Never here: what a request means.

mod connection;
mod doors;
mod read_ahead;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use crate::Server;
use crate::admission::Source;
use crate::tls::{self, TlsError};
use connection::House;
use doors::Doors;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: u32 = 1_024;

/// How long accepting pauses when the system is out of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);

/// Where listening sockets come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// Those that systemd handed over (`LISTEN_FDS`); if there are none, the addresses of the setting `listen`.
    Systemd,
    /// One listening socket as standard input.
    Stdin,
    /// The addresses of the setting `listen`.
    Bind,
}

/// Why there is nothing to listen on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken, not ours, or needs a right.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// As configured.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A socket that was handed over is no listening TCP socket.
    #[error("the socket that was handed over cannot be used: {0}")]
    HandedOver(std::io::Error),
}

impl Listener {
    /// Opens or takes over the sockets; at least one.
    pub(crate) fn open(self, addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, ListenError> {
        match self {
            Self::Stdin => {
                let socket = rustix::stdio::stdin().as_fd().try_clone_to_owned();
                let socket = socket.map_err(ListenError::HandedOver)?;
                Ok(vec![inherited(socket.into())?])
            }
            Self::Systemd => {
                let mut handed = listenfd::ListenFd::from_env();
                let mut sockets = Vec::new();
                for place in 0..handed.len() {
                    let socket = handed
                        .take_tcp_listener(place)
                        .map_err(ListenError::HandedOver)?;
                    sockets.extend(socket.map(inherited).transpose()?);
                }
                if sockets.is_empty() { Self::Bind.open(addresses) } else { Ok(sockets) }
            }
            Self::Bind => addresses.iter().map(|address| bind(*address)).collect(),
        }
    }
}

fn inherited(socket: std::net::TcpListener) -> Result<TcpListener, ListenError> {
    socket
        .set_nonblocking(true)
        .map_err(ListenError::HandedOver)?;
    TcpListener::from_std(socket).map_err(ListenError::HandedOver)
}

fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let result = match bind_exactly(address) {
        // A machine without IPv6: its every address is an IPv4 one.
        Err(error) if is_without_ipv6(&error) && address.ip().is_unspecified() => {
            bind_exactly(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        result => result,
    };
    result.map_err(|source| ListenError::Bind { address, source })
}

fn is_without_ipv6(error: &std::io::Error) -> bool {
    let code = error
        .raw_os_error()
        .map(rustix::io::Errno::from_raw_os_error);
    matches!(code, Some(rustix::io::Errno::AFNOSUPPORT | rustix::io::Errno::ADDRNOTAVAIL))
}

fn bind_exactly(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The server's front: accepting until it is told to stop.
pub(crate) struct Front {
    stop: watch::Sender<bool>,
    checks: mpsc::Sender<DuplexStream>,
    /// Closed when the last connection has ended.
    ended: mpsc::Receiver<std::convert::Infallible>,
}

impl Front {
    /// Starts one task for each socket.
    pub(crate) fn open(server: &Arc<Server>, sockets: Vec<TcpListener>) -> Result<Self, TlsError> {
        let tls = tls::server_config(Arc::clone(&server.certificates))?;
        let (stop, stopping) = watch::channel(false);
        let (alive, ended) = mpsc::channel(1);
        let (checks, first_checks) = mpsc::channel(1);
        let house =
            House { server: Arc::clone(server), tls: TlsAcceptor::from(Arc::new(tls)), stopping };
        let doors = Doors::new(&server.config.connections);
        let mut first_checks = Some(first_checks);
        for socket in sockets {
            let checked = first_checks.take();
            tokio::spawn(accept(house.clone(), Arc::clone(&doors), socket, checked, alive.clone()));
        }
        Ok(Self { stop, checks, ended })
    }

    /// Whether a connection is accepted and answered within `patience`: the watchdog's question.
    pub(crate) async fn answers(&self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.ask())
            .await
            .is_ok_and(|asked| asked.is_ok())
    }

    async fn ask(&self) -> std::io::Result<()> {
        let (mut ours, theirs) = tokio::io::duplex(4_096);
        self.checks
            .send(theirs)
            .await
            .map_err(std::io::Error::other)?;
        ours.write_all(b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await?;
        let mut answer = Vec::new();
        ours.read_to_end(&mut answer).await?;
        if answer.starts_with(b"HTTP/1.1 200") {
            Ok(())
        } else {
            Err(std::io::Error::other("not answered with 200"))
        }
    }

    /// Accepts no more and tells every connection to end after its answer.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for the connections that are left, at most `patience`.
    pub(crate) async fn ended(mut self, patience: Duration) {
        if tokio::time::timeout(patience, self.ended.recv())
            .await
            .is_err()
        {
            tracing::debug!("closed the connections that were left");
        }
    }
}

async fn accept(
    house: House,
    doors: Arc<Doors>,
    socket: TcpListener,
    checks: Option<mpsc::Receiver<DuplexStream>>,
    alive: mpsc::Sender<std::convert::Infallible>,
) {
    let mut stopping = house.stopping.clone();
    let (_never, nothing) = mpsc::channel(1);
    let mut checks = checks.unwrap_or(nothing);
    loop {
        tokio::select! {
            // Nothing is accepted any more once the server stops, whatever else is ready.
            biased;
            () = stopped(&mut stopping) => return,
            Some(stream) = checks.recv() => {
                tokio::spawn(house.clone().check(stream));
            }
            accepted = socket.accept() => match accepted {
                Ok((stream, peer)) => admit(&house, &doors, stream, peer, &alive),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections at the moment");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
}

/// Ends when the server stops.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the front is gone, which is the same.
    drop(stopping.wait_for(|stopping| *stopping).await);
}

/// accept(2): errors of the connection that was about to be accepted.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn admit(
    house: &House,
    doors: &Arc<Doors>,
    stream: TcpStream,
    peer: SocketAddr,
    alive: &mpsc::Sender<std::convert::Infallible>,
) {
    let chance = getrandom::u32().unwrap_or_default();
    let Some(place) = doors.enter(Source::of(peer.ip()), chance) else {
        tracing::debug!(%peer, "too many connections");
        return;
    };
    // Small messages matter more here than full packets.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "connection ended before it began");
        return;
    }
    let house = house.clone();
    let alive = alive.clone();
    tokio::spawn(async move {
        house.receive(stream, peer, place).await;
        drop(alive);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[tokio::test]
    async fn the_self_check_needs_an_accepting_task() {
        let server = Arc::new(Server::new(Config::default()));
        let socket = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let front = Front::open(&server, vec![socket]).unwrap();
        let patience = Duration::from_secs(5);

        assert!(front.answers(patience).await);
        front.stop();
        assert!(!front.answers(patience).await);
    }
}
