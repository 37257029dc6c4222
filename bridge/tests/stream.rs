//! The `stream` channel, and what all channels have in common, with real programs and sockets.

use bridge::inherited::Inherited;
use bridge::link::Link;
use serde_json::json;
use support::page::Page;

async fn page() -> Page {
    let (mut page, theirs) = Page::pair();
    tokio::spawn(async move {
        bridge::run(Link::from_socket(theirs).expect("a socket"), Inherited::default()).await
    });
    page.greet().await;
    page
}

#[tokio::test]
async fn a_program_gets_its_input_and_its_output_comes_back_with_its_status() {
    let mut page = page().await;
    page.open(
        "1",
        json!({ "payload": "stream", "spawn": ["sh", "-c", "cat; echo $X; pwd; exit 3"],
        "environ": ["X=y"], "directory": "/usr" }),
    )
    .await;
    page.data("1", b"hello\n").await;
    page.done("1").await;

    let seen = page.converse("1").await;

    assert_eq!(seen.text(), "hello\ny\n/usr\n");
    assert!(seen.ready.unwrap().get("pid").is_some());
    assert!(seen.done);
    assert_eq!(seen.close.get("exit-status"), Some(&json!(3)));
    assert_eq!(seen.close.get("problem"), None);
}

#[tokio::test]
async fn standard_error_stands_in_the_message_or_the_output_or_nowhere() {
    let mut page = page().await;
    let spawn = json!(["sh", "-c", "echo out; echo err >&2"]);
    page.open("1", json!({ "payload": "stream", "spawn": spawn }))
        .await;
    page.open("2", json!({ "payload": "stream", "spawn": spawn, "err": "out" }))
        .await;
    page.open("3", json!({ "payload": "stream", "spawn": spawn, "err": "ignore" }))
        .await;

    let message = page.converse("1").await;
    let merged = page.converse("2").await;
    let ignored = page.converse("3").await;

    assert_eq!((message.text(), message.close.get("message")), ("out\n", Some(&json!("err"))));
    assert_eq!((merged.text(), merged.close.get("message")), ("out\nerr\n", None));
    assert_eq!((ignored.text(), ignored.close.get("message")), ("out\n", None));
}

#[tokio::test]
async fn a_program_that_cannot_be_run_says_why() {
    let mut page = page().await;
    page.open("1", json!({ "payload": "stream", "spawn": ["/no/such/program"] }))
        .await;
    page.open("2", json!({ "payload": "stream", "spawn": ["/etc/passwd"] }))
        .await;
    page.open("3", json!({ "payload": "stream", "spawn": [] }))
        .await;
    page.open("4", json!({ "payload": "stream", "spawn": ["true"], "environ": ["X"] }))
        .await;
    page.open("5", json!({ "payload": "stream" })).await;
    page.open("6", json!({ "payload": "stream", "spawn": ["/no/such/program"], "pty": true }))
        .await;

    assert_eq!(page.converse("1").await.problem(), Some("not-found"));
    assert_eq!(page.converse("2").await.problem(), Some("access-denied"));
    assert_eq!(page.converse("3").await.problem(), Some("protocol-error"));
    assert_eq!(page.converse("4").await.problem(), Some("protocol-error"));
    assert_eq!(page.converse("5").await.problem(), Some("protocol-error"));
    assert_eq!(page.converse("6").await.problem(), Some("not-found"));
}

#[tokio::test]
async fn a_signal_is_named() {
    let mut page = page().await;
    page.open("1", json!({ "payload": "stream", "spawn": ["sh", "-c", "kill -TERM $$"] }))
        .await;

    assert_eq!(page.converse("1").await.close.get("exit-signal"), Some(&json!("TERM")));
}

#[tokio::test]
async fn closing_the_channel_ends_its_program() {
    let mut page = page().await;
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    let script = format!(
        "mkfifo {0}; trap 'echo ended > {0}; exit' TERM; echo up; while :; do sleep 0.05; done",
        fifo.display()
    );
    page.open("1", json!({ "payload": "stream", "spawn": ["sh", "-c", script] }))
        .await;
    page.next_data("1").await;
    page.close("1").await;

    let said = tokio::task::spawn_blocking(move || std::fs::read_to_string(fifo))
        .await
        .unwrap();
    assert_eq!(said.unwrap(), "ended\n");
}

#[tokio::test]
async fn a_terminal_has_its_size_and_ends_with_its_shell() {
    let mut page = page().await;
    page.open(
        "1",
        json!({ "payload": "stream", "spawn": ["sh"], "pty": true,
        "environ": ["PS1="], "window": { "rows": 30, "cols": 100 } }),
    )
    .await;
    page.ready("1").await;
    page.data("1", b"stty size; read x; stty size; (sleep 30 &) ; exit 4\n")
        .await;
    let mut text = String::new();
    while !text.contains("30 100") {
        text += std::str::from_utf8(&page.next_data("1").await).unwrap();
    }
    page.control(
        &json!({ "command": "options", "channel": "1", "window": { "rows": 5, "cols": 7 } }),
    )
    .await;
    page.data("1", b"\n").await;

    let seen = page.converse("1").await;

    assert!(seen.text().contains("5 7"), "{}", seen.text());
    assert_eq!(seen.close.get("exit-status"), Some(&json!(4)));
}

