//! Why a machine could not be reached, and the one table of what a page is told about it.
//!
//! Stock pages know the words of docs/protocol.md and the fields `error`, `host-key`, `host-fingerprint` and
//! `auth-method-results`; people read `message`. Words of the machine in it are cleaned before they come here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use bridge::channel::Closed;
use protocol::control::SessionChoice;
use protocol::problem::Problem;

use crate::host_key::{HostKey, Refused};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Its name leads nowhere.
    #[error("{host} has no address: {why}")]
    NoAddress {
        /// The name.
        host: String,
        /// What the resolver says.
        why: String,
    },
    /// Nothing listens there, or no way leads there.
    #[error("{host} cannot be reached: {why}")]
    Unreachable {
        /// The host.
        host: String,
        /// What the kernel, or the jump host, says.
        why: String,
    },
    /// It took too long.
    #[error("{host} did not {stage} within {} s", limit.as_secs())]
    TimedOut {
        /// The host.
        host: String,
        /// What was waited for.
        stage: &'static str,
        /// How long.
        limit: Duration,
    },
    /// What listens there speaks no SSH, or breaks it.
    #[error("{host}: {why}")]
    Protocol {
        /// The host.
        host: String,
        /// What was wrong.
        why: String,
    },
    /// No algorithm is spoken at both ends.
    #[error("{host} offers no {kind} that is safe enough: it has {theirs}; {ours} are accepted")]
    NoCommonAlgorithm {
        /// The host.
        host: String,
        /// Of which kind.
        kind: &'static str,
        /// Its list.
        theirs: String,
        /// Ours.
        ours: String,
    },
    /// Its key is not believed.
    #[error("{why}")]
    HostKey {
        /// The host's name as stored keys have it, with its port.
        host: String,
        /// The verdict.
        why: Box<Refused>,
    },
    /// The answer about the key could not be stored, or was not about this key.
    #[error("the host key of {host} was not stored: {why}")]
    NotStored {
        /// The host.
        host: String,
        /// Why.
        why: String,
    },
    /// It does not believe the user.
    #[error("{}", denied(.0))]
    Denied(Box<Denied>),
    /// The connection broke before it was ready.
    #[error("the connection to {host} broke: {why}")]
    Broke {
        /// The host.
        host: String,
        /// What was seen of it.
        why: String,
    },
    /// No bridge could be started there.
    #[error("{host} has no bridge that could be started: {tried}")]
    NoBridge {
        /// The host.
        host: String,
        /// What was tried.
        tried: String,
    },
    /// The user's `~/.ssh/config` asks for something impossible.
    #[error("~/.ssh/config: {0}")]
    Config(String),
}

/// A login that was refused.
#[derive(Debug)]
pub(super) struct Denied {
    /// The host.
    pub(super) host: String,
    /// The user there.
    pub(super) user: String,
    /// What became of each method.
    pub(super) results: Results,
    /// A key that nobody unlocked.
    pub(super) locked: Option<String>,
    /// Whether a person would have been asked.
    pub(super) wanted_answers: Wanted,
    /// What ended the connection, if it did not end by our wish.
    pub(super) cut: Option<String>,
}

/// Whether somebody would have been asked, if there had been somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Yes.
    Answers,
    /// All was tried that could be.
    Nothing,
}

/// What became of each method of authentication, by the names and words of stock pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Results(BTreeMap<&'static str, &'static str>);

/// A method, by its name in [`Results`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Method {
    PublicKey,
    KeyboardInteractive,
    Password,
    Gssapi,
}

/// What became of a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    NoServerSupport,
    Denied,
    Partial,
    Succeeded,
}

impl Method {
    pub(super) const ALL: [Self; 4] =
        [Self::PublicKey, Self::KeyboardInteractive, Self::Password, Self::Gssapi];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PublicKey => "public-key",
            Self::KeyboardInteractive => "keyboard-interactive",
            Self::Password => "password",
            Self::Gssapi => "gssapi-mic",
        }
    }
}

