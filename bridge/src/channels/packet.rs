//! `packet`: a Unix socket of packets (`SOCK_SEQPACKET`), one message a packet, both ways.
//!
//! Text: docs/protocol.md, "packet". Source: unix(7), recv(2).

use std::os::fd::OwnedFd;
use std::sync::Arc;

use protocol::json::Fields;
use protocol::problem::Problem;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType,
};
use serde::Deserialize;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::channel::{Channel, Closed};
use crate::connection::unreachable;
use crate::port::{Incoming, Port, Receiver, Sender};
use crate::readiness;

/// Largest packet in bytes when the page names no size.
const DEFAULT_SIZE: usize = 128 << 10;

/// Largest packet in bytes that a page may wait for.
const MAX_SIZE: usize = 8 << 20;

/// The kind.
#[derive(Debug)]
pub(super) struct Packet;

/// What the page asks for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Options {
    unix: String,
    #[serde(default = "default_size")]
    max_size: usize,
}

fn default_size() -> usize {
    DEFAULT_SIZE
}

type Socket = Arc<AsyncFd<OwnedFd>>;

impl Channel for Packet {
    const KIND: &'static str = "packet";
    type Options = Options;

    async fn run(options: Options, port: Port) -> Result<Fields, Closed> {
        if !(1..=MAX_SIZE).contains(&options.max_size) {
            return Err(Closed::protocol_error(format!("packet: max-size is 1 to {MAX_SIZE}")));
        }
        let socket = connect(&options.unix).map_err(|error| unreachable(&options.unix, &error))?;
        port.ready(Fields::new());
        let Port { mut receiver, mut sender, bridge: _ } = port;
        let outwards = Arc::clone(&socket);
        tokio::select! {
            ended = from_service(&socket, options.max_size, &mut sender) => ended?,
            failed = to_service(&outwards, &mut receiver) => return Err(failed),
        }
        sender.done();
        Ok(Fields::new())
    }
}

fn connect(path: &str) -> std::io::Result<Socket> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(Arc::new(readiness::watched(socket, Interest::READABLE | Interest::WRITABLE)?))
}

/// Passes packets on until the service has no more.
async fn from_service(socket: &Socket, size: usize, sender: &mut Sender) -> Result<(), Closed> {
    let mut buffer = vec![0; size];
    loop {
        sender.room().await;
        let mut ready = socket.readable().await.map_err(|error| broken(&error))?;
        match rustix::net::recv(socket.get_ref(), buffer.as_mut_slice(), RecvFlags::TRUNC) {
            Ok((_, 0)) => return Ok(()),
            Ok((_, length)) => {
                let Some(packet) = buffer.get(..length) else {
                    let message = format!("a packet of {length} bytes, {size} are wanted at most");
                    return Err(Closed::new(Problem::TooLarge, message));
                };
                sender.send_now(packet);
            }
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(broken(&error.into())),
        }
    }
}

/// Passes messages on as packets; ends only by failing.
async fn to_service(socket: &Socket, receiver: &mut Receiver) -> Closed {
    while let Some(incoming) = receiver.receive().await {
        match incoming {
            Incoming::Data(data) => {
                if let Err(error) = send(socket, &data).await {
                    return broken(&error);
                }
                receiver.used(data.len());
            }
            Incoming::Done => {
                let _it_may_be_gone = rustix::net::shutdown(socket.get_ref(), Shutdown::Write);
            }
            Incoming::Options(_) | Incoming::Other { .. } => {}
        }
    }
    std::future::pending().await
}

async fn send(socket: &Socket, packet: &[u8]) -> std::io::Result<()> {
    loop {
        let mut ready = socket.writable().await?;
        match rustix::net::send(socket.get_ref(), packet, SendFlags::NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn broken(error: &std::io::Error) -> Closed {
    let problem = match Errno::from_io_error(error) {
        Some(Errno::MSGSIZE) => Problem::TooLarge,
        Some(_) | None => Problem::Terminated,
    };
    Closed::new(problem, format!("the socket of packets: {error}"))
}
