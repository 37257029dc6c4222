//! Brute force: who has to wait before the next attempt (T16).
//!
//! A source (IPv4 address, IPv6 /64) that fails often waits longer each time and is refused for a while in the end.
//! An account that is attacked from many sources makes strangers wait a little, never those who logged in to it
//! from there before: nobody can lock an administrator out. State and arithmetic only: time comes in, and the memory
//! is bounded, the oldest is forgotten. Caller: [`super::Logins`].

use std::collections::VecDeque;
use std::hash::Hash;
use std::time::Duration;

use lru::LruCache;
use sha2::{Digest as _, Sha256};

use crate::admission::Source;
use crate::config::LoginLimits;
use crate::sessions::Boottime;

/// An account by a short digest of its name, so that every name costs the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Account([u8; 16]);

impl Account {
    /// The account that was typed, whether it exists or not.
    pub(crate) fn named(user: &str) -> Self {
        let mut short = [0; 16];
        short
            .iter_mut()
            .zip(Sha256::digest(user.as_bytes()))
            .for_each(|(to, from)| *to = from);
        Self(short)
    }
}

/// What may be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Try.
    Go,
    /// Try after so long: the account is under attack and this source is a stranger to it.
    GoAfter(Duration),
    /// Refuse; ask again after so long.
    Refuse(Duration),
}

/// The failures of the last while.
#[derive(Debug)]
pub(crate) struct Throttle {
    limits: Limits,
    sources: LruCache<Source, Failures>,
    accounts: LruCache<Account, Failures>,
    known: LruCache<(Source, Account), ()>,
    /// Most entries of each of the three.
    capacity: usize,
}

#[derive(Debug)]
struct Limits {
    free: usize,
    longest: Duration,
    block: usize,
    window: Duration,
}

/// When attempts failed, oldest first, in whole seconds; at most as many as block a source.
#[derive(Debug, Default)]
struct Failures {
    times: VecDeque<u32>,
    blocked_until: u32,
}

impl Throttle {
    /// Nobody has failed yet.
    pub(crate) fn new(limits: &LoginLimits) -> Self {
        let block = usize::try_from(limits.block_failures)
            .unwrap_or(usize::MAX)
            .max(1);
        let entry = ENTRY_OVERHEAD + block.next_power_of_two() * size_of::<u32>();
        Self {
            limits: Limits {
                free: usize::try_from(limits.free_failures).unwrap_or(usize::MAX),
                longest: limits.longest_delay,
                block,
                window: limits.block_window,
            },
            sources: LruCache::unbounded(),
            accounts: LruCache::unbounded(),
            known: LruCache::unbounded(),
            capacity: (limits.counter_memory / entry / 3).max(1),
        }
    }

    /// Whether an attempt may begin.
    pub(crate) fn check(&mut self, source: Source, account: Account, now: Boottime) -> Verdict {
        if let Some(failures) = self.sources.get(&source) {
            let wait = self.limits.wait(failures, now);
            if !wait.is_zero() {
                return Verdict::Refuse(wait);
            }
        }
        if self.known.get(&(source, account)).is_some() {
            return Verdict::Go;
        }
        let attacked = self.accounts.get(&account).map_or(0, |failures| {
            self.limits
                .recent(failures, now)
                .saturating_sub(self.limits.free)
        });
        match attacked {
            0 => Verdict::Go,
            times => Verdict::GoAfter(doubled(times).min(STRANGER_WAIT)),
        }
    }

    /// Counts a failure.
    pub(crate) fn failed(&mut self, source: Source, account: Account, now: Boottime) {
        let limits = &self.limits;
        limits.count(entry(&mut self.sources, source, self.capacity), now);
        limits.count(entry(&mut self.accounts, account, self.capacity), now);
    }

    /// Remembers that this source knows the account's password. Its failures stay: with an account of one's own one
    /// could else try others' for ever.
    pub(crate) fn succeeded(&mut self, source: Source, account: Account) {
        entry(&mut self.known, (source, account), self.capacity);
    }
}

impl Limits {
    fn count(&self, failures: &mut Failures, now: Boottime) {
        let now = seconds(now);
        if failures.times.len() == self.block {
            failures.times.pop_front();
        }
        failures.times.push_back(now);
        let oldest = failures.times.front().copied().unwrap_or(now);
        let window = u32::try_from(self.window.as_secs()).unwrap_or(u32::MAX);
        if failures.times.len() == self.block && now.saturating_sub(oldest) < window {
            failures.blocked_until = now.saturating_add(window);
        }
    }

    /// Failures within the window.
    fn recent(&self, failures: &Failures, now: Boottime) -> usize {
        let now = seconds(now);
        let within = |&&time: &&u32| u64::from(now.saturating_sub(time)) < self.window.as_secs();
        failures.times.iter().filter(within).count()
    }

    /// How long a source has to wait now.
    fn wait(&self, failures: &Failures, now: Boottime) -> Duration {
        let until = |end: Duration| end.saturating_sub(now.0);
        let blocked = until(Duration::from_secs(failures.blocked_until.into()));
        if !blocked.is_zero() {
            return blocked;
        }
        let recent = self.recent(failures, now);
        let (Some(last), true) = (failures.times.back(), recent >= self.free) else {
            return Duration::ZERO;
        };
        let delay = doubled(recent - self.free + 1).min(self.longest);
        until(Duration::from_secs((*last).into()) + delay)
    }
}

