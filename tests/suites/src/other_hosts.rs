//! Other machines as a page reaches them: a login with a person who answers, and programs that run there.

#![expect(clippy::missing_errors_doc, reason = "an error here is what a test asks for")]

use machines::Machine;
use protocol::json::Fields;
use serde_json::{Value, json};
use support::page::{Conversation, Page};

/// The password of users on other machines.
pub const THERE: &str = "open sesame";

/// What a person says to a machine's questions.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// Answers to everything but host keys, in order.
    pub answers: Vec<&'static str>,
    /// Whether unlocked keys are to be kept.
    pub keep: bool,
}

impl Person {
    /// A person who answers so, and keeps nothing.
    pub fn who_says(answers: &[&'static str]) -> Self {
        Self { answers: answers.to_vec(), keep: false }
    }
}

/// What became of a login.
#[derive(Debug)]
pub struct Login {
    /// What was asked, in order.
    pub asked: Vec<Value>,
    /// What was to be known.
    pub warnings: Vec<Value>,
    /// The last state.
    pub state: String,
    /// How the channel was closed, if it was.
    pub closed: Option<Fields>,
}

impl Login {
    /// The kinds of the questions.
    pub fn kinds(&self) -> Vec<&str> {
        self.asked
            .iter()
            .filter_map(|question| question["kind"].as_str())
            .collect()
    }

    /// The problem of a login that failed.
    pub fn problem(&self) -> Option<&str> {
        self.closed.as_ref()?.get("problem")?.as_str()
    }
}

/// A machine with `ada` and a bridge.
pub fn with_bridge(machine: Machine) -> Machine {
    machine
        .runs_what_was_built_here()
        .user("ada", THERE)
        .copy_of(crate::program("pilothouse-bridge"), "/usr/local/bin/pilothouse-bridge", 0o755)
}

/// Logs in to `to` on `channel`, accepts its key, and answers as `person` does until it is connected or refused.
pub async fn log_in(page: &mut Page, channel: &str, to: &str, person: Person) -> Login {
    page.open(channel, json!({ "payload": "host-login", "to": to }))
        .await;
    let mut answers = person.answers.into_iter();
    let mut login =
        Login { asked: Vec::new(), warnings: Vec::new(), state: String::new(), closed: None };
    page.ready(channel).await;
    loop {
        let message = match page.next_data_or_close(channel).await {
            Ok(data) => serde_json::from_slice::<Value>(&data).expect("JSON"),
            Err(closed) => {
                login.closed = Some(closed);
                return login;
            }
        };
        if let Some(question) = message.get("question") {
            let id = &question["id"];
            let answer = if question["kind"] == "host-key" {
                json!({ "id": id, "key": question["key"], "store": "me" })
            } else {
                match answers.next() {
                    Some(answer) if question["kind"] == "passphrase" => {
                        json!({ "id": id, "passphrase": answer, "keep": person.keep })
                    }
                    Some(answer) => json!({ "id": id, "responses": [answer] }),
                    None => json!({ "id": id }),
                }
            };
            login.asked.push(question.clone());
            page.data(channel, json!({ "answer": answer }).to_string().as_bytes())
                .await;
        } else if let Some(warning) = message.get("warning") {
            login.warnings.push(warning.clone());
        } else {
            login.state = message
                .get("state")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            if matches!(login.state.as_str(), "connected" | "terminals-only") {
                return login;
            }
        }
    }
}

/// The output of a program on `host`, or how its channel was closed.
pub async fn spawn(
    page: &mut Page,
    channel: &str,
    host: &str,
    argv: &[&str],
) -> Result<String, Conversation> {
    page.open(channel, json!({ "payload": "stream", "spawn": argv, "host": host }))
        .await;
    let seen = page.converse(channel).await;
    match seen.problem() {
        None => Ok(seen.text().trim().to_owned()),
        Some(_) => Err(seen),
    }
}
