//! Other machines as a page meets them, with a way to them that is scripted and bridges that are real.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test that cannot go on fails"
)]

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bridge::channel::Closed;
use bridge::inherited::Inherited;
use bridge::link::Link;
use bridge::peer::remote::dialogue::{Answer, Ask, Dialogue, Unanswered};
use bridge::peer::remote::{Destination, Reach, Reached, Reaching};
use protocol::problem::Problem;
use serde_json::json;
use support::page::Page;
use tokio::sync::Mutex;

/// What a machine's end of a link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Machine {
    /// A bridge runs there.
    Honest,
    /// It asks for a password first.
    Asks,
    /// Its bridge says what no bridge may say.
    Hostile,
    /// What reaches it has a mistake.
    Panics,
}

#[derive(Debug)]
struct Scripted {
    machine: Machine,
    reached: AtomicUsize,
    /// Our end of the last link: dropping it is a cut cable.
    last: Arc<Mutex<Option<UnixStream>>>,
}

impl Scripted {
    fn new(machine: Machine) -> Arc<Self> {
        Arc::new(Self { machine, reached: AtomicUsize::new(0), last: Arc::default() })
    }
}

impl Reach for Scripted {
    fn reach(&self, destination: Destination, dialogue: Dialogue) -> Reaching {
        self.reached.fetch_add(1, Ordering::Relaxed);
        let machine = self.machine;
        let last = Arc::clone(&self.last);
        Box::pin(async move {
            assert!(machine != Machine::Panics, "a mistake");
            if machine == Machine::Asks {
                let ask = Ask::Password {
                    host: destination.host.to_string(),
                    user: "ada".to_owned(),
                    error: String::new(),
                };
                match dialogue.ask(ask).await {
                    Ok(Answer::Responses(given)) if given[0].expose() == b"sesame" => {}
                    Ok(_) | Err(Unanswered::NobodyThere | Unanswered::GivenUp) => {
                        return Err(Closed::new(Problem::AuthenticationFailed, "no password")
                            .with("auth-method-results", json!({ "password": "denied" })));
                    }
                }
            }
            let (ours, theirs) = UnixStream::pair().unwrap();
            *last.lock().await = Some(theirs.try_clone().unwrap());
            if machine == Machine::Hostile {
                tokio::spawn(hostile(theirs));
            } else {
                tokio::spawn(async move {
                    bridge::run(Link::from_socket(theirs).unwrap(), Inherited::default()).await
                });
            }
            Ok(Reached::Bridge(Link::from_socket(ours).unwrap()))
        })
    }
}

/// Greets, answers each `open` with messages about what is not its own, and then with `ready`.
async fn hostile(socket: UnixStream) {
    let mut page = Page::new(socket);
    page.control(&json!({ "command": "init", "version": 1 }))
        .await;
    loop {
        match page.next_control().await {
            protocol::control::Control::Open(open) => {
                let channel = open.channel.as_str().to_owned();
                for message in [
                    json!({ "command": "close", "channel": "mine", "problem": "internal-error" }),
                    json!({ "command": "ready", "channel": "mine", "stolen": true }),
                    json!({ "command": "init", "version": 1, "host": "evil" }),
                    json!({ "command": "logout", "disconnect": true }),
                    json!({ "command": "logout", "channel": channel }),
                    json!({ "command": "kill", "group": "default" }),
                    json!({ "command": "open", "channel": channel, "payload": "echo" }),
                    json!({ "command": "superuser-init-done" }),
                    json!({ "command": "authorize", "cookie": "c", "challenge": "plain1:" }),
                ] {
                    page.control(&message).await;
                }
            }
            protocol::control::Control::Authorize { response, cookie, .. } => {
                assert_eq!((response.as_deref(), cookie.as_deref()), (Some(""), Some("c")));
                page.control(&json!({ "command": "ready", "channel": "there" }))
                    .await;
            }
            _ => {}
        }
    }
}

async fn page_with(reach: Arc<Scripted>) -> Page {
    let (mut page, theirs) = Page::pair();
    tokio::spawn(async move {
        let link = Link::from_socket(theirs).unwrap();
        bridge::run_and_reach(link, Inherited::default(), Some(reach)).await
    });
    page.greet().await;
    page
}

async fn echo(page: &mut Page, channel: &str, options: serde_json::Value) {
    let mut open = json!({ "payload": "echo" });
    open.as_object_mut()
        .unwrap()
        .extend(options.as_object().unwrap().clone());
    page.open(channel, open).await;
    page.ready(channel).await;
    page.data(channel, b"there and back").await;
    assert_eq!(&page.next_data(channel).await[..], b"there and back");
}

#[tokio::test]
async fn a_bridge_without_a_way_says_no_host_and_a_bad_name_is_not_supported() {
    let (mut page, theirs) = Page::pair();
    tokio::spawn(async move {
        bridge::run(Link::from_socket(theirs).unwrap(), Inherited::default()).await
    });
    page.greet().await;

    page.open("1", json!({ "payload": "echo", "host": "web1" }))
        .await;
    assert_eq!(page.converse("1").await.problem(), Some("no-host"));
    for host in ["-oProxyCommand=x", "a b", "$(id)", "", "web1:0"] {
        page.open("2", json!({ "payload": "echo", "host": host }))
            .await;
        assert_eq!(page.converse("2").await.problem(), Some("not-supported"), "{host}");
    }
}

