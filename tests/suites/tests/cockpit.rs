//! Cockpit's own server with our bridge: stock `cockpit-ws` and stock pages, nothing of ours but the bridge.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use machines::{Lab, Machine, Running};
use serde_json::{Value, json};
use suites::{PASSWORD, machine};
use support::browser::Browser;
use support::page::Page;

/// How long `cockpit-ws` may take to listen.
const START_TIME: Duration = Duration::from_secs(20);

const PACKAGES: [&str; 2] = ["cockpit-ws", "cockpit-system"];

/// Cockpit 287, whose own bridge is a program in C.
fn cockpit_287() -> Machine {
    machine(Machine::debian12()).packages(&PACKAGES)
}

/// Cockpit 337, whose own bridge is in Python.
fn cockpit_337() -> Machine {
    machine(Machine::debian12()).backports(&PACKAGES)
}

/// Starts stock `cockpit-ws` as `user` with these arguments, and waits until it listens.
fn serve(machine: &Running, user: &str, port: u16, arguments: &[&str]) -> Browser {
    let uid = format!("--uid={user}");
    let port_text = port.to_string();
    let path = "--setenv=PATH=/usr/local/bin:/usr/bin:/bin";
    let server = "/usr/lib/cockpit/cockpit-ws";
    let start = ["systemd-run", &uid, path, server, "--no-tls", "--port", &port_text];
    machine.exec(&[&start[..], arguments].concat()).unwrap();
    let address = SocketAddr::from((machine.address(), port));
    let deadline = Instant::now() + START_TIME;
    while std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
        assert!(Instant::now() < deadline, "no cockpit-ws:\n{}", machine.last_words());
        std::thread::sleep(Duration::from_millis(20));
    }
    Browser::without_tls(address)
}

/// The next message with an id: an answer.
async fn answer(page: &mut Page, channel: &str) -> Value {
    loop {
        let message = page.next_json(channel).await;
        if message.get("id").is_some() {
            return message;
        }
    }
}

