//! How long a session may live without a socket, and in all (T18).
//!
//! Time comes in; nothing here reads a clock but [`Boottime::now`]. `CLOCK_BOOTTIME` runs on while the machine sleeps
//! and does not jump when the date is set (R10). Caller: [`super::Session`]. The idle logout is the bridge's.

use std::time::Duration;

use crate::config;

/// Time since the machine was started, sleep included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Boottime(pub(crate) Duration);

impl Boottime {
    /// The clock's time.
    pub(crate) fn now() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
        Self(Duration::new(seconds, nanos))
    }

    fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Why a session's time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeUp {
    /// Too long without a socket.
    Detached,
    /// Too long in all.
    Expired,
}

/// The two clocks of one session.
#[derive(Debug)]
pub(crate) struct Life {
    started: Boottime,
    use_: Use,
    limits: Limits,
}

#[derive(Debug, Clone, Copy)]
enum Use {
    /// So many sockets and external channels, at least one.
    Attached(usize),
    /// None since then.
    Detached(Boottime),
}

/// How long at most; `None` is for ever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Without a socket.
    pub(crate) detached: Option<Duration>,
    /// In all.
    pub(crate) absolute: Option<Duration>,
}

impl Limits {
    /// Those of the settings.
    pub(crate) fn of(life: &config::Life) -> Self {
        Self { detached: Some(life.detached), absolute: Some(life.absolute) }
    }

    /// None: for the one session of `serve --local-session`.
    pub(crate) const NONE: Self = Self { detached: None, absolute: None };

    /// How often to look at the clock, so that a limit is overrun by a quarter at most.
    pub(crate) fn tick(&self) -> Duration {
        let shortest = [self.detached, self.absolute].into_iter().flatten().min();
        let quarter = shortest.unwrap_or(Duration::MAX) / 4;
        quarter.clamp(Duration::from_millis(100), Duration::from_secs(5))
    }
}

impl Life {
    /// A session that begins `now`, with no socket yet.
    pub(crate) fn begin(now: Boottime, limits: Limits) -> Self {
        Self { started: now, use_: Use::Detached(now), limits }
    }

    /// One more socket or external channel.
    pub(crate) fn attach(&mut self) {
        self.use_ = match self.use_ {
            Use::Attached(count) => Use::Attached(count + 1),
            Use::Detached(_) => Use::Attached(1),
        };
    }

    /// One less.
    pub(crate) fn detach(&mut self, now: Boottime) {
        self.use_ = match self.use_ {
            Use::Attached(count) if count > 1 => Use::Attached(count - 1),
            Use::Attached(_) => Use::Detached(now),
            Use::Detached(since) => Use::Detached(since),
        };
    }

    /// Whether the time is up.
    pub(crate) fn time_up(&self, now: Boottime) -> Option<TimeUp> {
        let over = |since: Boottime, limit: Option<Duration>| {
            limit.is_some_and(|limit| now.since(since) >= limit)
        };
        match self.use_ {
            _ if over(self.started, self.limits.absolute) => Some(TimeUp::Expired),
            Use::Detached(since) if over(since, self.limits.detached) => Some(TimeUp::Detached),
            Use::Detached(_) | Use::Attached(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60;

    fn at(seconds: u64) -> Boottime {
        Boottime(Duration::from_secs(seconds))
    }

    fn life() -> Life {
        let limits = Limits {
            detached: Some(Duration::from_secs(15 * MINUTE)),
            absolute: Some(Duration::from_secs(720 * MINUTE)),
        };
        Life::begin(at(1_000), limits)
    }

    #[test]
    fn a_session_that_no_socket_ever_used_ends() {
        assert_eq!(life().time_up(at(1_000 + 15 * MINUTE - 1)), None);
        assert_eq!(life().time_up(at(1_000 + 15 * MINUTE)), Some(TimeUp::Detached));
    }

    #[test]
    fn a_cut_link_does_not_log_out_and_the_last_socket_starts_the_clock() {
        let mut life = life();
        life.attach();
        life.attach();
        life.detach(at(2_000));
        assert_eq!(life.time_up(at(2_000 + 60 * MINUTE)), None);

        life.detach(at(9_000));
        assert_eq!(life.time_up(at(9_000 + 14 * MINUTE)), None);
        life.attach();
        assert_eq!(life.time_up(at(9_000 + 60 * MINUTE)), None);
    }

    #[test]
    fn nothing_outlives_the_absolute_limit() {
        let mut life = life();
        life.attach();
        assert_eq!(life.time_up(at(1_000 + 720 * MINUTE)), Some(TimeUp::Expired));
    }

    #[test]
    fn the_local_session_has_no_limit() {
        let life = Life::begin(at(0), Limits::NONE);
        assert_eq!(life.time_up(at(1 << 40)), None);
    }

    #[test]
    fn a_clock_that_stands_before_the_start_ends_nothing() {
        assert_eq!(life().time_up(at(0)), None);
    }
}
