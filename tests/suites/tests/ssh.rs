//! Other machines through the whole program: a login here, a page that asks, a real sshd there.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use machines::{Machine, ONE_TIME_CODES, Running, SshLogin};
use serde_json::json;
use suites::other_hosts::{Person, THERE, log_in, spawn, with_bridge};
use suites::{House, PASSWORD, machine};

/// A house, and other machines in its lab.
fn house_and<const N: usize>(machines: [Machine; N]) -> (House, [Running; N]) {
    let house = House::start(machine(Machine::debian12()));
    let others = machines.map(|machine| house.lab.machine(machine).unwrap());
    (house, others)
}

fn address(machine: &Running) -> String {
    machine.address().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_to_another_machine_and_channels_open_there() {
    let (house, [there]) = house_and([with_bridge(Machine::debian12())]);
    let host = address(&there);
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;

    // Nobody is asked by a channel that only opens.
    let unasked = spawn(&mut page, "0", &host, &["hostname"])
        .await
        .unwrap_err();
    assert_eq!(unasked.problem(), Some("unknown-host"), "{unasked:?}");
    let login = log_in(&mut page, "login", &host, Person::who_says(&["wrong", THERE])).await;

    assert_eq!(login.kinds(), ["host-key", "password", "password"]);
    assert!(!login.asked[2]["error"].as_str().unwrap().is_empty());
    assert_eq!(login.asked[0]["address"], format!("{host}:22"));
    assert_eq!(unasked.close["host-fingerprint"], login.asked[0]["fingerprint"]);
    let listed = there
        .exec(&["ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub"])
        .unwrap();
    assert!(listed.contains(login.asked[0]["fingerprint"].as_str().unwrap()), "{listed}");
    assert_eq!(spawn(&mut page, "1", &host, &["hostname"]).await.unwrap(), there.name());
    assert_eq!(spawn(&mut page, "2", &host, &["id", "-un"]).await.unwrap(), "ada");
    page.open("3", json!({ "payload": "echo", "host": host }))
        .await;
    page.ready("3").await;
    page.data("3", b"over there").await;
    assert_eq!(&page.next_data("3").await[..], b"over there");
    // What is not said to be there is here.
    page.open("4", json!({ "payload": "stream", "spawn": ["hostname"] }))
        .await;
    assert_eq!(page.converse("4").await.text().trim(), house.machine.name());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_host_key_keeps_the_password_here() {
    let (house, [there]) = house_and([with_bridge(Machine::debian12())]);
    let host = address(&there);
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;
    let login = log_in(&mut page, "login", &host, Person::who_says(&[THERE])).await;
    assert_eq!(login.state, "connected", "{login:?}");
    page.close("login").await;
    page.control(&json!({ "command": "kill", "host": host }))
        .await;

    there.change_host_keys().unwrap();
    let again = log_in(&mut page, "again", &host, Person::who_says(&[THERE])).await;

    assert_eq!(again.problem(), Some("invalid-hostkey"), "{again:?}");
    assert_eq!(again.kinds(), [""; 0]);
    let refused = spawn(&mut page, "1", &host, &["true"]).await.unwrap_err();
    assert_eq!(refused.problem(), Some("invalid-hostkey"));
    let journal = there.journal().unwrap();
    assert_eq!(journal.matches("Accepted password").count(), 1, "{journal}");
    assert_eq!(journal.matches("Failed password").count(), 0, "{journal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_configuration_leads_over_two_machines_each_of_which_is_verified() {
    let hop = || Machine::debian12().user("ada", THERE);
    let (house, [first, second, last]) =
        house_and([hop(), hop().ssh_port(2222), with_bridge(Machine::debian13())]);
    let config = format!(
        "Host target\n HostName {}\n ProxyJump {},second\nHost second\n HostName {}\n Port 2222\n User ada\nProxyCommand touch /tmp/never\n",
        last.address(),
        first.address(),
        second.address(),
    );
    house
        .machine
        .exec_as("ada", "mkdir -p -m 700 ~/.ssh")
        .unwrap();
    house
        .machine
        .write("/home/ada/.ssh/config", 0o644, config)
        .unwrap();
    house
        .machine
        .exec(&["chown", "ada:", "/home/ada/.ssh/config"])
        .unwrap();
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;

    let answers = [THERE, THERE, THERE];
    let login = log_in(&mut page, "login", "target", Person::who_says(&answers)).await;

    assert_eq!(login.state, "connected", "{login:?}");
    assert_eq!(
        login.kinds(),
        ["host-key", "password", "host-key", "password", "host-key", "password"]
    );
    let hosts: Vec<_> = login
        .asked
        .iter()
        .map(|question| question["host"].as_str().unwrap())
        .collect();
    assert_eq!(hosts[2], "second");
    assert_eq!(hosts[4], "target");
    assert_eq!(
        spawn(&mut page, "1", "target", &["hostname"])
            .await
            .unwrap(),
        last.name()
    );
    house
        .machine
        .exec(&["test", "!", "-e", "/tmp/never"])
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machines_own_questions_are_asked_and_the_login_password_answers_the_first() {
    let two = Machine::debian12()
        .user("ada", PASSWORD)
        .ssh_login(SshLogin::TwoQuestions);
    let bridge = suites::program("pilothouse-bridge");
    let two = two.copy_of(bridge, "/usr/local/bin/pilothouse-bridge", 0o755);
    let (house, [there]) = house_and([two]);
    let host = address(&there);
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;

    let answers = [PASSWORD, ONE_TIME_CODES[0]];
    let login = log_in(&mut page, "login", &host, Person::who_says(&answers)).await;

    assert_eq!(login.kinds(), ["host-key", "keyboard-interactive", "keyboard-interactive"]);
    let prompt = &login.asked[2]["prompts"][0];
    assert!(
        prompt["prompt"]
            .as_str()
            .unwrap()
            .contains("One-time password"),
        "{prompt}"
    );
    assert_eq!(spawn(&mut page, "1", &host, &["id", "-un"]).await.unwrap(), "ada");

    // With the box ticked the first question answers itself, and the code is still asked for.
    let browser = house.logged_in_with_reuse("ada").await;
    let mut page = browser.open_page().await;
    let login = log_in(&mut page, "login", &host, Person::who_says(&[ONE_TIME_CODES[1]])).await;
    assert_eq!(login.kinds(), ["keyboard-interactive"], "{login:?}");
    assert_eq!(login.state, "connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn old_servers_are_refused_by_name_and_other_servers_are_not() {
    let old = Machine::debian12().user("ada", THERE).old_ssh_algorithms();
    let dropbear = with_bridge(Machine::debian12()).dropbear();
    let (house, [old, dropbear]) = house_and([old, dropbear]);
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;

    let refused = log_in(&mut page, "old", &address(&old), Person::default()).await;
    assert_eq!(refused.problem(), Some("not-supported"), "{refused:?}");
    let message = refused.closed.unwrap()["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(message.contains("diffie-hellman-group14-sha1"), "{message}");

    let host = address(&dropbear);
    let login = log_in(&mut page, "dropbear", &host, Person::who_says(&[THERE])).await;
    assert_eq!(login.state, "connected", "{login:?}");
    assert_eq!(spawn(&mut page, "1", &host, &["hostname"]).await.unwrap(), dropbear.name());
}