#[tokio::test]
async fn text_is_never_cut_within_a_character() {
    let mut page = page().await;
    let script = r"printf 'a\303'; sleep 0.1; printf '\244\377\342\202'";
    page.open("1", json!({ "payload": "stream", "spawn": ["sh", "-c", script] }))
        .await;
    page.open("2", json!({ "payload": "stream", "spawn": ["sh", "-c", script], "binary": "raw" }))
        .await;

    let text = page.converse("1").await;
    let bytes = page.converse("2").await;

    assert_eq!(text.text(), "aä\u{fffd}\u{fffd}");
    assert_eq!(text.messages.first(), Some(&1));
    assert_eq!(bytes.data, b"a\xc3\xa4\xff\xe2\x82");
}

#[tokio::test]
async fn flow_control_stops_the_program_until_the_page_answers() {
    let mut page = page().await;
    page.open(
        "1",
        json!({ "payload": "stream", "spawn": ["head", "-c", "8388608", "/dev/zero"],
        "binary": "raw", "flow-control": true }),
    )
    .await;
    page.ready("1").await;
    let mut received = 0;
    while received < 2 << 20 {
        received += page.next_data("1").await.len();
    }
    page.open("2", json!({ "payload": "echo" })).await;
    page.data("2", b"x").await;
    page.next_data("2").await;
    assert!(received <= (2 << 20) + (64 << 10), "{received} bytes without an answer");

    let seen = page.converse("1").await;
    assert_eq!(received + seen.data.len(), 8 << 20);
}

#[tokio::test]
async fn unix_sockets_and_ports_are_relayed_and_their_refusals_named() {
    let mut page = page().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let unix = tokio::net::UnixListener::bind(&path).unwrap();
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    page.open("1", json!({ "payload": "stream", "unix": path }))
        .await;
    page.open("2", json!({ "payload": "stream", "port": port, "address": "127.0.0.1" }))
        .await;
    page.open("3", json!({ "payload": "stream", "unix": directory.path().join("none") }))
        .await;
    page.data("1", b"over unix").await;
    page.done("1").await;
    page.data("2", b"over tcp").await;
    page.done("2").await;
    let (mut one, _) = unix.accept().await.unwrap();
    let (mut two, _) = tcp.accept().await.unwrap();
    let echoed = tokio::join!(echo(&mut one), echo(&mut two));
    drop((echoed, one, two, tcp));

    assert_eq!(page.converse("1").await.text(), "over unix");
    assert_eq!(page.converse("2").await.text(), "over tcp");
    assert_eq!(page.converse("3").await.problem(), Some("not-found"));
    page.open("4", json!({ "payload": "stream", "port": port, "address": "127.0.0.1" }))
        .await;
    assert_eq!(page.converse("4").await.problem(), Some("not-found"));
}

async fn echo<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(socket: &mut S) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut all = Vec::new();
    socket.read_to_end(&mut all).await.expect("input");
    socket.write_all(&all).await.expect("output");
}

#[tokio::test]
async fn kill_closes_the_channels_of_its_group_only() {
    let mut page = page().await;
    page.open("1", json!({ "payload": "null", "group": "a" }))
        .await;
    page.open("2", json!({ "payload": "null", "group": "b" }))
        .await;
    page.control(&json!({ "command": "kill", "group": "a" }))
        .await;

    assert_eq!(page.converse("1").await.problem(), Some("terminated"));
    page.open("3", json!({ "payload": "nothing-like-it" }))
        .await;
    assert_eq!(page.converse("3").await.problem(), Some("not-supported"));
    page.control(&json!({ "command": "kill" })).await;
    assert_eq!(page.converse("2").await.problem(), Some("terminated"));
}

#[tokio::test]
async fn an_id_in_use_and_a_frame_that_is_none_end_the_link_with_protocol_error() {
    let last_words = |mut page: Page| async move {
        loop {
            if let protocol::control::Control::Init(init) = page.next_control().await {
                return init.problem.unwrap().code().to_owned();
            }
        }
    };
    let mut used = page().await;
    used.open("1", json!({ "payload": "null" })).await;
    used.open("1", json!({ "payload": "null" })).await;
    assert_eq!(last_words(used).await, "protocol-error");

    let mut malformed = page().await;
    malformed.control(&json!({ "no": "command" })).await;
    assert_eq!(last_words(malformed).await, "protocol-error");
}
