//! Sockets and bridges at the ends of real connections.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::sessions::{Boottime, End};
use crate::testing::{Bridge, Stage, control};

/// Sends back what comes, until the server hangs up.
async fn echo(mut bridge: Bridge) {
    while let Some(frame) = bridge.next().await {
        if frame[0] != b'\n' {
            bridge.data(&frame).await;
        }
    }
}

#[tokio::test]
async fn a_socket_without_a_session_is_told_so_and_closed() {
    let stage = Stage::new().await;
    let (mut socket, init) = stage.connect("").await;

    assert_eq!(init, json!({ "command": "init", "version": 1, "problem": "no-session" }));
    let Message::Close(Some(frame)) = socket.next().await.unwrap().unwrap() else { panic!() };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1001, "no-session"));
}

#[tokio::test]
async fn the_server_greets_with_a_seed_of_its_own_for_each_socket() {
    let mut stage = Stage::new().await;
    let (cookie, _bridge) = stage.log_in().await;
    let (_first, init) = stage.connect(&cookie).await;
    let (_second, other) = stage.connect(&cookie).await;

    assert_eq!(init["version"], 1);
    assert_eq!(init["host"], "localhost");
    assert_eq!(init["capabilities"][0], "multi");
    assert!(init["system"]["version"].is_string());
    assert_eq!(init["csrf-token"], other["csrf-token"]);
    assert_ne!(init["channel-seed"], other["channel-seed"]);
    assert!(init["channel-seed"].as_str().unwrap().ends_with(':'));
}

#[tokio::test]
async fn anything_before_init_is_a_protocol_error() {
    let mut stage = Stage::new().await;
    let (cookie, _bridge) = stage.log_in().await;
    for words in [
        "\n{\"command\":\"ping\"}",
        "1:1\nx",
        "x",
        "\n{\"command\":\"init\",\"version\":\"1\"}",
        "\n[]",
    ] {
        let mut page = stage.page_before_init(&cookie).await;
        page.text(words).await;
        let (code, reason, before) = page.closed().await;
        assert_eq!((code, reason.as_str()), (1011, "protocol-error"), "{words}");
        assert_eq!(before, [json!({ "command": "close", "problem": "protocol-error" })]);
    }
    let mut page = stage.page_before_init(&cookie).await;
    page.control(&json!({ "command": "init", "version": 2 }))
        .await;
    assert_eq!(page.closed().await.1, "not-supported");
    // The session goes on.
    let _page = stage.page(&cookie).await;
}

#[tokio::test]
async fn each_channel_keeps_the_opcode_of_its_open() {
    let mut stage = Stage::new().await;
    let (cookie, bridge) = stage.log_in().await;
    tokio::spawn(echo(bridge));
    let mut page = stage.page(&cookie).await;
    page.open("1:a", json!({})).await;
    page.open("1:b", json!({ "binary": "raw" })).await;

    for message in ["1:a\n\u{e1}", "1:b\nx", "1:a\n"] {
        page.text(message).await;
    }
    assert_eq!(page.next().await, Message::text("1:a\n\u{e1}"));
    assert_eq!(page.next().await, Message::binary("1:b\nx"));
    assert_eq!(page.next().await, Message::text("1:a\n"));
}

#[tokio::test]
async fn messages_go_to_the_socket_that_opened_the_channel() {
    let mut stage = Stage::new().await;
    let (cookie, mut bridge) = stage.log_in().await;
    let (mut first, mut second) = (stage.page(&cookie).await, stage.page(&cookie).await);
    first.open("1:a", json!({})).await;
    assert_eq!(bridge.next_control().await["channel"], "1:a");
    second.open("2:a", json!({})).await;
    assert_eq!(bridge.next_control().await["channel"], "2:a");

    // The other tab's channel, and one that nobody opened.
    second.text("1:a\nstolen").await;
    second
        .control(&json!({ "command": "close", "channel": "1:a" }))
        .await;
    second.text("9:x\nlost").await;
    second.text("2:a\nmine").await;
    assert_eq!(bridge.next().await.unwrap(), "2:a\nmine");

    bridge.data(b"9:x\nlost").await;
    bridge.data(b"1:a\none").await;
    bridge.data(b"2:a\ntwo").await;
    assert_eq!(first.next().await, Message::text("1:a\none"));
    assert_eq!(second.next().await, Message::text("2:a\ntwo"));
}

