//! The wall clock, watched for being set: a console must not lock, or open, because the time came from the network.

use std::time::{Duration, Instant, SystemTime};

/// Less than this is a clock being steered, not set.
const SET: i64 = 2_000;

/// Wall time, and steady time to hold it against.
#[derive(Debug)]
pub struct Clock {
    wall: SystemTime,
    steady: Instant,
    /// By how many milliseconds the wall clock went its own way.
    astray: i64,
}

impl Clock {
    pub fn new() -> Self {
        Self {
            wall: SystemTime::now(),
            steady: Instant::now(),
            astray: 0,
        }
    }

    /// Milliseconds since 1970, UTC.
    pub fn now(&mut self) -> i64 {
        let next = Self::new();
        let passed = millis(next.steady.duration_since(self.steady));
        let (before, now) = (epoch(self.wall), epoch(next.wall));
        *self = Self {
            astray: self.astray.saturating_add(now - before - passed),
            ..next
        };
        now
    }

    /// By how many milliseconds the clock was set since this was asked last.
    pub fn set(&mut self) -> Option<i64> {
        (self.astray.abs() > SET).then(|| std::mem::take(&mut self.astray))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn epoch(time: SystemTime) -> i64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_told_once_however_often_it_is_read() {
        let mut clock = Clock::new();
        clock.now();
        assert_eq!(clock.set(), None);
        clock.wall -= Duration::from_hours(1);
        clock.now();
        clock.now();
        let set = clock.set().unwrap();
        assert!((set - 3_600_000).abs() < 60_000, "{set}");
        assert_eq!(clock.set(), None);
    }
}
