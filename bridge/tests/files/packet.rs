//! `packet` against a real socket of packets.

use std::os::fd::OwnedFd;
use std::path::Path;

use protocol::problem::Problem;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use serde_json::json;

use crate::page::{Page, Seen};

fn listen(path: &Path) -> OwnedFd {
    let flags = SocketFlags::CLOEXEC;
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
    rustix::net::bind(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
    rustix::net::listen(&socket, 1).unwrap();
    socket
}

/// Returns each packet until there are no more; a packet `N` is answered by one of N bytes.
fn service(path: &Path) {
    let listener = listen(path);
    std::thread::spawn(move || {
        let connection = rustix::net::accept(&listener).unwrap();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let (_, length) =
                rustix::net::recv(&connection, buffer.as_mut_slice(), RecvFlags::empty()).unwrap();
            if length == 0 {
                return;
            }
            let packet = buffer[..length].to_vec();
            let packet = match std::str::from_utf8(&packet).unwrap().parse() {
                Ok(number) => vec![b'x'; number],
                Err(_) => packet,
            };
            rustix::net::send(&connection, &packet, SendFlags::NOSIGNAL).unwrap();
        }
    });
}

#[tokio::test]
async fn each_message_is_one_packet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    service(&path);
    let mut page = Page::new().await;
    page.open(json!({"payload": "packet", "unix": path})).await;
    page.ready().await;
    for packet in ["one", "two and more", "three"] {
        page.data(packet.as_bytes()).await;
    }
    for packet in ["one", "two and more", "three"] {
        assert_eq!(page.next().await, Seen::Data(packet.into()));
    }
    page.data(b"100000").await;
    assert_eq!(page.next().await, Seen::Data(vec![b'x'; 100_000].into()));
    page.done().await;
    let rest = page.rest().await;
    assert_eq!((rest.problem, rest.done), (None, true));
}

#[tokio::test]
async fn a_packet_beyond_the_size_closes_the_channel() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    service(&path);
    let mut page = Page::new().await;
    page.open(json!({"payload": "packet", "unix": path, "max-size": 100}))
        .await;
    page.ready().await;
    page.data(b"100").await;
    assert_eq!(page.next().await, Seen::Data(vec![b'x'; 100].into()));
    page.data(b"101").await;
    assert_eq!(page.rest().await.problem, Some(Problem::TooLarge));
}

#[tokio::test]
async fn errors_have_their_codes() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = folder.path().join("nobody");
    drop(listen(&nobody));
    for (options, problem) in [
        (json!({"unix": "/nonexistent"}), Problem::NotFound),
        (json!({"unix": nobody}), Problem::NotFound),
        (json!({}), Problem::ProtocolError),
        (json!({"unix": nobody, "max-size": 0}), Problem::ProtocolError),
        (json!({"unix": nobody, "max-size": 1_u64 << 40}), Problem::ProtocolError),
    ] {
        let mut open = options.clone();
        open["payload"] = "packet".into();
        assert_eq!(Page::whole(open).await.problem, Some(problem), "{options}");
    }
}
