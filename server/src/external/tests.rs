//! Channels over requests of their own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::testing::{Answer, Bridge, Stage};

async fn logged_in(stage: &mut Stage) -> (String, String, Bridge) {
    let (cookie, bridge) = stage.log_in().await;
    let answer = stage
        .request("GET /cockpit/login", &[&format!("Cookie: {cookie}")], "")
        .await;
    let csrf = answer.json()["csrf-token"].as_str().unwrap().to_owned();
    (cookie, csrf, bridge)
}

fn address(csrf: &str, open: &Value) -> String {
    format!("/cockpit/channel/{csrf}?{}", STANDARD.encode(open.to_string()))
}

/// Fetches an address while `bridge` plays its part.
async fn fetch(
    stage: &Stage,
    cookie: &str,
    path: &str,
    bridge: impl Future<Output = ()>,
) -> Answer {
    let (line, cookie) = (format!("GET {path}"), format!("Cookie: {cookie}"));
    let headers = [cookie.as_str()];
    let (answer, ()) = tokio::join!(stage.request(&line, &headers, ""), bridge);
    answer
}

async fn opened(bridge: &mut Bridge) -> (Value, String) {
    let open = bridge.next_control().await;
    assert_eq!(open["command"], "open");
    let id = open["channel"].as_str().unwrap().to_owned();
    assert_eq!(bridge.next_control().await, json!({ "command": "done", "channel": id }));
    (open, id)
}

#[tokio::test]
async fn a_download_has_the_length_that_the_bridge_said() {
    let mut stage = Stage::new().await;
    let (cookie, csrf, mut bridge) = logged_in(&mut stage).await;
    let open = json!({
        "payload": "fsread1", "path": "/x",
        "external": { "content-type": "text/plain", "content-disposition": "attachment" }
    });
    let answer = fetch(&stage, &cookie, &address(&csrf, &open), async {
        let (open, id) = opened(&mut bridge).await;
        assert_eq!(open["binary"], "raw");
        assert_eq!(open["flow-control"], true);
        assert!(open.get("external").is_none());
        bridge
            .control(&json!({ "command": "ready", "channel": id, "size-hint": 6 }))
            .await;
        bridge.data(format!("{id}\nabc").as_bytes()).await;
        bridge.data(format!("{id}\ndef").as_bytes()).await;
        bridge
            .control(&json!({ "command": "done", "channel": id }))
            .await;
        bridge
            .control(&json!({ "command": "close", "channel": id, "tag": "1" }))
            .await;
    })
    .await;

    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"abcdef"[..]));
    assert_eq!(answer.header("content-length"), "6");
    assert_eq!(answer.header("content-type"), "text/plain");
    assert_eq!(answer.header("content-disposition"), "attachment");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_problem_before_the_first_byte_becomes_a_status() {
    let mut stage = Stage::new().await;
    let (cookie, csrf, mut bridge) = logged_in(&mut stage).await;
    for (problem, status) in [
        ("not-found", 404),
        ("access-denied", 403),
        ("no-host", 502),
        ("unknown-hostkey", 502),
        ("internal-error", 500),
        ("brand-new", 500),
    ] {
        let path = address(&csrf, &json!({ "payload": "fsread1" }));
        let answer = fetch(&stage, &cookie, &path, async {
            let (_, id) = opened(&mut bridge).await;
            let close = json!({ "command": "close", "channel": id, "problem": problem });
            bridge.control(&close).await;
        })
        .await;
        assert_eq!(answer.status, status, "{problem}");
    }
}

