//! Opening, owners, activation, buses that go away.

use serde_json::{Value, json};

use crate::bus::TestBus;
use crate::page::Page;
use crate::service::{self, NAME};

#[tokio::test]
async fn a_name_without_an_owner_closes_the_channel_with_not_found() {
    let bus = TestBus::start().await;
    let mut page = Page::new().await;
    let channel = page
        .open(json!({"address": bus.address, "name": "org.example.Nobody"}))
        .await;
    let close = page.control().await;
    assert_eq!((&close["channel"], &close["problem"]), (&json!(channel), &json!("not-found")));
}

#[tokio::test]
async fn options_that_mean_no_bus_are_refused() {
    let mut page = Page::new().await;
    for (options, problem) in [
        (json!({"bus": "other"}), "protocol-error"),
        (json!({"bus": "none"}), "protocol-error"),
        (json!({"bus": "none", "address": "nonsense"}), "protocol-error"),
        (json!({"bus": "none", "address": "unix:path=/nonexistent/socket"}), "not-found"),
        (json!({"address": "unix:path=/nonexistent/socket"}), "not-found"),
        (json!({"bus": 5}), "protocol-error"),
    ] {
        let channel = page.open(options.clone()).await;
        assert_eq!(page.closed(&channel).await["problem"], problem, "{options}");
    }
}

#[tokio::test]
async fn a_bad_name_is_a_protocol_error() {
    let bus = TestBus::start().await;
    let mut page = Page::new().await;
    let channel = page
        .open(json!({"address": bus.address, "name": "not a name"}))
        .await;
    assert_eq!(page.closed(&channel).await["problem"], "protocol-error");
}

#[tokio::test]
async fn a_service_that_is_not_running_is_started() {
    let bus = TestBus::start().await;
    let started = bus.directory.path().join("started");
    bus.add_service(
        "org.example.Fails",
        &format!("/bin/sh -c 'touch {}; exit 1'", started.display()),
    );
    let mut page = Page::new().await;

    // The bus runs the program; it fails without taking the name.
    let channel = page
        .open(json!({"address": bus.address, "name": "org.example.Fails"}))
        .await;
    assert_eq!(page.closed(&channel).await["problem"], "not-found");
    assert!(started.exists());

    // This one's program lets the test take the name in its stead.
    let asked = bus.directory.path().join("asked");
    let held = bus.directory.path().join("held");
    for fifo in [&asked, &held] {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, fifo, mode).unwrap();
    }
    // The program lives until this is dropped.
    let _holding = std::fs::File::options()
        .read(true)
        .write(true)
        .open(&held)
        .unwrap();
    bus.add_service(
        "org.example.Lazy",
        &format!("/bin/sh -c 'echo > {}; exec cat {}'", asked.display(), held.display()),
    );
    let channel = page
        .open(json!({"address": bus.address, "name": "org.example.Lazy"}))
        .await;
    tokio::fs::read(&asked).await.unwrap();
    let _service = service::start_as(&bus.address, "org.example.Lazy").await;
    assert_eq!(page.control().await["command"], "ready");
    assert!(page.next(&channel).await["owner"].is_string());
    let reply = page
        .ask(&channel, json!({"call": ["/test", NAME, "Add", [1, 2]]}))
        .await;
    assert_eq!(reply["reply"], json!([[3]]));
}

#[tokio::test]
async fn the_owner_is_told_when_it_changes_and_only_then() {
    let bus = TestBus::start().await;
    let service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page
        .open(json!({"address": bus.address, "name": NAME}))
        .await;
    assert!(
        page.control().await["unique-name"]
            .as_str()
            .unwrap()
            .starts_with(':')
    );
    let first = service.unique_name().unwrap().to_string();
    assert_eq!(page.next(&channel).await, json!({"owner": first}));

    service.close().await.unwrap();
    assert_eq!(page.next(&channel).await, json!({"owner": null}));
    let service = service::start(&bus.address).await;
    let second = service.unique_name().unwrap().to_string();
    assert_eq!(page.next(&channel).await, json!({"owner": second}));
    assert_ne!(first, second);
}

#[tokio::test]
async fn channels_share_one_connection_and_a_second_open_asks_nothing() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let mut names = Vec::new();
    for _ in 0..3 {
        page.open(json!({"address": bus.address, "name": NAME}))
            .await;
        names.push(page.control().await["unique-name"].clone());
    }
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
}