#[tokio::test]
async fn a_closed_socket_closes_its_channels_and_the_session_goes_on() {
    let mut stage = Stage::new().await;
    let (cookie, mut bridge) = stage.log_in().await;
    let mut page = stage.page(&cookie).await;
    let mut other = stage.page(&cookie).await;
    page.open("1:a", json!({})).await;
    bridge.next_control().await;
    page.socket.close(None).await.unwrap();

    let closed = json!({ "command": "close", "channel": "1:a", "problem": "disconnected" });
    assert_eq!(bridge.next_control().await, closed);

    // The id is free again.
    other.open("1:a", json!({})).await;
    assert_eq!(bridge.next_control().await["command"], "open");
}

#[tokio::test]
async fn a_channel_id_in_use_costs_the_socket_only() {
    let mut stage = Stage::new().await;
    let (cookie, bridge) = stage.log_in().await;
    tokio::spawn(echo(bridge));
    let mut page = stage.page(&cookie).await;
    page.open("1:a", json!({})).await;
    let mut thief = stage.page(&cookie).await;
    thief.open("1:a", json!({})).await;
    assert_eq!(thief.closed().await.1, "protocol-error");

    page.text("1:a\nstill mine").await;
    assert_eq!(page.next().await, Message::text("1:a\nstill mine"));

    page.open("1:a", json!({})).await;
    assert_eq!(page.closed().await.1, "protocol-error");
}

#[tokio::test]
async fn an_id_is_free_again_once_the_bridge_has_closed_its_channel() {
    let mut stage = Stage::new().await;
    let (cookie, mut bridge) = stage.log_in().await;
    let mut page = stage.page(&cookie).await;
    for _ in 0..3 {
        page.open("1:a", json!({})).await;
        assert_eq!(bridge.next_control().await["command"], "open");
        bridge
            .control(&json!({ "command": "close", "channel": "1:a" }))
            .await;
        assert_eq!(page.next_control().await["command"], "close");
    }
}

#[tokio::test]
async fn control_messages_about_channels_pass_unchanged_in_both_directions() {
    let mut stage = Stage::new().await;
    let (cookie, mut bridge) = stage.log_in().await;
    let mut page = stage.page(&cookie).await;
    let opened =
        "\n{ \"command\":\"open\", \"channel\":\"1:a\",\"payload\":\"x\", \"flow-control\":true}";
    page.text(opened).await;
    assert_eq!(bridge.next().await.unwrap(), opened);
    for words in ["options", "done", "ping", "pong", "brand-new"] {
        let message = format!("\n{{ \"command\" : \"{words}\",\"channel\":\"1:a\",\"n\":1e2}}");
        page.text(&message).await;
        assert_eq!(bridge.next().await.unwrap(), message);
        bridge.data(message.as_bytes()).await;
        assert_eq!(page.next().await, Message::text(message));
    }
}

#[tokio::test]
async fn what_is_said_about_the_link_stops_here() {
    let mut stage = Stage::new().await;
    let (cookie, mut bridge) = stage.log_in().await;
    let mut page = stage.page(&cookie).await;
    page.control(&json!({ "command": "init", "version": 1 }))
        .await;
    for command in ["hint", "authorize", "pong", "superuser-init-done"] {
        page.control(&json!({ "command": command, "response": "Basic x", "cookie": "1" }))
            .await;
    }
    page.control(&json!({ "command": "ping", "n": 5 })).await;
    assert_eq!(page.next_control().await, json!({ "command": "pong", "n": 5 }));

    page.control(&json!({ "command": "kill", "group": "g" }))
        .await;
    assert_eq!(bridge.next_control().await, json!({ "command": "kill", "group": "g" }));

    bridge
        .control(&json!({ "command": "superuser-init-done" }))
        .await;
    bridge.control(&json!({ "command": "ping", "n": 6 })).await;
    assert_eq!(bridge.next_control().await, json!({ "command": "pong", "n": 6 }));
}

