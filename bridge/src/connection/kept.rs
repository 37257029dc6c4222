//! HTTP connections that were used and can be used again, by the name that pages gave them.
//!
//! A page that names a `connection` wants its requests to share one, as long as the service keeps it open. A connection
//! is here while nobody uses it, so two requests at once have one each. It is given only to who wants the same place by
//! the same name, and not for ever. Caller: `channels::http`. Text: docs/protocol.md, "http-stream2".

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Destination;

/// Most connections that are kept; the one that was used longest ago goes first.
const MOST: usize = 16;

/// How long a connection is kept after its last use.
const KEEP_TIME: Duration = Duration::from_mins(1);

/// Connections of type `C` that nobody uses.
#[derive(Debug)]
pub struct Kept<C>(Arc<Mutex<Idle<C>>>);

#[derive(Debug)]
struct Idle<C> {
    /// The one that was used last is at the back.
    connections: VecDeque<(Place, Instant, C)>,
    /// A task ends connections whose time is over.
    is_swept: bool,
}

/// What a connection must have in common with a request: its name and where it leads.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// The page's name for it.
    pub name: String,
    /// Where it leads.
    pub destination: Destination,
}

impl std::fmt::Debug for Place {
    /// The destination may hold a key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Place({:?}, ..)", self.name)
    }
}

impl<C> Default for Kept<C> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Idle { connections: VecDeque::new(), is_swept: false })))
    }
}

impl<C: Send + 'static> Kept<C> {
    /// Takes a connection to `place`, the one that was used last.
    pub fn take(&self, place: &Place) -> Option<C> {
        let mut idle = lock(&self.0);
        let at = idle
            .connections
            .iter()
            .rposition(|(known, _, _)| known == place)?;
        idle.connections
            .remove(at)
            .map(|(_, _, connection)| connection)
    }

    /// Keeps a connection to `place` for a while.
    pub fn keep(&self, place: Place, connection: C) {
        let mut idle = lock(&self.0);
        if idle.connections.len() >= MOST {
            idle.connections.pop_front();
        }
        idle.connections
            .push_back((place, Instant::now(), connection));
        if !idle.is_swept {
            idle.is_swept = true;
            tokio::spawn(sweep(Arc::clone(&self.0)));
        }
    }
}

/// Ends what was not used for [`KEEP_TIME`], until nothing is left.
async fn sweep<C>(kept: Arc<Mutex<Idle<C>>>) {
    loop {
        let next = {
            let mut idle = lock(&kept);
            let now = Instant::now();
            while idle
                .connections
                .front()
                .is_some_and(|(_, used, _)| *used + KEEP_TIME <= now)
            {
                idle.connections.pop_front();
            }
            let Some((_, used, _)) = idle.connections.front() else {
                idle.is_swept = false;
                return;
            };
            *used + KEEP_TIME
        };
        tokio::time::sleep_until(next).await;
    }
}

fn lock<C>(kept: &Mutex<Idle<C>>) -> MutexGuard<'_, Idle<C>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str, unix: &str) -> Place {
        let destination = serde_json::from_value(serde_json::json!({ "unix": unix })).unwrap();
        Place { name: name.to_owned(), destination }
    }

    #[tokio::test]
    async fn a_connection_is_given_once_and_only_for_its_name_and_place() {
        let kept = Kept::default();
        kept.keep(place("a", "/x"), 1);
        assert_eq!(kept.take(&place("a", "/y")), None);
        assert_eq!(kept.take(&place("b", "/x")), None);
        assert_eq!(kept.take(&place("a", "/x")), Some(1));
        assert_eq!(kept.take(&place("a", "/x")), None);
    }

    #[tokio::test]
    async fn the_one_that_was_used_longest_ago_goes_first() {
        let kept = Kept::default();
        for number in 0..=MOST {
            kept.keep(place(&number.to_string(), "/x"), number);
        }
        assert_eq!(kept.take(&place("0", "/x")), None);
        assert_eq!(kept.take(&place("1", "/x")), Some(1));
    }
}