#[tokio::test]
async fn a_problem_after_the_first_byte_cuts_the_connection() {
    let mut stage = Stage::new().await;
    let (cookie, csrf, mut bridge) = logged_in(&mut stage).await;
    let path = address(&csrf, &json!({ "payload": "fsread1" }));
    let mut browser = tokio::net::TcpStream::connect(stage.address).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n\r\n", stage.address);
    browser.write_all(request.as_bytes()).await.unwrap();
    let (_, id) = opened(&mut bridge).await;
    bridge.data(format!("{id}\nabc").as_bytes()).await;
    let mut received = Vec::new();
    while !received.ends_with(b"abc\r\n") {
        browser.read_buf(&mut received).await.unwrap();
    }

    let close = json!({ "command": "close", "channel": id, "problem": "change-conflict" });
    bridge.control(&close).await;

    browser.read_to_end(&mut received).await.unwrap();
    assert!(received.starts_with(b"HTTP/1.1 200 "));
    assert!(received.ends_with(b"abc\r\n"), "a last chunk says that all is well");
}

#[tokio::test]
async fn a_browser_that_reads_slowly_slows_the_bridge() {
    let mut stage = Stage::new().await;
    let (cookie, csrf, mut bridge) = logged_in(&mut stage).await;
    let path = address(&csrf, &json!({ "payload": "fsread1" }));
    let mut browser = tokio::net::TcpStream::connect(stage.address).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n\r\n", stage.address);
    browser.write_all(request.as_bytes()).await.unwrap();
    let (_, id) = opened(&mut bridge).await;

    // Blocks of 64 KiB with a ping each, as far as the window of 2 MiB goes.
    let block = [id.as_bytes(), b"\n", &vec![b'x'; 64 << 10][..]].concat();
    let (mut sent, mut answered) = (0_u64, 0_u64);
    let stalled = std::time::Duration::from_millis(300);
    loop {
        while sent < answered + (2 << 20) {
            bridge.data(&block).await;
            sent += 64 << 10;
            bridge
                .control(&json!({ "command": "ping", "channel": id, "sequence": sent }))
                .await;
        }
        match tokio::time::timeout(stalled, bridge.next_control()).await {
            Ok(pong) => answered = pong["sequence"].as_u64().unwrap(),
            Err(_) => break,
        }
        assert!(sent < 256 << 20, "the bridge is not slowed");
    }

    let mut received = 0;
    let mut buffer = vec![0; 1 << 20];
    while received < sent {
        received += browser.read(&mut buffer).await.unwrap() as u64;
    }
    // What was stuck is answered now.
    while answered < sent {
        answered = bridge.next_control().await["sequence"].as_u64().unwrap();
    }

    drop(browser);
    bridge.data(&block).await;
    bridge.data(&block).await;
    let closed = bridge.next_control().await;
    assert_eq!((&closed["command"], &closed["channel"]), (&json!("close"), &json!(id)));
}

#[tokio::test]
async fn channel_addresses_need_the_token_the_cookie_and_our_own_site() {
    let mut stage = Stage::new().await;
    let (cookie, csrf, _bridge) = logged_in(&mut stage).await;
    let (other_cookie, other_csrf, _other) = logged_in(&mut stage).await;
    let open = json!({ "payload": "fsread1" });
    let get = async |path: String, headers: &[&str]| {
        stage
            .request(&format!("GET {path}"), headers, "")
            .await
            .status
    };
    let cookie = format!("Cookie: {cookie}");

    assert_eq!(get(address(&csrf, &open), &[]).await, 401);
    assert_eq!(get(address(&other_csrf, &open), &[&cookie]).await, 404);
    assert_eq!(get(address("", &open), &[&cookie]).await, 404);
    assert_eq!(get(address(&csrf, &open), &[&format!("Cookie: {other_cookie}")]).await, 404);
    let foreign = [cookie.as_str(), "Sec-Fetch-Site: cross-site"];
    assert_eq!(get(address(&csrf, &open), &foreign).await, 403);
    assert_eq!(get(format!("/cockpit/channel/{csrf}?!"), &[&cookie]).await, 400);
    let named = json!({ "payload": "fsread1", "channel": "1:a" });
    assert_eq!(get(address(&csrf, &named), &[&cookie]).await, 400);
}

#[tokio::test]
async fn there_are_only_so_many_external_channels() {
    let mut stage = Stage::with(|config| config.relay.external_channels = 0).await;
    let (cookie, csrf, _bridge) = logged_in(&mut stage).await;
    let path = format!("GET {}", address(&csrf, &json!({ "payload": "echo" })));
    let answer = stage
        .request(&path, &[&format!("Cookie: {cookie}")], "")
        .await;
    assert_eq!(answer.status, 503);
}

