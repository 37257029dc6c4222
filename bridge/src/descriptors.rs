//! Descriptors on offer: what a D-Bus reply brought, until the page opens it as a channel.
//!
//! `channels::dbus` puts them in and names them in its JSON; the `stream` channel takes one out by its option
//! `internal`. Each can be taken once. The number is limited, so that replies which nobody opens do not use up the
//! process's descriptors: the oldest is closed. Text: docs/protocol.md, "dbus-json3".

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

/// Most descriptors on offer at once: a quarter of the usual limit of a process.
const MAX_OFFERS: usize = 256;

/// The descriptors of one bridge.
#[derive(Debug, Default)]
pub struct Descriptors(Mutex<Offers>);

#[derive(Debug, Default)]
struct Offers {
    last: u64,
    waiting: VecDeque<(String, OwnedFd)>,
}

impl Descriptors {
    /// Offers `descriptor` and returns the id by which it can be taken.
    pub fn offer(&self, descriptor: OwnedFd) -> String {
        let mut offers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if offers.waiting.len() == MAX_OFFERS {
            offers.waiting.pop_front();
        }
        offers.last += 1;
        let id = format!("descriptor-{}", offers.last);
        offers.waiting.push_back((id.clone(), descriptor));
        id
    }

    /// Takes the descriptor with this id; `None` when there is none, any more or at all.
    pub fn take(&self, id: &str) -> Option<OwnedFd> {
        let mut offers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = offers.waiting.iter().position(|(known, _)| known == id)?;
        offers.waiting.remove(at).map(|(_, descriptor)| descriptor)
    }
}

#[test]
fn a_descriptor_is_taken_once_and_the_oldest_gives_way() {
    let null = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let offered = Descriptors::default();
    let first = offered.offer(null());
    let second = offered.offer(null());
    assert!(offered.take(&second).is_some());
    assert!(offered.take(&second).is_none());

    for _ in 0..MAX_OFFERS {
        offered.offer(null());
    }
    assert!(offered.take(&first).is_none());
}
