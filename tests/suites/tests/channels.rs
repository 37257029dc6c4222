//! Channels as pages use them, through the real server: real buses, real files, real services.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use machines::Machine;
use protocol::control::Control;
use serde_json::{Value, json};
use suites::{House, machine};
use support::page::{Conversation, Page};

const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const SYSTEMD_PATH: &str = "/org/freedesktop/systemd1";

/// A service of the system that sleeps, and an HTTP server on a unix socket.
const UNITS: [(&str, &str); 3] = [
    (
        "/etc/systemd/system/sleeper.service",
        "[Service]\nExecStart=/bin/sleep 100000\nTimeoutStopSec=1\n",
    ),
    ("/etc/systemd/system/hello.socket", "[Socket]\nListenStream=/run/hello.sock\nAccept=yes\n"),
    (
        "/etc/systemd/system/hello@.service",
        "[Service]\nExecStart=/usr/local/bin/hello\nStandardInput=socket\nStandardError=journal\n",
    ),
];

/// Answers with the request's first line and a header, in chunks.
const HELLO: &str = r#"#!/bin/bash
read -r first; first=${first%$'\r'}
while read -r line; do [ "$line" = $'\r' ] && break; done
printf 'HTTP/1.1 201 Made\r\nX-Test: yes\r\nTransfer-Encoding: chunked\r\n\r\n'
printf '%x\r\n%s\r\n3\r\nend\r\n0\r\n\r\n' ${#first} "$first"
"#;

fn with_services() -> Machine {
    UNITS
        .iter()
        .fold(machine(Machine::debian12()), |machine, (path, text)| machine.file(path, 0o644, text))
        .file("/usr/local/bin/hello", 0o755, HELLO)
        .packages(&["dbus-user-session"])
}

async fn send(page: &mut Page, channel: &str, message: &Value) {
    page.data(channel, message.to_string().as_bytes()).await;
}

/// The answer to the message `id`; others before it go to `seen`.
async fn answer(page: &mut Page, channel: &str, id: &str, seen: &mut Vec<Value>) -> Value {
    loop {
        let message = page.next_json(channel).await;
        if message["id"] == id {
            return message;
        }
        seen.push(message);
    }
}

async fn call(page: &mut Page, channel: &str, target: [&str; 3], arguments: &Value) -> Value {
    let [path, interface, method] = target;
    let id = format!("{method}{arguments}");
    let message = json!({ "call": [path, interface, method, arguments], "id": id });
    send(page, channel, &message).await;
    answer(page, channel, &id, &mut Vec::new()).await
}

/// The state that the merge patches of an `fsinfo` channel make.
fn merged(patches: &Conversation) -> Value {
    let mut state = json!({});
    let stream = serde_json::Deserializer::from_slice(&patches.data).into_iter::<Value>();
    for patch in stream {
        merge(&mut state, patch.unwrap());
    }
    state
}

/// RFC 7396, section 2.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(&name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

/// Opens a channel, sends all of `data` and `done`, and returns what came.
async fn whole(page: &mut Page, channel: &str, options: Value, data: &[&str]) -> Conversation {
    page.open(channel, options).await;
    for payload in data {
        page.data(channel, payload.as_bytes()).await;
    }
    page.done(channel).await;
    page.converse(channel).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_system_bus_answers_and_a_restarting_unit_is_watched() {
    let house = House::start(with_services());
    house
        .machine
        .exec(&["systemctl", "start", "sleeper"])
        .unwrap();
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;

    // Anything may be asked of the bus itself, and a name without an owner is started.
    page.open("bus", json!({ "payload": "dbus-json3", "name": "org.freedesktop.DBus" }))
        .await;
    assert!(page.ready("bus").await["unique-name"].is_string());
    let bus = ["/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId"];
    let id = call(&mut page, "bus", bus, &json!([])).await;
    assert_eq!(id["reply"][0][0].as_str().map(str::len), Some(32), "{id}");
    page.open("host", json!({ "payload": "dbus-json3", "name": "org.freedesktop.hostname1" }))
        .await;
    page.ready("host").await;
    let hostname = ["/org/freedesktop/hostname1", "org.freedesktop.DBus.Properties", "Get"];
    let got =
        call(&mut page, "host", hostname, &json!(["org.freedesktop.hostname1", "Hostname"])).await;
    assert_eq!(got["reply"][0][0], json!({ "t": "s", "v": house.machine.name() }));

    page.open("nobody", json!({ "payload": "dbus-json3", "name": "com.example.Nobody" }))
        .await;
    assert_eq!(page.converse("nobody").await.problem(), Some("not-found"));
    page.open("bad", json!({ "payload": "dbus-json3", "bus": "tram" }))
        .await;
    assert_eq!(page.converse("bad").await.problem(), Some("protocol-error"));

    page.open("sd", json!({ "payload": "dbus-json3", "name": SYSTEMD, "bus": "system" }))
        .await;
    page.ready("sd").await;
    let units = call(&mut page, "sd", [SYSTEMD_PATH, MANAGER, "ListUnits"], &json!([])).await;
    let names: Vec<&str> = units["reply"][0][0]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|unit| unit[0].as_str())
        .collect();
    assert!(names.contains(&"sleeper.service"), "{names:?}");

    for wrong in [json!([1]), json!([]), json!(["a", "b"])] {
        let error = call(&mut page, "sd", [SYSTEMD_PATH, MANAGER, "GetUnit"], &wrong).await;
        assert_eq!(error["error"][0], "org.freedesktop.DBus.Error.InvalidArgs", "{wrong}: {error}");
    }
    let error =
        call(&mut page, "sd", [SYSTEMD_PATH, MANAGER, "GetUnit"], &json!(["no.service"])).await;
    assert_eq!(error["error"][0], "org.freedesktop.systemd1.NoSuchUnit");
    let unknown = ["/org/freedesktop/hostname1", "org.freedesktop.hostname1", "NoSuch"];
    let error = call(&mut page, "host", unknown, &json!([])).await;
    assert_eq!(error["error"][0], "org.freedesktop.DBus.Error.UnknownMethod", "{error}");
    // Without a right, systemd refuses; polkit is not installed here.
    let start = [SYSTEMD_PATH, MANAGER, "StopUnit"];
    let error = call(&mut page, "sd", start, &json!(["sleeper.service", "replace"])).await;
    assert!(error["error"][0].as_str().unwrap().contains("DBus.Error"), "{error}");

    let subscribed = call(&mut page, "sd", [SYSTEMD_PATH, MANAGER, "Subscribe"], &json!([])).await;
    assert!(subscribed.get("reply").is_some(), "{subscribed}");
    let path = "/org/freedesktop/systemd1/unit/sleeper_2eservice";
    let watch = json!({ "watch": { "path": path, "interface": UNIT }, "id": "w" });
    send(&mut page, "sd", &watch).await;
    let mut before = Vec::new();
    answer(&mut page, "sd", "w", &mut before).await;
    let meta = before
        .iter()
        .position(|message| message["meta"].get(UNIT).is_some());
    let notify = before
        .iter()
        .position(|message| message["notify"][path][UNIT]["ActiveState"] == "active");
    assert!(meta.is_some() && notify.is_some() && meta < notify, "{before:?}");
    house
        .machine
        .exec(&["systemctl", "restart", "sleeper"])
        .unwrap();
    let mut states = Vec::new();
    let following = async {
        while states.last().is_none_or(|state| state != "active") {
            let message = page.next_json("sd").await;
            let state = &message["notify"][path][UNIT]["ActiveState"];
            states.extend(state.as_str().map(str::to_owned));
        }
    };
    let in_time = tokio::time::timeout(std::time::Duration::from_secs(10), following).await;
    assert!(in_time.is_ok(), "not seen to be active again: {states:?}");
    assert!(states.len() > 1, "it was seen to stop: {states:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_bus_is_the_users_own_and_the_journal_is_read_by_a_program() {
    let house = House::start(with_services());
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;

    page.open("user", json!({ "payload": "dbus-json3", "name": SYSTEMD, "bus": "session" }))
        .await;
    page.ready("user").await;
    let get = [SYSTEMD_PATH, "org.freedesktop.DBus.Properties", "Get"];
    let group = call(&mut page, "user", get, &json!([MANAGER, "ControlGroup"])).await;
    let group = group["reply"][0][0]["v"].as_str().unwrap();
    assert!(group.contains("user@1000.service"), "{group}");

    house
        .machine
        .exec(&[
            "sh",
            "-c",
            "logger -t from-outside 'a line <b>of</b> somebody'; journalctl --sync",
        ])
        .unwrap();
    let journal = ["journalctl", "--no-pager", "-o", "json", "-t", "from-outside"];
    let refused =
        whole(&mut page, "j1", json!({ "payload": "stream", "spawn": journal }), &[]).await;
    assert!(!refused.text().contains("somebody"), "ada is in no group that may read it");
    house
        .machine
        .exec(&["usermod", "-aG", "systemd-journal", "ada"])
        .unwrap();
    let again = house.logged_in("ada").await;
    let mut page = again.open_page().await;
    let read = whole(&mut page, "j2", json!({ "payload": "stream", "spawn": journal }), &[]).await;
    let entry: Value = serde_json::from_str(read.text().trim()).unwrap();
    assert_eq!(entry["MESSAGE"], "a line <b>of</b> somebody");
    assert_eq!(read.close["exit-status"], 0);

    // Following: what is written later comes, and closing ends the program.
    let follow = ["journalctl", "--no-pager", "-o", "cat", "-f", "-n", "0", "-t", "later"];
    page.open("j3", json!({ "payload": "stream", "spawn": follow }))
        .await;
    let pid = page.ready("j3").await["pid"].clone();
    let open = format!(
        "for i in $(seq 100); do ls -l /proc/{pid}/fd | grep -q journal && break; sleep 0.1; done; logger -t later now"
    );
    house.machine.exec(&["sh", "-c", &open]).unwrap();
    assert_eq!(page.next_data("j3").await.as_ref(), b"now\n");
    page.close("j3").await;
    let gone = format!(
        "for i in $(seq 50); do [ -e /proc/{pid} ] || exit 0; sleep 0.1; done; cat /proc/{pid}/status; exit 1"
    );
    house.machine.exec(&["sh", "-c", &gone]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_user_are_read_written_and_watched_and_roots_are_refused() {
    let house = House::start(with_services());
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;
    let file = "/home/ada/notes";

    page.open("w", json!({ "payload": "fswatch1", "path": file }))
        .await;
    page.ready("w").await;
    let new = json!({ "payload": "fsreplace1", "path": file, "tag": "-" });
    let written = whole(&mut page, "1", new.clone(), &["one\n", "two\n"]).await;
    assert_eq!(written.problem(), None, "{written:?}");
    let tag = written.close["tag"].as_str().unwrap().to_owned();
    assert_eq!(house.machine.exec(&["cat", file]).unwrap(), "one\ntwo\n");
    assert_eq!(house.machine.exec(&["stat", "-c", "%U %a", file]).unwrap(), "ada 644\n");
    let event = page.next_json("w").await;
    assert_eq!((event["event"].as_str(), &event["path"]), (Some("created"), &json!(file)));

    let conflict = whole(&mut page, "2", new, &["x"]).await;
    assert_eq!(conflict.problem(), Some("change-conflict"));
    let read = whole(&mut page, "3", json!({ "payload": "fsread1", "path": file }), &[]).await;
    assert_eq!((read.text(), read.close["tag"].as_str()), ("one\ntwo\n", Some(tag.as_str())));
    house
        .machine
        .exec(&["sh", "-c", "echo three >> /home/ada/notes"])
        .unwrap();
    let replace = json!({ "payload": "fsreplace1", "path": file, "tag": tag });
    let conflict = whole(&mut page, "4", replace, &["lost"]).await;
    assert_eq!(conflict.problem(), Some("change-conflict"));
    assert!(
        house
            .machine
            .exec(&["cat", file])
            .unwrap()
            .ends_with("three\n")
    );
    loop {
        let event = page.next_json("w").await;
        if event["event"] == "changed" {
            break;
        }
    }

    let attributes = json!(["type", "user", "size", "entries"]);
    let home = json!({ "payload": "fsinfo", "path": "/home/ada", "attrs": attributes });
    let info = whole(&mut page, "5", home, &[]).await;
    let info = merged(&info);
    assert_eq!(info["info"]["entries"]["notes"]["user"], "ada", "{info}");

    house.machine.write("/root/secret", 0o600, "roots").unwrap();
    let read = json!({ "payload": "fsread1", "path": "/root/secret" });
    let refused = whole(&mut page, "6", read.clone(), &[]).await;
    assert_eq!((refused.problem(), refused.data.as_slice()), (Some("access-denied"), &b""[..]));
    let write = json!({ "payload": "fsreplace1", "path": "/root/secret" });
    let refused = whole(&mut page, "7", write.clone(), &["mine"]).await;
    assert_eq!(refused.problem(), Some("access-denied"));
    let look = json!({ "payload": "fsinfo", "path": "/root/secret", "attrs": ["type", "size"] });
    let refused = whole(&mut page, "8", look, &[]).await;
    let state = merged(&refused);
    assert_eq!(state["error"]["problem"], "access-denied", "{state}");
    // What cannot be reached is as what is not there: it may be watched, and nothing is seen.
    page.open("9", json!({ "payload": "fswatch1", "path": "/root/secret" }))
        .await;
    page.ready("9").await;
    house.machine.exec(&["touch", "/root/secret"]).unwrap();
    let nothing = tokio::time::timeout(std::time::Duration::from_millis(300), page.next_data("9"));
    assert!(nothing.await.is_err());
    let gone = json!({ "payload": "fsread1", "path": "/home/ada/gone" });
    let gone = whole(&mut page, "10", gone, &[]).await;
    assert_eq!((gone.problem(), gone.close["tag"].as_str()), (None, Some("-")));

    // The same, as root.
    let browser = house.logged_in_with_reuse("ada").await;
    let mut page = browser.open_page().await;
    page.open("su", json!({ "payload": "dbus-json3", "bus": "internal" }))
        .await;
    page.ready("su").await;
    let superuser = ["/superuser", "cockpit.Superuser", "Start"];
    let started = call(&mut page, "su", superuser, &json!(["any"])).await;
    assert!(started.get("reply").is_some(), "{started}");
    let as_root = |mut options: Value| {
        options["superuser"] = "require".into();
        options
    };
    let read = whole(&mut page, "11", as_root(read), &[]).await;
    assert_eq!(read.text(), "roots");
    let mut write = as_root(write);
    write["tag"] = read.close["tag"].clone();
    let written = whole(&mut page, "12", write, &["adas"]).await;
    assert_eq!(written.problem(), None, "{written:?}");
    let seen = house
        .machine
        .exec(&["sh", "-c", "cat /root/secret; stat -c ' %U %a' /root/secret"]);
    assert_eq!(seen.unwrap(), "adas root 600\n");
    let owned = json!({ "payload": "fsreplace1", "path": "/root/bens", "superuser": "require",
        "attrs": { "user": "ben", "group": "ben", "mode": 0o640 } });
    let written = whole(&mut page, "13", owned, &["for ben"]).await;
    assert_eq!(written.problem(), None, "{written:?}");
    let seen = house
        .machine
        .exec(&["stat", "-c", "%U %G %a", "/root/bens"])
        .unwrap();
    assert_eq!(seen, "ben ben 640\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn services_metrics_and_downloads_come_through_the_server() {
    let house = House::start(with_services());
    house
        .machine
        .exec(&["systemctl", "start", "hello.socket"])
        .unwrap();
    house
        .machine
        .exec(&["chmod", "666", "/run/hello.sock"])
        .unwrap();
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;

    let request = json!({ "payload": "http-stream2", "unix": "/run/hello.sock", "method": "GET", "path": "/v1/things?a=b" });
    page.open("1", request).await;
    page.done("1").await;
    let response = loop {
        let message = page.next_about("1").await;
        assert!(!matches!(message, Control::Close { .. }), "{message:?}");
        let message: Value = serde_json::from_slice(&message.to_bytes()).unwrap();
        if message["command"] == "response" {
            break message;
        }
    };
    assert_eq!((&response["status"], &response["reason"]), (&json!(201), &json!("Made")));
    assert_eq!(response["headers"]["X-Test"], "yes", "{response}");
    assert_eq!(page.converse("1").await.text(), "GET /v1/things?a=b HTTP/1.1end");
    let nobody = json!({ "payload": "http-stream2", "unix": "/run/nobody.sock", "method": "GET", "path": "/" });
    assert_eq!(whole(&mut page, "2", nobody, &[]).await.problem(), Some("not-found"));

    let metrics = json!([{ "name": "cpu.basic.user", "derive": "rate" }, { "name": "memory.used" }, { "name": "network.interface.rx", "derive": "rate" }]);
    page.open(
        "m",
        json!({ "payload": "metrics1", "source": "internal", "interval": 100, "metrics": metrics }),
    )
    .await;
    page.ready("m").await;
    let meta = page.next_json("m").await;
    assert_eq!(
        (&meta["interval"], meta["metrics"].as_array().map(Vec::len)),
        (&json!(100), Some(3))
    );
    assert!(
        meta["metrics"][2]["instances"]
            .as_array()
            .unwrap()
            .contains(&json!("eth0")),
        "{meta}"
    );
    let _first_has_no_rate = page.next_json("m").await;
    let row = page.next_json("m").await;
    assert!(row[0][0].is_number() || row[0][0].is_null(), "{row}");
    page.close("m").await;
    let unknown =
        json!({ "payload": "metrics1", "source": "internal", "metrics": [{ "name": "no.such" }] });
    page.open("m2", unknown).await;
    assert_eq!(page.converse("m2").await.problem(), Some("not-supported"));

    house
        .machine
        .exec_as("ada", "head -c 3000000 /dev/urandom > big")
        .unwrap();
    let sum = house.machine.exec_as("ada", "sha256sum < big").unwrap();
    let token = browser.csrf_token.clone().unwrap();
    let address = |path: &str| {
        let open = json!({ "payload": "fsread1", "path": path, "binary": "raw", "max_read_size": -1,
            "external": { "content-type": "application/octet-stream", "content-disposition": "attachment; filename=\"big\"" } });
        format!("/cockpit/channel/{token}?{}", STANDARD.encode(open.to_string()))
    };
    let download = browser
        .request("GET", &address("/home/ada/big"), &[], b"")
        .await;
    assert_eq!((download.status, download.body.len()), (200, 3_000_000));
    assert_eq!(download.headers["content-length"], "3000000");
    assert_eq!(download.headers["content-disposition"], "attachment; filename=\"big\"");
    house
        .machine
        .write("/home/ada/copy", 0o644, download.body)
        .unwrap();
    assert_eq!(house.machine.exec_as("ada", "sha256sum < copy").unwrap(), sum);
    let refused = browser
        .request("GET", &address("/etc/shadow"), &[], b"")
        .await;
    assert_eq!(refused.status, 403);
    // A file that is not there is no problem of fsread1.
    let empty = browser
        .request("GET", &address("/home/ada/none"), &[], b"")
        .await;
    assert_eq!((empty.status, empty.body.len()), (200, 0));
    let open = json!({ "payload": "stream", "spawn": ["/no/such/program"] }).to_string();
    let missing = format!("/cockpit/channel/{token}?{}", STANDARD.encode(open));
    assert_eq!(browser.request("GET", &missing, &[], b"").await.status, 404);

    let mut stranger = house.browser();
    let theirs = stranger
        .request("GET", &address("/home/ada/big"), &[], b"")
        .await;
    assert!([401, 403, 404].contains(&theirs.status), "{}", theirs.status);
    let answer = stranger.log_in("ben", suites::PASSWORD).await;
    assert_eq!(answer.status, 200);
    let theirs = stranger
        .request("GET", &address("/home/ada/big"), &[], b"")
        .await;
    assert!(
        [401, 403, 404].contains(&theirs.status),
        "the token of another session: {}",
        theirs.status
    );
}
