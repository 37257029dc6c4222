//! `http-stream2` against real HTTP services.

use std::convert::Infallible;
use std::path::Path;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use protocol::problem::Problem;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};

use crate::page::{Page, Whole};
use crate::service::Identity;

/// Tells what it was asked, as JSON.
async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let header = |name: &str| {
        let value = parts.headers.get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    let seen = json!({
        "method": parts.method.as_str(),
        "path": parts.uri.to_string(),
        "host": header("host"),
        "length": header("content-length"),
        "encoding": header("transfer-encoding"),
        "x-mine": header("x-mine"),
        "body": body.collect().await.unwrap().to_bytes().len(),
    });
    let response = Response::builder()
        .status(if parts.uri.path() == "/teapot" { 418 } else { 200 })
        .header("Content-Type", "application/json")
        .header("ETag", "\"1\"")
        .header("X-Twice", "one")
        .header("X-Twice", "two");
    Ok(response.body(Full::new(seen.to_string().into())).unwrap())
}

async fn serve(connection: impl AsyncRead + AsyncWrite + Unpin) {
    let connection = TokioIo::new(connection);
    let serving =
        hyper::server::conn::http1::Builder::new().serve_connection(connection, service_fn(echo));
    let _the_page_may_break_off = serving.await;
}

/// A service at a Unix socket.
fn unix_service(path: &Path) {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(connection));
        }
    });
}

async fn ask(options: Value, body: &[&[u8]]) -> Whole {
    let mut page = Page::new().await;
    let mut open = options;
    open["payload"] = "http-stream2".into();
    page.open(open).await;
    for piece in body {
        page.data(piece).await;
    }
    page.done().await;
    page.rest().await
}

fn head(whole: &Whole) -> Value {
    assert_eq!(whole.problem, None, "{whole:?}");
    assert!(whole.done);
    let (command, fields) = &whole.others[0];
    assert_eq!(command, "response");
    Value::Object(fields.clone())
}

fn seen(whole: &Whole) -> Value {
    serde_json::from_slice(&whole.data()).unwrap()
}

#[tokio::test]
async fn a_request_arrives_and_its_answer_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    unix_service(&socket);

    let whole = ask(
        json!({"unix": socket, "method": "GET", "path": "/teapot?a=b", "headers": {"X-Mine": "yes"}}),
        &[],
    )
    .await;
    let head = head(&whole);
    assert_eq!((&head["status"], &head["reason"]), (&json!(418), &json!("I'm a teapot")));
    let headers = head["headers"].as_object().unwrap();
    assert_eq!(headers["Content-Type"], "application/json");
    assert_eq!(headers["ETag"], "\"1\"");
    assert_eq!(headers["X-Twice"], "one, two");
    assert!(!headers.contains_key("Content-Length") && !headers.contains_key("Connection"));
    let seen = seen(&whole);
    assert_eq!(seen["method"], "GET");
    assert_eq!(seen["path"], "/teapot?a=b");
    assert_eq!(seen["host"], "localhost");
    assert_eq!(seen["x-mine"], "yes");
    assert_eq!((&seen["length"], &seen["encoding"]), (&Value::Null, &Value::Null));

    let binary = json!({"unix": socket, "method": "GET", "path": "/", "binary": "raw"});
    let whole = ask(binary, &[]).await;
    assert!(
        whole.others[0].1["headers"]
            .as_object()
            .unwrap()
            .contains_key("Content-Length")
    );
}

#[tokio::test]
async fn a_small_body_has_its_length_and_a_large_one_streams() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    unix_service(&socket);
    let post =
        |headers: Value| json!({"unix": socket, "method": "POST", "path": "/", "headers": headers});

    let whole = ask(post(json!({"Content-Length": "9999"})), &[b"one", b"two"]).await;
    let small = seen(&whole);
    assert_eq!((&small["body"], &small["length"]), (&json!(6), &json!("6")));

    let piece = vec![b'x'; 100_000];
    let pieces = vec![piece.as_slice(); 30];
    let whole = ask(post(json!({})), &pieces).await;
    let large = seen(&whole);
    assert_eq!((&large["body"], &large["encoding"]), (&json!(3_000_000), &json!("chunked")));
}

#[tokio::test]
async fn a_port_is_reached_with_and_without_an_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            serve(listener.accept().await.unwrap().0).await;
        }
    });
    for (address, host) in [(json!(null), "localhost"), (json!("127.0.0.1"), "127.0.0.1")] {
        let whole =
            ask(json!({"port": port, "address": address, "method": "GET", "path": "/"}), &[]).await;
        assert_eq!(seen(&whole)["host"], format!("{host}:{port}"));
    }
}

#[tokio::test]
async fn tls_is_checked_against_what_the_page_trusts() {
    let service = Identity::new("localhost");
    let stranger = Identity::new("localhost");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = service.acceptor(None);
    tokio::spawn(async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            if let Ok(connection) = acceptor.accept(connection).await {
                serve(connection).await;
            }
        }
    });
    let get = |tls: Value, address: &str| {
        ask(
            json!({"port": port, "address": address, "tls": tls, "method": "GET", "path": "/"}),
            &[],
        )
    };
    let data = |identity: &Identity| json!({"authority": {"data": identity.certificate.pem()}});
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), service.certificate.pem()).unwrap();

    assert_eq!(get(data(&service), "localhost").await.problem, None);
    assert_eq!(
        get(json!({"authority": {"file": file.path()}}), "localhost")
            .await
            .problem,
        None
    );
    assert_eq!(get(json!({"validate": false}), "localhost").await.problem, None);
    for (tls, address) in
        [(data(&stranger), "localhost"), (data(&service), "127.0.0.1"), (json!({}), "localhost")]
    {
        let whole = get(tls, address).await;
        assert_eq!(whole.problem, Some(Problem::UnknownHostkey), "{whole:?}");
    }
    for tls in [
        json!({"authority": {"data": "no certificate"}}),
        json!({"certificate": {"data": service.certificate.pem()}, "validate": false}),
        json!({"authority": {"elsewhere": "x"}}),
    ] {
        assert_eq!(get(tls, "localhost").await.problem, Some(Problem::ProtocolError));
    }
    let lost = json!({"authority": {"file": "/nonexistent"}});
    assert_eq!(get(lost, "localhost").await.problem, Some(Problem::NotFound));
}