#[tokio::test]
async fn questions_for_a_password_get_an_empty_answer() {
    let mut stage = Stage::new().await;
    let (_cookie, mut bridge) = stage.log_in().await;
    let question = json!({ "command": "authorize", "challenge": "plain1:616461", "cookie": "c7" });
    bridge.control(&question).await;
    let answer = json!({ "command": "authorize", "cookie": "c7", "response": "" });
    assert_eq!(bridge.next_control().await, answer);
}

#[tokio::test]
async fn a_channel_without_flow_control_is_throttled_by_us() {
    let mut stage = Stage::new().await;
    let (cookie, mut bridge) = stage.log_in().await;
    let mut page = stage.page(&cookie).await;
    page.open("1:a", json!({ "flow-control": false, "spawn": ["cat"] }))
        .await;
    let opened = bridge.next_control().await;
    assert_eq!(opened["flow-control"], true);
    assert_eq!(opened["spawn"], json!(["cat"]));

    bridge.data(b"1:a\nx").await;
    bridge
        .control(&json!({ "command": "ping", "channel": "1:a", "sequence": 16384 }))
        .await;
    let pong = json!({ "command": "pong", "channel": "1:a", "sequence": 16384 });
    assert_eq!(bridge.next_control().await, pong);
    bridge.data(b"1:a\ny").await;
    assert_eq!(page.next().await, Message::text("1:a\nx"));
    assert_eq!(page.next().await, Message::text("1:a\ny"));
}

