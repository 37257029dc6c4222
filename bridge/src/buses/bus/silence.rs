//! Notices when a bus says nothing any more while calls wait: it hangs, or was stopped (R15).
//!
//! A service may take its time, so an unanswered call says nothing. But the bus itself answers at once: it is asked
//! when it was silent for a while, and when it is silent still, all calls fail with a sentence. The connection stays: a
//! bus that goes on has forgotten nothing. A single program is not judged so: it may be at work on the very call.

use std::num::NonZeroU32;
use std::sync::Weak;
use std::time::Duration;

use super::table::{Pending, Table};
use super::{Bus, Event, Flavour};

/// How long calls wait for a bus that says nothing.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// How often is looked while calls wait.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// After so many looks at which nothing had come, the bus is asked; after so many it is given up.
const LOOKS_BEFORE_ASKING: u64 = 3;
const LOOKS_BEFORE_GIVING_UP: u64 = SILENCE_LIMIT.as_secs() / LOOK_INTERVAL.as_secs();

/// What is known of a bus's silence.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// How often something came.
    times: u64,
    times_at_last_look: u64,
    silent_looks: u64,
    /// Somebody looks every now and then.
    is_watched: bool,
}

/// What is done after a look.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It speaks, or has some time left.
    Wait,
    /// It is asked whether it is there.
    Ask,
    /// It does not answer.
    GiveUp,
}

impl Silence {
    /// Takes that something came from the bus.
    pub(super) fn heard(&mut self) {
        self.times += 1;
    }

    /// Takes that a call was sent; true when looking must begin.
    pub(super) fn called(&mut self) -> bool {
        let begins = !self.is_watched;
        if begins {
            *self = Self { times: self.times, times_at_last_look: self.times, ..Self::default() };
        }
        self.is_watched = true;
        begins
    }

    fn look(&mut self) -> Verdict {
        if self.times != self.times_at_last_look {
            self.times_at_last_look = self.times;
            self.silent_looks = 0;
            return Verdict::Wait;
        }
        self.silent_looks += 1;
        match self.silent_looks {
            LOOKS_BEFORE_ASKING => Verdict::Ask,
            LOOKS_BEFORE_GIVING_UP.. => Verdict::GiveUp,
            _ => Verdict::Wait,
        }
    }
}

impl Bus {
    /// Looks whether the bus still speaks; false when no calls wait for it.
    fn look(&self) -> bool {
        let mut table = self.table();
        if table.under_way == 0 && table.backlog.is_empty() {
            table.silence.is_watched = false;
            return false;
        }
        match table.silence.look() {
            Verdict::Wait => {}
            Verdict::Ask => self.ask(&mut table, "GetId", &(), Some(Pending::Presence)),
            Verdict::GiveUp => table.fail_calls(),
        }
        true
    }
}

impl Table {
    /// All calls of channels have no answer, those that wait for their turn included.
    fn fail_calls(&mut self) {
        let mut failed: Vec<(u64, u64)> = Vec::new();
        let under_way: Vec<NonZeroU32> = self.pending.keys().copied().collect();
        for serial in under_way {
            if let Some(&Pending::Client { client, tag }) = self.pending.get(&serial) {
                self.pending.remove(&serial);
                failed.push((client, tag));
            }
        }
        failed.extend(self.backlog.drain(..).map(|(client, tag, _)| (client, tag)));
        self.under_way = 0;
        for entry in self.clients.values_mut() {
            entry.under_way = 0;
        }
        // In the order in which they were called.
        failed.sort_unstable();
        for (client, tag) in failed {
            self.push(client, Event::Silence(tag));
        }
    }
}

/// Looks after a bus as long as it is there.
pub(super) async fn watch(bus: Weak<Bus>) {
    loop {
        let Some(strong) = bus.upgrade() else { return };
        if strong.flavour == Flavour::Peer || strong.is_gone() {
            return;
        }
        if !strong.look() {
            let calling = strong.calling.clone();
            drop(strong);
            calling.notified().await;
            continue;
        }
        drop(strong);
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(silence: &mut Silence, number: u64) -> Vec<Verdict> {
        (0..number).map(|_| silence.look()).collect()
    }

    #[test]
    fn a_silent_bus_is_asked_and_then_given_up() {
        let mut silence = Silence::default();
        assert!(silence.called());
        assert!(!silence.called(), "it is watched already");

        let verdicts = looks(&mut silence, LOOKS_BEFORE_GIVING_UP);

        let asked = verdicts
            .iter()
            .filter(|verdict| **verdict == Verdict::Ask)
            .count();
        assert_eq!((asked, verdicts.last()), (1, Some(&Verdict::GiveUp)));
        let given_up = verdicts
            .iter()
            .filter(|verdict| **verdict == Verdict::GiveUp)
            .count();
        assert_eq!(given_up, 1, "{verdicts:?}");
    }

    #[test]
    fn a_bus_that_speaks_is_never_given_up_however_long_a_call_takes() {
        let mut silence = Silence::default();
        silence.called();
        for _ in 0..100 {
            assert!(!looks(&mut silence, LOOKS_BEFORE_GIVING_UP - 1).contains(&Verdict::GiveUp));
            silence.heard();
            assert_eq!(silence.look(), Verdict::Wait);
        }
    }
}
