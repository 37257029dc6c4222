//! Superuser access with the machine's own sudo.

use machines::Machine;
use serde_json::json;
use suites::{House, PASSWORD, machine};
use support::page::Page;

const OBJECT: &str = "/superuser";
const INTERFACE: &str = "cockpit.Superuser";

async fn superuser_object(page: &mut Page) {
    page.open("su", json!({ "payload": "dbus-json3", "bus": "internal" }))
        .await;
    page.ready("su").await;
    page.data(
        "su",
        json!({ "add-match": { "interface": INTERFACE } })
            .to_string()
            .as_bytes(),
    )
    .await;
}

async fn call(page: &mut Page, id: &str, method: &str, arguments: serde_json::Value) {
    let call = json!({ "call": [OBJECT, INTERFACE, method, arguments], "id": id });
    page.data("su", call.to_string().as_bytes()).await;
}

/// The next message on the object's channel that has `member`.
async fn next_with(page: &mut Page, member: &str) -> serde_json::Value {
    loop {
        let message = page.next_json("su").await;
        if message.get(member).is_some() {
            return message;
        }
    }
}

async fn whoami(page: &mut Page, channel: &str) -> Result<String, String> {
    page.open(
        channel,
        json!({ "payload": "stream", "spawn": ["id", "-un"], "superuser": "require" }),
    )
    .await;
    let seen = page.converse(channel).await;
    match seen.problem() {
        None => Ok(seen.text().trim().to_owned()),
        Some(problem) => Err(problem.to_owned()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sudo_asks_in_the_page_and_channels_are_roots_until_access_is_turned_off() {
    let house = House::start(machine(Machine::debian12()));
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;
    superuser_object(&mut page).await;
    assert_eq!(whoami(&mut page, "1").await, Err("access-denied".to_owned()));

    call(&mut page, "start", "Start", json!(["sudo"])).await;
    let prompt = next_with(&mut page, "signal").await;
    assert_eq!(prompt["signal"][2], "Prompt");
    assert!(prompt["signal"][3][1].as_str().unwrap().contains("ada"), "{prompt}");
    call(&mut page, "wrong", "Answer", json!(["not the password"])).await;
    let again = next_with(&mut page, "signal").await;
    assert!(!again["signal"][3][4].as_str().unwrap().is_empty(), "{again}");
    call(&mut page, "right", "Answer", json!([PASSWORD])).await;
    loop {
        let reply = next_with(&mut page, "id").await;
        assert!(reply.get("error").is_none(), "{reply}");
        if reply["id"] == "start" {
            break;
        }
    }
    assert_eq!(whoami(&mut page, "2").await, Ok("root".to_owned()));

    call(&mut page, "stop", "Stop", json!([])).await;
    while next_with(&mut page, "id").await["id"] != "stop" {}
    assert_eq!(whoami(&mut page, "3").await, Err("access-denied".to_owned()));
    house.machine.exec(&["sh", "-c", "for i in $(seq 30); do pgrep -f -- '[-]-privileged' || exit 0; sleep 0.1; done; ps ax; exit 1"]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_the_right_is_told_what_sudo_says() {
    let house = House::start(machine(Machine::debian12()));
    let browser = house.logged_in("ben").await;
    let mut page = browser.open_page().await;
    superuser_object(&mut page).await;

    call(&mut page, "start", "Start", json!(["sudo"])).await;
    next_with(&mut page, "signal").await;
    call(&mut page, "answer", "Answer", json!([PASSWORD])).await;
    let refused = loop {
        let reply = next_with(&mut page, "id").await;
        if reply["id"] == "start" {
            break reply;
        }
    };

    assert!(refused["error"][1][0].as_str().unwrap().contains("sudoers"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_privileged_bridge_ends_with_the_bridge_that_started_it() {
    let house = House::start(machine(Machine::debian13()));
    let browser = house.logged_in_with_reuse("ada").await;
    let mut page = browser.open_page().await;
    superuser_object(&mut page).await;
    // The password of the login answers sudo: the box was ticked.
    call(&mut page, "start", "Start", json!(["any"])).await;
    let reply = next_with(&mut page, "id").await;
    assert!(reply.get("error").is_none(), "{reply}");
    assert_eq!(whoami(&mut page, "1").await, Ok("root".to_owned()));

    house
        .machine
        .exec(&["pkill", "-KILL", "-u", "ada", "-f", "pilothouse bridge$"])
        .unwrap();

    house.machine.exec(&["sh", "-c", "for i in $(seq 10); do pgrep -f -- '[-]-privileged' || exit 0; sleep 0.1; done; ps ax; exit 1"]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_privileged_bridge_is_left_when_its_bridge_is_killed_while_it_starts() {
    let house = House::start(machine(Machine::debian13()));
    // A start takes some tenths of a second; the moments are spread over it.
    for milliseconds in [0, 5, 10, 15, 20, 30, 40, 60, 80, 100, 140, 180, 240, 300] {
        let browser = house.logged_in_with_reuse("ada").await;
        let mut page = browser.open_page().await;
        superuser_object(&mut page).await;
        call(&mut page, "start", "Start", json!(["any"])).await;

        let script =
            format!("sleep 0.{milliseconds:03}; pkill -KILL -u ada -f 'pilothouse bridge$'");
        house.machine.exec(&["sh", "-c", &script]).unwrap();

        house.no_process_with("bridge --privileged");
    }
}
