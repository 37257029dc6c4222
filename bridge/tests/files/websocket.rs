//! `websocket-stream1` against a real WebSocket service.

use std::path::Path;

use futures_util::{SinkExt as _, StreamExt as _};
use protocol::problem::Problem;
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::page::{Page, Seen};

/// Returns each message; `close N` closes with that code, `big` sends too much.
fn service(path: &Path) {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                #[expect(clippy::result_large_err, reason = "tungstenite's own type")]
                let choose = |request: &Request, mut response: Response| {
                    let origin = request.headers().get("origin").cloned();
                    if let Some(origin) = origin {
                        response.headers_mut().insert("x-origin", origin);
                    }
                    let wanted = request.headers().get("sec-websocket-protocol");
                    if wanted.is_some_and(|wanted| wanted == "one, two") {
                        let chosen = "two".parse().unwrap();
                        response
                            .headers_mut()
                            .insert("sec-websocket-protocol", chosen);
                    }
                    Ok(response)
                };
                let mut socket = tokio_tungstenite::accept_hdr_async(connection, choose)
                    .await
                    .unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    let text = message.to_text().unwrap_or_default();
                    if let Some(code) = text.strip_prefix("close ") {
                        let code = code.parse::<u16>().unwrap().into();
                        let frame = CloseFrame { code, reason: "enough".into() };
                        socket.close(Some(frame)).await.unwrap();
                    } else if text == "big" {
                        socket
                            .send(Message::Binary(vec![0; 2 << 20].into()))
                            .await
                            .unwrap();
                    } else if message.is_text() || message.is_binary() {
                        socket.send(message).await.unwrap();
                    }
                }
            });
        }
    });
}

async fn connected(socket: &Path, more: Value) -> (Page, Value) {
    let mut page = Page::new().await;
    let mut open = json!({"payload": "websocket-stream1", "unix": socket, "path": "/x"});
    for (name, value) in more.as_object().unwrap() {
        open[name] = value.clone();
    }
    page.open(open).await;
    let Seen::Other(command, fields) = page.next().await else { panic!("no response") };
    assert_eq!(command, "response");
    page.ready().await;
    (page, Value::Object(fields))
}

#[tokio::test]
async fn messages_go_both_ways_whole() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    service(&socket);
    let options = json!({"origin": "https://host", "protocols": ["one", "two"]});
    let (mut page, response) = connected(&socket, options).await;
    assert_eq!(response["headers"]["X-Origin"], "https://host");
    assert_eq!(response["headers"]["Sec-Websocket-Protocol"], "two");

    for message in ["", "short", &"ä".repeat(60_000)] {
        page.data(message.as_bytes()).await;
        assert_eq!(page.next().await, Seen::Data(message.to_owned().into()));
    }
    page.done().await;
    let rest = page.rest().await;
    assert_eq!((rest.problem, rest.done), (None, true));
}

#[tokio::test]
async fn binary_messages_stay_binary() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    service(&socket);
    let (mut page, _) = connected(&socket, json!({"binary": "raw", "send-acks": "bytes"})).await;
    page.data(b"\xff\x00").await;
    let mut seen = [page.next().await, page.next().await];
    seen.sort_by_key(|seen| matches!(seen, Seen::Data(_)));
    assert_eq!(seen, [Seen::Ack(2), Seen::Data((&b"\xff\x00"[..]).into())]);
}

#[tokio::test]
async fn how_the_service_closes_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    service(&socket);
    for (message, problem) in [
        ("close 1000", None),
        ("close 1001", None),
        ("close 1011", Some(Problem::Terminated)),
        ("big", Some(Problem::TooLarge)),
    ] {
        let (mut page, _) = connected(&socket, json!({})).await;
        page.data(message.as_bytes()).await;
        assert_eq!(page.rest().await.problem, problem, "{message}");
    }
    let (mut page, _) = connected(&socket, json!({})).await;
    page.data(b"\xff").await;
    assert_eq!(page.rest().await.problem, Some(Problem::ProtocolError));
}

#[tokio::test]
async fn a_service_that_is_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let open = |more: Value| {
        let mut open = json!({"payload": "websocket-stream1", "path": "/"});
        for (name, value) in more.as_object().unwrap() {
            open[name] = value.clone();
        }
        Page::whole(open)
    };
    assert_eq!(open(json!({})).await.problem, Some(Problem::ProtocolError));
    assert_eq!(open(json!({"unix": socket})).await.problem, Some(Problem::NotFound));

    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        for answer in ["HTTP/1.1 404 Not Found\r\n\r\n", "HTTP/1.1 403 No\r\n\r\n", "nonsense"] {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _read = connection.read(&mut request).await.unwrap();
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    for problem in [Problem::NotFound, Problem::AccessDenied, Problem::Terminated] {
        assert_eq!(open(json!({"unix": socket})).await.problem, Some(problem));
    }
}
