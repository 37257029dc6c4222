//! Superuser access as a page turns it on and off: by the internal object `/superuser`.
#![expect(clippy::missing_errors_doc, reason = "an error here is what a test asks for")]

use serde_json::{Value, json};
use support::page::Page;

const OBJECT: &str = "/superuser";
const INTERFACE: &str = "cockpit.Superuser";

/// A page that has the object open.
pub struct Access {
    /// The page.
    pub page: Page,
    channels: u32,
}

/// What the object said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It asks something.
    Prompt {
        /// What it is about.
        message: String,
        /// The question.
        prompt: String,
        /// Whether the answer may be seen.
        echo: bool,
        /// What went wrong before.
        error: String,
    },
    /// The start of this id succeeded.
    Started(String),
    /// The start of this id failed, and why.
    Refused(String, String),
}

impl Said {
    /// The words of a refusal.
    pub fn refusal(&self) -> &str {
        match self {
            Self::Refused(_, words) => words,
            Self::Prompt { .. } | Self::Started(_) => panic!("a refusal expected, not {self:?}"),
        }
    }

    /// Message, question and error of a prompt.
    pub fn prompt(&self) -> (&str, &str, &str) {
        match self {
            Self::Prompt { message, prompt, error, .. } => (message, prompt, error),
            Self::Refused(..) | Self::Started(_) => panic!("a prompt expected, not {self:?}"),
        }
    }
}

impl Access {
    /// Opens the object in `page`.
    pub async fn open(mut page: Page) -> Self {
        page.open("su", json!({ "payload": "dbus-json3", "bus": "internal" }))
            .await;
        page.ready("su").await;
        let mut access = Self { page, channels: 0 };
        access
            .say(&json!({ "add-match": { "interface": INTERFACE } }))
            .await;
        access
    }

    async fn say(&mut self, message: &Value) {
        self.page.data("su", message.to_string().as_bytes()).await;
    }

    async fn call(&mut self, id: &str, method: &str, arguments: Value) {
        self.say(&json!({ "call": [OBJECT, INTERFACE, method, arguments], "id": id }))
            .await;
    }

    /// Begins to turn access on.
    pub async fn start(&mut self, id: &str, method: &str) {
        self.call(id, "Start", json!([method])).await;
    }

    /// Answers the last question.
    pub async fn answer(&mut self, answer: &str) {
        self.call("-answer", "Answer", json!([answer])).await;
    }

    /// Turns access off; returns when that was done.
    pub async fn stop(&mut self) {
        self.call("-stop", "Stop", json!([])).await;
    }

    /// The next thing that the object says of questions and starts.
    pub async fn next(&mut self) -> Said {
        loop {
            let message = self.page.next_json("su").await;
            let text = |at: &str| {
                let text = message.pointer(at).and_then(Value::as_str);
                text.map(str::to_owned).expect("a text")
            };
            if message
                .pointer("/signal/2")
                .is_some_and(|member| member == "Prompt")
            {
                return Said::Prompt {
                    message: text("/signal/3/0"),
                    prompt: text("/signal/3/1"),
                    echo: message
                        .pointer("/signal/3/3")
                        .and_then(Value::as_bool)
                        .expect("echo"),
                    error: text("/signal/3/4"),
                };
            }
            let Some(id) = message.get("id").and_then(Value::as_str) else { continue };
            if id.starts_with('-') {
                assert!(message.get("error").is_none(), "{message}");
            } else if message.get("error").is_some() {
                return Said::Refused(id.to_owned(), text("/error/1/0"));
            } else if message.get("reply").is_some() {
                return Said::Started(id.to_owned());
            }
        }
    }

    /// A property's value, unwrapped.
    pub async fn property(&mut self, name: &str) -> Value {
        let get = json!({ "call": [OBJECT, "org.freedesktop.DBus.Properties", "Get", [INTERFACE, name]],
            "id": "property" });
        self.say(&get).await;
        loop {
            let message = self.page.next_json("su").await;
            if message.get("id").is_some_and(|id| id == "property") {
                return message.pointer("/reply/0/0/v").cloned().expect("a value");
            }
        }
    }

    /// Who a program with `superuser` runs as; the problem when it does not run.
    pub async fn whoami(&mut self) -> Result<String, String> {
        self.channels += 1;
        let channel = format!("whoami{}", self.channels);
        let options =
            json!({ "payload": "stream", "spawn": ["id", "-un"], "superuser": "require" });
        self.page.open(&channel, options).await;
        let seen = self.page.converse(&channel).await;
        match seen.problem() {
            None => Ok(seen.text().trim().to_owned()),
            Some(problem) => Err(problem.to_owned()),
        }
    }
}
