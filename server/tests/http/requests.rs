//! What is answered to which request: headers, hosts, origins, strictness, files.

use server::config::{Hsts, LoopbackHttp, Origins};

use crate::house::{Answer, House, exchange};

/// T4, T6, T12, T14: on every answer.
fn assert_protected(answer: &Answer, what: &str) {
    let value = |name: &str| {
        answer
            .header(name)
            .unwrap_or_else(|| panic!("{what} ({}) has no {name}", answer.status))
    };
    let policy = value("content-security-policy");
    for directive in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "object-src 'none'",
        "frame-src 'self'",
        "frame-ancestors 'self'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(policy.split(';').any(|held| held.trim() == directive), "{what}: no {directive}");
    }
    assert!(!policy.contains("unsafe"), "{what}");
    assert_eq!(value("x-frame-options"), "sameorigin", "{what}");
    assert_eq!(value("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(value("referrer-policy"), "no-referrer", "{what}");
    assert_eq!(value("cross-origin-resource-policy"), "same-origin", "{what}");
    assert_eq!(value("cross-origin-opener-policy"), "same-origin", "{what}");
    assert_eq!(value("cross-origin-embedder-policy"), "require-corp", "{what}");
    assert!(value("permissions-policy").contains("camera=()"), "{what}");
    value("cache-control");
    let anyone = answer.header("access-control-allow-origin").is_some();
    assert_eq!(anyone, matches!(what, "GET /ping" | "HEAD /ping"), "{what}");
}

#[tokio::test]
async fn every_answer_is_protected_whatever_it_is() {
    let house = House::start().await;
    let paths = [
        "/",
        "/hosts?q=1",
        "/hosts/add",
        "/host/web1/services/nginx.service",
        "/@localhost/system/services",
        "/ping",
        "/ca.cer",
        "/favicon.ico",
        "/robots.txt",
        "/nothing",
        "/cockpit/nothing",
        "/assets/shell-1.js",
        "/assets/no.js",
        "/cockpit/login",
        "/cockpit+app/login",
        "/cockpit/socket",
        "/socket",
        "/cockpit/channel/t?e30=",
        "/=host/",
        "/cockpit/@localhost/base1/cockpit.js",
        "/cockpit/@localhost/shell/index.html",
        "/cockpit/static/branding.css",
        "/cockpit/@localhost/manifests.json",
        "/system/services",
        "/../etc/passwd",
        "/%2e%2e/etc/passwd",
        "/cockpit/logout",
    ];
    for path in paths {
        for method in ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "X"] {
            let answer = house.ask(&format!("{method} {path}"), "").await;
            assert_protected(&answer, &format!("{method} {path}"));
            let known = ["GET", "HEAD", "POST"].contains(&method);
            assert!(
                known || matches!(answer.status, 404 | 405),
                "{method} {path}: {}",
                answer.status
            );
        }
        let foreign = house
            .ask(&format!("GET {path}"), "Host: evil.example\r\n")
            .await;
        assert_eq!(foreign.status, 421, "{path}");
        assert_protected(&foreign, "a foreign host");
    }
    house.stop().await;
}