#[tokio::test]
async fn a_websocket_of_its_own_carries_a_channel_message_by_message() {
    let mut stage = Stage::new().await;
    let (cookie, csrf, mut bridge) = logged_in(&mut stage).await;
    let open = json!({ "payload": "stream", "external": { "protocols": ["cockpit1"] } });
    let mut socket = stage
        .upgrade(&address(&csrf, &open), &cookie)
        .await
        .unwrap();
    let open = bridge.next_control().await;
    let id = open["channel"].as_str().unwrap().to_owned();
    bridge
        .control(&json!({ "command": "ready", "channel": id }))
        .await;

    socket.send(Message::binary("abc")).await.unwrap();
    assert_eq!(bridge.next().await.unwrap(), format!("{id}\nabc"));
    bridge.data(format!("{id}\ndef").as_bytes()).await;
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::binary("def"));

    let close = json!({ "command": "close", "channel": id, "problem": "terminated" });
    bridge.control(&close).await;
    let Message::Close(Some(frame)) = socket.next().await.unwrap().unwrap() else { panic!() };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1001, "terminated"));
}

#[tokio::test]
async fn a_browser_that_closes_its_websocket_is_done() {
    let mut stage = Stage::new().await;
    let (cookie, csrf, mut bridge) = logged_in(&mut stage).await;
    let open = json!({ "payload": "stream", "external": { "protocols": ["cockpit1"] } });
    let mut socket = stage
        .upgrade(&address(&csrf, &open), &cookie)
        .await
        .unwrap();
    let id = bridge.next_control().await["channel"]
        .as_str()
        .unwrap()
        .to_owned();

    let normal = CloseFrame { code: 1000.into(), reason: "".into() };
    socket.close(Some(normal)).await.unwrap();
    assert_eq!(bridge.next_control().await, json!({ "command": "done", "channel": id }));
    bridge
        .control(&json!({ "command": "close", "channel": id }))
        .await;
}

#[tokio::test]
async fn package_files_come_from_the_local_bridge_whatever_the_host() {
    let mut stage = Stage::new().await;
    let (cookie, _csrf, mut bridge) = logged_in(&mut stage).await;
    let answer = fetch(&stage, &cookie, "/cockpit/@web1/shell/index.html", async {
        let (open, id) = opened(&mut bridge).await;
        assert_eq!(open["payload"], "http-stream1");
        assert_eq!(open["internal"], "packages");
        assert_eq!(open["path"], "/shell/index.html");
        assert_eq!(open["headers"]["X-Forwarded-Proto"], "http");
        let head = json!({
            "status": 200, "reason": "OK",
            "headers": {
                "Content-Type": "text/html",
                "Set-Cookie": "a=b",
                "Content-Security-Policy": "default-src 'self' 'unsafe-inline'"
            }
        });
        bridge.data(format!("{id}\n{head}").as_bytes()).await;
        bridge.data(format!("{id}\n<p>").as_bytes()).await;
        bridge
            .control(&json!({ "command": "done", "channel": id }))
            .await;
        bridge
            .control(&json!({ "command": "close", "channel": id }))
            .await;
    })
    .await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/html");
    assert!(answer.headers.get("set-cookie").is_none());
    assert!(
        answer
            .header("content-security-policy")
            .contains("script-src 'self';")
    );
    assert!(String::from_utf8(answer.body).unwrap().contains("<p>"));
}

#[tokio::test]
async fn a_package_file_that_is_not_there_is_not_found() {
    let mut stage = Stage::new().await;
    let (cookie, _csrf, mut bridge) = logged_in(&mut stage).await;
    let answer = fetch(&stage, &cookie, "/cockpit/@localhost/x/y.js", async {
        let (_, id) = opened(&mut bridge).await;
        bridge
            .data(format!("{id}\n{{\"status\":404,\"reason\":\"Not Found\"}}").as_bytes())
            .await;
        bridge
            .control(&json!({ "command": "close", "channel": id }))
            .await;
    })
    .await;
    assert_eq!(answer.status, 404);

    let without = stage
        .request("GET /cockpit/@localhost/x/y.js", &[], "")
        .await;
    assert_eq!(without.status, 401);
}

