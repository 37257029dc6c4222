//! Slow, silent and many connections (T34), and the end of the server.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::house::{Answer, House, PATIENCE, exchange};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let house = House::start_with(|config| config.connections.handshake = SECOND).await;

    assert_eq!(exchange(house.plain().await, b"").await, "");
    assert_eq!(exchange(house.plain().await, b"\x16\x03\x01").await, "", "half a TLS handshake");
    house.stop().await;
}

#[tokio::test]
async fn a_head_or_body_that_does_not_end_is_answered_with_408() {
    let house = House::start_with(|config| config.connections.head = SECOND).await;

    let head = house.raw("GET / HTTP/1.1\r\nHost: localhost\r\nA: b").await;
    assert_eq!(Answer::parse(&head).status, 408);

    let body = house
        .raw("POST /cockpit/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nab")
        .await;
    assert!(!body.contains("200 OK"), "{body}");
    house.stop().await;
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_not_waited_for_longer() {
    let house = House::start_with(|config| config.connections.head = SECOND).await;
    let (mut reader, mut writer) = tokio::io::split(house.tls().await);
    let started = Instant::now();

    let drip = async {
        writer
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nA: ")
            .await
            .unwrap();
        loop {
            writer.write_all(b"b").await.ok();
            writer.flush().await.ok();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = drip => {}
        _ = reader.read_to_end(&mut answer) => {}
    }

    assert!(answer.starts_with(b"HTTP/1.1 408"));
    assert!(started.elapsed() < 3 * SECOND);
    house.stop().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_quietly() {
    let house = House::start_with(|config| config.connections.keep_alive = SECOND).await;

    let answer = house
        .raw("GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;

    assert_eq!(answer.matches("HTTP/1.1").count(), 1);
    assert!(answer.contains("200 OK"));
    house.stop().await;
}

#[tokio::test]
async fn a_source_full_of_silent_connections_still_gets_in() {
    let house = House::start_with(|config| config.connections.per_source = 8).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(house.plain().await);
    }

    let answer = tokio::time::timeout(3 * SECOND, house.ask("GET /", ""))
        .await
        .unwrap();

    assert_eq!(answer.status, 200);
    let mut oldest = silent.swap_remove(0);
    let end = tokio::time::timeout(PATIENCE, oldest.read(&mut [0]))
        .await
        .expect("it was closed");
    assert!(matches!(end, Ok(0) | Err(_)));
    house.stop().await;
}

#[tokio::test]
async fn no_more_than_the_limit_come_in() {
    let house = House::start_with(|config| config.connections.total = 4).await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(house.plain().await);
    }

    let mut closed = 0;
    for stream in &mut silent {
        let read = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut [0])).await;
        closed += usize::from(read.is_ok());
    }

    assert!(closed >= 36, "{closed} of 40 were closed");
    house.stop().await;
}

#[tokio::test]
async fn the_server_stops_within_two_seconds_with_connections_open() {
    let house = House::start().await;
    let mut kept = house.tls().await;
    kept.write_all(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut start = [0; 15];
    kept.read_exact(&mut start).await.unwrap();
    let _silent = house.plain().await;
    let address = house.address;
    let started = Instant::now();

    house.stop().await;

    assert!(started.elapsed() < 2 * SECOND);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
