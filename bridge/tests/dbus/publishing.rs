//! Objects that a page publishes, called by another page.

use serde_json::{Value, json};

use crate::bus::TestBus;
use crate::page::Page;

const INTERFACE: &str = "org.example.Page";

fn meta() -> Value {
    json!({"meta": {INTERFACE: {
        "methods": {"Greet": {"in": ["s"], "out": ["s", "u"]}, "Quit": {}},
        "properties": {"Mood": {"flags": "r", "type": "s"}},
        "signals": {"Left": {"in": ["s"]}},
    }}})
}

/// A page that publishes `/page`, one that calls it, and the channels of both.
async fn two_pages(bus: &TestBus) -> (Page, String, Page, String) {
    let mut server = Page::new().await;
    let serving = server.open(json!({"address": bus.address})).await;
    let name = server.control().await["unique-name"]
        .as_str()
        .unwrap()
        .to_owned();
    server.send(&serving, meta()).await;
    let reply = server
        .ask(&serving, json!({"publish": ["/page", INTERFACE]}))
        .await;
    assert_eq!(reply["reply"], json!([[]]));
    let mut caller = Page::new().await;
    let calling = caller.open_name(&bus.address, &name).await;
    (server, serving, caller, calling)
}

#[tokio::test]
async fn calls_go_to_the_page_and_its_answers_go_back() {
    let bus = TestBus::start().await;
    let (mut server, serving, mut caller, calling) = two_pages(&bus).await;

    let id = caller
        .call(&calling, json!({"call": ["/page", INTERFACE, "Greet", ["you"]]}))
        .await;
    let call = server.next(&serving).await;
    assert_eq!(call["call"], json!(["/page", INTERFACE, "Greet", ["you"]]));
    server
        .send(&serving, json!({"reply": [["hello", 5]], "id": call["id"]}))
        .await;
    assert_eq!(caller.next(&calling).await, json!({"reply": [["hello", 5]], "id": id}));

    caller
        .call(&calling, json!({"call": ["/page", INTERFACE, "Quit", []]}))
        .await;
    let call = server.next(&serving).await;
    server
        .send(&serving, json!({"error": ["org.example.No", ["not now"]], "id": call["id"]}))
        .await;
    assert_eq!(caller.next(&calling).await["error"], json!(["org.example.No", ["not now"]]));

    caller
        .call(&calling, json!({"call": ["/page", INTERFACE, "Greet", ["you"]]}))
        .await;
    let call = server.next(&serving).await;
    server
        .send(&serving, json!({"reply": [[5]], "id": call["id"]}))
        .await;
    assert_eq!(caller.next(&calling).await["error"][0], "org.freedesktop.DBus.Error.Failed");
}

#[tokio::test]
async fn published_properties_are_watched_like_any() {
    let bus = TestBus::start().await;
    let (mut server, serving, mut caller, calling) = two_pages(&bus).await;
    server
        .send(&serving, json!({"notify": {"/page": {INTERFACE: {"Mood": "calm"}}}}))
        .await;
    // The reply says that what came before was taken.
    let ping =
        json!({"call": ["/", "org.freedesktop.DBus", "GetId", []], "name": "org.freedesktop.DBus"});
    server.ask(&serving, ping).await;

    let id = caller
        .call(&calling, json!({"watch": {"path": "/page"}}))
        .await;
    assert_eq!(
        caller.next(&calling).await["meta"][INTERFACE],
        meta()["meta"][INTERFACE]
            .as_object()
            .map(|known| {
                let mut full = known.clone();
                full["methods"]["Quit"] = json!({"in": [], "out": []});
                full
            })
            .map(Value::Object)
            .unwrap()
    );
    assert_eq!(
        caller.next(&calling).await,
        json!({"notify": {"/page": {INTERFACE: {"Mood": "calm"}}}})
    );
    assert_eq!(caller.next(&calling).await["id"], id);

    server
        .send(&serving, json!({"notify": {"/page": {INTERFACE: {"Mood": "glad"}}}}))
        .await;
    assert_eq!(
        caller.next(&calling).await,
        json!({"notify": {"/page": {INTERFACE: {"Mood": "glad"}}}})
    );
    let get =
        json!({"call": ["/page", "org.freedesktop.DBus.Properties", "Get", [INTERFACE, "Mood"]]});
    assert_eq!(caller.ask(&calling, get).await["reply"], json!([[{"t": "s", "v": "glad"}]]));
}

#[tokio::test]
async fn what_is_not_published_is_unknown() {
    let bus = TestBus::start().await;
    let (mut server, serving, mut caller, calling) = two_pages(&bus).await;
    for call in [
        json!(["/other", INTERFACE, "Quit", []]),
        json!(["/page", INTERFACE, "Missing", []]),
        json!(["/page", "org.example.Other", "Quit", []]),
    ] {
        let reply = caller.ask(&calling, json!({"call": call})).await;
        let name = reply["error"][0].as_str().unwrap();
        assert!(name.starts_with("org.freedesktop.DBus.Error.Unknown"), "{reply}");
    }
    let reply = server
        .ask(&serving, json!({"publish": ["/page", "org.example.Undescribed"]}))
        .await;
    assert_eq!(reply["error"][0], "org.freedesktop.DBus.Error.InvalidArgs");

    server
        .send(&serving, json!({"unpublish": ["/page", INTERFACE]}))
        .await;
    let ping =
        json!({"call": ["/", "org.freedesktop.DBus", "GetId", []], "name": "org.freedesktop.DBus"});
    server.ask(&serving, ping).await;
    let reply = caller
        .ask(&calling, json!({"call": ["/page", INTERFACE, "Quit", []]}))
        .await;
    assert_eq!(reply["error"][0], "org.freedesktop.DBus.Error.UnknownObject");
}

#[tokio::test]
async fn callers_are_told_when_the_page_closes_its_channel() {
    let bus = TestBus::start().await;
    let (mut server, serving, mut caller, calling) = two_pages(&bus).await;
    let id = caller
        .call(&calling, json!({"call": ["/page", INTERFACE, "Quit", []]}))
        .await;
    server.next(&serving).await;
    server
        .send_control(&json!({"command": "close", "channel": serving}))
        .await;
    let reply = caller.next(&calling).await;
    assert_eq!(
        (&reply["id"], &reply["error"][0]),
        (&id, &json!("org.freedesktop.DBus.Error.NoReply"))
    );
}