#[tokio::test]
async fn a_page_can_show_a_certificate_of_its_own() {
    let service = Identity::new("localhost");
    let client = Identity::new("page");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = service.acceptor(Some(&client));
    tokio::spawn(async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            if let Ok(connection) = acceptor.accept(connection).await {
                serve(connection).await;
            }
        }
    });
    let mut open = json!({
        "port": port, "method": "GET", "path": "/", "tls": {
            "authority": {"data": service.certificate.pem()},
            "certificate": {"data": client.certificate.pem()},
            "key": {"data": client.key.serialize_pem()},
        },
    });
    assert_eq!(ask(open.clone(), &[]).await.problem, None);
    open["tls"] = json!({"authority": {"data": service.certificate.pem()}});
    assert_eq!(ask(open, &[]).await.problem, Some(Problem::Terminated));
}

#[tokio::test]
async fn errors_have_their_codes() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = folder.path().join("nobody");
    drop(UnixListener::bind(&nobody).unwrap());
    let get = json!({"method": "GET", "path": "/"});
    for (more, problem) in [
        (json!({}), Problem::ProtocolError),
        (json!({"unix": "/x", "port": 1}), Problem::ProtocolError),
        (json!({"unix": "/x", "tls": {}}), Problem::ProtocolError),
        (json!({"port": 99999}), Problem::ProtocolError),
        (json!({"unix": "/x", "method": "G T"}), Problem::ProtocolError),
        (json!({"unix": "/x", "path": "/a b"}), Problem::ProtocolError),
        (json!({"unix": "/x", "headers": {"a": "b\r\nc: d"}}), Problem::ProtocolError),
        (json!({"unix": "/x", "headers": {"a": 1}}), Problem::ProtocolError),
        (json!({"unix": folder.path().join("none")}), Problem::NotFound),
        (json!({"unix": nobody}), Problem::NotFound),
    ] {
        let mut open = get.clone();
        for (name, value) in more.as_object().unwrap() {
            open[name] = value.clone();
        }
        assert_eq!(ask(open, &[]).await.problem, Some(problem), "{more}");
    }
}

#[tokio::test]
async fn a_service_that_breaks_off_or_speaks_nonsense_is_terminated() {
    for (answer, expects_head) in [
        ("", false),
        ("nonsense\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _read = connection.read(&mut request).await.unwrap();
            connection.write_all(answer.as_bytes()).await.unwrap();
        });
        let whole = ask(json!({"unix": socket, "method": "GET", "path": "/"}), &[]).await;
        assert_eq!(whole.problem, Some(Problem::Terminated), "{answer}");
        assert_eq!(!whole.others.is_empty(), expects_head);
        assert!(!whole.done);
    }
}

/// A service at a Unix socket that answers with the number of the connection, from one; it closes each after so many
/// answers.
fn counting_service(path: &Path, answers: usize) {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        for number in 1.. {
            let (mut connection, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                for _ in 0..answers {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        match connection.read_u8().await {
                            Ok(byte) => request.push(byte),
                            Err(_) => return,
                        }
                    }
                    let body = json!(number).to_string();
                    let answer =
                        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                    connection.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
}

async fn number_of_connection(page: &mut Page, socket: &Path, name: Value) -> Value {
    page.open(json!({
        "payload": "http-stream2", "unix": socket, "method": "GET", "path": "/", "connection": name,
    }))
    .await;
    page.done().await;
    seen(&page.rest().await)
}

#[tokio::test]
async fn requests_with_the_same_connection_share_it_and_others_have_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, other) = (folder.path().join("socket"), folder.path().join("other"));
    counting_service(&socket, usize::MAX);
    counting_service(&other, usize::MAX);
    let mut page = Page::new().await;

    assert_eq!(number_of_connection(&mut page, &socket, json!("a")).await, 1);
    assert_eq!(number_of_connection(&mut page, &socket, json!("a")).await, 1);
    assert_eq!(number_of_connection(&mut page, &socket, json!("b")).await, 2);
    assert_eq!(number_of_connection(&mut page, &socket, json!(null)).await, 3);
    assert_eq!(number_of_connection(&mut page, &socket, json!(null)).await, 4);
    assert_eq!(number_of_connection(&mut page, &other, json!("a")).await, 1, "another place");
    assert_eq!(number_of_connection(&mut page, &socket, json!("a")).await, 1);
}

#[tokio::test]
async fn a_connection_that_the_service_closed_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    counting_service(&socket, 1);
    let mut page = Page::new().await;

    assert_eq!(number_of_connection(&mut page, &socket, json!("a")).await, 1);
    // The bridge hears of the end before it hears of the next request.
    page.round_trip().await;
    assert_eq!(number_of_connection(&mut page, &socket, json!("a")).await, 2);
}
