//! What a person may answer about a key that is not believed.
//!
//! The answer repeats the key it is about, so that it cannot be used for another one, and everything is checked again at the
//! moment it is stored (security rules T23 and T32).

use std::time::SystemTime;

use super::key::HostKey;
use super::note::{Note, one_line};
use super::refused::{Changed, Refused, Unknown};
use super::store::{Place, StoreError};
use super::verdict::{HostKeys, VerifiedHost};

/// Why an answer does not count.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// It is about another key than the one that was presented.
    #[error("the answer is about the key {}, the host presented {}", answer.fingerprint(), presented.fingerprint())]
    OtherKey {
        /// The key of the answer.
        answer: Box<HostKey>,
        /// The key of the host.
        presented: Box<HostKey>,
    },
    /// No reason was given for the replacement.
    #[error("a reason is needed to replace a host key")]
    NoReason,
    /// The stored key does not stand alone in the user's own file: it is everybody's, or a pattern names the host.
    #[error("the stored key at {0} can only be replaced there")]
    NotOwn(Place),
    /// It was not stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something else is stored by now.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl Unknown {
    /// Stores the presented key in the user's own file. Waits for a disk.
    ///
    /// # Errors
    ///
    /// [`AnswerError`]: nothing was stored, or what is stored by now does not vouch for the host.
    pub fn accept(
        self,
        answer: &HostKey,
        keys: &HostKeys,
        note: &Note,
    ) -> Result<VerifiedHost, AnswerError> {
        is_about(answer, self.key())?;
        match keys.verify(&self.presented, SystemTime::now()) {
            Ok(verified) => return Ok(verified),
            Err(Refused::Unknown(_)) => {}
            Err(refused) => return Err(refused.into()),
        }
        keys.own()
            .add_first(self.presented.host(), self.key(), note)?;
        Ok(keys.verify(&self.presented, SystemTime::now())?)
    }
}

impl Changed {
    /// Removes what the user's own file holds for the host and stores the presented key instead. Waits for a disk.
    ///
    /// # Errors
    ///
    /// [`AnswerError`]: nothing was replaced, or what is stored by now does not vouch for the host.
    pub fn replace(
        self,
        answer: &HostKey,
        keys: &HostKeys,
        note: &Note,
    ) -> Result<VerifiedHost, AnswerError> {
        is_about(answer, self.key())?;
        if note.reason.trim().is_empty() {
            return Err(AnswerError::NoReason);
        }
        let again = match keys.verify(&self.presented, SystemTime::now()) {
            Ok(verified) => return Ok(verified),
            Err(Refused::Changed(again)) => again,
            Err(refused) => return Err(refused.into()),
        };
        let is_foreign = |place: &Place| place.file != keys.own().path();
        let foreign = again
            .stored
            .iter()
            .find(|stored| is_foreign(&stored.place) && stored.key != *self.key());
        if let Some(stored) = foreign {
            return Err(AnswerError::NotOwn(stored.place.clone()));
        }
        if let Some(stays) = keys
            .own()
            .exchange(self.presented.host(), self.key(), note)?
        {
            return Err(AnswerError::NotOwn(stays));
        }
        tracing::warn!(
            audit = true,
            who = one_line(&note.who),
            host = %self.presented.host(),
            pinned = ?again.stored.iter().map(|stored| stored.key.fingerprint()).collect::<Vec<_>>(),
            presented = %self.key().fingerprint(),
            reason = one_line(&note.reason),
            "host key replaced"
        );
        Ok(keys.verify(&self.presented, SystemTime::now())?)
    }
}

fn is_about(answer: &HostKey, presented: &HostKey) -> Result<(), AnswerError> {
    if answer == presented {
        return Ok(());
    }
    let (answer, presented) = (Box::new(answer.clone()), Box::new(presented.clone()));
    Err(AnswerError::OtherKey { answer, presented })
}