#[tokio::test]
async fn the_login_page_needs_no_script_and_is_small() {
    let house =
        House::start_with(|config| config.banner = Some("Use <b>only</b> & \"so\"".to_owned()))
            .await;

    let answer = house.ask("GET /host/web1/logs?unit=a&since=b", "").await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let page = &answer.body;
    for part in [
        "<form method=\"post\" action=\"/cockpit/login\">",
        "name=\"user\"",
        "autocomplete=\"username\"",
        "name=\"password\" type=\"password\" autocomplete=\"current-password\"",
        "name=\"reuse\" type=\"checkbox\"",
        "Reuse my password for superuser access and other hosts",
        "lang=\"en\"",
        "name=\"next\" value=\"/host/web1/logs?unit=a&#38;since=b\"",
        "Use &#60;b&#62;only&#60;/b&#62; &#38; &#34;so&#34;",
        "<meta name=\"referrer\" content=\"same-origin\">",
        "href=\"/assets/login-1.css\"",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert!(!page.contains("checked") && !page.contains("<script") && !page.contains("style="));
    assert!(page.len() < 4_096, "{} bytes", page.len());
    let requests = page.matches("href=\"/").count() + page.matches("src=").count() + 1;
    assert!(requests <= 3, "{requests} requests");
    house.stop().await;
}

#[tokio::test]
async fn any_address_and_own_names_are_hosts_of_ours() {
    let house =
        House::start_with(|config| config.host_names = vec!["console.example".to_owned()]).await;
    for host in [
        "localhost",
        "LOCALHOST:1",
        "10.1.2.3:9090",
        "[2001:db8::1]",
        "console.example:9090",
        "Console.Example.",
    ] {
        assert_eq!(
            house
                .ask("GET /", &format!("Host: {host}\r\n"))
                .await
                .status,
            200,
            "{host}"
        );
    }
    for host in [
        "evil.example",
        "console.example.evil.example",
        "x@localhost",
        "localhost:0",
        "127.1",
        "a b",
        "",
        "localhost/",
    ] {
        let answer = house.ask("GET /", &format!("Host: {host}\r\n")).await;
        assert_eq!(answer.status, 421, "{host}");
        assert!(answer.body.contains("host-names"), "{host}");
    }
    house.stop().await;
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: cockpit1\r\n";

#[tokio::test]
async fn foreign_origins_get_no_socket_and_no_channel() {
    let house = House::start().await;
    let own = format!("https://{}", house.address);
    let port = house.address.port();
    let foreign = [
        None,
        Some("null".to_owned()),
        Some("https://evil.example".to_owned()),
        Some(format!("{own}.evil.example")),
        Some(format!("https://evil.example/{own}")),
        Some(format!("https://127.0.0.1:{port}@evil.example")),
        Some(format!("https://x127.0.0.1:{port}")),
        Some(format!("https://127.0.0.1:{}", port ^ 1)),
        Some(format!("http://127.0.0.1:{port}")),
    ];
    for origin in foreign {
        let line = origin
            .as_ref()
            .map(|origin| format!("Origin: {origin}\r\n"))
            .unwrap_or_default();
        for path in
            ["/cockpit/socket", "/socket", "/cockpit+app/socket", "/cockpit/channel/token?e30="]
        {
            let answer = house
                .ask(&format!("GET {path}"), &format!("{UPGRADE}{line}"))
                .await;
            assert_eq!(answer.status, 403, "{path} from {origin:?}");
        }
        for path in ["/cockpit/login", "/cockpit/logout"] {
            let answer = house
                .ask(&format!("POST {path}"), &format!("{line}Content-Length: 0\r\n"))
                .await;
            assert_eq!(answer.status, 403, "{path} from {origin:?}");
        }
    }
    let own = format!("Origin: {own}\r\n");
    let answer = house
        .ask("POST /cockpit/login", &format!("{own}Content-Length: 0\r\n"))
        .await;
    assert_ne!(answer.status, 403);
    let doubled = house
        .ask("POST /cockpit/login", &format!("{own}{own}Content-Length: 0\r\n"))
        .await;
    assert_eq!(doubled.status, 403);
    house.stop().await;
}

#[tokio::test]
async fn what_changes_something_is_refused_when_the_browser_names_another_site() {
    let house = House::start().await;
    for site in ["cross-site", "same-site"] {
        let line = format!("Sec-Fetch-Site: {site}\r\n");
        let own = format!("{line}Origin: https://{}\r\nContent-Length: 0\r\n", house.address);
        assert_eq!(house.ask("GET /cockpit/login", &line).await.status, 403);
        assert_eq!(house.ask("GET /cockpit/channel/t?e30=", &line).await.status, 403);
        assert_eq!(house.ask("POST /cockpit/login", &own).await.status, 403);
        assert_eq!(house.ask("POST /cockpit/logout", &own).await.status, 403);
        assert_eq!(
            house.ask("GET /hosts", &line).await.status,
            200,
            "links to pages may be followed"
        );
    }
    house.stop().await;
}

#[tokio::test]
async fn a_configured_origin_may_connect() {
    let house = House::start_with(|config| {
        config.origins = Origins::Listed(vec!["https://fleet.example:443".to_owned()]);
    })
    .await;
    let ask = async |origin: &str| {
        let lines = format!("{UPGRADE}Origin: {origin}\r\nSec-Fetch-Site: cross-site\r\n");
        let mut stream = house.tls().await;
        let request =
            format!("GET /cockpit/socket HTTP/1.1\r\nHost: {}\r\n{lines}\r\n", house.address);
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes())
            .await
            .unwrap();
        let mut start = [0; 12];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut start)
            .await
            .unwrap();
        String::from_utf8_lossy(&start).into_owned()
    };

    assert_ne!(ask("https://fleet.example").await, "HTTP/1.1 403");
    assert_eq!(ask("https://fleet.example.evil.example").await, "HTTP/1.1 403");
    house.stop().await;
}

