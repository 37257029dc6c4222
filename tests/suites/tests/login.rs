//! Logging in with real accounts through real PAM, and what is left of a session when it has ended.

use machines::Machine;
use serde_json::json;
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
