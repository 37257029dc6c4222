//! A connection to a socket of this machine, or to a port.

use std::time::Duration;

use protocol::json::Fields;
use protocol::problem::Problem;
use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::{send_all, write_all};
use crate::channel::Closed;
use crate::port::Port;

/// How long a connection may take to be made.
const CONNECT_TIME: Duration = Duration::from_secs(30);

/// Connects the page with the unix socket `path`.
pub(super) async fn run_unix(path: &str, port: Port) -> Result<Fields, Closed> {
    let socket = connected(path, UnixStream::connect(path)).await?;
    let (reader, writer) = socket.into_split();
    relay(reader, writer, port).await
}

/// Connects the page with a TCP port, of this machine without an address.
pub(super) async fn run_tcp(
    address: Option<&str>,
    number: u16,
    port: Port,
) -> Result<Fields, Closed> {
    let address = address.unwrap_or("localhost");
    let name = format!("{address} port {number}");
    let socket = connected(&name, TcpStream::connect((address, number))).await?;
    let _it_works_without = socket.set_nodelay(true);
    let (reader, writer) = socket.into_split();
    relay(reader, writer, port).await
}

async fn connected<S>(
    name: &str,
    connecting: impl Future<Output = std::io::Result<S>>,
) -> Result<S, Closed> {
    let Ok(connected) = tokio::time::timeout(CONNECT_TIME, connecting).await else {
        let seconds = CONNECT_TIME.as_secs();
        let message = format!("{name} did not answer within {seconds} s");
        return Err(Closed::new(Problem::Timeout, message));
    };
    connected.map_err(|error| {
        let problem = match Errno::from_io_error(&error) {
            Some(Errno::CONNREFUSED | Errno::NOENT) => Problem::NotFound,
            Some(Errno::ACCESS | Errno::PERM) => Problem::AccessDenied,
            Some(Errno::TIMEDOUT) => Problem::Timeout,
            Some(_) | None => Problem::Terminated,
        };
        Closed::new(problem, format!("cannot connect to {name}: {error}"))
    })
}

/// Connects the page with `reader` and `writer` until the reader ends.
pub(super) async fn relay(
    mut reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
    port: Port,
) -> Result<Fields, Closed> {
    port.ready(Fields::new());
    let Port { mut receiver, mut sender, .. } = port;
    tokio::select! {
        () = send_all(&mut reader, &mut sender) => {}
        never = write_all(writer, &mut receiver, |_| {}) => match never {},
    }
    sender.done();
    Ok(Fields::new())
}
