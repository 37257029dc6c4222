//! Pilothouse as systemd runs it: installed by `packaging/install`, its units in their sandbox.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::fmt::Write as _;

use machines::{Machine, Program};
use serde_json::json;
use suites::superuser::{Access, Said};
use suites::{House, PASSWORD, packaging, program};
use support::browser::Browser;

/// What the journal says of something that a sandbox or a missing right forbade.
const DENIED: &str =
    "denied|not permitted|read-only file system|seccomp|sigsys|core-dump|failed with result";

/// The exposure that `systemd-analyze security` may find, in tenths; as in `packaging/check-units`.
const EXPOSURE: &str = "5";

async fn echo(browser: &Browser) {
    let mut page = browser.open_page().await;
    page.open("1", json!({ "payload": "echo" })).await;
    page.ready("1").await;
    page.data("1", b"marco").await;
    assert_eq!(page.next_data("1").await, "marco".as_bytes());
}

/// A property of a unit, as `systemctl show` prints it.
fn property(house: &House, unit: &str, name: &str) -> String {
    let command = ["systemctl", "show", "--value", "--property", name, unit];
    house.machine.exec(&command).unwrap().trim().to_owned()
}

/// Runs shell commands in the machine until they succeed, at most 30 s long.
fn eventually(house: &House, commands: &str) {
    let script = format!(
        "for i in $(seq 300); do {{ {commands}; }} && exit 0; sleep 0.1; done; journalctl -n 50; exit 1"
    );
    house.machine.exec(&["sh", "-c", &script]).unwrap();
}

/// What the unit's processes and sockets said that nobody wants to read.
fn complaints(house: &House) -> String {
    let search = format!(
        "journalctl --quiet --output=cat --grep '{DENIED}' _SYSTEMD_UNIT=pilothouse.service + UNIT=pilothouse.service \
         + UNIT=pilothouse.socket + UNIT=pilothouse-session.socket || true;
         journalctl --quiet --output=cat --priority=warning 'SYSLOG_IDENTIFIER=pilothouse' || true"
    );
    house.machine.exec(&["sh", "-c", &search]).unwrap()
}

