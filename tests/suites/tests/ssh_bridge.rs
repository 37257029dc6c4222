//! The bridge on another machine: found, sent, or not possible.

use machines::{Machine, Running};
use serde_json::json;
use suites::other_hosts::{Person, THERE, log_in, spawn};
use suites::{House, machine};
use support::page::Page;

fn with_ada(release: Machine) -> Machine {
    release.user("ada", THERE)
}

/// A house that has a bridge to send.
fn house() -> House {
    House::start(machine(Machine::debian12()).copy_of(
        suites::program("pilothouse-bridge.x86_64"),
        "/usr/local/bin/pilothouse-bridge.x86_64",
        0o755,
    ))
}

async fn connected(page: &mut Page, there: &Running) -> String {
    let host = there.address().to_string();
    let channel = format!("login-{host}");
    let login = log_in(page, &channel, &host, Person::who_says(&[THERE])).await;
    assert_eq!(login.state, "connected", "{login:?}");
    host
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_a_bridge_is_sent_one_which_is_checked_and_used_again() {
    let house = house();
    let there = house.lab.machine(with_ada(Machine::debian11())).unwrap();
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;

    let host = connected(&mut page, &there).await;
    assert_eq!(spawn(&mut page, "1", &host, &["hostname"]).await.unwrap(), there.name());
    let files = "find ~/.local/lib/pilothouse -type f -printf '%m %s %i %p\\n'";
    let sent = there.exec_as("ada", files).unwrap();
    assert_eq!(sent.lines().count(), 1, "{sent}");
    assert!(sent.starts_with("700 "), "{sent}");
    let path = sent.trim().rsplit(' ').next().unwrap().to_owned();
    let sum = there.exec(&["sha256sum", &path]).unwrap();
    let digest = path.rsplit('/').nth(1).unwrap();
    assert!(sum.starts_with(digest), "{sum} {path}");

    // The same file is used again.
    page.control(&json!({ "command": "kill", "host": host }))
        .await;
    assert_eq!(page.converse(&format!("login-{host}")).await.problem(), Some("terminated"));
    let again = connected(&mut page, &there).await;
    assert_eq!(spawn(&mut page, "2", &again, &["hostname"]).await.unwrap(), there.name());
    assert_eq!(there.exec_as("ada", files).unwrap(), sent);

    // One byte of it changed: it is not run, but sent anew.
    page.control(&json!({ "command": "kill", "host": host }))
        .await;
    let _closed = page.converse(&format!("login-{host}")).await;
    there
        .exec_as("ada", &format!("cp {path} /tmp/x; printf X | dd of=/tmp/x bs=1 seek=4096 conv=notrunc 2>/dev/null; mv -f /tmp/x {path}"))
        .unwrap();
    let third = connected(&mut page, &there).await;
    assert_eq!(spawn(&mut page, "3", &third, &["hostname"]).await.unwrap(), there.name());
    let sum = there.exec(&["sha256sum", &path]).unwrap();
    assert!(sum.starts_with(digest), "{sum}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_home_runs_no_programs_the_bridge_lies_in_the_runtime_directory() {
    let house = house();
    let there = house.lab.machine(with_ada(Machine::debian12())).unwrap();
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;

    let mounts = [
        ("noexec", "mount -t tmpfs -o noexec none /home/ada && chown ada: /home/ada"),
        ("read-only", "mount -o remount,exec,ro /home/ada"),
    ];
    for (kind, mount) in mounts {
        there.exec(&["sh", "-c", mount]).unwrap();

        let host = connected(&mut page, &there).await;

        assert_eq!(spawn(&mut page, kind, &host, &["hostname"]).await.unwrap(), there.name());
        let programs = "readlink /proc/[0-9]*/exe | grep pilothouse-bridge";
        let program = there.exec(&["sh", "-c", programs]).unwrap();
        assert!(program.starts_with("/run/user/"), "{kind}: {program}");
        page.control(&json!({ "command": "kill", "host": host }))
            .await;
        assert_eq!(page.converse(&format!("login-{host}")).await.problem(), Some("terminated"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_on_which_nothing_can_be_run_has_terminals_and_says_why() {
    let house = house();
    let there = house.lab.machine(with_ada(Machine::debian12())).unwrap();
    // Neither the home nor the runtime directory can run programs.
    there
        .exec(&["sh", "-c", "mount -t tmpfs -o noexec,mode=755 none /home/ada && chown ada: /home/ada && sed -i '/pam_systemd/d' /etc/pam.d/common-session"])
        .unwrap();
    let host = there.address().to_string();
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;

    let login = log_in(&mut page, "login", &host, Person::who_says(&[THERE])).await;

    assert_eq!(login.state, "terminals-only", "{login:?}");
    let refused = spawn(&mut page, "1", &host, &["hostname"])
        .await
        .unwrap_err();
    assert_eq!(refused.problem(), Some("no-cockpit"));
    let message = refused.close["message"].as_str().unwrap();
    assert!(message.contains("cockpit-bridge is not installed"), "{message}");
    assert!(message.contains("programs cannot be run from /home/ada"), "{message}");

    let open = json!({ "payload": "stream", "spawn": ["/bin/bash"], "pty": true,
        "window": { "rows": 31, "cols": 97 }, "host": host });
    page.open("pty", open).await;
    page.ready("pty").await;
    let mut screen = String::new();
    page.data("pty", b"stty size; echo host=$(hostname)\n")
        .await;
    until(&mut page, &mut screen, "31 97").await;
    until(&mut page, &mut screen, &format!("host={}", there.name())).await;
    let window =
        json!({ "command": "options", "channel": "pty", "window": { "rows": 20, "cols": 60 } });
    page.control(&window).await;
    page.data("pty", b"stty size\n").await;
    until(&mut page, &mut screen, "20 60").await;
    page.data("pty", b"exit 3\n").await;
    let ended = page.converse("pty").await;
    assert_eq!(ended.close["exit-status"], 3, "{ended:?}");
}

/// Reads on until `wanted` stands on the screen, which keeps all that was read.
async fn until(page: &mut Page, screen: &mut String, wanted: &str) {
    while !screen.contains(wanted) {
        screen.push_str(&String::from_utf8_lossy(&page.next_data("pty").await));
    }
}
