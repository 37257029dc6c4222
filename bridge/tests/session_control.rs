//! The `session-control` channel: time stands still in these tests but for what they wait for.

use bridge::inherited::Inherited;
use bridge::link::Link;
use protocol::control::Control;
use serde_json::json;
use support::page::Page;

async fn page(idle: u64) -> Page {
    let (mut page, theirs) = Page::pair();
    tokio::spawn(async move {
        bridge::run(Link::from_socket(theirs).expect("a socket"), Inherited::default()).await
    });
    page.greet().await;
    page.control(
        &json!({ "command": "init", "version": 1, "host": "localhost", "idle-timeout": idle }),
    )
    .await;
    page.open("1", json!({ "payload": "session-control" }))
        .await;
    page
}

async fn next_countdown(page: &mut Page) -> u64 {
    let said = page.next_about("1").await;
    let Control::Other { command, fields, .. } = said else { panic!("countdown, not {said:?}") };
    assert_eq!(command, "countdown");
    fields
        .get("counter")
        .and_then(serde_json::Value::as_u64)
        .expect("a counter")
}

#[tokio::test]
async fn an_unused_session_is_counted_down_and_used_again_it_goes_on() {
    let mut page = page(4).await;
    assert_eq!(page.ready("1").await.get("timeout"), Some(&json!(4)));

    assert_eq!(next_countdown(&mut page).await, 2);
    page.control(&json!({ "command": "active", "channel": "1" }))
        .await;
    assert_eq!(next_countdown(&mut page).await, 2);
    assert_eq!(next_countdown(&mut page).await, 1);
    assert_eq!(next_countdown(&mut page).await, 0);
    assert!(matches!(page.next_about("1").await, Control::Logout { .. }));
}

#[tokio::test]
async fn a_program_in_the_foreground_of_a_terminal_keeps_the_session() {
    let mut page = page(2).await;
    page.open("2", json!({ "payload": "stream", "spawn": ["bash", "--norc", "-i"], "pty": true }))
        .await;
    page.data("2", b"sleep 3\n").await;
    page.ready("1").await;
    let begun = std::time::Instant::now();

    next_countdown(&mut page).await;

    assert!(begun.elapsed().as_secs() >= 3, "counted down after {:?}", begun.elapsed());
}

#[tokio::test]
async fn without_a_limit_nobody_is_logged_out() {
    let mut page = page(0).await;
    assert_eq!(page.ready("1").await.get("timeout"), Some(&json!(0)));
    page.done("1").await;
    assert_eq!(page.converse("1").await.problem(), None);
}
