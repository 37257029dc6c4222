//! The floor: a relay with TLS, WebSocket and one process for each socket, and nothing else.
//!
//! No password, no PAM, no user, no check of anything: what is left when everything that makes a server safe is taken
//! away. It is here to be compared with, in the same run, and answers to this bench only.

pub(crate) mod bridge;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustls::{ServerConfig, ServerConnection};

use crate::link::{Link, put};
use crate::program::program;
use crate::wire::{Wait, Wire};

/// Serves on `address` until it is ended; the key lies in `directory`.
pub(crate) fn serve(address: SocketAddr, directory: &Path) -> Result<()> {
    let names = certs::Names::of_this_machine();
    let certificate = certs::load_or_make(directory, &names, SystemTime::now())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificate.chain, certificate.key)?;
    let tls = Arc::new(tls);
    for socket in TcpListener::bind(address)?.incoming() {
        let tls = Arc::clone(&tls);
        let socket = socket?;
        std::thread::spawn(move || converse(socket, tls));
    }
    Ok(())
}

/// The end of a connection is the client's affair.
fn converse(socket: TcpStream, tls: Arc<ServerConfig>) -> Option<()> {
    let tls = ServerConnection::new(tls).ok()?;
    let mut wire = Wire::new(socket, tls.into()).ok()?;
    loop {
        wire.turn(Wait::Yes).ok()?;
        let received = wire.received();
        let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(received.get(..end)?).into_owned();
        wire.take(end + 4);
        if head.contains("Upgrade: websocket") {
            return relay(wire).ok();
        }
        let body = "x".repeat(BODY);
        let answer = format!(
            "HTTP/1.1 200 OK\r\nSet-Cookie: floor=1\r\nContent-Length: {BODY}\r\n\r\n{body}"
        );
        wire.write(answer.as_bytes()).ok()?;
        wire.turn(Wait::No).ok()?;
    }
}

/// A WebSocket and its process.
fn relay(mut wire: Wire) -> Result<()> {
    wire.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    )?;
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = program(std::env::current_exe()?, ["floor-bridge"]);
    command.stdin(Stdio::from(OwnedFd::from(theirs.try_clone()?)));
    command.stdout(Stdio::from(OwnedFd::from(theirs)));
    let mut child = command.spawn()?;
    drop(command);
    let mut link = Link::new(ours)?;
    let result = forward(&mut wire, &mut link);
    drop(link);
    child.wait()?;
    result
}

fn forward(wire: &mut Wire, link: &mut Link) -> Result<()> {
    let mut frame = Vec::new();
    loop {
        wire.turn(Wait::No)?;
        while let Some((start, end)) = masked(wire.received()) {
            put(wire.received().get(start..end).unwrap_or_default(), &mut link.outgoing);
            wire.take(end);
        }
        link.send()?;
        while let Some(message) = link.next()? {
            websocket_frame(&message, &mut frame);
        }
        if !frame.is_empty() {
            wire.write(&frame)?;
            frame.clear();
        }
        wire.turn(Wait::No)?;
        if wire.is_closed() || link.is_closed() {
            return Ok(());
        }
        if masked(wire.received()).is_some() {
            continue;
        }
        let link_flags =
            if link.outgoing.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        // A browser that is behind is not given more.
        let wire_flags = wire.interest();
        let link_flags = if wire.is_clogged() { link_flags - PollFlags::IN } else { link_flags };
        let mut descriptors = [
            PollFd::from_borrowed_fd(wire.as_fd(), wire_flags),
            PollFd::from_borrowed_fd(link.as_fd(), link_flags),
        ];
        poll(&mut descriptors, None)?;
        link.readable = !descriptors.get(1).context("two")?.revents().is_empty();
    }
}

/// Where the payload of the first message stands, when it is whole. This bench masks with zeros.
fn masked(received: &[u8]) -> Option<(usize, usize)> {
    let [_, second, rest @ ..] = received else { return None };
    let (length, start) = match (second & 0x7f, rest) {
        (126, [a, b, ..]) => (usize::from(u16::from_be_bytes([*a, *b])), 8),
        (127, [_, _, _, _, a, b, c, d, ..]) => (u32::from_be_bytes([*a, *b, *c, *d]) as usize, 14),
        (126 | 127, _) => return None,
        (length, _) => (usize::from(length), 6),
    };
    (received.len() >= start + length).then_some((start, start + length))
}

fn websocket_frame(message: &[u8], stream: &mut Vec<u8>) {
    stream.push(if message.starts_with(b"\n") { 0x81 } else { 0x82 });
    match (u8::try_from(message.len()), u16::try_from(message.len())) {
        (Ok(short @ ..=125), _) => stream.push(short),
        (_, Ok(length)) => {
            stream.push(126);
            stream.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            stream.push(127);
            stream.extend_from_slice(&(message.len() as u64).to_be_bytes());
        }
    }
    stream.extend_from_slice(message);
}

/// Bytes of its one page.
const BODY: usize = 3_000;
