//! Logins that wait for the answer to a prompt.
//!
//! Each has an id of 256 random bits, belongs to the source it began at, and ends when nobody answers in time; its
//! helper ends with it. There are never more than there are places for helpers, and [`MAX_WAITING`] in all. Caller:
//! [`super::Logins`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::attempt::Attempt;

/// The name of one waiting login; whoever has it may answer.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ConversationId([u8; 32]);

impl std::fmt::Debug for ConversationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConversationId(..)")
    }
}

impl ConversationId {
    fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Reads what [`Self::text`] wrote.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// The id as it stands in headers and forms.
    pub(crate) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// All that wait.
#[derive(Debug)]
pub(crate) struct Conversations {
    idle: Duration,
    waiting: Mutex<HashMap<ConversationId, Attempt>>,
}

/// Why a login cannot wait.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ParkError {
    /// [`MAX_WAITING`] wait already.
    #[error("too many conversations")]
    TooMany,
    /// The kernel gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

impl Conversations {
    /// None; each may wait for `idle`.
    pub(crate) fn new(idle: Duration) -> Arc<Self> {
        Arc::new(Self { idle, waiting: Mutex::default() })
    }

    /// Lets a login wait for its answer.
    ///
    /// # Errors
    ///
    /// [`ParkError`]; the login is over.
    pub(crate) fn park(self: &Arc<Self>, attempt: Attempt) -> Result<ConversationId, ParkError> {
        let id = ConversationId::random()?;
        {
            let mut waiting = self.lock();
            if waiting.len() >= MAX_WAITING {
                return Err(ParkError::TooMany);
            }
            waiting.insert(id.clone(), attempt);
        }
        let (conversations, expiring) = (Arc::downgrade(self), id.clone());
        let idle = self.idle;
        tokio::spawn(async move {
            tokio::time::sleep(idle).await;
            let forgotten = conversations
                .upgrade()
                .and_then(|conversations| conversations.lock().remove(&expiring));
            if let Some(attempt) = forgotten {
                tracing::info!(source = %attempt.source(), "nobody answered a login prompt");
            }
        });
        Ok(id)
    }

    /// Takes a waiting login out to answer it; `None` when there is none, or it began at another address.
    pub(crate) fn resume(&self, id: &ConversationId, source: std::net::IpAddr) -> Option<Attempt> {
        let mut waiting = self.lock();
        if waiting.get(id)?.source() != source {
            return None;
        }
        waiting.remove(id)
    }

    /// Ends a waiting login.
    pub(crate) fn forget(&self, id: &ConversationId) {
        let forgotten = self.lock().remove(id);
        drop(forgotten);
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConversationId, Attempt>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Most logins that wait for an answer (T35).
const MAX_WAITING: usize = 64;
