//! Passwords that are known before anybody is asked, and what each may be used for (security rule T31).
//!
//! The password of the login is given at most once on each connection, and only to a question that can only be for a
//! password. A password that was typed for this machine answers the same questions, once each.

use std::sync::Arc;

use protocol::secret::Secret;

/// What is known.
#[derive(Debug, Clone)]
pub(super) struct Secrets {
    /// Typed for this machine.
    pub(super) own: Option<Arc<Secret>>,
    /// Of the login here.
    pub(super) login: Option<Arc<Secret>>,
}

impl Secrets {
    /// The next password to try; each comes once.
    pub(super) fn next(&mut self) -> Option<Arc<Secret>> {
        self.own.take().or_else(|| self.login.take())
    }

    /// Whether there is one left.
    pub(super) fn is_empty(&self) -> bool {
        self.own.is_none() && self.login.is_none()
    }
}