/// Uses stock pages and channels as `ada`, whom `browser` is.
async fn use_cockpit(browser: &Browser, machine: &Running) {
    let stock = "/cockpit/@localhost";
    let shell = browser
        .request("GET", "/", &[("Accept", "text/html")], b"")
        .await;
    assert_eq!(shell.status, 200);
    // Our bridge names the checksum of its packages, so that stock's server has their files kept.
    let text = shell.text();
    let base = text
        .split_once("<base href=\"")
        .and_then(|(_, rest)| rest.split_once('"'));
    let (base, _) = base.unwrap();
    assert!(base.starts_with("/cockpit/$") && base.ends_with("/shell/index.html"), "{text}");
    assert_eq!(browser.request("GET", base, &[], b"").await.status, 200, "{base}");
    for file in ["shell/index.html", "system/services.html", "system/index.html"] {
        let answer = browser
            .request("GET", &format!("{stock}/{file}"), &[], b"")
            .await;
        assert_eq!(answer.status, 200, "{file}");
        assert!(answer.headers["content-type"].starts_with("text/html"), "{:?}", answer.headers);
        assert!(answer.headers.contains_key("content-security-policy"), "{:?}", answer.headers);
        let text = answer.text();
        assert!(text.contains("<script") && text.trim_end().ends_with("</html>"), "{text}");
    }
    for file in ["system/services.js", "base1/cockpit.js"] {
        let headers = [("Accept-Encoding", "gzip")];
        let answer = browser
            .request("GET", &format!("{stock}/{file}"), &headers, b"")
            .await;
        assert_eq!(answer.status, 200, "{file}");
        assert!(answer.body.len() > 1000, "{file}: {}", answer.body.len());
    }
    let none = browser
        .request("GET", &format!("{stock}/system/none.js"), &[], b"")
        .await;
    assert_eq!(none.status, 404);
    let manifests = browser
        .request("GET", &format!("{stock}/manifests.json"), &[], b"")
        .await;
    assert_eq!(manifests.json()["system"]["menu"]["index"]["label"], "Overview");
    assert!(manifests.json().get("shell").is_some());

    let mut page = browser.open_page().await;
    page.open("1", json!({ "payload": "stream", "spawn": ["sh", "-c", "id -un; echo $PPID"] }))
        .await;
    let seen = page.converse("1").await;
    let (user, bridge) = seen.text().trim().split_once('\n').unwrap();
    assert_eq!(user, "ada");
    let executable = machine
        .exec(&["readlink", &format!("/proc/{bridge}/exe")])
        .unwrap();
    assert_eq!(executable, "/usr/local/bin/pilothouse-bridge\n", "it is our bridge");

    page.open("2", json!({ "payload": "dbus-json3", "name": "org.freedesktop.systemd1" }))
        .await;
    page.ready("2").await;
    let manager = "org.freedesktop.systemd1.Manager";
    let list =
        json!({ "call": ["/org/freedesktop/systemd1", manager, "ListUnits", []], "id": "u" });
    page.data("2", list.to_string().as_bytes()).await;
    let reply = answer(&mut page, "2").await;
    assert!(
        reply["reply"][0][0]
            .as_array()
            .is_some_and(|units| units.len() > 20),
        "{reply}"
    );

    // More than a window of flow control.
    machine
        .exec(&["sh", "-c", "head -c 6000000 /dev/zero | tr '\\0' 'a' > /tmp/big"])
        .unwrap();
    let read = json!({ "payload": "fsread1", "path": "/tmp/big", "flow-control": true });
    page.open("3", read).await;
    assert_eq!(page.converse("3").await.data.len(), 6_000_000);
    let replace = json!({ "payload": "fsreplace1", "path": "/home/ada/made" });
    page.open("4", replace).await;
    page.data("4", "grüß".as_bytes()).await;
    page.done("4").await;
    assert_eq!(page.converse("4").await.problem(), None);
    assert_eq!(machine.exec(&["cat", "/home/ada/made"]).unwrap(), "grüß");

    page.open("5", json!({ "payload": "dbus-json3", "bus": "internal" }))
        .await;
    page.ready("5").await;
    let properties = "org.freedesktop.DBus.Properties";
    let get = json!({ "call": ["/user", properties, "GetAll", ["cockpit.User"]], "id": "g" });
    page.data("5", get.to_string().as_bytes()).await;
    let user = answer(&mut page, "5").await;
    assert_eq!(user["reply"][0][0]["Name"]["v"], "ada", "{user}");

    page.open("6", json!({ "payload": "stream", "spawn": ["id"], "superuser": "require" }))
        .await;
    assert_eq!(page.converse("6").await.problem(), Some("access-denied"));
    page.open("7", json!({ "payload": "no-such-payload" }))
        .await;
    assert_eq!(page.converse("7").await.problem(), Some("not-supported"));
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_cockpit_287_and_337_serve_their_pages_with_our_bridge() {
    let lab = Lab::start().unwrap();
    for machine in [cockpit_287(), cockpit_337()] {
        let machine = lab.machine(machine).unwrap();
        let local = "--local-session=/usr/local/bin/pilothouse-bridge";
        let mut browser = serve(&machine, "ada", 9091, &[local]);
        let login = browser.request("GET", "/cockpit/login", &[], b"").await;
        assert_eq!(login.status, 200, "{}", login.text());
        let cookie = login
            .headers
            .get("set-cookie")
            .and_then(|cookie| cookie.split(';').next());
        browser.cookie = cookie.map(str::to_owned);

        use_cockpit(&browser, &machine).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_to_stock_cockpit_ends_on_our_bridge_when_that_is_on_the_path() {
    let lab = Lab::start().unwrap();
    for machine in [cockpit_287(), cockpit_337()] {
        let machine = lab.machine(machine).unwrap();
        machine
            // Since 330 `cockpit-ws` asks this socket for logins; before, it starts the helper itself.
            .exec(&[
                "sh",
                "-c",
                "! systemctl cat cockpit-session.socket || systemctl start cockpit-session.socket",
            ])
            .unwrap();
        machine
            .exec(&["ln", "-sf", "/usr/local/bin/pilothouse-bridge", "/usr/bin/cockpit-bridge"])
            .unwrap();
        let mut browser = serve(&machine, "root", 9092, &[]);
        assert_eq!(browser.log_in("ada", "wrong").await.status, 401);

        let answer = browser.log_in("ada", PASSWORD).await;
        assert_eq!(answer.status, 200, "{} {}", answer.reason, answer.text());
        assert_eq!(answer.json().get("csrf-token").map(Value::is_string), Some(true));
        use_cockpit(&browser, &machine).await;
    }
}