/// 1, 2, 4, … seconds for the 1st, 2nd, 3rd, … time.
fn doubled(times: usize) -> Duration {
    let power = u32::try_from(times.saturating_sub(1)).unwrap_or(u32::MAX);
    Duration::from_secs(1_u64.checked_shl(power.min(32)).unwrap_or(u64::MAX))
}

fn seconds(time: Boottime) -> u32 {
    u32::try_from(time.0.as_secs()).unwrap_or(u32::MAX)
}

fn entry<K: Hash + Eq, V: Default>(cache: &mut LruCache<K, V>, key: K, capacity: usize) -> &mut V {
    if cache.len() >= capacity && !cache.contains(&key) {
        cache.pop_lru();
    }
    cache.get_or_insert_mut(key, V::default)
}

/// How long a stranger waits for an attacked account, at most: an administrator at a new place still gets in.
const STRANGER_WAIT: Duration = Duration::from_secs(3);

/// What an entry costs beside its times, in bytes: key, queue, list and table.
const ENTRY_OVERHEAD: usize = 160;

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;
    use crate::Config;

    fn throttle() -> Throttle {
        Throttle::new(&Config::default().logins)
    }

    fn source(last: u8) -> Source {
        Source::of(IpAddr::from([192, 0, 2, last]))
    }

    fn at(seconds: u64) -> Boottime {
        Boottime(Duration::from_secs(seconds))
    }

    fn ada() -> Account {
        Account::named("ada")
    }

    #[test]
    fn five_failures_are_free_and_then_each_doubles_the_wait() {
        let mut throttle = throttle();
        for _ in 0..4 {
            throttle.failed(source(1), ada(), at(100));
            assert_eq!(throttle.check(source(1), ada(), at(100)), Verdict::Go);
        }
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            throttle.failed(source(1), ada(), at(100));
            let refused = Verdict::Refuse(Duration::from_secs(wait));
            assert_eq!(throttle.check(source(1), ada(), at(100)), refused);
        }
    }

    #[test]
    fn twenty_failures_in_the_window_block_the_source_for_the_window() {
        let mut throttle = throttle();
        for time in 0..20 {
            throttle.failed(source(1), Account::named(&time.to_string()), at(1_000 + time));
        }
        let last = 1_019;
        let check = |throttle: &mut Throttle, time| throttle.check(source(1), ada(), at(time));
        assert_eq!(check(&mut throttle, last + 60), Verdict::Refuse(Duration::from_mins(14)));
        assert_eq!(check(&mut throttle, last + 899), Verdict::Refuse(Duration::from_secs(1)));
        assert_eq!(check(&mut throttle, last + 900), Verdict::Go);
    }

    #[test]
    fn a_stranger_locks_nobody_out() {
        let mut throttle = throttle();
        throttle.succeeded(source(201), ada());
        for attacker in 0..200 {
            throttle.failed(source(attacker), ada(), at(100));
        }

        assert_eq!(throttle.check(source(201), ada(), at(100)), Verdict::Go);
        let Verdict::GoAfter(wait) = throttle.check(source(250), ada(), at(100)) else { panic!() };
        assert!(wait <= Duration::from_secs(3));
    }

    #[test]
    fn a_success_does_not_wash_the_source_clean() {
        let mut throttle = throttle();
        for _ in 0..6 {
            throttle.failed(source(1), ada(), at(100));
        }
        throttle.succeeded(source(1), Account::named("mallory"));
        assert!(matches!(throttle.check(source(1), ada(), at(100)), Verdict::Refuse(_)));
    }

    #[test]
    fn the_memory_is_bounded_whatever_comes() {
        let mut throttle = throttle();
        for number in 0..200_000_u32 {
            let source = Source::of(IpAddr::from(number.to_be_bytes()));
            throttle.failed(source, Account::named(&number.to_string()), at(1));
        }
        let entry = ENTRY_OVERHEAD + 32 * size_of::<u32>();
        let entries = throttle.sources.len() + throttle.accounts.len() + throttle.known.len();
        assert!(entries * entry <= 4 << 20);
        assert!(throttle.sources.len() > 1_000);
    }

    proptest! {
        #[test]
        fn no_source_gets_more_than_its_share_of_attempts(
            gaps in prop::collection::vec(0_u64..90, 1..300),
        ) {
            let mut throttle = throttle();
            let mut now = 10_000;
            let mut failed = Vec::new();
            for gap in gaps {
                now += gap;
                if throttle.check(source(1), ada(), at(now)) == Verdict::Go
                    || matches!(throttle.check(source(1), ada(), at(now)), Verdict::GoAfter(_))
                {
                    throttle.failed(source(1), ada(), at(now));
                    failed.push(now);
                }
            }
            for (first, start) in failed.iter().enumerate() {
                let in_window = failed[first..].iter().filter(|time| **time - start < 900).count();
                prop_assert!(in_window <= 20, "{in_window} attempts in 15 min");
            }
        }

        #[test]
        fn every_refusal_ends(failures in 0_u64..100, spacing in 0_u64..100) {
            let mut throttle = throttle();
            for number in 0..failures {
                throttle.failed(source(1), ada(), at(number * spacing));
            }
            let end = failures * spacing + 901;
            prop_assert_eq!(throttle.check(source(1), ada(), at(end + 900)), Verdict::Go);
        }
    }
}
