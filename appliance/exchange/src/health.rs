//! Whether a place can be used, without flapping: it is down when it has failed a few times in a row, and up again when
//! it has answered for a while. The while doubles each time it goes down again soon.

use std::time::Duration;

/// Failures in a row that take a place down.
const FAILURES: u32 = 3;
/// How long it must answer to be up again, at first and at most.
const SHORTEST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_mins(10);
/// Up for so long, and what was before is forgotten.
const FORGOTTEN: Duration = Duration::from_mins(30);

/// What a place is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    Up,
    /// It answers again, and is used where nothing else is up.
    Probation,
    /// Used for emergency calls alone, when all else has failed.
    Down,
}

/// One place's health. A place that nobody has looked at yet is up.
#[derive(Clone, Debug)]
pub struct Health {
    standing: Standing,
    failures: u32,
    since: Duration,
    /// How long it is to be on probation the next time.
    probation: Duration,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            standing: Standing::Up,
            failures: 0,
            since: Duration::ZERO,
            probation: SHORTEST,
        }
    }
}

impl Health {
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// It answered.
    pub fn answered(&mut self, now: Duration) {
        self.failures = 0;
        match self.standing {
            Standing::Up => {
                if now.saturating_sub(self.since) >= FORGOTTEN {
                    self.probation = SHORTEST;
                }
            }
            Standing::Probation => self.expire(now),
            Standing::Down => self.enter(now, Standing::Probation),
        }
    }

    /// It did not answer, or said that it cannot.
    pub fn failed(&mut self, now: Duration) {
        self.failures += 1;
        if self.failures >= FAILURES || self.standing == Standing::Probation {
            self.lost(now);
        }
    }

    /// It is known to be gone: its data link is down, its registration over.
    pub fn lost(&mut self, now: Duration) {
        match self.standing {
            Standing::Down => return,
            // It came and went.
            Standing::Probation => self.probation = (self.probation * 2).min(LONGEST),
            Standing::Up => {
                let stayed = now.saturating_sub(self.since);
                if stayed < self.probation && self.since > Duration::ZERO {
                    self.probation = (self.probation * 2).min(LONGEST);
                } else if stayed >= FORGOTTEN {
                    self.probation = SHORTEST;
                }
            }
        }
        self.enter(now, Standing::Down);
    }

    /// When [`Health::expire`] changes something.
    pub fn deadline(&self) -> Option<Duration> {
        (self.standing == Standing::Probation).then(|| self.since + self.probation)
    }

    pub fn expire(&mut self, now: Duration) {
        if self.deadline().is_some_and(|at| at <= now) {
            self.enter(now, Standing::Up);
        }
    }

    fn enter(&mut self, now: Duration, standing: Standing) {
        self.standing = standing;
        self.since = now;
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn three_failures_in_a_row_take_a_place_down_and_two_do_not() {
        let mut health = Health::default();
        for at in [1, 2] {
            health.failed(seconds(at));
        }
        health.answered(seconds(3));
        for at in [4, 5] {
            health.failed(seconds(at));
        }
        assert_eq!(health.standing(), Standing::Up);
        health.failed(seconds(6));
        assert_eq!(health.standing(), Standing::Down);
    }

    #[test]
    fn a_place_that_answers_again_is_up_after_a_while() {
        let mut health = Health::default();
        health.lost(seconds(10));
        health.answered(seconds(20));
        assert_eq!(health.standing(), Standing::Probation);
        health.expire(seconds(49));
        assert_eq!(health.standing(), Standing::Probation);
        health.expire(seconds(50));
        assert_eq!(health.standing(), Standing::Up);
    }

    #[test]
    fn a_place_that_comes_and_goes_waits_longer_each_time_up_to_ten_minutes() {
        let mut health = Health::default();
        let mut now = seconds(10);
        health.lost(now);
        let mut waits = Vec::new();
        for _ in 0..7 {
            now += seconds(1);
            health.answered(now);
            waits.push(health.deadline().unwrap().saturating_sub(now));
            health.failed(now + seconds(1));
            assert_eq!(health.standing(), Standing::Down);
        }
        assert_eq!(waits, [30, 60, 120, 240, 480, 600, 600].map(seconds));
    }

    #[test]
    fn half_an_hour_without_trouble_is_a_clean_slate() {
        let mut health = Health::default();
        health.lost(seconds(10));
        health.answered(seconds(20));
        health.failed(seconds(21));
        health.answered(seconds(30));
        let up = health.deadline().unwrap();
        health.expire(up);
        health.lost(up + FORGOTTEN);
        health.answered(up + FORGOTTEN);
        assert_eq!(health.deadline(), Some(up + FORGOTTEN + SHORTEST));
    }
}
