//! How many logins may be under way: 16 helpers, 4 of one source, and a queue before them (T35).
//!
//! Caller: [`super::Logins`]. A waiting login costs no process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::admission::Source;
use crate::config::LoginLimits;

/// The places for helpers.
#[derive(Debug)]
pub(crate) struct Slots {
    in_all: usize,
    per_source: usize,
    queue: usize,
    wait: Duration,
    taken: Mutex<Taken>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    running: HashMap<Source, usize>,
    waiting: usize,
}

/// A place for one helper, free again when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    source: Source,
}

/// The queue is full, or the wait was too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

/// One login in the queue, out of it when dropped.
struct InQueue<'a>(&'a Slots);

impl Slots {
    /// All places free.
    pub(crate) fn new(limits: &LoginLimits) -> Arc<Self> {
        Arc::new(Self {
            in_all: limits.helpers,
            per_source: limits.helpers_per_source,
            queue: limits.queue,
            wait: limits.queue_wait,
            taken: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// Takes a place, if need be after a wait in the queue.
    ///
    /// # Errors
    ///
    /// [`Busy`].
    pub(crate) async fn take(self: &Arc<Self>, source: Source) -> Result<Slot, Busy> {
        if let Some(slot) = self.try_take(source) {
            return Ok(slot);
        }
        let _queued = self.enter_queue()?;
        let free = async {
            loop {
                let freed = self.freed.notified();
                tokio::pin!(freed);
                // From here on no freed place is missed.
                freed.as_mut().enable();
                if let Some(slot) = self.try_take(source) {
                    return slot;
                }
                freed.await;
            }
        };
        timeout(self.wait, free).await.map_err(|_| Busy)
    }

    pub(crate) fn try_take(self: &Arc<Self>, source: Source) -> Option<Slot> {
        let mut taken = self.lock();
        let in_all: usize = taken.running.values().sum();
        let of_source = taken.running.get(&source).copied().unwrap_or_default();
        if in_all >= self.in_all || of_source >= self.per_source {
            return None;
        }
        taken.running.insert(source, of_source + 1);
        Some(Slot { slots: Arc::clone(self), source })
    }

    fn enter_queue(&self) -> Result<InQueue<'_>, Busy> {
        let mut taken = self.lock();
        if taken.waiting >= self.queue {
            return Err(Busy);
        }
        taken.waiting += 1;
        Ok(InQueue(self))
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InQueue<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting -= 1;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.lock();
        let left = taken
            .running
            .get(&self.source)
            .map_or(0, |running| running - 1);
        if left == 0 {
            taken.running.remove(&self.source);
        } else {
            taken.running.insert(self.source, left);
        }
        drop(taken);
        self.slots.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn source(last: u8) -> Source {
        Source::of(std::net::IpAddr::from([192, 0, 2, last]))
    }

    fn slots() -> Arc<Slots> {
        let mut limits = Config::default().logins;
        limits.queue_wait = WAIT;
        Slots::new(&limits)
    }

    const WAIT: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn one_source_gets_four_places_and_all_sixteen() {
        let slots = slots();
        let mut held = Vec::new();
        for of_source in [1, 2, 3, 4] {
            for _ in 0..4 {
                held.push(slots.take(source(of_source)).await.unwrap());
            }
            assert_eq!(slots.take(source(of_source)).await.unwrap_err(), Busy);
        }
        assert_eq!(slots.take(source(5)).await.unwrap_err(), Busy);

        held.pop();
        assert!(slots.take(source(5)).await.is_ok());
    }

    #[tokio::test]
    async fn a_login_in_the_queue_gets_the_first_free_place_of_its_own() {
        let slots = slots();
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(slots.take(source(1)).await.unwrap());
        }
        let waiting = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.take(source(1)).await.is_ok() }
        });
        tokio::task::yield_now().await;
        assert_eq!(slots.lock().waiting, 1);

        held.pop();
        assert!(waiting.await.unwrap());
        assert_eq!(slots.lock().waiting, 0);
    }

    #[tokio::test]
    async fn the_queue_is_bounded() {
        let slots = slots();
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(slots.take(source(1)).await.unwrap());
        }
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let slots = Arc::clone(&slots);
            waiting.spawn(async move {
                let start = tokio::time::Instant::now();
                let refused = slots.take(source(1)).await.is_err();
                (refused, start.elapsed())
            });
        }
        let ends = waiting.join_all().await;
        let at_once = ends
            .iter()
            .filter(|(refused, wait)| *refused && *wait < WAIT)
            .count();
        let after_wait = ends.iter().filter(|(_, wait)| *wait >= WAIT).count();
        assert_eq!((at_once, after_wait), (36, 64));
    }
}
