//! Watches: meta, notify, their order, objects that come and go.

use serde_json::{Value, json};

use crate::bus::TestBus;
use crate::page::Page;
use crate::service::{self, NAME};

const ITEM: &str = "org.example.Item";

fn item(name: &str, count: u32) -> Value {
    json!({"Name": name, "Count": count, "Doubled": count * 2})
}

#[tokio::test]
async fn a_watch_tells_meta_then_notify_then_its_reply() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;

    let id = page
        .call(&channel, json!({"watch": {"path": "/tree/a", "interface": ITEM}}))
        .await;
    let meta = page.next(&channel).await;
    let described = &meta["meta"][ITEM];
    assert_eq!(described["properties"]["Name"], json!({"flags": "rw", "type": "s"}));
    assert_eq!(described["properties"]["Count"], json!({"flags": "r", "type": "u"}));
    assert_eq!(described["methods"]["Increase"], json!({"in": [], "out": ["u"]}));
    let notify = page.next(&channel).await;
    assert_eq!(notify, json!({"notify": {"/tree/a": {ITEM: item("a", 0)}}}));
    assert_eq!(page.next(&channel).await, json!({"reply": [[]], "id": id}));
}

#[tokio::test]
async fn a_change_that_a_call_causes_is_told_before_its_reply() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;
    let id = page
        .call(&channel, json!({"watch": {"path": "/tree/a"}}))
        .await;
    while page.next(&channel).await["id"] != id {}

    for count in 1..20 {
        let call = page
            .call(&channel, json!({"call": ["/tree/a", ITEM, "Increase", []]}))
            .await;
        let mut told = json!({});
        loop {
            let message = page.next(&channel).await;
            if message["id"] == call {
                assert_eq!(message["reply"], json!([[count]]));
                break;
            }
            for (name, value) in message["notify"]["/tree/a"][ITEM].as_object().unwrap() {
                told[name] = value.clone();
            }
        }
        // Doubled is only invalidated: it was read again before the reply was told.
        assert_eq!(told, json!({"Count": count, "Doubled": count * 2}));
    }
}

#[tokio::test]
async fn below_an_object_manager_objects_come_and_go() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;

    let id = page
        .call(&channel, json!({"watch": {"path_namespace": "/managed"}}))
        .await;
    assert!(page.next(&channel).await["meta"][ITEM].is_object());
    let notify = page.next(&channel).await;
    let expected =
        json!({"/managed/one": {ITEM: item("one", 0)}, "/managed/two": {ITEM: item("two", 0)}});
    assert_eq!(notify, json!({"notify": expected}));
    assert_eq!(page.next(&channel).await["id"], id);

    page.call(&channel, json!({"call": ["/test", NAME, "Create", ["three"]]}))
        .await;
    let notify = page.next(&channel).await;
    assert_eq!(notify, json!({"notify": {"/managed/three": {ITEM: item("three", 0)}}}));
    assert!(page.next(&channel).await["reply"].is_array());

    page.call(&channel, json!({"call": ["/test", NAME, "Destroy", ["three"]]}))
        .await;
    assert_eq!(page.next(&channel).await, json!({"notify": {"/managed/three": {ITEM: null}}}));
    assert!(page.next(&channel).await["reply"].is_array());
}

#[tokio::test]
async fn below_a_path_without_a_manager_all_children_are_introspected() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;

    let id = page
        .call(&channel, json!({"watch": {"path_namespace": "/tree", "interface": ITEM}}))
        .await;
    let mut told = json!({});
    loop {
        let message = page.next(&channel).await;
        if message["id"] == id {
            break;
        }
        for (path, interfaces) in message["notify"].as_object().into_iter().flatten() {
            told[path] = interfaces.clone();
        }
    }
    assert_eq!(told, json!({"/tree/a": {ITEM: item("a", 0)}, "/tree/a/b": {ITEM: item("b", 0)}}));
}

#[tokio::test]
async fn nothing_is_told_after_unwatch_and_all_of_it_again_after_another_watch() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;
    let watch = json!({"path": "/tree/a"});
    let id = page.call(&channel, json!({"watch": watch})).await;
    while page.next(&channel).await["id"] != id {}

    page.send(&channel, json!({"unwatch": watch})).await;
    let reply = page
        .ask(&channel, json!({"call": ["/tree/a", ITEM, "Increase", []]}))
        .await;
    assert_eq!(reply["reply"], json!([[1]]));

    let id = page.call(&channel, json!({"watch": watch})).await;
    assert_eq!(page.next(&channel).await, json!({"notify": {"/tree/a": {ITEM: item("a", 1)}}}));
    assert_eq!(page.next(&channel).await["id"], id);
}

#[tokio::test]
async fn a_watch_outlives_its_service_and_tells_of_the_next_one() {
    let bus = TestBus::start().await;
    let service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;
    let id = page
        .call(&channel, json!({"watch": {"path": "/tree/a"}}))
        .await;
    while page.next(&channel).await["id"] != id {}

    service.close().await.unwrap();
    assert_eq!(page.next(&channel).await, json!({"notify": {"/tree/a": {ITEM: null}}}));
    assert_eq!(page.next(&channel).await, json!({"owner": null}));
    let _service = service::start(&bus.address).await;
    assert!(page.next(&channel).await["owner"].is_string());
    assert!(page.next(&channel).await["meta"].is_object());
    assert_eq!(page.next(&channel).await, json!({"notify": {"/tree/a": {ITEM: item("a", 0)}}}));
}

#[tokio::test]
async fn a_watch_of_another_service_says_its_name() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let _other = service::start_as(&bus.address, "org.example.Other").await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;
    let watch = json!({"watch": {"path": "/tree/a", "name": "org.example.Other"}});
    let id = page.call(&channel, watch).await;
    assert_eq!(page.next(&channel).await["name"], "org.example.Other");
    let notify = page.next(&channel).await;
    assert_eq!(
        notify,
        json!({"notify": {"/tree/a": {ITEM: item("a", 0)}}, "name": "org.example.Other"})
    );
    assert_eq!(page.next(&channel).await["id"], id);

    let call = json!({"call": ["/tree/a", ITEM, "Increase", []], "name": "org.example.Other"});
    page.call(&channel, call).await;
    let notify = page.next(&channel).await;
    assert_eq!(
        (&notify["name"], &notify["notify"]["/tree/a"][ITEM]["Count"]),
        (&json!("org.example.Other"), &json!(1))
    );
}

#[tokio::test]
async fn a_watch_of_nothing_is_answered_too() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;
    for watch in [
        json!({"path": "/none"}),
        json!({"path_namespace": "/none"}),
        json!({"path": "/test", "interface": "a.b"}),
    ] {
        let reply = page.ask(&channel, json!({"watch": watch})).await;
        assert_eq!(reply["reply"], json!([[]]));
    }
}

#[tokio::test]
async fn a_property_that_a_page_sets_is_told() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;
    let id = page
        .call(&channel, json!({"watch": {"path": "/tree/a"}}))
        .await;
    while page.next(&channel).await["id"] != id {}

    let value = json!({"t": "s", "v": "other"});
    let set = json!({"call": ["/tree/a", "org.freedesktop.DBus.Properties", "Set", [ITEM, "Name", value]]});
    page.call(&channel, set).await;
    let (one, other) = (page.next(&channel).await, page.next(&channel).await);
    // The service says whether the signal or the reply comes first; the page gets them as they come.
    let notify = json!({"notify": {"/tree/a": {ITEM: {"Name": "other"}}}});
    assert!([&one, &other].contains(&&notify), "{one} {other}");
}
