//! `host-login`: connects to another machine with a person in front of it, and tells how the connection is.
//!
//! The page gets what the machine wants to know, and answers; other channels then use the same connection. While this
//! channel is open a connection that breaks is made again. Text: docs/protocol.md, "host-login".

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use protocol::control::SessionChoice;
use protocol::json::{self, Fields};
use protocol::problem::Problem;
use protocol::secret::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::Bridge;
use crate::channel::{Channel, Closed};
use crate::peer::remote::connections::{Attempt, Beginning, Connection, Key};
use crate::peer::remote::dialogue::{
    Answer, Ask, Keep, Progress, SAID_WAITING, Said, Store, Warning,
};
use crate::port::{Incoming, Port, Receiver, Sender};

/// How long is waited before the first attempt after a connection broke.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait between attempts: a machine that is back is connected again within it (R6).
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// Most questions that are open at once: each hop asks one at a time.
const OPEN_QUESTIONS: usize = 8;

/// The kind.
#[derive(Debug)]
pub(super) struct HostLogin;

/// What it takes.
#[derive(Debug, Deserialize)]
pub(super) struct Options {
    /// The host, `[user@]host[:port]`, as later channels name it in `host`.
    to: String,
}

/// One answer of the page.
#[derive(Debug, Deserialize)]
struct AnswerMessage {
    id: u64,
    /// Of a host key.
    key: Option<String>,
    store: Option<Store>,
    /// Of a passphrase; whether the agent keeps the key.
    passphrase: Option<String>,
    #[serde(default)]
    keep: bool,
    /// Of all others.
    responses: Option<Vec<String>>,
}

/// A question as the page gets it.
#[derive(Debug, Serialize)]
struct Numbered<'a> {
    id: u64,
    #[serde(flatten)]
    ask: &'a Ask,
}

/// What one connection came to.
enum Outcome {
    /// It ended before it was there.
    Failed(Closed),
    /// It was there, and broke.
    Broke(Closed),
    /// Somebody ended it.
    EndedOnWish(Closed),
    /// The page is done.
    PageDone,
}

impl Channel for HostLogin {
    const KIND: &'static str = "host-login";
    type Options = Options;

    async fn run(options: Options, port: Port) -> Result<Fields, Closed> {
        let Port { receiver, sender, bridge } = port;
        let key = Key::new(&options.to, None, SessionChoice::Shared, sender.channel())?;
        let (page, said) = mpsc::channel(SAID_WAITING);
        let mut watched = Watched {
            bridge,
            key,
            page,
            said,
            receiver,
            sender,
            questions: HashMap::new(),
            next_id: 0,
        };
        watched.sender.ready(Fields::new());
        let ended = watched.run().await;
        watched.sender.done();
        ended
    }
}

/// One page that looks at one machine.
struct Watched {
    bridge: Arc<Bridge>,
    key: Key,
    page: mpsc::Sender<Said>,
    said: mpsc::Receiver<Said>,
    receiver: Receiver,
    sender: Sender,
    questions: HashMap<u64, oneshot::Sender<Answer>>,
    next_id: u64,
}