impl Default for Results {
    fn default() -> Self {
        Self(
            Method::ALL
                .map(|method| (method.name(), "not-tried"))
                .into(),
        )
    }
}

impl Results {
    /// Notes what became of `method`.
    pub(super) fn note(&mut self, method: Method, fate: Fate) {
        let word = match fate {
            Fate::NoServerSupport => "no-server-support",
            Fate::Denied => "denied",
            Fate::Partial => "partial",
            Fate::Succeeded => "succeeded",
        };
        self.0.insert(method.name(), word);
    }
}

fn denied(denied: &Denied) -> String {
    let Denied { host, user, results, .. } = denied;
    let all: Vec<String> = results
        .0
        .iter()
        .map(|(method, fate)| format!("{method} {fate}"))
        .collect();
    let mut text = format!("{host} does not let {user} in ({})", all.join(", "));
    if let Some(path) = &denied.locked {
        let _to_a_text = write!(text, "; {path} is locked");
    }
    if let Some(cut) = &denied.cut {
        let _to_a_text = write!(text, "; it ended the connection: {cut}");
    }
    text
}

impl Failure {
    /// What a page is told. A key that no store knows has two words: stock pages ask only on a connection of their own.
    pub(super) fn into_closed(self, session: SessionChoice) -> Closed {
        let message = self.to_string();
        let problem = match &self {
            Self::NoAddress { .. } | Self::Unreachable { .. } => Problem::NoHost,
            Self::TimedOut { .. } => Problem::Timeout,
            Self::Protocol { .. } | Self::Broke { .. } => Problem::Terminated,
            Self::NoCommonAlgorithm { .. } | Self::Config(_) => Problem::NotSupported,
            Self::HostKey { why, .. } => match (&**why, session) {
                (Refused::Unknown(_), SessionChoice::Shared) => Problem::UnknownHost,
                _ => why.problem(),
            },
            Self::NotStored { .. } => Problem::UnknownHostkey,
            Self::Denied(_) => Problem::AuthenticationFailed,
            Self::NoBridge { .. } => Problem::NoCockpit,
        };
        let closed = Closed::new(problem, message);
        match self {
            Self::HostKey { host, why } => match shown_key(&why) {
                Some(key) => closed
                    .with("host-key", format!("{host} {} {}", key.kind(), key.base64()))
                    .with("host-fingerprint", key.fingerprint().to_string())
                    .with("error", closed_error(&why)),
                None => closed.with("error", closed_error(&why)),
            },
            Self::Denied(denied) => {
                let results: serde_json::Map<_, _> = denied
                    .results
                    .0
                    .iter()
                    .map(|(method, fate)| ((*method).to_owned(), (*fate).into()))
                    .collect();
                let closed = closed.with("auth-method-results", results);
                match (denied.locked, denied.wanted_answers) {
                    (Some(path), _) => closed.with("error", format!("locked identity: {path}")),
                    (None, Wanted::Answers) => {
                        closed.with("error", "no authentication methods left")
                    }
                    (None, Wanted::Nothing) => closed.with("error", "Permission denied"),
                }
            }
            Self::NoAddress { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Protocol { .. }
            | Self::NoCommonAlgorithm { .. }
            | Self::NotStored { .. }
            | Self::Broke { .. }
            | Self::NoBridge { .. }
            | Self::Config(_) => closed,
        }
    }
}

fn closed_error(why: &Refused) -> &'static str {
    match why {
        Refused::Unknown(_) => "unknown host key",
        Refused::Changed(_) => "host key has changed",
        Refused::Revoked(_) => "host key is revoked",
        Refused::Damaged(_) => "stored host keys are damaged",
        Refused::Unusable(_) => "host key cannot be used",
    }
}

/// The key that the machine showed, when it is one that can be shown.
fn shown_key(why: &Refused) -> Option<&HostKey> {
    match why {
        Refused::Unknown(unknown) => Some(unknown.key()),
        Refused::Changed(changed) => Some(changed.key()),
        Refused::Revoked(revoked) => Some(&revoked.key),
        Refused::Damaged(_) | Refused::Unusable(_) => None,
    }
}
