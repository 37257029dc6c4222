//! The `metrics1` channel on this machine.

use bridge::inherited::Inherited;
use bridge::link::Link;
use serde_json::{Value, json};
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
async fn the_first_message_describes_the_rows_that_follow_until_the_limit() {
    let mut page = page().await;
    page.open(
        "1",
        json!({ "payload": "metrics1", "source": "internal", "interval": 50, "limit": 3,
        "metrics": [{ "name": "memory.used", "units": "bytes" },
                    { "name": "cpu.basic.user", "derive": "rate" },
                    { "name": "network.interface.rx", "derive": "delta" }],
        "instances": ["lo"] }),
    )
    .await;

    let meta = page.next_json("1").await;
    assert_eq!(meta["metrics"][2]["instances"], json!(["lo"]));
    assert_eq!(meta["interval"], 50);
    let first = page.next_json("1").await;
    assert!(first[0][0].as_f64().unwrap() > 0.0);
    assert_eq!(first[0][1], Value::Bool(false));
    let second = page.next_json("1").await;
    assert!(second[0][1].as_f64().unwrap() >= 0.0);
    assert!(second[0][2][0].as_f64().unwrap() >= 0.0);
    let rest = page.converse("1").await;
    assert_eq!((rest.messages.len(), rest.done, rest.problem()), (1, true, None));
}

#[tokio::test]
async fn what_is_not_sampled_here_is_refused_by_name() {
    let mut page = page().await;
    let cases = [
        (json!({ "metrics": [{ "name": "coffee.left" }] }), "not-supported"),
        (json!({ "source": "pmcd" }), "not-supported"),
        (json!({ "interval": 0 }), "protocol-error"),
        (json!({ "interval": -5 }), "protocol-error"),
        (json!({ "metrics": [{ "name": "memory.used", "derive": "square" }] }), "protocol-error"),
        (json!({ "metrics": "memory.used" }), "protocol-error"),
    ];
    for (number, (mut options, problem)) in cases.into_iter().enumerate() {
        options["payload"] = "metrics1".into();
        let channel = format!("{number}");
        page.open(&channel, options).await;
        assert_eq!(page.converse(&channel).await.problem(), Some(problem), "case {number}");
    }
}
