//! Attacks from outside and from beside: what is refused, what is bounded, and that everybody else goes on.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use machines::Machine;
use serde_json::json;
use suites::{House, PASSWORD, machine};
use support::browser::{Answer, Browser, Socket, parse};
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Within this a login must be answered while others attack (T34).
const LOGIN_TIME: Duration = Duration::from_secs(3);

fn login_header(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// The code and the reason of a socket's close frame, past all else; none when it was cut off.
async fn closed(socket: &mut Socket, why: &str) -> Option<(u16, String)> {
    let end = async {
        while let Some(message) = socket.next().await {
            match message {
                Ok(Message::Close(close)) => {
                    return close.map(|close| (close.code.into(), close.reason.to_string()));
                }
                Ok(_) => {}
                Err(_) => return None,
            }
        }
        None
    };
    tokio::time::timeout(Duration::from_secs(10), end)
        .await
        .unwrap_or_else(|_| panic!("not closed within 10 s: {why}"))
}

async fn echoes(browser: &Browser) {
    let mut page = browser.open_page().await;
    let seed = page.init.fields["channel-seed"].as_str().unwrap();
    let channel = format!("{seed}echo");
    page.open(&channel, json!({ "payload": "echo" })).await;
    page.ready(&channel).await;
    page.data(&channel, b"still here").await;
    assert_eq!(page.next_data(&channel).await.as_ref(), b"still here");
}

/// Resident memory of the server in KiB.
fn server_memory(house: &House) -> u64 {
    let memory = ["sh", "-c", "ps -o rss= -p $(pgrep -f '^pilothouse serve')"];
    house.machine.exec(&memory).unwrap().trim().parse().unwrap()
}

fn count(house: &House, command_line: &str) -> usize {
    let counted = house
        .machine
        .try_exec(&["pgrep", "-c", "-f", command_line])
        .unwrap();
    counted.stdout.trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sites_and_odd_requests_reach_nothing() {
    let house = House::start(machine(Machine::debian12()));
    let mut browser = house.browser();
    let answer = browser.log_in("ada", PASSWORD).await;
    let cookie = answer.headers["set-cookie"].clone();
    let address = house.address;

    // T8.
    for attribute in ["__Host-pilothouse=", "Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(attribute), "{attribute} in {cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    let mut offering = house.browser();
    offering.cookie = Some(format!("__Host-pilothouse={}", "A".repeat(43)));
    assert_eq!(
        offering
            .request("GET", "/cockpit/login", &[], b"")
            .await
            .status,
        401
    );
    let second = house.logged_in("ada").await;
    assert_ne!(second.cookie, browser.cookie);

    // T2: before the upgrade.
    let foreign = [
        None,
        Some("null".to_owned()),
        Some("https://evil.example".to_owned()),
        Some(format!("https://{address}.evil.example")),
        Some(format!("https://evil.{address}")),
        Some(format!("http://{address}")),
        Some(format!("https://{}:9091", address.ip())),
        Some(format!("https://{}", address.ip())),
        Some(format!("https://evil@{address}")),
    ];
    for origin in foreign {
        match browser.open_socket_as(origin.as_deref()).await {
            Err(Error::Http(refusal)) => assert_eq!(refusal.status(), 403, "{origin:?}"),
            Err(other) => panic!("{origin:?}: {other}"),
            Ok(_) => panic!("{origin:?}: a socket"),
        }
    }

    // T1: nothing that changes something.
    let own = browser.origin();
    let token = browser.csrf_token.clone().unwrap();
    let others = second.csrf_token.clone().unwrap();
    let logouts: [&[(&str, &str)]; 6] = [
        &[("X-CSRF-Token", &token)],
        &[("X-CSRF-Token", &token), ("Origin", "https://evil.example")],
        &[("X-CSRF-Token", &token), ("Origin", "null")],
        &[("Origin", &own)],
        &[("Origin", &own), ("X-CSRF-Token", &others)],
        &[("Origin", &own), ("X-CSRF-Token", &token), ("Sec-Fetch-Site", "cross-site")],
    ];
    for headers in logouts {
        let answer = browser
            .request("POST", "/cockpit/logout", headers, b"")
            .await;
        assert!([403, 404].contains(&answer.status), "{headers:?}: {}", answer.status);
    }
    let form = format!("user=ada&password={}", PASSWORD.replace(' ', "+"));
    for origin in ["https://evil.example", "null"] {
        let headers = [("Origin", origin), ("Content-Type", "application/x-www-form-urlencoded")];
        let answer = house
            .browser()
            .request("POST", "/cockpit/login", &headers, form.as_bytes())
            .await;
        assert_eq!(answer.status, 403, "{origin}");
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    let spawn = json!({ "payload": "stream", "spawn": ["touch", "/home/ada/touched"] }).to_string();
    let spawn = STANDARD.encode(spawn);
    let cross: &[(&str, &str)] = &[("Sec-Fetch-Site", "cross-site")];
    for (token, headers) in [(token.as_str(), cross), (others.as_str(), &[][..]), ("", &[][..])] {
        let path = format!("/cockpit/channel/{token}?{spawn}");
        let answer = browser.request("GET", &path, headers, b"").await;
        assert!([401, 403, 404].contains(&answer.status), "{}", answer.status);
    }
    house
        .machine
        .exec(&["test", "!", "-e", "/home/ada/touched"])
        .unwrap();
    let journal = house.machine.journal().unwrap();
    assert_eq!(journal.matches(" logged in ").count(), 2, "{journal}");
    assert_eq!(journal.matches(" session ended ").count(), 0, "{journal}");

    // T3.
    let (mut socket, _) = house.browser().open_socket().await.unwrap();
    let start = Instant::now();
    let Some(Ok(Message::Text(init))) = socket.next().await else { panic!("an init") };
    assert!(init.contains("\"no-session\"") && init.len() <= 1024, "{init}");
    assert_eq!(closed(&mut socket, "no session").await, Some((1001, "no-session".to_owned())));
    assert!(start.elapsed() < Duration::from_secs(1));

    // T9.
    let asked = |host: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    for host in ["evil.example", "evil.example:9090", "localhost.evil.example", ""] {
        let answer = parse(&browser.raw(asked(host).as_bytes()).await);
        assert!((400..500).contains(&answer.status), "{host}: {}", answer.status);
    }
    let plain = Browser::without_tls(address);
    for (host, target) in [
        (address.to_string(), Some(format!("https://{address}/"))),
        ("evil.example".to_owned(), None),
    ] {
        let answer = parse(&plain.raw(asked(&host).as_bytes()).await);
        assert_eq!(answer.headers.get("location"), target.as_ref(), "{host}");
        assert!(answer.status != 200, "{host}");
    }

    // T10: each ends the connection without a page, and the second request is never answered.
    let host = format!("Host: {address}\r\n");
    let after = format!("GET /ping HTTP/1.1\r\n{host}\r\n");
    let odd = [
        format!("GET /ping HTTP/1.1\n{host}\n"),
        format!("GET /ping HTTP/1.1\r\n{host}X: a\r\n b\r\n\r\n"),
        format!(
            "GET /ping HTTP/1.1\r\n{host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        format!("GET /ping HTTP/1.1\r\n{host}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        format!("GET /ping HTTP/1.1\r\n{host}X : a\r\n\r\n"),
        format!("GET /ping HTTP/1.1\r\n{host}X: a\0b\r\n\r\n"),
        format!("GET /ping HTTP/1.1\r\n{host}X: {}\r\n\r\n", "x".repeat(17 << 10)),
        format!("GET /ping HTTP/1.1\r\n{host}{}\r\n", "X: y\r\n".repeat(101)),
        format!("GET /{} HTTP/1.1\r\n{host}\r\n", "x".repeat(9 << 10)),
        format!("GET /ping HTTP/1.1\r\n{host}{host}\r\n"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\u{1}\u{2}\u{3}\r\n\r\n".to_owned(),
    ];
    for request in odd {
        let said = browser.raw((request.clone() + &after).as_bytes()).await;
        let text = String::from_utf8_lossy(&said);
        let start: String = request.chars().take(100).collect();
        assert!(!text.contains(" 200 "), "{start:?}: {text}");
        assert!(text.matches("HTTP/1.1 ").count() <= 1, "{start:?}: {text}");
    }
    assert_eq!(browser.request("GET", "/ping", &[], b"").await.status, 200);
    echoes(&browser).await;
}

/// A login with a wrong password, and how long its answer took.
async fn wrong_password(browser: Browser, user: &'static str) -> (Duration, Answer) {
    let start = Instant::now();
    let header = login_header(user, "guessed");
    let answer = browser
        .request("GET", "/cockpit/login", &[("Authorization", &header)], b"")
        .await;
    (start.elapsed(), answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_takes_as_long_as_an_unknown_user() {
    // T16 would get in the way. Of what is compared, one of each is always under way, with the same neighbours.
    let settings = [
        "--limit-login-free-failures=1000",
        "--limit-login-block-failures=1000",
        "--limit-login-helpers-per-source=8",
    ];
    let house = House::start_with(machine(Machine::debian12()), &settings);
    let mut taken = [Vec::new(), Vec::new()];
    for _ in 0..5 {
        let users = ["ada", "no-such-user"].repeat(4);
        let tries = users
            .iter()
            .map(|user| wrong_password(house.browser(), user));
        for (number, (time, answer)) in join_all(tries).await.into_iter().enumerate() {
            assert_eq!(answer.status, 401);
            taken[number % 2].push(time);
        }
    }

    let [known, unknown] = taken.map(|mut times| {
        times.sort();
        times[times.len() / 2].as_secs_f64()
    });
    println!("wrong password {known:.3} s, unknown user {unknown:.3} s");
    assert!((known / unknown - 1.0).abs() <= 0.15, "{known} s and {unknown} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_says_nothing_about_accounts_and_locks_nobody_out() {
    let house = House::start(machine(Machine::debian12()));
    let other = house
        .lab
        .machine(Machine::debian12().named("other"))
        .unwrap();

    // T17: two sources, so that T16 does not get in the way.
    let mut seen: Vec<Answer> = Vec::new();
    for browser in [house.browser(), house.browser_on(&other)] {
        for user in ["ada", "no-such-user", "ada", "no-such-user"] {
            seen.push(wrong_password(browser.clone(), user).await.1);
        }
    }
    let mut headers = seen[0].headers.clone();
    headers.remove("date");
    for mut answer in seen.drain(..) {
        answer.headers.remove("date");
        assert_eq!((answer.status, answer.reason.as_str()), (401, "authentication-failed"));
        assert_eq!(answer.headers, headers);
    }

    // T16.
    let attacker = house.browser();
    let mut statuses = Vec::new();
    let mut retry = None;
    for _ in 0..50 {
        let (_, answer) = wrong_password(attacker.clone(), "ada").await;
        statuses.push(answer.status);
        retry = retry.or(answer.headers.get("retry-after").cloned());
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    assert!(retry.is_some_and(|after| after.parse::<u32>().is_ok_and(|seconds| seconds > 0)));
    assert!(!statuses.contains(&200) && !statuses.contains(&500), "{statuses:?}");
    let start = Instant::now();
    let mut administrator = house.browser_on(&other);
    assert_eq!(administrator.log_in("ada", PASSWORD).await.status, 200);
    assert!(start.elapsed() <= Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_connections_keep_nobody_out() {
    let house = House::start(machine(Machine::debian12()));
    let other = house
        .lab
        .machine(Machine::debian12().named("other"))
        .unwrap();

    // T34.
    let slow = (0..500).map(|number| {
        let browser = house.browser();
        async move {
            let opening = browser.connect_without_tls();
            let mut stream = tokio::time::timeout(LOGIN_TIME, opening).await.ok()?.ok()?;
            let beginning: &[u8] = if number % 3 == 0 { b"\x16\x03\x01" } else { b"GET / HT" };
            stream.write_all(beginning).await.ok()?;
            Some(stream)
        }
    });
    let slow = join_all(slow).await;
    assert!(slow.iter().flatten().count() > 64);
    // The flood goes on, fast enough to push every connection out that says nothing for a second and a half.
    let neighbour = house.browser();
    let flood = tokio::spawn(async move {
        let mut pace = tokio::time::interval(Duration::from_millis(25));
        let mut held = Vec::new();
        loop {
            pace.tick().await;
            held.extend(neighbour.connect_without_tls().await);
        }
    });

    for mut browser in [house.browser_on(&other), house.browser()] {
        let start = Instant::now();
        assert_eq!(browser.log_in("ada", PASSWORD).await.status, 200);
        assert!(start.elapsed() <= LOGIN_TIME, "{:?}", start.elapsed());
    }
    flood.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_logins_keep_nobody_out() {
    let house = House::start(machine(Machine::debian12()));

    // T35: each waits at a prompt for a new password.
    house.machine.exec(&["chage", "-d", "0", "ben"]).unwrap();
    let sessions = count(&house, "^pilothouse session");
    let memory = server_memory(&house);
    let half_open = (0..60).map(|_| {
        let mut browser = house.browser();
        async move { browser.log_in("ben", PASSWORD).await.status }
    });
    let statuses = join_all(half_open).await;
    assert!(statuses.iter().all(|status| [401, 503].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&401) && statuses.contains(&503), "{statuses:?}");
    let waiting = count(&house, "^pilothouse session") - sessions;
    assert!((1..=4).contains(&waiting), "{waiting} helpers");
    assert!(server_memory(&house) <= memory + (128 << 10));
    let start = Instant::now();
    let mut another = house.browser_on(&house.machine);
    assert_eq!(another.log_in("ada", PASSWORD).await.status, 200);
    assert!(start.elapsed() <= Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_bad_frames_and_dead_bridges_hurt_nobody_else() {
    let house = House::start(machine(Machine::debian12()));
    let browser = house.logged_in("ada").await;
    let ben = house.logged_in("ben").await;
    let mut bens = ben.open_page().await;
    bens.open("1", json!({ "payload": "echo" })).await;
    bens.ready("1").await;

    // T36: never reads.
    let memory = server_memory(&house);
    let mut deaf = browser.open_page().await;
    for number in 0..8 {
        let options =
            json!({ "payload": "stream", "spawn": ["cat", "/dev/zero"], "binary": "raw" });
        deaf.open(&format!("z{number}"), options).await;
    }
    let mut page = browser.open_page().await;
    page.open("e", json!({ "payload": "echo" })).await;
    page.ready("e").await;
    let start = Instant::now();
    let mut slowest = Duration::ZERO;
    while start.elapsed() < Duration::from_secs(3) {
        let sent = Instant::now();
        page.data("e", b"x").await;
        page.next_data("e").await;
        slowest = slowest.max(sent.elapsed());
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    let grown = server_memory(&house).saturating_sub(memory);
    assert!(grown <= 64 << 10, "{grown} KiB");
    drop(deaf);

    // Frames that are none, messages out of order, and too large ones: the socket goes, the session stays.
    let init = r#"{"command":"init","version":1}"#;
    let long = format!("\n{{\"command\":\"hint\",\"x\":\"{}\"}}", "x".repeat(130 << 10));
    let deep = format!(
        "\n{{\"command\":\"options\",\"channel\":\"9:1\",\"x\":{}{}}}",
        "[".repeat(100),
        "]".repeat(100)
    );
    let double = "\n{\"command\":\"pong\",\"channel\":\"9:1\",\"x\":1,\"x\":2}";
    let twice = "\n{\"command\":\"open\",\"channel\":\"9:1\",\"payload\":\"null\"}";
    let bad: [(&str, Vec<Message>); 10] = [
        (
            "no init",
            vec![Message::text(
                "\n{\"command\":\"open\",\"channel\":\"9:1\",\"payload\":\"null\"}",
            )],
        ),
        ("data before init", vec![Message::text("9:1\nx")]),
        ("no line feed", vec![Message::text(format!("\n{init}")), Message::text("x")]),
        ("no JSON", vec![Message::text(format!("\n{init}")), Message::text("\n{")]),
        ("no object", vec![Message::text(format!("\n{init}")), Message::text("\n[1]")]),
        (
            "deep",
            vec![Message::text(format!("\n{init}")), Message::text(twice), Message::text(deep)],
        ),
        (
            "double key",
            vec![Message::text(format!("\n{init}")), Message::text(twice), Message::text(double)],
        ),
        ("long control", vec![Message::text(format!("\n{init}")), Message::text(long)]),
        (
            "long message",
            vec![Message::text(format!("\n{init}")), Message::binary(vec![b'x'; 2 << 20])],
        ),
        (
            "id in use",
            vec![Message::text(format!("\n{init}")), Message::text(twice), Message::text(twice)],
        ),
    ];
    for (what, messages) in bad {
        let (mut socket, _) = browser.open_socket().await.unwrap();
        for message in messages {
            // It may be closed before all is sent.
            let _refused = socket.send(message).await;
        }
        let end = closed(&mut socket, what).await;
        let code = end.as_ref().map(|(code, _)| *code);
        assert!(matches!(code, None | Some(1002 | 1008 | 1009 | 1011)), "{what}: {end:?}");
    }
    echoes(&browser).await;

    // T37.
    let mut greedy = browser.open_page().await;
    for number in 0..1100 {
        greedy
            .open(&format!("c{number}"), json!({ "payload": "null" }))
            .await;
    }
    while greedy.next_frame().await.is_some() {}
    echoes(&browser).await;
    let (mut pinging, _) = browser.open_socket().await.unwrap();
    for _ in 0..200 {
        let _refused = pinging
            .send(Message::text("\n{\"command\":\"ping\"}"))
            .await;
    }
    closed(&mut pinging, "pings").await;
    echoes(&browser).await;

    // T54: another's channel is nothing to ben, whatever he calls it.
    bens.data("e", b"from ben").await;
    bens.control(&json!({ "command": "close", "channel": "e" }))
        .await;
    bens.data("1", b"to himself").await;
    assert_eq!(bens.next_data("1").await.as_ref(), b"to himself");
    page.data("e", b"only mine").await;
    assert_eq!(page.next_data("e").await.as_ref(), b"only mine");

    // A bridge that is killed.
    let (mut raw, _) = browser.open_socket().await.unwrap();
    raw.send(Message::text(format!("\n{init}"))).await.unwrap();
    house
        .machine
        .exec(&["pkill", "-KILL", "-u", "ada", "-f", "pilothouse bridge$"])
        .unwrap();
    assert_eq!(closed(&mut raw, "dead bridge").await, Some((1001, "terminated".to_owned())));
    while page.next_frame().await.is_some() {}
    bens.data("1", b"untouched").await;
    assert_eq!(bens.next_data("1").await.as_ref(), b"untouched");
    assert_eq!(
        browser
            .request("GET", "/cockpit/login", &[], b"")
            .await
            .status,
        401
    );
    echoes(&house.logged_in("ada").await).await;
    let journal = house.machine.journal().unwrap();
    assert!(!journal.contains("panicked"), "{journal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn local_users_reach_neither_sockets_nor_memory_of_our_processes() {
    let house = House::start(machine(Machine::debian12()));
    let browser = house.logged_in("ada").await;
    let mut page = browser.open_page().await;

    // T52.
    let run = "/var/lib/pilothouse/run";
    let modes = format!("stat -c '%a %n' {run} {run}/*.sock");
    let modes = house.machine.exec(&["sh", "-c", &modes]).unwrap();
    assert_eq!(modes, format!("750 {run}\n660 {run}/notify.sock\n660 {run}/session.sock\n"));
    page.open("1", json!({ "payload": "stream", "unix": format!("{run}/session.sock") }))
        .await;
    assert_eq!(page.converse("1").await.problem(), Some("access-denied"));
    let sockets = house.machine.exec(&["cat", "/proc/net/unix"]).unwrap();
    assert!(
        !sockets
            .lines()
            .any(|line| line.contains('@') && line.contains("pilothouse"))
    );

    // T53: of the own uid's processes only what the user started can be read.
    let script = "sleep 100 & \
        for pid in $! $(pgrep -f '^pilothouse (bridge|session|serve)'); do for file in environ mem maps; do \
        (: < /proc/$pid/$file) 2>/dev/null; \
        echo \"$? $(tr '\\0' ' ' < /proc/$pid/cmdline) $file\"; done; done; kill $!";
    let tried = house.machine.exec_as("ada", script).unwrap();
    let opened: Vec<&str> = tried
        .lines()
        .filter(|line| line.starts_with("0 "))
        .collect();
    assert_eq!(opened.len(), 3, "{tried}");
    assert!(opened.iter().all(|line| line.starts_with("0 sleep")), "{tried}");
    for process in ["pilothouse bridge", "pilothouse session", "pilothouse serve"] {
        assert!(tried.contains(process), "{tried}");
    }
    let uid = house
        .machine
        .exec(&["sh", "-c", "ps -o uid= -p $(pgrep -f '^pilothouse serve')"]);
    let uid = uid.unwrap();
    let reuid = format!("--reuid={}", uid.trim());
    let own = "(: < /proc/self/environ) && ! (: < /proc/$(pgrep -f '^pilothouse serve')/environ) 2>/dev/null";
    house
        .machine
        .exec(&["setpriv", &reuid, "--clear-groups", "bash", "-c", own])
        .unwrap();

    // T55.
    let start = "mkdir -p /srv/state/serve; chmod 755 /srv/state; chmod $1 /srv/state/serve; \
        timeout 3 pilothouse serve --state-dir=/srv/state --listen=127.0.0.1:9999 --session-socket=/run/none 2>&1; echo \"exit $?\"";
    let refused = house
        .machine
        .exec(&["sh", "-c", start, "sh", "755"])
        .unwrap();
    assert!(refused.contains("/srv/state/serve") && refused.ends_with("exit 78\n"), "{refused}");
    let served = house
        .machine
        .exec(&["sh", "-c", start, "sh", "700"])
        .unwrap();
    assert!(!served.contains("exit 78"), "{served}");
}

/// A PAM service that hangs for `ben`, in a program of its own.
fn hanging_for_ben(machine: Machine) -> Machine {
    let hang = "#!/bin/sh\n[ \"$PAM_USER\" = ben ] && { sleep 1000; true; }\nexit 0\n";
    let service = "auth required pam_exec.so quiet /usr/local/bin/hang\n\
        @include common-auth\n@include common-account\n@include common-session\n@include common-password\n";
    machine
        .file("/usr/local/bin/hang", 0o755, hang)
        .file("/etc/pam.d/pilothouse", 0o644, service)
}

/// Waits at most 10 s until no helper and nothing that hung is left.
fn nothing_hangs(house: &House) {
    let script = "for i in $(seq 100); do pgrep -f '^pilothouse session' || pgrep -f '^sleep 1000$' || \
        pgrep -x hang || exit 0; sleep 0.1; done; ps ax; exit 1";
    house.machine.exec(&["sh", "-c", script]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pam_module_that_hangs_for_one_user_lets_others_log_in() {
    let house = House::start(hanging_for_ben(machine(Machine::debian12())));
    let hanging: Vec<_> = (0..2)
        .map(|_| {
            let mut browser = house.browser();
            tokio::spawn(async move { browser.log_in("ben", PASSWORD).await.status })
        })
        .collect();
    let hung =
        "for i in $(seq 100); do [ $(pgrep -c -x sleep) = 2 ] && exit 0; sleep 0.1; done; exit 1";
    house.machine.exec(&["sh", "-c", hung]).unwrap();

    let start = Instant::now();
    let browser = house.logged_in("ada").await;
    assert!(start.elapsed() <= LOGIN_TIME, "{:?}", start.elapsed());
    echoes(&browser).await;

    for login in hanging {
        assert!(!login.is_finished());
        login.abort();
    }
    house
        .machine
        .exec(&["pkill", "-f", "^pilothouse bridge$"])
        .unwrap();
    nothing_hangs(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn helpers_whose_module_hangs_never_pile_up() {
    let house = House::start(hanging_for_ben(machine(Machine::debian12())));
    let others = ["one", "two", "three", "four", "five"]
        .map(|name| house.lab.machine(Machine::debian12().named(name)).unwrap());
    // A helper is no child of a helper: what PAM's modules fork looks like one until it runs its program.
    let sampler = "while :; do ps -eo pid=,ppid=,args= | awk \
        '$3 == \"pilothouse\" && $4 == \"session\" { mother[$1] = $2 } \
        END { for (p in mother) if (!(mother[p] in mother)) { n++; print p >> \"/run/pids\" } \
        print n + 0 >> \"/run/counts\" }'; sleep 0.05; done";
    house
        .machine
        .exec(&["systemd-run", "--unit=sampler", "sh", "-c", sampler])
        .unwrap();

    // T35: more than may be at work, from more sources than share the places, gone before they are answered.
    let clients: Vec<_> = others
        .iter()
        .flat_map(|other| (0..6).map(|_| house.browser_on(other)))
        .map(|mut browser| {
            tokio::spawn(async move {
                loop {
                    let login = browser.log_in("ben", PASSWORD);
                    let _gone = tokio::time::timeout(Duration::from_secs(1), login).await;
                }
            })
        })
        .collect();
    let generations = "for i in $(seq 600); do [ $(sort -u /run/pids | wc -l) -gt 48 ] && exit 0; sleep 0.1; done; exit 1";
    house.machine.exec(&["sh", "-c", generations]).unwrap();
    for client in clients {
        client.abort();
    }

    let start = Instant::now();
    let mut ada = house.browser();
    while ada.log_in("ada", PASSWORD).await.status == 503 {}
    assert!(ada.cookie.is_some());
    assert!(start.elapsed() <= Duration::from_secs(10), "{:?}", start.elapsed());
    house
        .machine
        .exec(&["pkill", "-f", "^pilothouse bridge$"])
        .unwrap();
    nothing_hangs(&house);
    let counts = house.machine.exec(&["sort", "-nu", "/run/counts"]).unwrap();
    assert_eq!(counts.lines().last(), Some("16"), "{counts}");
}