impl Watched {
    async fn run(&mut self) -> Result<Fields, Closed> {
        let mut wait = FIRST_WAIT;
        let mut was_there = false;
        loop {
            let beginning = Beginning { page: Some(self.page.clone()), ..Beginning::default() };
            let (connection, attempt) = self.bridge.connection(&self.key, beginning)?;
            let outcome = self.follow(&connection).await?;
            drop(connection);
            self.questions.clear();
            let last;
            match outcome {
                Outcome::PageDone => return Ok(Fields::new()),
                Outcome::EndedOnWish(why) => return Err(why),
                // Others may have begun it without a person to ask.
                Outcome::Failed(_) if attempt == Attempt::Joined => continue,
                Outcome::Failed(why) if !was_there || !may_pass(&why.problem) => return Err(why),
                Outcome::Failed(why) => last = why,
                Outcome::Broke(why) => {
                    was_there = true;
                    wait = FIRST_WAIT;
                    last = why;
                }
            }
            if !self.wait_before_the_next(wait, &last).await? {
                return Ok(Fields::new());
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Tells the page all of one connection until it has ended.
    async fn follow(&mut self, connection: &Arc<Connection>) -> Result<Outcome, Closed> {
        let _used = connection.watch();
        let mut progress = connection.progress();
        let mut was_there = false;
        progress.mark_changed();
        loop {
            tokio::select! {
                biased;
                Some(said) = self.said.recv() => self.tell(said)?,
                changed = changed(&mut progress) => match changed {
                    Progress::Ended(why) if was_there => return Ok(Outcome::Broke(why)),
                    Progress::Ended(why) => return Ok(Outcome::Failed(why)),
                    Progress::EndedOnWish(why) => return Ok(Outcome::EndedOnWish(why)),
                    current @ (Progress::Connected | Progress::TerminalsOnly(_)) => {
                        was_there = true;
                        self.send(&state(&current));
                    }
                    current @ (Progress::Connecting
                    | Progress::Verifying
                    | Progress::Authenticating
                    | Progress::Starting) => self.send(&state(&current)),
                },
                incoming = self.receiver.receive() => {
                    if !self.take(incoming)? {
                        return Ok(Outcome::PageDone);
                    }
                }
            }
        }
    }

    /// Counts down to the next attempt; false when the page is done meanwhile.
    async fn wait_before_the_next(&mut self, wait: Duration, why: &Closed) -> Result<bool, Closed> {
        let at = Instant::now() + wait;
        self.send(&json!({
            "state": "reconnecting",
            "in": wait.as_secs(),
            "problem": why.problem.code(),
            "message": why.message,
        }));
        loop {
            tokio::select! {
                () = sleep_until(at) => return Ok(true),
                incoming = self.receiver.receive() => {
                    if !self.take(incoming)? {
                        return Ok(false);
                    }
                }
            }
        }
    }

    fn tell(&mut self, said: Said) -> Result<(), Closed> {
        match said {
            Said::Warning(Warning { host, text }) => {
                self.send(&json!({ "warning": { "host": host, "text": text } }));
            }
            Said::Question(question) => {
                self.questions.retain(|_, answer| !answer.is_closed());
                if self.questions.len() >= OPEN_QUESTIONS {
                    return Err(Closed::new(Problem::TooLarge, "too many open questions"));
                }
                self.next_id += 1;
                let id = self.next_id;
                let numbered = serde_json::to_value(Numbered { id, ask: &question.ask });
                let numbered = numbered.unwrap_or(Value::Null);
                self.questions.insert(id, question.answer);
                self.send(&json!({ "question": numbered }));
            }
        }
        Ok(())
    }

    /// Takes what the page says; false when it is done.
    fn take(&mut self, incoming: Option<Incoming>) -> Result<bool, Closed> {
        match incoming {
            Some(Incoming::Data(data)) => {
                self.answer(&data)?;
                Ok(true)
            }
            Some(Incoming::Options(_) | Incoming::Other { .. }) => Ok(true),
            Some(Incoming::Done) | None => Ok(false),
        }
    }

    fn answer(&mut self, data: &[u8]) -> Result<(), Closed> {
        let wrong = |what: &str| Closed::protocol_error(format!("host-login: {what}"));
        let mut message = json::parse_object(data).map_err(|error| wrong(&error.to_string()))?;
        let answer = message
            .remove("answer")
            .ok_or_else(|| wrong("not an answer"))?;
        let answer: AnswerMessage = serde_json::from_value(answer)
            .map_err(|_| wrong("an answer with members of the wrong kind"))?;
        // An answer to a question that is over is late, not wrong.
        let Some(asked) = self.questions.remove(&answer.id) else { return Ok(()) };
        let taken = match (answer.key, answer.store, answer.passphrase, answer.responses) {
            (Some(key), Some(store), None, None) => Answer::HostKey { key, store },
            (None, None, Some(passphrase), None) => Answer::Passphrase {
                passphrase: Secret::from(passphrase),
                keep: if answer.keep { Keep::InAgent } else { Keep::No },
            },
            (None, None, None, Some(texts)) => {
                Answer::Responses(texts.into_iter().map(Secret::from).collect())
            }
            // Nothing but the id gives up.
            (None, None, None, None) => return Ok(()),
            _ => return Err(wrong("an answer that is not of one kind")),
        };
        let _given_up_meanwhile = asked.send(taken);
        Ok(())
    }

    fn send(&mut self, message: &Value) {
        self.sender.send_now(message.to_string().as_bytes());
    }
}

/// The next progress; pending for ever once there can be none.
async fn changed(progress: &mut watch::Receiver<Progress>) -> Progress {
    match progress.changed().await {
        Ok(()) => progress.borrow_and_update().clone(),
        Err(_) => Progress::Ended(Closed::new(Problem::Terminated, "the connection has ended")),
    }
}

fn state(progress: &Progress) -> Value {
    let name = match progress {
        Progress::Connecting => "connecting",
        Progress::Verifying => "verifying",
        Progress::Authenticating => "authenticating",
        Progress::Starting => "starting",
        Progress::Connected => "connected",
        Progress::TerminalsOnly(why) => {
            return json!({ "state": "terminals-only", "problem": why.problem.code(), "message": why.message });
        }
        Progress::Ended(_) | Progress::EndedOnWish(_) => "ended",
    };
    json!({ "state": name })
}

/// Whether a later attempt may succeed without a person doing something: the machine or the network are away.
fn may_pass(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::NoHost
            | Problem::Terminated
            | Problem::Timeout
            | Problem::Disconnected
            | Problem::UnknownHost
    )
}