#[tokio::test]
async fn requests_that_two_parsers_could_read_differently_end_the_connection() {
    let house = House::start().await;
    let long = "x".repeat(9_000);
    let many = "A: b\r\n".repeat(101);
    let cases: Vec<(String, u16)> = vec![
        ("GET / HTTP/1.1\nHost: a\n\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nA: b\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nA: b\r\n c\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost : localhost\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nA: \0\r\n\r\n".to_owned(), 400),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), 400),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), 400),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc".to_owned(), 400),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3, 3\r\n\r\nabc".to_owned(), 400),
        ("GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 400),
        ("\x16garbage\r\n\r\n".to_owned(), 400),
        (format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"), 414),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\nA: {long}{long}\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"), 431),
    ];
    for (request, status) in cases {
        let answer = Answer::parse(&house.raw(&request).await);
        let shown: String = request.chars().take(60).collect();
        assert_eq!(answer.status, status, "{shown:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{shown:?}");
        assert_protected(&answer, &shown);
    }
    house.stop().await;
}

#[tokio::test]
async fn a_smuggled_second_request_is_never_answered() {
    let house = House::start().await;
    let smuggled = "POST /cockpit/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\
                    Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n";

    let answers = house.raw(smuggled).await;

    assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
    assert!(!answers.contains("cockpit\"}"));
    house.stop().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_and_split_ones_too() {
    let house = House::start().await;
    let request = "GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n\
                   GET /robots.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

    let answers = house.raw(request).await;
    let ping = answers.find("{\"service\":\"cockpit\"}").unwrap();
    assert!(answers.find("Disallow").unwrap() > ping);

    let mut stream = house.tls().await;
    for byte in request.as_bytes() {
        tokio::io::AsyncWriteExt::write_all(&mut stream, &[*byte])
            .await
            .unwrap();
        tokio::io::AsyncWriteExt::flush(&mut stream).await.unwrap();
    }
    let answers = exchange(stream, b"").await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2);
    house.stop().await;
}

#[tokio::test]
async fn plain_http_is_sent_to_https_at_the_same_address() {
    let house = House::start().await;
    let ask = async |path: &str, host: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        Answer::parse(&exchange(house.plain().await, request.as_bytes()).await)
    };

    let answer = ask("/hosts?q=1", "localhost:9090").await;
    assert_eq!(answer.status, 301);
    assert_eq!(answer.header("location"), Some("https://localhost:9090/hosts?q=1"));
    assert_protected(&answer, "the redirect");

    let foreign = ask("/", "evil.example").await;
    assert_eq!((foreign.status, foreign.header("location")), (421, None));
    assert_eq!(
        ask("//evil.example/", "localhost").await.header("location"),
        Some("https://localhost//evil.example/")
    );
    assert_eq!(ask("/ping", "localhost").await.status, 200);
    house.stop().await;
}