#[tokio::test]
async fn channels_to_one_host_as_one_user_share_a_connection() {
    let reach = Scripted::new(Machine::Honest);
    let mut page = page_with(Arc::clone(&reach)).await;

    echo(&mut page, "1", json!({ "host": "web1" })).await;
    echo(&mut page, "2", json!({ "host": "web1", "superuser": "try" })).await;
    assert_eq!(reach.reached.load(Ordering::Relaxed), 1);
    echo(&mut page, "3", json!({ "host": "ada@web1" })).await;
    echo(&mut page, "4", json!({ "host": "web1", "user": "ada" })).await;
    assert_eq!(reach.reached.load(Ordering::Relaxed), 2);
    echo(&mut page, "5", json!({ "host": "web1", "session": "private" })).await;
    assert_eq!(reach.reached.load(Ordering::Relaxed), 3);
    echo(&mut page, "6", json!({ "host": "web1", "session": "private" })).await;
    assert_eq!(reach.reached.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn kill_ends_the_channels_and_connections_of_that_host_alone() {
    let reach = Scripted::new(Machine::Honest);
    let mut page = page_with(Arc::clone(&reach)).await;
    echo(&mut page, "1", json!({ "host": "web1" })).await;
    echo(&mut page, "2", json!({ "host": "web2" })).await;
    echo(&mut page, "3", json!({})).await;

    page.control(&json!({ "command": "kill", "host": "web1" }))
        .await;

    assert_eq!(page.converse("1").await.problem(), Some("terminated"));
    for channel in ["2", "3"] {
        page.data(channel, b"still here").await;
        assert_eq!(&page.next_data(channel).await[..], b"still here");
    }
    echo(&mut page, "4", json!({ "host": "web1" })).await;
    assert_eq!(reach.reached.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn without_a_page_that_answers_a_question_is_a_problem_with_its_fields() {
    let mut page = page_with(Scripted::new(Machine::Asks)).await;

    page.open("1", json!({ "payload": "echo", "host": "web1" }))
        .await;
    let seen = page.converse("1").await;

    assert_eq!(seen.problem(), Some("authentication-failed"));
    assert_eq!(seen.close["auth-method-results"], json!({ "password": "denied" }));
}

#[tokio::test]
async fn a_login_asks_tells_its_state_and_lends_its_connection() {
    let reach = Scripted::new(Machine::Asks);
    let mut page = page_with(Arc::clone(&reach)).await;

    page.open("login", json!({ "payload": "host-login", "to": "web1" }))
        .await;
    page.ready("login").await;
    assert_eq!(page.next_json("login").await, json!({ "state": "connecting" }));
    let question = page.next_json("login").await["question"].clone();
    assert_eq!(
        question,
        json!({ "id": 1, "kind": "password", "host": "web1", "user": "ada", "error": "" })
    );
    // An answer to another question is nobody's.
    page.data("login", br#"{"answer":{"id":7,"responses":["wrong"]}}"#)
        .await;
    page.data("login", br#"{"answer":{"id":1,"responses":["sesame"]}}"#)
        .await;
    assert_eq!(page.next_json("login").await, json!({ "state": "connected" }));
    echo(&mut page, "1", json!({ "host": "web1" })).await;
    assert_eq!(reach.reached.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_login_that_is_given_up_is_closed_with_what_was_missing() {
    let mut page = page_with(Scripted::new(Machine::Asks)).await;
    page.open("login", json!({ "payload": "host-login", "to": "web1" }))
        .await;
    page.next_json("login").await;
    page.next_json("login").await;

    page.data("login", br#"{"answer":{"id":1}}"#).await;

    assert_eq!(page.converse("login").await.problem(), Some("authentication-failed"));
}

#[tokio::test]
async fn a_cut_connection_closes_its_channels_and_an_open_login_makes_it_anew() {
    let reach = Scripted::new(Machine::Honest);
    let mut page = page_with(Arc::clone(&reach)).await;
    page.open("login", json!({ "payload": "host-login", "to": "web1" }))
        .await;
    while page.next_json("login").await["state"] != "connected" {}
    echo(&mut page, "1", json!({ "host": "web1" })).await;
    echo(&mut page, "2", json!({})).await;

    let cut = reach.last.lock().await.take().unwrap();
    cut.shutdown(std::net::Shutdown::Both).unwrap();

    assert_eq!(page.converse("1").await.problem(), Some("terminated"));
    let told = page.next_json("login").await;
    assert_eq!((&told["state"], &told["in"]), (&json!("reconnecting"), &json!(1)), "{told}");
    while page.next_json("login").await["state"] != "connected" {}
    echo(&mut page, "3", json!({ "host": "web1" })).await;
    page.data("2", b"untouched").await;
    assert_eq!(&page.next_data("2").await[..], b"untouched");
}

#[tokio::test]
async fn a_hostile_bridge_speaks_about_its_own_channels_alone() {
    let mut page = page_with(Scripted::new(Machine::Hostile)).await;
    echo(&mut page, "mine", json!({})).await;

    page.open("there", json!({ "payload": "echo", "host": "web1" }))
        .await;
    // What it says before this `ready` about the session, the link and others is never heard.
    match page.next_control().await {
        protocol::control::Control::Ready { channel, fields } => {
            assert_eq!(channel.as_str(), "there");
            assert!(fields.is_empty(), "{fields:?}");
        }
        other => panic!("{other:?}"),
    }
    page.data("mine", b"still mine").await;
    assert_eq!(&page.next_data("mine").await[..], b"still mine");
}

#[tokio::test]
async fn a_mistake_in_one_connection_ends_that_one_alone() {
    let mut page = page_with(Scripted::new(Machine::Panics)).await;
    echo(&mut page, "mine", json!({})).await;

    page.open("there", json!({ "payload": "echo", "host": "web1" }))
        .await;

    assert_eq!(page.converse("there").await.problem(), Some("internal-error"));
    page.data("mine", b"still here").await;
    assert_eq!(&page.next_data("mine").await[..], b"still here");
}
