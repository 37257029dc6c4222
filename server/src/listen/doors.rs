//! How many may come in: connections in all and from one source (T34).
//!
//! A source that is full loses its longest idle connection to the newcomer, so that somebody who opens many and
//! says nothing cannot keep a neighbour behind the same address out; connections in use are never closed for that. One
//! is in use when its request is whole: more newcomers of its own source within its TLS handshake than the source may
//! have push it out as well, and its owner must try again.
//! From three quarters of all on, newcomers are dropped by chance, the likelier the fuller it is. Caller:
//! `listen`, before the first byte is read.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::admission::Source;
use crate::config::ConnectionLimits;
use crate::head::gate::Progress;

/// Counts connections.
#[derive(Debug)]
pub(crate) struct Doors {
    per_source: usize,
    total: usize,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    total: usize,
    /// Oldest first.
    sources: HashMap<Source, VecDeque<Arc<Guest>>>,
}

/// One connection as the doors see it.
#[derive(Debug, Default)]
struct Guest {
    progress: Arc<Progress>,
    leave: Notify,
}

/// A place inside; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    doors: Arc<Doors>,
    source: Source,
    guest: Arc<Guest>,
}

impl Doors {
    pub(crate) fn new(limits: &ConnectionLimits) -> Arc<Self> {
        let inside = Mutex::default();
        Arc::new(Self { per_source: limits.per_source, total: limits.total, inside })
    }

    /// Lets a connection in, or not; `chance` is any number, drawn anew for each.
    pub(crate) fn enter(self: &Arc<Self>, source: Source, chance: u32) -> Option<Place> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_dropped_early(inside.total, chance) {
            return None;
        }
        let guests = inside.sources.entry(source).or_default();
        if guests.len() >= self.per_source {
            let idle = guests.iter().position(|guest| guest.progress.is_idle())?;
            guests.remove(idle)?.leave.notify_one();
        }
        let guest = Arc::new(Guest::default());
        guests.push_back(Arc::clone(&guest));
        inside.total += 1;
        Some(Place { doors: Arc::clone(self), source, guest })
    }

    /// Never below three quarters, always at the limit.
    fn is_dropped_early(&self, inside: usize, chance: u32) -> bool {
        let calm = self.total - self.total / 4;
        let over = (inside.saturating_sub(calm)) as u128;
        let room = (self.total - calm) as u128;
        inside >= self.total || over * u128::from(u32::MAX) > u128::from(chance) * room
    }
}

impl Place {
    pub(crate) fn progress(&self) -> &Arc<Progress> {
        &self.guest.progress
    }

    /// Ends when the place is needed for somebody else.
    pub(crate) async fn taken_away(&self) {
        self.guest.leave.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self
            .doors
            .inside
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        inside.total = inside.total.saturating_sub(1);
        if let Some(guests) = inside.sources.get_mut(&self.source) {
            guests.retain(|guest| !Arc::ptr_eq(guest, &self.guest));
            if guests.is_empty() {
                inside.sources.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::head::gate::InWork;

    const CALM: u32 = u32::MAX;

    fn doors(per_source: usize, total: usize) -> Arc<Doors> {
        Doors::new(&ConnectionLimits { per_source, total, ..Config::default().connections })
    }

    fn source(last: u8) -> Source {
        Source::of([192, 0, 2, last].into())
    }

    #[test]
    fn a_full_source_loses_its_oldest_idle_connection() {
        let doors = doors(2, 100);
        let first = doors.enter(source(1), CALM).unwrap();
        let _in_use = InWork::begin(first.progress());
        let second = doors.enter(source(1), CALM).unwrap();

        let third = doors.enter(source(1), CALM).unwrap();

        assert!(tokio_test(second.taken_away()));
        assert!(!tokio_test(first.taken_away()));
        assert!(!tokio_test(third.taken_away()));
    }

    #[test]
    fn a_source_with_all_connections_in_use_gets_no_more() {
        let doors = doors(1, 100);
        let first = doors.enter(source(1), CALM).unwrap();
        let in_use = InWork::begin(first.progress());

        assert!(doors.enter(source(1), CALM).is_none());
        assert!(doors.enter(source(2), CALM).is_some());
        drop(in_use);
        drop(first);
        assert!(doors.enter(source(1), CALM).is_some());
    }

    #[test]
    fn newcomers_are_dropped_by_chance_from_three_quarters_on() {
        let doors = doors(100, 100);
        assert!((0..75).all(|inside| !doors.is_dropped_early(inside, 0)));
        assert!(doors.is_dropped_early(76, 0));
        assert!(!doors.is_dropped_early(99, CALM));
        assert!(doors.is_dropped_early(88, CALM / 3));
        assert!(!doors.is_dropped_early(80, CALM / 3));
        assert!(doors.is_dropped_early(100, CALM));
    }

    #[test]
    fn places_are_given_back() {
        let doors = doors(2, 8);
        for _ in 0..100 {
            let _place = doors.enter(source(1), CALM).unwrap();
        }

        let inside = doors.inside.lock().unwrap();
        assert_eq!(inside.total, 0);
        assert!(inside.sources.is_empty());
    }

    #[test]
    fn a_neighbour_in_the_same_64_is_the_same_source() {
        let of = |text: &str| Source::of(text.parse().unwrap());

        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    /// Whether the future is done at once.
    fn tokio_test(future: impl Future<Output = ()>) -> bool {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::pin!(future).poll(&mut context).is_ready()
    }
}