async fn lives_in_its_units(machine: Machine) {
    let house = House::installed(machine);
    assert_eq!(property(&house, "pilothouse.service", "ActiveState"), "inactive");

    let browser = house.logged_in("ada").await;
    echo(&browser).await;

    assert_eq!(property(&house, "pilothouse.service", "ActiveState"), "active");
    let server = property(&house, "pilothouse.service", "MainPID");
    let looks = format!(
        "grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/{server}/status; id -u pilothouse;
         ip -o link show | wc -l; nsenter --net --target {server} ip -o link show | wc -l;
         stat -c '%a %U' /var/lib/pilothouse/serve /var/lib/pilothouse/serve/tls/key.pem /run/pilothouse/session.sock"
    );
    let seen = house.machine.exec(&["sh", "-c", &looks]).unwrap();
    let words: Vec<&str> = seen.split_whitespace().collect();
    let after = |name: &str| words[words.iter().position(|word| *word == name).unwrap() + 1];
    assert_eq!(
        (after("CapEff:"), after("CapBnd:")),
        ("0000000000000000", "0000000000000000"),
        "{seen}"
    );
    assert_eq!((after("NoNewPrivs:"), after("Seccomp:")), ("1", "2"), "{seen}");
    let rest = seen.lines().skip(5).collect::<Vec<_>>();
    assert_eq!(rest[0], after("Uid:"), "{seen}");
    assert_eq!(rest[1..], ["2", "1", "700 pilothouse", "600 pilothouse", "660 root"], "{seen}");

    let mut access = Access::open(browser.open_page().await).await;
    access.start("1", "sudo").await;
    assert!(matches!(access.next().await, Said::Prompt { .. }));
    access.answer(PASSWORD).await;
    assert_eq!(access.next().await, Said::Started("1".to_owned()));
    assert_eq!(access.whoami().await.as_deref(), Ok("root"));

    let sessions = "loginctl list-sessions --no-legend";
    let listed = house.machine.exec(&["sh", "-c", sessions]).unwrap();
    assert!(listed.contains("ada"), "{listed}");
    let id = listed.split_whitespace().next().unwrap();
    let session = ["loginctl", "show-session", id, "--property=Service", "--property=Class"];
    let shown = house.machine.exec(&session).unwrap();
    assert!(shown.contains("Service=pilothouse") && shown.contains("Class=user"), "{shown}");

    access
        .page
        .control(&json!({ "command": "logout", "disconnect": true }))
        .await;
    while access.page.next_frame().await.is_some() {}
    eventually(&house, &format!("! {sessions} | grep ada"));
    eventually(
        &house,
        "! systemctl list-units --no-legend --state=active 'pilothouse-session@*' | grep .",
    );
    house.no_process_with("pilothouse bridge");

    let score = ["systemd-analyze", "security", "--no-pager", "pilothouse.service"];
    let threshold = format!("--threshold={EXPOSURE}");
    house
        .machine
        .exec(&[&score[..], &[&threshold]].concat())
        .unwrap();
    assert_eq!(complaints(&house), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn installed_on_debian_12_it_serves_logins_from_its_sandbox() {
    lives_in_its_units(Machine::debian12()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn installed_on_debian_13_it_serves_logins_from_its_sandbox() {
    lives_in_its_units(Machine::debian13()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_ends_its_sessions_and_the_next_connection_starts_it_again() {
    let house = House::installed(Machine::debian12());
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;
    let made = browser.request("GET", "/ca.cer", &[], b"").await.body;

    house
        .machine
        .exec(&["systemctl", "restart", "pilothouse.service"])
        .unwrap();
    while page.next_frame().await.is_some() {}
    eventually(&house, "! loginctl list-sessions --no-legend | grep ada");
    let again = house.logged_in("ada").await;
    echo(&again).await;
    assert_eq!(again.request("GET", "/ca.cer", &[], b"").await.body, made);

    house
        .machine
        .exec(&["systemctl", "stop", "pilothouse.service"])
        .unwrap();
    assert_eq!(property(&house, "pilothouse.service", "Result"), "success");
    let third = house.logged_in("ada").await;
    echo(&third).await;

    let stop = ["systemctl", "stop", "pilothouse.socket", "pilothouse-session.socket"];
    house.machine.exec(&stop).unwrap();
    assert!(third.connect_without_tls().await.is_err());
    eventually(&house, "! systemctl is-active --quiet pilothouse.service");
    assert_eq!(complaints(&house), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn enabled_sockets_are_there_after_a_boot() {
    let house = House::installed(Machine::debian13());
    let enable = ["systemctl", "enable", "pilothouse.socket", "pilothouse-session.socket"];
    house.machine.exec(&enable).unwrap();

    house.machine.reboot().unwrap();

    echo(&house.logged_in("ada").await).await;
    assert_eq!(complaints(&house), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_shows_another_certificate_and_leaves_open_pages_alone() {
    let house = House::installed(Machine::debian12().packages(&["openssl"]));
    let make = "mkdir -p /etc/pilothouse; cd /etc/pilothouse;
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$0 -keyout new.key -out new.pem 2>&1
        chgrp pilothouse new.key; chmod 640 new.key; mv new.key tls.key; mv new.pem tls.pem";
    let make = |name: &str| house.machine.exec(&["sh", "-ec", make, name]).unwrap();
    make("first.example");
    let mut settings = String::from("[tls]\n");
    for (name, file) in [("certificate", "tls.pem"), ("key", "tls.key")] {
        writeln!(settings, "{name} = \"/etc/pilothouse/{file}\"").unwrap();
    }
    house
        .machine
        .write("/etc/pilothouse/pilothouse.toml", 0o644, settings)
        .unwrap();
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;
    let subject = "openssl s_client -connect localhost:9090 </dev/null 2>/dev/null | openssl x509 -noout -subject";
    let first = house.machine.exec(&["sh", "-c", subject]).unwrap();
    assert!(first.contains("first.example"), "{first}");

    make("second.example");
    house
        .machine
        .exec(&["systemctl", "reload", "pilothouse.service"])
        .unwrap();

    eventually(&house, &format!("{subject} | grep second.example"));
    page.open("1", json!({ "payload": "echo" })).await;
    page.ready("1").await;
    page.data("1", b"still here").await;
    assert_eq!(page.next_data("1").await, "still here".as_bytes());
    assert_eq!(complaints(&house), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_hears_the_watchdog_and_replaces_a_server_that_hangs() {
    let house = House::installed(Machine::debian12());
    let shorter = "[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\n";
    house
        .machine
        .write("/etc/systemd/system/pilothouse.service.d/shorter.conf", 0o644, shorter)
        .unwrap();
    house.machine.exec(&["systemctl", "daemon-reload"]).unwrap();
    echo(&house.logged_in("ada").await).await;
    let beat = property(&house, "pilothouse.service", "WatchdogTimestampMonotonic");

    let another = format!(
        "test $(systemctl show --value -p WatchdogTimestampMonotonic pilothouse) != {beat}"
    );
    eventually(&house, &another);
    assert_eq!(property(&house, "pilothouse.service", "NRestarts"), "0");

    let hang = ["systemctl", "kill", "--signal=STOP", "--kill-whom=main", "pilothouse.service"];
    house.machine.exec(&hang).unwrap();
    eventually(&house, "test $(systemctl show --value -p NRestarts pilothouse) = 1");
    eventually(&house, "systemctl is-active --quiet pilothouse");
    echo(&house.logged_in("ada").await).await;
}

#[test]
fn uninstalling_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let install = || {
        Program::new(packaging().join("install"))
            .env("built", program("pilothouse").parent().unwrap())
            .env("DESTDIR", folder.path())
            .env("prefix", "/opt/pilothouse")
    };
    let find = || {
        Program::new("find")
            .arg(folder.path())
            .args(["-type", "f"])
            .output()
            .unwrap()
    };
    install().output().unwrap();
    assert!(find().contains("/opt/pilothouse/bin/pilothouse\n"));
    let elsewhere = Program::new("grep")
        .args(["-rlF", "/usr/bin/pilothouse"])
        .arg(folder.path().join("opt/pilothouse/lib"));
    assert_eq!(elsewhere.finish().unwrap().stdout, "");

    install().arg("--remove").output().unwrap();

    assert_eq!(find(), "");
}