#[tokio::test]
async fn channels_end_with_their_bus_and_the_next_one_connects_anew() {
    let mut bus = TestBus::start().await;
    let address = bus.plain_address();
    let service = service::start(&address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&address, NAME).await;
    let slow = page.open_name(&address, NAME).await;
    page.call(&slow, json!({"call": ["/test", NAME, "Never", []]}))
        .await;

    bus.restart().await;
    for _ in 0..2 {
        let close = page.control().await;
        assert_eq!(close["problem"], "disconnected", "{close}");
        assert!(close["channel"] == channel || close["channel"] == slow);
    }
    drop(service);
    let _service = service::start(&address).await;
    let channel = page.open_name(&address, NAME).await;
    let reply = page
        .ask(&channel, json!({"call": ["/test", NAME, "Add", [1, 2]]}))
        .await;
    assert_eq!(reply["reply"], json!([[3]]));
}

#[tokio::test]
async fn a_bus_that_is_gone_for_good_is_not_found() {
    let mut bus = TestBus::start().await;
    let address = bus.plain_address();
    let mut page = Page::new().await;
    let channel = page.open(json!({"address": address})).await;
    assert_eq!(page.control().await["command"], "ready");
    bus.stop().await;
    assert_eq!(page.closed(&channel).await["problem"], "disconnected");
    let channel = page.open(json!({"address": address})).await;
    assert_eq!(page.closed(&channel).await["problem"], "not-found");
}

#[tokio::test]
async fn matches_of_a_closed_channel_are_removed_from_the_bus() {
    let bus = TestBus::start().await;
    let service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let staying = page.open_name(&bus.address, NAME).await;
    let channel = page.open_name(&bus.address, NAME).await;
    page.send(&channel, json!({"add-match": {"member": "Announced"}}))
        .await;
    page.send(&channel, json!({"watch": {"path": "/tree/a"}}))
        .await;
    assert!(page.next(&channel).await["meta"].is_object());
    let with_both = rules(&mut page, &staying).await;

    page.send_control(&json!({"command": "close", "channel": channel}))
        .await;
    let mut left = rules(&mut page, &staying).await;
    while left + 3 > with_both {
        left = rules(&mut page, &staying).await;
    }
    drop(service);
}

/// How many match rules the bus has of the bridge.
async fn rules(page: &mut Page, channel: &str) -> u64 {
    let me =
        json!({"call": ["/", "org.freedesktop.DBus", "GetId", []], "name": "org.freedesktop.DBus"});
    page.ask(channel, me).await;
    let call = json!({
        "call": ["/org/freedesktop/DBus", "org.freedesktop.DBus.Debug.Stats", "GetStats", []],
        "name": "org.freedesktop.DBus",
    });
    let reply = page.ask(channel, call).await;
    let rules: &Value = &reply["reply"][0][0]["MatchRules"]["v"];
    rules.as_u64().unwrap_or_else(|| panic!("{reply}"))
}

#[tokio::test]
async fn calls_fail_when_the_bus_says_nothing_and_go_on_when_it_does() {
    let bus = TestBus::start().await;
    let _service = service::start(&bus.address).await;
    let mut page = Page::new().await;
    let channel = page.open_name(&bus.address, NAME).await;

    bus.signal(rustix::process::Signal::STOP);
    page.call(&channel, json!({"call": ["/test", NAME, "Add", [1, 2]], "type": "ii"}))
        .await;
    let failed = page.next(&channel).await;
    assert_eq!(failed["error"][0], "org.freedesktop.DBus.Error.Timeout", "{failed}");
    assert!(
        failed["error"][1][0]
            .as_str()
            .unwrap()
            .contains("30 seconds"),
        "{failed}"
    );

    bus.signal(rustix::process::Signal::CONT);
    let reply = page
        .ask(&channel, json!({"call": ["/test", NAME, "Add", [1, 2]]}))
        .await;
    assert_eq!(reply["reply"], json!([[3]]));
}

#[tokio::test]
async fn channels_to_a_bus_that_does_not_greet_time_out_and_later_ones_connect() {
    let bus = TestBus::start().await;
    let mut page = Page::new().await;
    bus.signal(rustix::process::Signal::STOP);
    for _ in 0..2 {
        page.open(json!({"address": bus.address})).await;
    }
    for _ in 0..2 {
        let close = page.control().await;
        assert_eq!(close["problem"], "timeout", "{close}");
    }

    bus.signal(rustix::process::Signal::CONT);
    page.open(json!({"address": bus.address})).await;
    assert_eq!(page.control().await["command"], "ready");
}