/// Answers the next opened channel with this head, and returns its `open`.
async fn play_package(bridge: &mut Bridge, head: Value) -> Value {
    let (open, id) = opened(bridge).await;
    bridge.data(format!("{id}\n{head}").as_bytes()).await;
    bridge
        .control(&json!({ "command": "done", "channel": id }))
        .await;
    bridge
        .control(&json!({ "command": "close", "channel": id }))
        .await;
    open
}

#[tokio::test]
async fn a_frame_is_led_to_the_address_with_the_checksum_and_others_are_not() {
    let line = "GET /cockpit/@web1/system/index.html?x=1";
    for (destination, checksum, location) in [
        ("iframe", "5e1f", Some("/cockpit/$5e1f/system/index.html?x=1")),
        ("document", "5e1f", None),
        ("iframe", "//elsewhere.example", None),
        ("iframe", "", None),
    ] {
        let mut stage = Stage::new().await;
        let (cookie, _csrf, mut bridge) = logged_in(&mut stage).await;
        let cookie = format!("Cookie: {cookie}");
        let destination = format!("Sec-Fetch-Dest: {destination}");
        let headers = [cookie.as_str(), destination.as_str()];
        let head = json!({
            "status": 200, "reason": "OK",
            "headers": { "Content-Type": "text/html", "X-Cockpit-Pkg-Checksum": checksum }
        });
        let (answer, _open) =
            tokio::join!(stage.request(line, &headers, ""), play_package(&mut bridge, head));

        let led = answer
            .headers
            .get("location")
            .map(|to| to.to_str().unwrap());
        assert_eq!(led, location, "{destination} {checksum}");
        assert_eq!(answer.status, if location.is_some() { 307 } else { 200 });
        assert!(answer.header("cache-control").contains("no-store"));
        assert!(answer.headers.get("x-cockpit-pkg-checksum").is_none());
    }
}

#[tokio::test]
async fn what_the_browser_has_already_is_not_sent_again() {
    let mut stage = Stage::new().await;
    let (cookie, _csrf, mut bridge) = logged_in(&mut stage).await;
    let cookie = format!("Cookie: {cookie}");
    let headers = [cookie.as_str(), "If-None-Match: \"5e1f-de\""];
    let head = json!({
        "status": 304, "reason": "Not Modified",
        "headers": { "ETag": "\"5e1f-de\"", "Cache-Control": "private, no-cache" }
    });
    let (answer, open) = tokio::join!(
        stage.request("GET /cockpit/$5e1f/system/po.js", &headers, ""),
        play_package(&mut bridge, head)
    );

    assert_eq!(open["path"], "/$5e1f/system/po.js");
    assert_eq!(open["headers"]["If-None-Match"], "\"5e1f-de\"");
    assert_eq!((answer.status, answer.body.as_slice()), (304, &b""[..]));
    assert_eq!(answer.header("etag"), "\"5e1f-de\"");
    assert_eq!(answer.header("cache-control"), "private, no-cache");
}

#[tokio::test]
async fn a_language_that_was_chosen_stands_in_for_the_browsers() {
    let mut stage = Stage::new().await;
    let (cookie, _csrf, mut bridge) = logged_in(&mut stage).await;
    let cookie = format!("Cookie: {cookie}; CockpitLang=pt-br");
    let headers = [cookie.as_str(), "Accept-Language: de"];
    let head = json!({ "status": 200, "reason": "OK", "headers": {} });
    let (_answer, open) = tokio::join!(
        stage.request("GET /cockpit/@localhost/system/po.js", &headers, ""),
        play_package(&mut bridge, head)
    );

    assert_eq!(open["headers"]["Accept-Language"], "pt-br");
}
