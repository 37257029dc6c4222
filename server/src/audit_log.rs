//! The server's entries in the audit log (T66): which way they go, and that a flood of refusals is a few of them.
//!
//! They go to journald; where that has no ears, or does not read our standard error, they are log lines as well. Callers:
//! `login` and `sessions`. What an entry may hold: [`audit`].

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use audit::{Entry, Event, Field, Journal, Priority};
use lru::LruCache;

use crate::admission::Source;

/// The way to journald of this process, once [`open`] has looked for it.
static WAY: OnceLock<Option<Way>> = OnceLock::new();

#[derive(Debug)]
struct Way {
    journal: Journal,
    /// A log line would say everything twice.
    lines_go_there_too: bool,
}

/// Looks for journald. Without this call, as in tests, entries are log lines.
pub(crate) fn open() {
    let _first_stays = WAY.set(
        Journal::open()
            .map(|journal| Way { journal, lines_go_there_too: audit::reads_standard_error() }),
    );
}

/// Writes an entry.
pub(crate) fn record(entry: &Entry) {
    let way = WAY.get().and_then(Option::as_ref);
    if let Some(way) = way
        && way.journal.send(entry).is_ok()
        && way.lines_go_there_too
    {
        return;
    }
    match entry.event().priority() {
        Priority::Warning => tracing::warn!("{entry}"),
        Priority::Info => tracing::info!("{entry}"),
    }
}

/// Counts refusals, so that nobody fills the log from one source.
#[derive(Debug)]
pub(crate) struct Refusals(Mutex<LruCache<Source, Second>>);

/// What a source did in the second that began with its first refusal.
#[derive(Debug, Default)]
struct Second {
    refusals: usize,
}

impl Refusals {
    /// Nobody was refused yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(LruCache::new(SOURCES))))
    }

    /// Writes an entry about a refusal of `source`, or only counts it; what was counted is written after a second. Call
    /// it within the runtime.
    pub(crate) fn record(self: &Arc<Self>, source: IpAddr, entry: &Entry) {
        let counted = {
            let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let second = sources.get_or_insert_mut(Source::of(source), Second::default);
            second.refusals += 1;
            second.refusals
        };
        if counted <= A_SECOND {
            record(entry);
        }
        if counted == 1 {
            let refusals = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                refusals.sum_up(source);
            });
        }
    }

    /// Ends a second.
    fn sum_up(&self, source: IpAddr) {
        let ended = {
            let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            sources.pop(&Source::of(source))
        };
        let left_out = ended.map_or(0, |second| second.refusals.saturating_sub(A_SECOND));
        if left_out > 0 {
            let entry = Entry::new(Event::Repeated)
                .with(Field::Source, source)
                .with(Field::Count, left_out);
            record(&entry);
        }
    }
}

/// Most entries of one source in a second (T66).
const A_SECOND: usize = 10;

/// Most sources that are counted; those of the oldest second are forgotten first.
const SOURCES: NonZeroUsize = NonZeroUsize::new(4_096).expect("not zero");

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flood_of_refusals_is_counted_and_each_second_begins_anew() {
        let refusals = Refusals::new();
        let source = IpAddr::from([192, 0, 2, 1]);
        let other = IpAddr::from([192, 0, 2, 2]);
        let entry = Entry::new(Event::LoginLimited);
        let count = |source| {
            let mut sources = refusals.0.lock().unwrap();
            sources
                .get(&Source::of(source))
                .map_or(0, |second| second.refusals)
        };

        for _ in 0..500 {
            refusals.record(source, &entry);
        }
        refusals.record(other, &entry);
        let before = (count(source), count(other));
        refusals.sum_up(source);
        refusals.sum_up(other);

        assert_eq!(before, (500, 1));
        assert_eq!((count(source), count(other)), (0, 0));
    }
}
