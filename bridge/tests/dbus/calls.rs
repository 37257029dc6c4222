//! Calls, errors, signals, time-outs, descriptors.

use serde_json::json;

use crate::bus::TestBus;
use crate::page::Page;
use crate::service::{self, NAME, Test};

#[tokio::test]
async fn a_call_without_a_type_is_introspected_and_one_with_a_type_gets_one_back() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;

    let reply = page
        .ask(&channel, json!({"call": ["/test", NAME, "Add", [1, 2]]}))
        .await;
    assert_eq!(reply, json!({"reply": [[3]], "id": "1"}));

    let call = json!({"call": ["/test", NAME, "Add", [1, 2]], "type": "uu", "flags": ""});
    let reply = page.ask(&channel, call).await;
    assert_eq!(reply, json!({"reply": [[3]], "id": "2", "type": "u", "flags": "<"}));
}

#[tokio::test]
async fn a_call_may_be_authorized_by_asking_unless_its_flags_say_no() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;

    for (flags, may_ask) in [(None, true), (Some("i"), true), (Some(""), false)] {
        let mut call = json!({"call": ["/test", NAME, "MayAsk", []]});
        if let Some(flags) = flags {
            call["flags"] = flags.into();
        }
        assert_eq!(page.ask(&channel, call).await["reply"], json!([[may_ask]]), "{flags:?}");
    }
}

#[tokio::test]
async fn values_of_all_kinds_come_through() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;

    let value = json!({"t": "a{sv}", "v": {"x": {"t": "ay", "v": "YWJj"}, "y": {"t": "(sb)", "v": ["a", true]}}});
    let reply = page
        .ask(&channel, json!({"call": ["/test", NAME, "Echo", [value]]}))
        .await;
    assert_eq!(reply["reply"], json!([[value]]));

    let call = json!({"call": ["/test", NAME, "Bytes", ["YWJj", {"5": "five"}]]});
    assert_eq!(page.ask(&channel, call).await["reply"], json!([["YWJj", {"5": "five"}]]));

    let reply = page
        .ask(&channel, json!({"call": ["/test", NAME, "Limits", []]}))
        .await;
    assert_eq!(
        reply["reply"],
        json!([[18_446_744_073_709_551_615_u64, -9_223_372_036_854_775_808_i64, null, 0.5]])
    );
}

#[tokio::test]
async fn wrong_calls_get_the_errors_of_the_bus() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;

    for (call, name) in [
        (json!(["/test", NAME, "Add", ["1", 2]]), "org.freedesktop.DBus.Error.InvalidArgs"),
        (json!(["/test", NAME, "Add", [1]]), "org.freedesktop.DBus.Error.InvalidArgs"),
        (json!(["/test", NAME, "Add", [-1, 2]]), "org.freedesktop.DBus.Error.InvalidArgs"),
        (json!(["no path", NAME, "Add", [1, 2]]), "org.freedesktop.DBus.Error.InvalidArgs"),
        (json!(["/test", NAME, "Missing", [1]]), "org.freedesktop.DBus.Error.UnknownMethod"),
        (json!(["/test", NAME, "Missing", []]), "org.freedesktop.DBus.Error.UnknownMethod"),
        (
            json!(["/test", "org.example.Other", "Add", [1, 2]]),
            "org.freedesktop.DBus.Error.UnknownMethod",
        ),
        (json!(["/none", NAME, "Add", [1, 2]]), "org.freedesktop.DBus.Error.UnknownObject"),
    ] {
        let reply = page.ask(&channel, json!({"call": call})).await;
        assert_eq!(reply["error"][0], name, "{call} {reply}");
    }
    let reply = page
        .ask(&channel, json!({"call": ["/test", NAME, "Fail", ["no such thing"]]}))
        .await;
    assert_eq!(
        reply["error"],
        json!(["org.freedesktop.DBus.Error.FileNotFound", ["no such thing"]])
    );
}

#[tokio::test]
async fn a_call_that_is_not_answered_in_its_time_fails_and_others_go_on() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;

    let slow = page
        .call(&channel, json!({"call": ["/test", NAME, "Never", []], "timeout": 300}))
        .await;
    let quick = page
        .call(&channel, json!({"call": ["/test", NAME, "Add", [1, 2]]}))
        .await;
    assert_eq!(page.next(&channel).await["id"], quick);
    let reply = page.next(&channel).await;
    assert_eq!(
        (&reply["id"], &reply["error"][0]),
        (&slow, &json!("org.freedesktop.DBus.Error.Timeout"))
    );
}

#[tokio::test]
async fn a_call_under_way_fails_when_its_service_vanishes() {
    let bus = TestBus::start().await;
    let service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;
    let slow = page
        .call(&channel, json!({"call": ["/test", NAME, "Never", []]}))
        .await;
    page.ask(&channel, json!({"call": ["/test", NAME, "Add", [1, 2]]}))
        .await;

    service.close().await.unwrap();
    let (mut owner, mut error) = (false, false);
    while !(owner && error) {
        let message = page.next(&channel).await;
        owner |= message.get("owner") == Some(&json!(null));
        error |=
            message["id"] == slow && message["error"][0] == "org.freedesktop.DBus.Error.NoReply";
    }
}

