//! The privileged bridge: whether there is one, and how it is reached.
//!
//! State of superuser access in one session. The router asks it for each channel with `superuser`; the internal object
//! `/superuser` turns it on and off.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::peer::Peer;

/// Superuser access of this session.
#[derive(Debug, Default)]
pub struct Superuser(Mutex<Access>);

#[derive(Debug, Default)]
enum Access {
    /// No channel may open on a privileged bridge.
    #[default]
    Off,
    /// Channels may open on `peer`, which was started by the method `name`.
    On { name: String, peer: Peer },
}

impl Superuser {
    /// The privileged bridge, when access is on.
    pub fn peer(&self) -> Option<Peer> {
        match &*self.lock() {
            Access::Off => None,
            Access::On { peer, .. } => Some(peer.clone()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Access> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
