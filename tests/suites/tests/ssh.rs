//! Other machines through the whole program: a login here, a page that asks, a real sshd there.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use machines::{Machine, ONE_TIME_CODES, Running, SshLogin, Sudo};
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

/// Makes a key of `ada` in the house; returns its public line.
fn key_of_ada(house: &House, name: &str, passphrase: &str) -> String {
    let script = format!(
        "mkdir -p -m 700 ~/.ssh && ssh-keygen -q -t ed25519 -N '{passphrase}' -f ~/.ssh/{name} && cat ~/.ssh/{name}.pub"
    );
    house
        .machine
        .exec_as("ada", &script)
        .unwrap()
        .trim()
        .to_owned()
}

/// Lets `ada` in to `there` by this key.
fn authorize(there: &Running, line: &str) {
    there
        .exec_as(
            "ada",
            &format!("mkdir -p -m 700 ~/.ssh && echo '{line}' >> ~/.ssh/authorized_keys"),
        )
        .unwrap();
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
async fn the_machines_own_questions_are_asked_and_the_login_password_answers_the_first() {
    let two = Machine::debian12()
        .runs_what_was_built_here()
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
async fn keys_certificates_and_passphrases_let_in_where_no_password_does() {
    let key_only = with_bridge(Machine::debian13().ssh_login(SshLogin::Key)).ssh_port(2222);
    let (house, [by_key]) = house_and([key_only]);
    let line = key_of_ada(&house, "id_ed25519", "");
    authorize(&by_key, &line);
    let host = format!("{}:2222", by_key.address());
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;

    let login = log_in(&mut page, "login", &host, Person::default()).await;
    assert_eq!(login.kinds(), ["host-key"], "{login:?}");
    assert_eq!(spawn(&mut page, "1", &host, &["hostname"]).await.unwrap(), by_key.name());

    // Without a page that asks, the same key is enough from now on.
    page.control(&json!({ "command": "kill", "host": host }))
        .await;
    assert_eq!(spawn(&mut page, "2", &host, &["hostname"]).await.unwrap(), by_key.name());

    // A key that is locked is asked for, and named where nobody can be asked.
    page.control(&json!({ "command": "kill", "host": host }))
        .await;
    house
        .machine
        .exec_as("ada", "ssh-keygen -q -p -N 'up up' -f ~/.ssh/id_ed25519")
        .unwrap();
    let locked = spawn(&mut page, "3", &host, &["true"]).await.unwrap_err();
    assert_eq!(locked.problem(), Some("authentication-failed"), "{locked:?}");
    assert_eq!(locked.close["error"], "locked identity: /home/ada/.ssh/id_ed25519");
    assert_eq!(locked.close["auth-method-results"]["password"], "no-server-support");
    let answers = ["down", "up up"];
    let login = log_in(&mut page, "unlock", &host, Person::who_says(&answers)).await;
    assert_eq!(login.kinds(), ["passphrase", "passphrase"], "{login:?}");
    assert_eq!(login.state, "connected");

    // A certificate of an authority that the machine trusts.
    let authority = key_of_ada(&house, "authority", "");
    let by_certificate = house
        .lab
        .machine(with_bridge(Machine::debian12()).ssh_certificates_of(&authority))
        .unwrap();
    house
        .machine
        .exec_as(
            "ada",
            "ssh-keygen -q -p -P 'up up' -N '' -f ~/.ssh/id_ed25519 && \
             ssh-keygen -q -s ~/.ssh/authority -I ada -n ada -V +1h ~/.ssh/id_ed25519.pub",
        )
        .unwrap();
    let host = address(&by_certificate);
    let login = log_in(&mut page, "certificate", &host, Person::default()).await;
    assert_eq!(login.kinds(), ["host-key"], "{login:?}");
    assert_eq!(spawn(&mut page, "4", &host, &["hostname"]).await.unwrap(), by_certificate.name());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_login_password_opens_other_machines_if_the_box_was_ticked_and_else_does_not() {
    let same = Machine::debian11().user("ada", PASSWORD).copy_of(
        suites::program("pilothouse-bridge.x86_64"),
        "/usr/local/bin/pilothouse-bridge",
        0o755,
    );
    let (house, [there]) = house_and([same]);
    let host = address(&there);
    let known = format!(
        "ssh-keyscan -T 10 {host} 2>/dev/null > ~/.ssh/known_hosts; wc -l < ~/.ssh/known_hosts"
    );
    house
        .machine
        .exec_as("ada", &format!("mkdir -p -m 700 ~/.ssh; {known}"))
        .unwrap();

    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;
    let refused = spawn(&mut page, "1", &host, &["hostname"])
        .await
        .unwrap_err();
    assert_eq!(refused.problem(), Some("authentication-failed"));
    assert_eq!(refused.close["auth-method-results"]["password"], "not-tried", "{refused:?}");
    assert_eq!(refused.close["auth-method-results"]["gssapi-mic"], "no-server-support");

    let browser = house.logged_in_with_reuse("ada").await;
    let mut page = browser.open_page().await;
    assert_eq!(spawn(&mut page, "1", &host, &["hostname"]).await.unwrap(), there.name());
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
async fn superuser_access_there_is_asked_by_its_own_sudo() {
    let with_sudo =
        with_bridge(Machine::debian12().packages(&["dbus", "sudo"])).sudo(Sudo::WithPassword);
    let (house, [there]) = house_and([with_sudo]);
    let host = address(&there);
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;
    let login = log_in(&mut page, "login", &host, Person::who_says(&[THERE])).await;
    assert_eq!(login.state, "connected", "{login:?}");

    page.open("su", json!({ "payload": "dbus-json3", "bus": "internal", "host": host }))
        .await;
    page.ready("su").await;
    for message in [
        json!({ "add-match": { "interface": "cockpit.Superuser" } }),
        json!({ "call": ["/superuser", "cockpit.Superuser", "Start", ["sudo"]], "id": "start" }),
    ] {
        page.data("su", message.to_string().as_bytes()).await;
    }
    while page.next_json("su").await["signal"][2] != "Prompt" {}
    let answer =
        json!({ "call": ["/superuser", "cockpit.Superuser", "Answer", [THERE]], "id": "answer" });
    page.data("su", answer.to_string().as_bytes()).await;
    let started = loop {
        let message = page.next_json("su").await;
        if message["id"] == "start" {
            break message;
        }
    };
    assert!(started.get("error").is_none(), "{started}");

    let options = json!({ "payload": "stream", "spawn": ["id", "-un"], "superuser": "require" });
    page.open("here", options.clone()).await;
    assert_eq!(page.converse("here").await.problem(), Some("access-denied"));
    let mut there = options;
    there["host"] = host.into();
    page.open("there", there).await;
    assert_eq!(page.converse("there").await.text().trim(), "root");
}
