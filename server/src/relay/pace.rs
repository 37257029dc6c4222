//! How fast a socket may talk: a bucket of tokens that fills with time. Time comes in. Caller: `super::socket`.

use std::time::Duration;

use tokio::time::Instant;

/// A rate with a burst of one second.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: f64,
    tokens: f64,
    filled: Instant,
}

impl Pace {
    /// `per_second` things a second, all of them at once if need be.
    pub(crate) fn new(per_second: u32, now: Instant) -> Self {
        let per_second = f64::from(per_second.max(1));
        Self { per_second, tokens: per_second, filled: now }
    }

    /// Counts one thing; an error says how long to wait until there is room again. The thing was counted all the same.
    pub(crate) fn count(&mut self, now: Instant) -> Result<(), Duration> {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.tokens = (self.tokens + elapsed * self.per_second).min(self.per_second) - 1.0;
        if self.tokens >= 0.0 {
            return Ok(());
        }
        Err(Duration::from_secs_f64(-self.tokens / self.per_second))
    }
}

#[test]
fn a_second_of_burst_and_then_the_rate() {
    let start = Instant::now();
    let mut pace = Pace::new(10, start);
    for _ in 0..10 {
        assert_eq!(pace.count(start), Ok(()));
    }
    assert_eq!(pace.count(start), Err(Duration::from_millis(100)));
    assert_eq!(pace.count(start + Duration::from_millis(250)), Ok(()));
    assert!(pace.count(start + Duration::from_millis(250)).is_err());
}
