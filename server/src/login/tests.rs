//! Logins by both exchanges, against a scripted helper.

use std::time::Duration;

use serde_json::json;

use crate::testing::{Answer, Stage, basic};

fn conversation(answer: &Answer, said: &str) -> String {
    use base64::Engine as _;
    let challenge = answer.header("www-authenticate");
    let id = challenge.split(' ').nth(1).unwrap();
    let said = base64::engine::general_purpose::STANDARD.encode(said);
    format!("Authorization: X-Conversation {id} {said}")
}

fn hidden_field<'a>(page: &'a str, name: &str) -> &'a str {
    let at = page
        .find(&format!("name=\"{name}\""))
        .unwrap_or_else(|| panic!("{page}"));
    let value = &page[at..][page[at..].find("value=\"").unwrap() + 7..];
    &value[..value.find('"').unwrap()]
}

#[tokio::test]
async fn the_right_password_gets_a_cookie_and_a_token() {
    let mut stage = Stage::new().await;
    let answer = stage
        .request("GET /cockpit/login", &[&basic("ada", "hunter2")], "")
        .await;

    assert_eq!((answer.status, answer.reason.as_str()), (200, "OK"));
    assert_eq!(answer.header("cache-control"), "no-store");
    let set = answer.header("set-cookie");
    assert!(set.starts_with("pilothouse=") && set.contains("HttpOnly; SameSite=Strict"), "{set}");
    let _bridge = stage.next_bridge().await;

    let again = stage
        .request("GET /cockpit/login", &[&format!("Cookie: {}", answer.cookie())], "")
        .await;
    assert_eq!(again.status, 200);
    assert_eq!(again.json(), answer.json());
    assert!(again.headers.get("set-cookie").is_none());
}

#[tokio::test]
async fn a_cookie_that_the_browser_made_up_is_not_adopted() {
    let mut stage = Stage::new().await;
    let made_up = format!("Cookie: pilothouse={}", "A".repeat(43));
    let answer = stage
        .request("GET /cockpit/login", &[&basic("ada", "hunter2"), &made_up], "")
        .await;
    let _bridge = stage.next_bridge().await;

    assert_eq!(answer.status, 200);
    assert_ne!(format!("Cookie: {}", answer.cookie()), made_up);
    assert_eq!(
        stage
            .request("GET /cockpit/login", &[&made_up], "")
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn unknown_user_and_wrong_password_look_the_same() {
    let stage = Stage::new().await;
    let wrong = stage
        .request("GET /cockpit/login", &[&basic("ada", "x")], "")
        .await;
    let unknown = stage
        .request("GET /cockpit/login", &[&basic("nobody", "hunter2")], "")
        .await;

    assert_eq!((wrong.status, wrong.reason.as_str()), (401, "authentication-failed"));
    assert_eq!(unknown.status, wrong.status);
    assert_eq!(unknown.reason, wrong.reason);
    assert_eq!(unknown.body, wrong.body);
    let without_date = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        headers.remove("date");
        headers
    };
    assert_eq!(without_date(&unknown), without_date(&wrong));
}

#[tokio::test]
async fn a_refused_account_is_told_why() {
    let stage = Stage::new().await;
    let answer = stage
        .request("GET /cockpit/login", &[&basic("old", "x")], "")
        .await;

    assert_eq!((answer.status, answer.reason.as_str()), (403, "access-denied"));
    assert_eq!(answer.json(), json!({ "problem": "access-denied", "message": "run out" }));
}

#[tokio::test]
async fn schemes_that_we_do_not_speak_are_refused() {
    let stage = Stage::new().await;
    for scheme in ["Negotiate YTpi", "tls-cert", "Bearer x"] {
        let header = format!("Authorization: {scheme}");
        let answer = stage.request("GET /cockpit/login", &[&header], "").await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.reason, "authentication-not-supported", "{scheme}");
    }
}