#[tokio::test]
async fn a_message_may_name_another_service_on_the_same_bus() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let _other = service::start_as(&bus.address, "org.example.Other").await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;

    let call = json!({"call": ["/test", NAME, "Add", [1, 2]], "name": "org.example.Other"});
    assert_eq!(page.ask(&channel, call).await["reply"], json!([[3]]));

    page.send(&channel, json!({"add-match": {"name": "org.example.Other", "interface": NAME}}))
        .await;
    let call = json!({"call": ["/test", NAME, "Announce", ["x"]], "name": "org.example.Other"});
    page.call(&channel, call).await;
    let signal = page.next(&channel).await;
    assert_eq!(
        signal,
        json!({"signal": ["/test", NAME, "Announced", ["x", 7]], "name": "org.example.Other"})
    );
    assert_eq!(page.next(&channel).await["reply"], json!([[]]));

    let call = json!({"call": ["/test", NAME, "Add", [1, 2]], "name": "org.example.Nobody"});
    let reply = page.ask(&channel, call).await;
    assert_eq!(reply["error"][0], "org.freedesktop.DBus.Error.ServiceUnknown");
}

#[tokio::test]
async fn a_channel_without_a_name_needs_one_in_each_call_and_hears_everybody() {
    let bus = TestBus::start().await;
    let service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open(json!({"address": bus.address})).await;
    assert!(
        page.control().await["unique-name"]
            .as_str()
            .unwrap()
            .starts_with(':')
    );

    let reply = page
        .ask(&channel, json!({"call": ["/test", NAME, "Add", [1, 2]]}))
        .await;
    assert_eq!(reply["error"][0], "org.freedesktop.DBus.Error.InvalidArgs");
    page.send(&channel, json!({"add-match": {"member": "Announced"}}))
        .await;
    page.call(&channel, json!({"call": ["/test", NAME, "Announce", ["x"]], "name": NAME}))
        .await;
    let signal = page.next(&channel).await;
    assert_eq!(signal["signal"][3], json!(["x", 7]));
    let unique_name = service.unique_name().unwrap().to_string();
    assert!(signal["name"] == NAME || signal["name"] == unique_name, "{signal}");
}

#[tokio::test]
async fn only_matching_signals_come_until_the_match_was_removed_as_often_as_it_was_added() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;
    let announce = |what: &str| json!({"call": ["/test", NAME, "Announce", [what]]});

    page.ask(&channel, announce("nobody listens")).await;
    let twice = json!({"path_namespace": "/", "interface": NAME, "arg0": "it's"});
    page.send(&channel, json!({"add-match": twice})).await;
    page.send(&channel, json!({"add-match": twice})).await;
    page.ask(&channel, announce("other")).await;
    page.call(&channel, announce("it's")).await;
    assert_eq!(
        page.next(&channel).await["signal"],
        json!(["/test", NAME, "Announced", ["it's", 7]])
    );
    assert_eq!(page.next(&channel).await["reply"], json!([[]]));

    page.send(&channel, json!({"remove-match": twice})).await;
    page.call(&channel, announce("it's")).await;
    assert!(page.next(&channel).await["signal"].is_array());
    assert_eq!(page.next(&channel).await["reply"], json!([[]]));

    page.send(&channel, json!({"remove-match": twice})).await;
    assert_eq!(page.ask(&channel, announce("it's")).await["reply"], json!([[]]));
}

#[tokio::test]
async fn a_descriptor_in_a_reply_is_offered_as_a_stream() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;

    let reply = page
        .ask(&channel, json!({"call": ["/test", NAME, "File", []]}))
        .await;
    let handle = &reply["reply"][0][0];
    assert_eq!(handle["payload"], "stream");
    assert!(
        handle["internal"]
            .as_str()
            .unwrap()
            .starts_with("descriptor-")
    );
}

#[tokio::test]
async fn many_calls_at_once_are_all_answered_in_order() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;
    for number in 0..2_000 {
        let call = json!({"call": ["/test", NAME, "Add", [number, 1]], "type": "uu"});
        page.call(&channel, call).await;
    }
    for number in 0..2_000 {
        assert_eq!(page.next(&channel).await["reply"], json!([[number + 1]]));
    }
}

#[tokio::test]
async fn malformed_messages_close_the_channel_with_protocol_error() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    for wrong in [
        json!({}),
        json!([]),
        json!({"unknown": 1}),
        json!({"call": ["/test", NAME, "Add"], "id": "1"}),
        json!({"call": ["/test", NAME, "Add", 5], "id": "1"}),
        json!({"add-match": {"path": "no path"}}),
        json!({"add-match": {"path": "/a", "path_namespace": "/a"}}),
        json!({"add-match": {"interface": "none"}}),
        json!({"watch": {"path": 5}}),
        json!({"meta": {"a.b": {"methods": 5}}}),
        json!({"publish": ["/a"]}),
        json!({"signal": ["/a", "a.b", "C", [1]]}),
    ] {
        let channel = page.open_name(&bus.address, NAME).await;
        page.send(&channel, wrong.clone()).await;
        assert_eq!(page.closed(&channel).await["problem"], "protocol-error", "{wrong}");
    }
}

