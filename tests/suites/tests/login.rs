//! Logging in with real accounts through real PAM, and what is left of a session when it has ended.

use machines::Machine;
use serde_json::{Value, json};
use suites::superuser::{Access, Said};
use suites::{House, PASSWORD, machine};
use support::browser::Browser;

#[tokio::test(flavor = "multi_thread")]
async fn a_user_logs_in_and_is_that_user_in_a_login_session() {
    let house = House::start(machine(Machine::debian12()));
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;

    let looks = "id; pwd; umask; ulimit -a";
    page.open("1", json!({ "payload": "stream", "spawn": ["bash", "-c", looks] }))
        .await;
    let seen = page.converse("1").await;

    let by_ssh = house.machine.ssh("ada", &[PASSWORD], looks).unwrap();
    assert_eq!(by_ssh.code, 0, "{}", by_ssh.stderr);
    assert!(seen.text().contains("(ada)") && seen.text().contains("/home/ada"), "{}", seen.text());
    assert_eq!(seen.text(), by_ssh.stdout);
    let sessions = house
        .machine
        .exec(&["loginctl", "list-sessions", "--no-legend"])
        .unwrap();
    assert!(sessions.contains("ada"), "{sessions}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_session_after_logout() {
    let house = House::start(machine(Machine::debian12()));
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;
    page.open("1", json!({ "payload": "stream", "spawn": ["sleep", "1000"] }))
        .await;
    page.ready("1").await;

    page.control(&json!({ "command": "logout", "disconnect": true }))
        .await;
    while page.next_frame().await.is_some() {}

    house.machine.exec(&["sh", "-c", "for i in $(seq 50); do pgrep -u ada -x sleep || pgrep -fx 'pilothouse bridge' || exit 0; sleep 0.1; done; ps aux; exit 1"]).unwrap();
    house.machine.exec(&["sh", "-c", "for i in $(seq 100); do loginctl list-sessions --no-legend | grep -q ada || exit 0; sleep 0.1; done; loginctl; exit 1"]).unwrap();
    assert_eq!(
        browser
            .request("GET", "/cockpit/login", &[], b"")
            .await
            .status,
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_may_not_log_in_are_told_nothing_that_tells_them_apart() {
    let house = House::start(machine(Machine::debian12()));
    house.machine.exec(&["passwd", "-l", "ben"]).unwrap();
    let mut answers = Vec::new();
    for (user, password) in [("ada", "wrong"), ("nobody-of-this-name", "wrong"), ("ben", PASSWORD)]
    {
        let answer = house.browser().log_in(user, password).await;
        answers.push((answer.status, answer.reason.clone(), answer.text()));
    }

    assert_eq!(answers[0].0, 401);
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_a_shell_or_past_its_time_is_refused_with_a_reason() {
    let house = House::start(machine(Machine::debian12()));
    house
        .machine
        .exec(&["usermod", "-s", "/usr/sbin/nologin", "ben"])
        .unwrap();
    let no_shell = house.browser().log_in("ben", PASSWORD).await;
    assert_eq!((no_shell.status, no_shell.reason.as_str()), (500, "unsupported-shell"));

    house.machine.exec(&["chage", "-E", "1", "ada"]).unwrap();
    let expired = house.browser().log_in("ada", PASSWORD).await;
    assert_eq!((expired.status, expired.reason.as_str()), (403, "access-denied"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_password_is_changed_in_the_dialogue() {
    let house = House::start(machine(Machine::debian12()));
    house.machine.exec(&["chage", "-d", "0", "ada"]).unwrap();
    let new = "a wholly different one 7";
    let mut browser = house.browser();

    let mut answer = browser.log_in("ada", PASSWORD).await;
    for reply in [PASSWORD, new, new] {
        assert_eq!(answer.status, 401, "{}", answer.text());
        assert!(answer.json().get("prompt").is_some(), "{}", answer.text());
        answer = browser.reply(&answer, reply).await;
    }
    assert_eq!(answer.status, 200, "{}", answer.text());

    let mut again = Browser::new(house.address);
    assert_eq!(again.log_in("ada", PASSWORD).await.status, 401);
    assert_eq!(again.log_in("ada", new).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_without_scripts_logs_in_with_a_form() {
    let house = House::start(machine(Machine::debian12()));
    let browser = house.browser();
    let page = browser
        .request("GET", "/host/localhost/overview", &[], b"")
        .await;
    assert!(page.text().contains("action=\"/cockpit/login\""));
    assert!(!page.text().contains("<script"));

    let origin = format!("https://{}", house.address);
    let form = format!(
        "user=ada&password={}&next=%2Fhost%2Flocalhost%2Foverview",
        PASSWORD.replace(' ', "+")
    );
    let headers =
        [("Origin", origin.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
    let answer = browser
        .request("POST", "/cockpit/login", &headers, form.as_bytes())
        .await;

    assert_eq!(answer.status, 303, "{}", answer.text());
    assert_eq!(
        answer.headers.get("location").map(String::as_str),
        Some("/host/localhost/overview")
    );
    assert!(
        answer
            .headers
            .get("set-cookie")
            .is_some_and(|cookie| cookie.starts_with("__Host-pilothouse="))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_never_seen_in_command_lines_environments_or_the_journal() {
    let house = House::start(machine(Machine::debian12()));
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;
    page.open("1", json!({ "payload": "echo" })).await;
    page.ready("1").await;

    // The pattern comes from a file, or the search would find itself.
    house
        .machine
        .write("/root/pattern", 0o600, PASSWORD)
        .unwrap();
    let search = "! grep -alsF -f /root/pattern /proc/[0-9]*/cmdline /proc/[0-9]*/environ";
    house.machine.exec(&["sh", "-c", search]).unwrap();
    assert!(!house.machine.journal().unwrap().contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_run_ends_within_two_seconds_of_sigterm() {
    let house = House::start(machine(Machine::debian12()));
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;
    page.open("1", json!({ "payload": "stream", "spawn": ["sh"], "pty": true }))
        .await;
    page.ready("1").await;

    let stopped = "systemctl kill --kill-whom=main pilothouse; for i in $(seq 20); do pgrep pilothouse || exit 0; sleep 0.1; done; ps ax; exit 1";
    house.machine.exec(&["sh", "-c", stopped]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_user_may_run_it_for_that_user_alone_on_loopback() {
    let house = House::start(machine(Machine::debian12()).packages(&["openssl"]));
    let refused = "pilothouse run --listen 0.0.0.0:9999; test $? = 64";
    house.machine.exec_as("ben", refused).unwrap();

    let script = format!(
        "pilothouse run --listen 127.0.0.1:9999 > run.log 2>&1 & \
         for i in $(seq 100); do grep -q 'is ready' run.log && break; sleep 0.1; done; \
         cat run.log; \
         login() {{ printf 'GET /cockpit/login HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\nAuthorization: Basic %s\\r\\n\\r\\n' $(printf '%s' \"$1:{PASSWORD}\" | base64) \
           | openssl s_client -quiet -connect 127.0.0.1:9999 2>/dev/null | head -1; }}; \
         login ben; login ada; kill $!; wait"
    );
    let said = house.machine.exec_as("ben", &script).unwrap();

    assert!(said.contains("ben alone"), "{said}");
    let answers: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("HTTP/1.1"))
        .collect();
    assert_eq!(answers.len(), 2, "{said}");
    assert!(answers[0].contains("200"), "{said}");
    assert!(answers[1].contains("401"), "{said}");
}

/// The entries of the journal with this message id.
fn audit(house: &House, id: &str) -> Vec<Value> {
    let matching = format!("MESSAGE_ID={id}");
    let entries = house
        .machine
        .exec(&["journalctl", "--quiet", "--output=json", &matching])
        .expect("the journal");
    entries
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// The ids of docs/admin/audit.md by the words of the event.
fn documented_ids() -> Vec<(String, String)> {
    let rows = include_str!("../../../docs/admin/audit.md")
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("| `"));
    rows.map(|row| {
        let mut cells = row.split('|').map(str::trim).skip(1);
        let words = cells.next().expect("words").to_owned();
        (words, cells.next().expect("an id").trim_matches('`').to_owned())
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_in_the_audit_log_once_and_attack_texts_are_escaped() {
    let house = House::start(machine(Machine::debian12()));
    let ada = house.logged_in("ada").await;
    let mut root = Access::open(ada.open_page().await).await;
    root.start("on", "sudo").await;
    assert!(matches!(root.next().await, Said::Prompt { .. }));
    root.answer(PASSWORD).await;
    assert_eq!(root.next().await, Said::Started("on".to_owned()));
    root.stop().await;
    assert!(root.whoami().await.is_err());
    let ben = house.logged_in("ben").await;
    let mut denied = Access::open(ben.open_page().await).await;
    denied.start("on", "sudo").await;
    while let Said::Prompt { .. } = denied.next().await {
        denied.answer(PASSWORD).await;
    }
    let token = ada.csrf_token.clone().unwrap();
    let headers = [("X-CSRF-Token", token.as_str()), ("Origin", &ada.origin())];
    let logout = ada.request("POST", "/cockpit/logout", &headers, b"").await;
    assert_eq!(logout.status, 204);
    let attack = "eve\nMESSAGE_ID=0\n\u{1b}[2J\u{202e} source=1\"";
    let failures = (0..5).map(|_| {
        let mut browser = house.browser();
        async move { browser.log_in(attack, "guessed").await.status }
    });
    assert_eq!(futures_util::future::join_all(failures).await, [401; 5]);
    assert_eq!(house.browser().log_in(attack, "guessed").await.status, 429);
    house.no_process_with("^pilothouse bridge --privileged");
    house.machine.exec(&["journalctl", "--sync"]).unwrap();

    let ids = documented_ids();
    let of = |words: &str| {
        let row = ids.iter().find(|(documented, _)| documented == words);
        audit(&house, &row.unwrap_or_else(|| panic!("{words} in {ids:?}")).1)
    };
    let users = |entries: &[Value]| -> Vec<String> {
        let user = |entry: &Value| entry["PILOTHOUSE_USER"].as_str().unwrap().to_owned();
        entries.iter().map(user).collect()
    };
    assert_eq!(ids.len(), 9);
    assert_eq!(users(&of("logged in")), ["ada", "ben"]);
    assert_eq!(users(&of("logged out")), ["ada"]);
    let ended = of("session ended");
    assert_eq!(users(&ended), ["ada"]);
    assert_eq!(ended[0]["PILOTHOUSE_REASON"], "logout");
    assert_eq!(ended[0]["PILOTHOUSE_SESSION"], of("logged in")[0]["PILOTHOUSE_SESSION"]);
    assert_eq!(users(&of("superuser access gained")), ["ada"]);
    assert_eq!(of("superuser access gained")[0]["PILOTHOUSE_METHOD"], "sudo");
    assert_eq!(users(&of("superuser access denied")), ["ben"]);
    assert_eq!(of("superuser access ended").len(), 1);
    let escaped = "eve\\nMESSAGE_ID=0\\n\\u{1b}[2J\\u{202e} source=1\\\"";
    let failed = of("login failed");
    assert_eq!(users(&failed), [escaped; 5]);
    let message = failed[0]["MESSAGE"].as_str().unwrap();
    assert!(message.starts_with(&format!("login failed user=\"{escaped}\" source=")), "{message}");
    assert_eq!(failed[0]["PILOTHOUSE_REASON"], "AuthenticationFailed");
    assert_eq!(users(&of("login not attempted")), [escaped]);
    assert_eq!(of("refusals not logged one by one").len(), 0);
    // Not a second time as a log line.
    let journal = house.machine.journal().unwrap();
    assert_eq!(journal.matches("logged in session=").count(), 2, "{journal}");
    assert_eq!(journal.matches("login failed user=").count(), 5, "{journal}");
}