#[tokio::test]
async fn prompts_are_asked_one_by_one_and_answered_together() {
    let mut stage = Stage::new().await;
    let first = stage
        .request("GET /cockpit/login", &[&basic("otp", "x")], "")
        .await;
    assert_eq!(first.status, 401);
    let asked = json!({ "prompt": "First code: ", "echo": false, "error": "expired" });
    assert_eq!(first.json(), asked);

    let second = stage
        .request("GET /cockpit/login", &[&conversation(&first, "one")], "")
        .await;
    assert_eq!(second.json(), json!({ "prompt": "Second code: ", "echo": true }));

    let last = stage
        .request("GET /cockpit/login", &[&conversation(&second, "two")], "")
        .await;
    assert_eq!(last.status, 200);
    let _bridge = stage.next_bridge().await;

    let replayed = stage
        .request("GET /cockpit/login", &[&conversation(&second, "two")], "")
        .await;
    assert_eq!(replayed.status, 401);
}

#[tokio::test]
async fn a_prompt_that_nobody_answers_ends() {
    let mut stage =
        Stage::with(|config| config.logins.conversation_idle = Duration::from_millis(50)).await;
    let asked = stage
        .request("GET /cockpit/login", &[&basic("otp", "x")], "")
        .await;
    tokio::time::timeout(Duration::from_secs(5), async {
        while stage.server.logins.slots.try_take(source()).is_none()
            || stage.server.logins.conversations.count() > 0
        {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();

    let late = stage
        .request("GET /cockpit/login", &[&conversation(&asked, "one")], "")
        .await;
    assert_eq!((late.status, late.reason.as_str()), (401, "authentication-failed"));
    // The next login is as good as ever.
    let _session = stage.log_in().await;
}

fn source() -> crate::admission::Source {
    crate::admission::Source::of([127, 0, 0, 1].into())
}

#[tokio::test]
async fn the_form_does_without_scripts_what_the_headers_do() {
    let mut stage = Stage::new().await;
    let answer = stage
        .post("/cockpit/login", "user=ada&password=hunter2&next=/host/x")
        .await;
    assert_eq!((answer.status, answer.header("location")), (303, "/host/x"));
    let _bridge = stage.next_bridge().await;

    let cookie = format!("Cookie: {}", answer.cookie());
    assert_eq!(
        stage
            .request("GET /cockpit/login", &[&cookie], "")
            .await
            .status,
        200
    );

    let first = stage.post("/cockpit/login", "user=otp&password=x").await;
    assert_eq!(first.status, 200);
    let page = String::from_utf8(first.body).unwrap();
    let form = format!("conversation={}&answer=one", hidden_field(&page, "conversation"));
    let second = stage.post("/cockpit/login", &form).await;
    let page = String::from_utf8(second.body).unwrap();
    assert!(page.contains("Second code"), "{page}");
    let form = format!("conversation={}&answer=two", hidden_field(&page, "conversation"));
    assert_eq!(stage.post("/cockpit/login", &form).await.status, 303);
    let _bridge = stage.next_bridge().await;
}

#[tokio::test]
async fn the_form_of_a_packages_page_posts_to_its_own_address_which_keeps_what_follows_the_mark() {
    let mut stage = Stage::new().await;
    let address = "/@localhost/storage";
    let page = stage.request(&format!("GET {address}"), &[], "").await;
    let text = String::from_utf8(page.body).unwrap();
    assert!(text.contains("action=\"\""), "{text}");

    let wrong = stage
        .post(address, "user=ada&password=x&next=/@localhost/storage")
        .await;
    assert_eq!(wrong.status, 401);
    let text = String::from_utf8(wrong.body).unwrap();
    assert!(text.contains("action=\"\""), "{text}");
    let right = stage
        .post(address, "user=ada&password=hunter2&next=/@localhost/storage")
        .await;
    assert_eq!((right.status, right.header("location")), (303, address));
    let _bridge = stage.next_bridge().await;

    let foreign = stage
        .request(
            &format!("POST {address}"),
            &["Origin: https://evil.example"],
            "user=ada&password=hunter2",
        )
        .await;
    assert_eq!(foreign.status, 403);
}

#[tokio::test]
async fn a_form_leads_nowhere_else_and_shows_what_failed() {
    let mut stage = Stage::new().await;
    let form = "user=ada&password=hunter2&next=https://evil.example/";
    let answer = stage.post("/cockpit/login", form).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/"));
    let _bridge = stage.next_bridge().await;

    assert_eq!(
        stage
            .post("/cockpit/login", "user=ada&password=x")
            .await
            .status,
        401
    );
    assert_eq!(
        stage
            .post("/cockpit/login", "user=old&password=x")
            .await
            .status,
        403
    );
    assert_eq!(
        stage
            .post("/cockpit/login", "conversation=x&answer=x")
            .await
            .status,
        401
    );
    assert_eq!(
        stage
            .post("/cockpit/login", &"a".repeat(20_000))
            .await
            .status,
        413
    );
    let foreign = stage
        .request(
            "POST /cockpit/login",
            &["Origin: https://evil.example"],
            "user=ada&password=hunter2",
        )
        .await;
    assert_eq!(foreign.status, 403);
}

#[tokio::test]
async fn failures_of_one_source_are_limited() {
    let stage = Stage::new().await;
    for _ in 0..5 {
        assert_eq!(
            stage
                .request("GET /cockpit/login", &[&basic("ada", "x")], "")
                .await
                .status,
            401
        );
    }
    let limited = stage
        .request("GET /cockpit/login", &[&basic("ada", "hunter2")], "")
        .await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, "1"));
    assert_eq!(
        stage
            .post("/cockpit/login", "user=ada&password=x")
            .await
            .status,
        429
    );
}

#[tokio::test]
async fn a_browser_that_hangs_up_leaves_no_session_and_no_place_taken() {
    use tokio::io::AsyncWriteExt as _;

    let mut stage = Stage::new().await;
    let mut browser = tokio::net::TcpStream::connect(stage.address).await.unwrap();
    let text = format!(
        "GET /cockpit/login HTTP/1.1\r\nHost: {}\r\n{}\r\n\r\n",
        stage.address,
        basic("ada", "hunter2")
    );
    browser.write_all(text.as_bytes()).await.unwrap();
    drop(browser);

    let mut bridge = stage.next_bridge().await;
    let (cookie, _bridge) = stage.log_in().await;
    // Either the session began before the browser was missed, or its bridge sees the end.
    let ended = tokio::time::timeout(Duration::from_millis(200), bridge.next()).await;
    if let Ok(said) = ended {
        assert_eq!(said, None);
    }
    let answer = stage
        .request("GET /cockpit/login", &[&format!("Cookie: {cookie}")], "")
        .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn logout_needs_the_token_and_ends_the_session_everywhere() {
    let mut stage = Stage::new().await;
    let (cookie, mut bridge) = stage.log_in().await;
    let mut tabs = [stage.page(&cookie).await, stage.page(&cookie).await];
    let csrf = format!("X-CSRF-Token: {}", tabs[0].csrf);
    let cookie = format!("Cookie: {cookie}");

    let without = stage
        .request("POST /cockpit/logout", &[&stage.origin(), &cookie], "")
        .await;
    assert_eq!(without.status, 403);
    let foreign = ["Origin: https://evil.example", &cookie, &csrf];
    assert_eq!(
        stage
            .request("POST /cockpit/logout", &foreign, "")
            .await
            .status,
        403
    );
    assert_eq!(
        stage
            .request("GET /cockpit/login", &[&cookie], "")
            .await
            .status,
        200
    );

    let out = stage
        .request("POST /cockpit/logout", &[&stage.origin(), &cookie, &csrf], "")
        .await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(
        stage
            .request("GET /cockpit/login", &[&cookie], "")
            .await
            .status,
        401
    );
    for tab in &mut tabs {
        let (code, reason, _) = tab.closed().await;
        assert_eq!((code, reason.as_str()), (1001, "disconnected"));
    }
    assert_eq!(bridge.next().await, None);
}