#[tokio::test]
async fn a_page_emits_signals_that_another_page_hears() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let mut other = Page::new().await;
    let speaker = page.open(json!({"address": bus.address})).await;
    let unique_name = page.control().await["unique-name"]
        .as_str()
        .unwrap()
        .to_owned();
    let listener = other.open_name(&bus.address, &unique_name).await;
    other
        .send(&listener, json!({"add-match": {"member": "Said"}}))
        .await;
    // The reply says that the bus has taken the match.
    let ping = json!({"call": ["/", "org.freedesktop.DBus.Peer", "GetId", []], "name": "org.freedesktop.DBus"});
    other.ask(&listener, ping).await;

    page.send(&speaker, json!({"signal": ["/a", "a.b", "Said", [1, "x"]], "type": "us"}))
        .await;
    page.send(&speaker, json!({"meta": {"a.b": {"signals": {"Said": {"in": ["as"]}}}}}))
        .await;
    page.send(&speaker, json!({"signal": ["/a", "a.b", "Said", [["y"]]], "destination": null}))
        .await;
    assert_eq!(other.next(&listener).await["signal"], json!(["/a", "a.b", "Said", [1, "x"]]));
    assert_eq!(other.next(&listener).await["signal"], json!(["/a", "a.b", "Said", [["y"]]]));
}

#[tokio::test]
async fn a_channel_full_of_slow_calls_leaves_room_for_another() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let slow = page.open_name(&bus.address, NAME).await;
    let quick = page.open_name(&bus.address, NAME).await;
    for _ in 0..300 {
        page.call(&slow, json!({"call": ["/test", NAME, "Never", []]}))
            .await;
    }
    let reply = page
        .ask(&quick, json!({"call": ["/test", NAME, "Add", [1, 2]]}))
        .await;
    assert_eq!(reply["reply"], json!([[3]]));
}

#[tokio::test]
async fn a_page_that_does_not_read_holds_up_nobody_else() {
    let bus = TestBus::start().await;
    let service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    // With flow control the page's window closes as it does not answer pings.
    let stuck = page
        .open(json!({"address": bus.address, "name": NAME, "flow-control": true}))
        .await;
    assert_eq!(page.control().await["command"], "ready");
    page.send(&stuck, json!({"add-match": {"member": "Announced"}}))
        .await;
    let other = page.open_name(&bus.address, NAME).await;
    page.ask(&other, json!({"call": ["/test", NAME, "Add", [1, 2]]}))
        .await;

    let emitter = zbus::object_server::SignalEmitter::new(&service, "/test").unwrap();
    let what = "x".repeat(64 << 10);
    for _ in 0..1_200 {
        Test::announced(&emitter, &what, 7).await.unwrap();
    }
    let reply = page
        .ask(&other, json!({"call": ["/test", NAME, "Add", [1, 2]]}))
        .await;
    assert_eq!(reply["reply"], json!([[3]]));
    assert_eq!(page.closed(&stuck).await["problem"], "too-large");
}

#[tokio::test]
async fn a_reply_that_fits_no_frame_is_an_error_and_the_channel_goes_on() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;
    let huge = |bytes: u32| json!({"call": ["/test", NAME, "Huge", [bytes]]});
    let reply = page.ask(&channel, huge(13_000_000)).await;
    assert_eq!(reply["error"][0], "org.freedesktop.DBus.Error.LimitsExceeded");
    let reply = page.ask(&channel, huge(3_000_000)).await;
    assert_eq!(reply["reply"][0][0].as_str().map(str::len), Some(4_000_000));
}

#[tokio::test]
async fn types_that_the_page_describes_are_not_asked_for() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;
    let methods = json!({"Add": {"in": ["s", "s"]}, "Fail": {"in": ["s"]}});
    page.send(&channel, json!({"meta": {NAME: {"methods": methods}}}))
        .await;

    // Sent as the page described it, so that the service refuses it and not we.
    let call = json!({"call": ["/test", NAME, "Add", ["1", "2"]]});
    let error = page.ask(&channel, call).await["error"].clone();
    assert!(
        error[0]
            .as_str()
            .unwrap()
            .starts_with("org.freedesktop.DBus.Error."),
        "{error}"
    );
    let call = json!({"call": ["/test", NAME, "Add", [1, 2]]});
    let error = page.ask(&channel, call).await["error"].clone();
    assert_eq!(error[1][0], "a number where type \"s\" needs a string");
    let call = json!({"call": ["/test", NAME, "Huge", [1]]});
    let error = page.ask(&channel, call).await["error"].clone();
    assert_eq!(error[0], "org.freedesktop.DBus.Error.UnknownMethod");
}