#[tokio::test]
async fn a_bridge_that_dies_ends_the_session() {
    let mut stage = Stage::new().await;
    let (cookie, bridge) = stage.log_in().await;
    let mut tabs = [stage.page(&cookie).await, stage.page(&cookie).await];
    drop(bridge);

    for tab in &mut tabs {
        let (code, reason, _) = tab.closed().await;
        assert_eq!((code, reason.as_str()), (1001, "terminated"));
    }
    let answer = stage
        .request("GET /cockpit/login", &[&format!("Cookie: {cookie}")], "")
        .await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn a_bridge_that_breaks_the_protocol_ends_its_session_and_no_other() {
    let mut stage = Stage::new().await;
    let (other, other_bridge) = stage.log_in().await;
    tokio::spawn(echo(other_bridge));
    let mut witness = stage.page(&other).await;
    witness.open("1:a", json!({})).await;
    let whole = |frame: &str| format!("{}\n{frame}", frame.len()).into_bytes();
    for words in [
        b"99999999\n".to_vec(),
        b"0\n".to_vec(),
        b"x".to_vec(),
        whole("abc"),
        whole("a b\nc"),
        whole("\n1"),
        whole("\n{\"a\""),
        whole("\n{\"command\":\"open\""),
        whole("\n{\"command\":\"open\",\"channel\":\"1\"}"),
        whole("\n{\"command\":\"init\",\"version\":2}"),
        whole(&format!("\n{{\"command\":\"x\"{}}}", " ".repeat(128 << 10))),
    ] {
        let (cookie, mut bridge) = stage.log_in().await;
        let mut page = stage.page(&cookie).await;
        tokio::io::AsyncWriteExt::write_all(&mut bridge.stream, &words)
            .await
            .unwrap();
        let (code, reason, _) = page.closed().await;
        let shown = words
            .iter()
            .take(50)
            .copied()
            .collect::<Vec<_>>()
            .escape_ascii()
            .to_string();
        assert_eq!((code, reason.as_str()), (1001, "protocol-error"), "{shown}");
        assert_eq!(bridge.next().await, None);
    }
    witness.text("1:a\nhere").await;
    assert_eq!(witness.next().await, Message::text("1:a\nhere"));
}

#[tokio::test]
async fn a_page_that_never_reads_loses_its_socket_and_delays_nobody() {
    let mut stage = Stage::with(|config| config.relay.socket_queue = 1 << 20).await;
    let (cookie, mut bridge) = stage.log_in().await;
    let mut stuck = stage.page(&cookie).await;
    let mut quick = stage.page(&cookie).await;
    stuck.open("1:a", json!({ "binary": "raw" })).await;
    bridge.next_control().await;
    quick.open("2:a", json!({})).await;
    bridge.next_control().await;

    let block = [b"1:a\n", &vec![b'x'; 64 << 10][..]].concat();
    let closed = json!({ "command": "close", "channel": "1:a", "problem": "disconnected" });
    let mut sent = 0;
    // Each round trip of the other tab says that the link was not stopped.
    let ended = loop {
        bridge.data(&block).await;
        sent += block.len();
        quick.text("2:a\nping").await;
        let frame = bridge.next().await.unwrap();
        if frame[0] == b'\n' {
            break serde_json::from_slice::<serde_json::Value>(&frame[1..]).unwrap();
        }
        bridge.data(&frame).await;
        assert_eq!(quick.next().await, Message::text("2:a\nping"));
        assert!(sent < 64 << 20, "the queue has no bound");
    };
    assert_eq!(ended, closed);
    assert!(sent > 1 << 20);

    let mut last = None;
    while let Some(Ok(message)) = stuck.socket.next().await {
        last = Some(message);
    }
    // A close frame where the browser still takes one, else the connection is cut.
    if let Some(Message::Close(Some(frame))) = last {
        assert_eq!(u16::from(frame.code), 1008);
    }
}

#[tokio::test]
async fn there_are_only_so_many_channels() {
    let mut stage = Stage::with(|config| config.relay.channels = 3).await;
    let (cookie, bridge) = stage.log_in().await;
    tokio::spawn(echo(bridge));
    let mut page = stage.page(&cookie).await;
    for id in ["1:a", "1:b", "1:c", "1:d"] {
        page.open(id, json!({})).await;
    }
    assert_eq!(page.closed().await.0, 1008);

    // The session survives, and the places are free again.
    let mut page = stage.page(&cookie).await;
    page.open("2:a", json!({})).await;
    page.text("2:a\nx").await;
    assert_eq!(page.next().await, Message::text("2:a\nx"));
}

#[tokio::test]
async fn messages_beyond_their_limits_close_the_socket() {
    let mut stage = Stage::new().await;
    let (cookie, _bridge) = stage.log_in().await;
    let long_control = format!("\n{{\"command\":\"hint\",\"x\":\"{}\"}}", "x".repeat(130 << 10));
    for message in [long_control, format!("1:a\n{}", "x".repeat(1 << 20))] {
        let mut page = stage.page(&cookie).await;
        page.text(&message).await;
        assert_eq!(page.closed().await.0, 1009);
    }
    let mut page = stage.page(&cookie).await;
    for _ in 0..20 {
        page.control(&json!({ "command": "ping" })).await;
    }
    assert_eq!(page.closed().await.0, 1008);
    let _page = stage.page(&cookie).await;
}

#[tokio::test]
async fn what_a_bridge_would_refuse_closes_the_socket_and_not_the_session() {
    let mut stage = Stage::new().await;
    let (cookie, bridge) = stage.log_in().await;
    tokio::spawn(echo(bridge));
    let (open, close) = ("[".repeat(40), "]".repeat(40));
    let deep = format!("{{\"command\":\"options\",\"channel\":\"1:a\",\"x\":{open}{close}}}");
    let double = r#"{"command":"pong","channel":"1:a","x":1,"x":2}"#;
    let incomplete = r#"{"command":"ack","channel":"1:a"}"#;
    let mistyped = r#"{"command":"kill","group":7}"#;
    for message in [deep.as_str(), double, incomplete, mistyped] {
        let mut page = stage.page(&cookie).await;
        page.open("1:a", json!({})).await;
        page.text(&format!("\n{message}")).await;
        assert_eq!(page.closed().await.0, 1011);
    }

    let mut page = stage.page(&cookie).await;
    page.open("2:a", json!({})).await;
    page.text("2:a\nx").await;
    assert_eq!(page.next().await, Message::text("2:a\nx"));
}

#[tokio::test]
async fn a_flood_of_control_messages_is_slowed_and_loses_nothing() {
    let mut stage = Stage::with(|config| config.relay.controls_per_second = 100).await;
    let (cookie, mut bridge) = stage.log_in().await;
    let mut page = stage.page(&cookie).await;
    let start = std::time::Instant::now();
    page.open("1:a", json!({})).await;
    for number in 0..120 {
        let message = json!({ "command": "options", "channel": "1:a", "n": number });
        page.control(&message).await;
    }
    bridge.next_control().await;
    for number in 0..120 {
        assert_eq!(bridge.next_control().await["n"], number);
    }
    assert!(start.elapsed() >= Duration::from_millis(150), "{:?}", start.elapsed());
}

#[tokio::test]
async fn answers_of_flow_control_are_not_slowed() {
    let mut stage = Stage::with(|config| config.relay.controls_per_second = 10).await;
    let (cookie, mut bridge) = stage.log_in().await;
    let mut page = stage.page(&cookie).await;
    page.open("1:a", json!({})).await;
    bridge.next_control().await;
    let start = std::time::Instant::now();
    for number in 0..200 {
        page.control(&json!({ "command": "pong", "channel": "1:a", "sequence": number }))
            .await;
        assert_eq!(bridge.next_control().await["sequence"], number);
    }
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn ten_thousand_messages_under_way_arrive_in_order() {
    let mut stage = Stage::new().await;
    let (cookie, bridge) = stage.log_in().await;
    tokio::spawn(echo(bridge));
    let mut page = stage.page(&cookie).await;
    page.open("1:a", json!({})).await;
    let (mut sink, mut stream) = page.socket.split();
    let sender = tokio::spawn(async move {
        for number in 0..10_000 {
            sink.feed(Message::text(format!("1:a\n{number}")))
                .await
                .unwrap();
        }
        sink.flush().await.unwrap();
    });
    for number in 0..10_000 {
        assert_eq!(stream.next().await.unwrap().unwrap(), Message::text(format!("1:a\n{number}")));
    }
    sender.await.unwrap();
}

#[tokio::test]
async fn large_messages_pass_in_both_directions() {
    let mut stage = Stage::new().await;
    let (cookie, bridge) = stage.log_in().await;
    tokio::spawn(echo(bridge));
    let mut page = stage.page(&cookie).await;
    page.open("1:a", json!({ "binary": "raw" })).await;
    for length in [0, 1, 4_095, 65_536, 300_000, (1 << 20) - 4] {
        let frame = [b"1:a\n", &vec![7; length][..]].concat();
        page.socket
            .send(Message::binary(frame.clone()))
            .await
            .unwrap();
        assert_eq!(page.next().await, Message::binary(frame), "{length}");
    }
}

#[tokio::test]
async fn a_text_channel_with_garbled_data_is_closed_at_both_ends() {
    let mut stage = Stage::new().await;
    let (cookie, mut bridge) = stage.log_in().await;
    let mut page = stage.page(&cookie).await;
    page.open("1:a", json!({})).await;
    bridge.next_control().await;
    bridge.data(b"1:a\n\xff").await;

    let closed = json!({ "command": "close", "channel": "1:a", "problem": "protocol-error" });
    assert_eq!(page.next_control().await, closed);
    assert_eq!(bridge.next_control().await, closed);
}

#[tokio::test]
async fn a_page_that_drops_privileges_stays_logged_in() {
    let mut stage = Stage::new().await;
    let (cookie, _bridge) = stage.log_in().await;
    let mut page = stage.page(&cookie).await;

    page.control(&json!({ "command": "logout", "disconnect": false }))
        .await;

    page.control(&json!({ "command": "ping", "sequence": 7 }))
        .await;
    assert_eq!(page.next_control().await, json!({ "command": "pong", "sequence": 7 }));
    let (_socket, init) = stage.connect(&cookie).await;
    assert_eq!(init["problem"], serde_json::Value::Null);
}

#[tokio::test]
async fn logging_out_in_one_tab_ends_all_of_them() {
    let mut stage = Stage::new().await;
    let (cookie, mut bridge) = stage.log_in().await;
    let mut tabs = [stage.page(&cookie).await, stage.page(&cookie).await];
    tabs[0]
        .control(&json!({ "command": "logout", "disconnect": true }))
        .await;

    for tab in &mut tabs {
        assert_eq!(tab.closed().await.0, 1001);
    }
    assert_eq!(bridge.next().await, None);
    let (_socket, init) = stage.connect(&cookie).await;
    assert_eq!(init["problem"], "no-session");
}

#[tokio::test]
async fn a_session_lives_as_long_as_it_may_and_no_longer() {
    let mut stage = Stage::new().await;
    let (cookie, mut bridge) = stage.log_in().await;
    let find = |stage: &Stage| {
        let mut headers = axum::http::HeaderMap::new();
        headers.insert("cookie", cookie.parse().unwrap());
        let transport = crate::admission::Transport::PlainLoopback;
        stage
            .server
            .sessions
            .find(&headers, transport, &crate::admission::Application::default())
    };
    let session = find(&stage).unwrap();
    let now = Boottime::now();
    let after = |minutes: u64| Boottime(now.0 + Duration::from_secs(minutes * 60));
    let mut page = stage.page(&cookie).await;

    session.check_life(after(60));
    assert!(find(&stage).is_some());

    page.socket.close(None).await.unwrap();
    while page.socket.next().await.is_some() {}
    page = stage.page(&cookie).await;
    session.check_life(after(11 * 60));
    assert!(find(&stage).is_some());

    session.check_life(after(12 * 60 + 1));
    assert!(find(&stage).is_none());
    assert_eq!(page.closed().await.0, 1001);
    assert_eq!(bridge.next().await, None);
}

#[tokio::test]
async fn a_session_without_a_socket_ends_by_itself() {
    let mut stage = Stage::with(|config| config.life.detached = Duration::from_millis(300)).await;
    let (cookie, mut bridge) = stage.log_in().await;
    assert_eq!(bridge.next().await, None);
    let (_socket, init) = stage.connect(&cookie).await;
    assert_eq!(init["problem"], "no-session");
}

#[tokio::test]
async fn the_server_stops_and_says_so_to_everybody() {
    let mut stage = Stage::new().await;
    let (cookie, mut bridge) = stage.log_in().await;
    let mut page = stage.page(&cookie).await;
    stage.server.sessions.end_all().await;
    assert_eq!(page.closed().await.0, 1001);
    assert_eq!(bridge.next().await, None);
}

#[tokio::test]
async fn the_local_session_is_everybodys_and_needs_no_cookie() {
    let stage = Stage::new().await;
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let mut bridge = Bridge::over(tokio::net::UnixStream::from_std(theirs).unwrap());
    bridge
        .control(&json!({ "command": "init", "version": 1 }))
        .await;
    stage.server.begin_local_session(ours).await.unwrap();
    assert_eq!(bridge.next_control().await["command"], "init");
    tokio::spawn(echo(bridge));

    let mut page = stage.page("").await;
    page.open("1:a", json!({})).await;
    page.text("1:a\nx").await;
    assert_eq!(page.next().await, Message::text("1:a\nx"));
}

#[tokio::test]
async fn sockets_without_a_session_have_a_limit() {
    let stage = Stage::with(|config| config.relay.sockets_without_session = 0).await;
    assert!(stage.upgrade("/cockpit/socket", "").await.is_err());
}

#[tokio::test]
async fn only_the_first_end_of_a_session_counts() {
    assert_ne!(End::Logout.problem(), End::BridgeGone(None).problem());
    let mut stage = Stage::new().await;
    let (cookie, bridge) = stage.log_in().await;
    let (mut socket, _init) = stage.connect(&cookie).await;
    socket
        .send(Message::text("\n{\"command\":\"init\",\"version\":1}"))
        .await
        .unwrap();
    socket
        .send(Message::text("\n{\"command\":\"logout\"}"))
        .await
        .unwrap();
    drop(bridge);
    loop {
        let message = socket.next().await.unwrap().unwrap();
        if let Message::Close(Some(frame)) = message {
            assert!(["disconnected", "terminated"].contains(&frame.reason.as_str()));
            break;
        }
        control(message);
    }
}
