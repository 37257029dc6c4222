//! What is asked and told while a machine is being reached, and what a person answers.
//!
//! The one who connects holds a [`Dialogue`]; whoever looks at the connection in a page (the channel `host-login`) takes
//! the questions out and brings answers back. Without such a page nothing can be asked, and the attempt fails with what it
//! would have asked for. Words that come from the other machine are cleaned before they are put in (T43).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::secret::Secret;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

use crate::channel::Closed;

/// How long a person may take for one question.
pub const ANSWER_TIME: Duration = Duration::from_mins(5);

/// Questions and warnings that may wait for one page.
pub const SAID_WAITING: usize = 64;

/// How far a connection is.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// A connection is being made, hop by hop.
    Connecting,
    /// The machine has shown its key, which is being looked up.
    Verifying,
    /// The user is proving who they are.
    Authenticating,
    /// A bridge is being started there, or sent.
    Starting,
    /// A bridge runs there.
    Connected,
    /// No bridge can run there; terminals can.
    TerminalsOnly(Closed),
    /// It broke, or never was.
    Ended(Closed),
    /// It was ended because somebody wanted it, or nobody used it.
    EndedOnWish(Closed),
}

/// What is said to a page.
#[derive(Debug)]
pub enum Said {
    /// A question, which waits for its answer.
    Question(Question),
    /// Something that the user should know: a line of their configuration that is not honoured, a machine's banner.
    Warning(Warning),
}

/// Something that the user should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The machine that says it; `None` when it is ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its text, as text.
    pub text: String,
}

/// A question for a person.
#[derive(Debug)]
pub struct Question {
    /// What is asked.
    pub ask: Ask,
    /// Where the answer goes; dropping it gives up.
    pub answer: oneshot::Sender<Answer>,
}

/// What is asked, as a page gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Ask {
    /// Whether this is the key of that machine. Made by us from the raw key; nothing in it is the machine's words (T23).
    HostKey {
        /// The host as it was typed.
        host: String,
        /// What it was resolved to, with the port.
        address: String,
        /// `ssh-ed25519`.
        key_type: String,
        /// As `ssh-keygen -l` prints it.
        fingerprint: String,
        /// The key itself; the answer must hold the same.
        key: String,
        /// Names under which the same key is stored already.
        known_as: Vec<String>,
    },
    /// The user's password there.
    Password {
        /// The host as it was typed.
        host: String,
        /// The user there.
        user: String,
        /// What became of the last answer; may be empty.
        error: String,
    },
    /// What the machine itself asks: its words.
    KeyboardInteractive {
        /// The host as it was typed.
        host: String,
        /// The user there.
        user: String,
        /// The machine's words about all of it; may be empty.
        message: String,
        /// One answer is wanted for each.
        prompts: Vec<Prompt>,
        /// What became of the last answers; may be empty.
        error: String,
    },
    /// What unlocks a key file of the user.
    Passphrase {
        /// The key's file.
        path: String,
        /// What became of the last answer; may be empty.
        error: String,
    },
}

/// One prompt of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Prompt {
    /// The machine's words.
    pub prompt: String,
    /// Whether the answer may be seen while it is typed.
    pub echo: bool,
}

/// What a person answers.
#[derive(Debug)]
pub enum Answer {
    /// The key is the machine's.
    HostKey {
        /// The key that was shown, unchanged.
        key: String,
        /// For whom it is stored.
        store: Store,
    },
    /// One for each prompt; a password is one prompt.
    Responses(Vec<Secret>),
    /// What unlocks a key file.
    Passphrase {
        /// The passphrase.
        passphrase: Secret,
        /// What becomes of the key then.
        keep: Keep,
    },
}

/// What becomes of a key that was unlocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It is used for this login alone.
    No,
    /// The user's ssh-agent keeps it until logout.
    InAgent,
}

/// For whom a host key is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Store {
    /// For the one who answers.
    Me,
    /// For everybody on this management server.
    Everybody,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// No page looks at this connection.
    NobodyThere,
    /// The page gave up, or nobody answered in time.
    GivenUp,
}

/// The one who connects says and asks by this. Cheap to clone.
#[derive(Clone)]
pub struct Dialogue {
    progress: watch::Sender<Progress>,
    page: Arc<Mutex<Option<mpsc::Sender<Said>>>>,
}

impl Dialogue {
    /// A dialogue that nobody listens to yet, and what it tells.
    pub fn new() -> (Self, watch::Receiver<Progress>) {
        let (progress, receiver) = watch::channel(Progress::Connecting);
        (Self { progress, page: Arc::default() }, receiver)
    }

    /// From now on `page` is asked, if no other page is.
    pub fn ask_at(&self, page: &mpsc::Sender<Said>) {
        let mut current = self.page();
        if current.as_ref().is_none_or(mpsc::Sender::is_closed) {
            *current = Some(page.clone());
        }
    }

    /// Whether a page is there to be asked.
    pub fn is_heard(&self) -> bool {
        self.page().as_ref().is_some_and(|page| !page.is_closed())
    }

    /// Tells how far the connection is.
    pub fn progress(&self, progress: Progress) {
        self.progress.send_replace(progress);
    }

    /// Tells something that the user should know. Nobody may be there to read it.
    pub fn warn(&self, warning: Warning) {
        if let Some(page) = &*self.page() {
            let _a_page_that_does_not_read_misses_it = page.try_send(Said::Warning(warning));
        }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    ///
    /// [`Unanswered`] when there is none.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, Unanswered> {
        let page = self.page().clone().ok_or(Unanswered::NobodyThere)?;
        let (answer, answered) = oneshot::channel();
        page.send(Said::Question(Question { ask, answer }))
            .await
            .map_err(|_| Unanswered::NobodyThere)?;
        match tokio::time::timeout(ANSWER_TIME, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(Unanswered::GivenUp),
        }
    }

    fn page(&self) -> MutexGuard<'_, Option<mpsc::Sender<Said>>> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Dialogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialogue").finish_non_exhaustive()
    }
}
