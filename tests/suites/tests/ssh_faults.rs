//! Machines that break while somebody is connected: what the page is told, and that it goes on by itself.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use machines::{Machine, Running};
use serde_json::json;
use suites::other_hosts::{Person, log_in, spawn, with_bridge};
use suites::{House, machine};
use support::page::Page;

/// A house whose `ada` has a key that lets her in to all `others`.
fn house_with_key<const N: usize>(others: [Machine; N]) -> (House, [Running; N]) {
    let house = House::start(machine(Machine::debian12()));
    let make = "mkdir -p -m 700 ~/.ssh && ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519 && cat ~/.ssh/id_ed25519.pub";
    let line = house
        .machine
        .exec_as("ada", make)
        .unwrap()
        .trim()
        .to_owned();
    let others = others.map(|other| house.lab.machine(other.authorized_key(&line)).unwrap());
    (house, others)
}

async fn connected(page: &mut Page, there: &Running) -> String {
    let host = there.address().to_string();
    let login = log_in(page, &host, &host, Person::default()).await;
    assert_eq!(login.state, "connected", "{login:?}");
    host
}

/// Reads what `channel` is told until it is connected again; the states in order, each once.
async fn until_connected(page: &mut Page, channel: &str) -> Vec<String> {
    let mut states = Vec::new();
    loop {
        let message = page.next_json(channel).await;
        let state = message
            .get("state")
            .and_then(|state| state.as_str())
            .unwrap_or_default()
            .to_owned();
        if states.last() != Some(&state) {
            states.push(state.clone());
        }
        if state == "connected" {
            return states;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_reboots_and_a_bridge_that_is_killed_are_connected_again() {
    let (house, [one, other]) =
        house_with_key([with_bridge(Machine::debian12()), with_bridge(Machine::debian13())]);
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;
    let first = connected(&mut page, &one).await;
    let second = connected(&mut page, &other).await;
    page.open("steady", json!({ "payload": "echo", "host": second }))
        .await;
    page.ready("steady").await;

    page.open("echo", json!({ "payload": "echo", "host": first }))
        .await;
    page.ready("echo").await;
    one.exec(&["pkill", "-KILL", "-u", "ada", "-f", "pilothouse-bridge"])
        .unwrap();
    assert_eq!(page.converse("echo").await.problem(), Some("terminated"));
    let states = until_connected(&mut page, &first).await;
    assert_eq!(states.first().map(String::as_str), Some("reconnecting"), "{states:?}");
    assert_eq!(spawn(&mut page, "1", &first, &["hostname"]).await.unwrap(), one.name());

    one.reboot().unwrap();
    let states = until_connected(&mut page, &first).await;
    assert_eq!(states.first().map(String::as_str), Some("reconnecting"), "{states:?}");
    assert_eq!(spawn(&mut page, "2", &first, &["hostname"]).await.unwrap(), one.name());

    page.data("steady", b"all the time").await;
    assert_eq!(&page.next_data("steady").await[..], b"all the time");
}