#[tokio::test]
async fn plain_http_is_served_on_loopback_only_when_configured() {
    let house = House::start_with(|config| {
        config.loopback_http = LoopbackHttp::Serve;
        config.hsts = Hsts::On;
    })
    .await;
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

    let answer = Answer::parse(&exchange(house.plain().await, request).await);

    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("strict-transport-security"),
        None,
        "RFC 6797, 7.2: never over plain HTTP"
    );
    house.stop().await;
}

#[tokio::test]
async fn hsts_is_not_sent_with_a_self_signed_certificate_unless_it_is_set() {
    let house = House::start().await;
    assert_eq!(
        house
            .ask("GET /", "")
            .await
            .header("strict-transport-security"),
        None
    );
    house.stop().await;

    let house = House::start_with(|config| config.hsts = Hsts::On).await;
    let answer = house.ask("GET /", "").await;
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
    house.stop().await;
}

#[tokio::test]
async fn files_of_the_build_are_served_with_codings_and_tags() {
    let house = House::start().await;

    let plain = house.ask("GET /assets/shell-1.js", "").await;
    assert_eq!(plain.body, "console.log('plain')");
    assert_eq!(plain.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(plain.header("cache-control"), Some("public, max-age=31536000, immutable"));

    let brotli = house
        .ask("GET /assets/shell-1.js", "Accept-Encoding: gzip, br\r\n")
        .await;
    assert_eq!(
        (brotli.body.as_str(), brotli.header("content-encoding")),
        ("as brotli", Some("br"))
    );
    assert_eq!(brotli.header("vary"), Some("accept-encoding"));

    let tag = brotli.header("etag").unwrap();
    let known = format!("Accept-Encoding: br\r\nIf-None-Match: \"x\", {tag}\r\n");
    let again = house.ask("GET /assets/shell-1.js", &known).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    assert_protected(&again, "304");

    let head = house.ask("HEAD /assets/shell-1.js", "").await;
    assert_eq!(
        (head.status, head.body.as_str(), head.header("content-length")),
        (200, "", Some("20"))
    );

    let base = house
        .ask("GET /cockpit/@localhost/base1/cockpit.js", "")
        .await;
    assert_eq!(
        (base.body.as_str(), base.header("cache-control")),
        ("// cockpit", Some("no-cache"))
    );
    assert_eq!(
        house
            .ask("GET /cockpit/static/branding.css", "")
            .await
            .status,
        200
    );
    for path in [
        "/assets/..",
        "/assets/.hidden",
        "/cockpit/static/../entries.json",
        "/assets/shell-1.js/x",
        "/entries.json",
    ] {
        assert_eq!(house.ask(&format!("GET {path}"), "").await.status, 404, "{path}");
    }
    house.stop().await;
}

#[tokio::test]
async fn a_method_that_an_address_does_not_take_is_named() {
    let house = House::start().await;

    let answer = house.ask("DELETE /cockpit/login", "").await;

    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD, POST")));
    house.stop().await;
}

#[tokio::test]
async fn a_request_with_half_of_the_next_is_answered_before_the_rest_comes() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let house = House::start().await;
    let mut stream = house.tls().await;
    let half = b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\nGET /ping HTTP/1.1\r\nHost: localhost\r\nA: b";

    stream.write_all(half).await.unwrap();
    let mut received = Vec::new();
    while !received.ends_with(b"}") {
        assert_ne!(stream.read_buf(&mut received).await.unwrap(), 0);
    }

    let rest = exchange(stream, b"c\r\nConnection: close\r\n\r\n").await;
    assert!(rest.starts_with("HTTP/1.1 200 OK"), "{rest}");
    house.stop().await;
}
