//! The quiet window: what a database's load was by quarter of an hour, and when a restart would disturb least.

use serde::{Deserialize, Serialize};

pub const QUARTERS_A_DAY: usize = 96;
const QUARTERS: usize = 7 * QUARTERS_A_DAY;

/// New weeks count this much beside all earlier ones, so that what a week is like is learned within a month or so.
const WEIGHT: f64 = 0.3;

/// The load of a week, quarter by quarter from Monday 00:00 local time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Week {
    quarters: Vec<Quarter>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quarter {
    /// Weeks in which it was seen.
    pub seen: u32,
    /// Transactions a second.
    pub rate: f64,
    /// The share of looks at which something was in use that would have kept the gate shut, 0 to 1.
    pub busy: f64,
}

/// What one quarter of an hour was like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    pub rate: f64,
    pub busy: f64,
}

/// A quarter of an hour and what a restart in it is expected to cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proposal {
    /// From 0, Monday 00:00.
    pub quarter: usize,
    /// Transactions that a stall of the predicted length would delay, counting the pauses that fail.
    pub delayed: f64,
}

impl Default for Week {
    fn default() -> Self {
        Self {
            quarters: vec![Quarter::default(); QUARTERS],
        }
    }
}

impl Week {
    pub fn learn(&mut self, quarter: usize, sample: Sample) {
        let Some(known) = self.quarters.get_mut(quarter) else {
            return;
        };
        let weight = if known.seen == 0 { 1.0 } else { WEIGHT };
        known.rate += (sample.rate - known.rate) * weight;
        known.busy += (sample.busy - known.busy) * weight;
        known.seen = known.seen.saturating_add(1);
    }

    pub fn quarter(&self, quarter: usize) -> Option<&Quarter> {
        self.quarters.get(quarter).filter(|known| known.seen > 0)
    }

    /// The day of a moment's week, load by quarter.
    pub fn day(&self, weekday: usize) -> &[Quarter] {
        &self.quarters[weekday % 7 * QUARTERS_A_DAY..][..QUARTERS_A_DAY]
    }

    /// What a restart that stalls clients for `stall` milliseconds would cost in this quarter.
    pub fn expected(&self, quarter: usize, stall: u64) -> Option<f64> {
        let known = self.quarter(quarter)?;
        let seconds = f64::from(u32::try_from(stall).unwrap_or(u32::MAX)) / 1000.0;
        // Where something is in use at every second look, two pauses are needed on average.
        let attempts = 1.0 / (1.0 - known.busy).max(0.01);
        Some(known.rate * seconds * attempts)
    }

    /// The quarter that costs least, of those seen and not `closed`; of equals the one in the middle of the longest
    /// row, away from what goes before and after.
    pub fn propose(&self, stall: u64, closed: impl Fn(usize) -> bool) -> Option<Proposal> {
        let cost = |quarter: usize| {
            let quarter = quarter % QUARTERS;
            if closed(quarter) {
                return None;
            }
            self.expected(quarter, stall)
        };
        let least = (0..QUARTERS).filter_map(cost).min_by(f64::total_cmp)?;
        let quiet = |quarter: usize| cost(quarter).is_some_and(|cost| cost <= least + 0.05);
        let mut best = (0, 0);
        let mut start = 0;
        while start < QUARTERS {
            let length = (0..QUARTERS).take_while(|step| quiet(start + step)).count();
            if length > best.1 {
                best = (start, length);
            }
            start += length + 1;
        }
        let quarter = (best.0 + best.1 / 2) % QUARTERS;
        Some(Proposal {
            quarter,
            delayed: cost(quarter)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Busy by day, quiet from 01:00 to 04:00 but for a batch at 03:00.
    fn learned() -> Week {
        let mut week = Week::default();
        for quarter in 0..QUARTERS {
            let (rate, busy) = match quarter % QUARTERS_A_DAY {
                4..12 | 14..16 => (0.5, 0.0),
                12..14 => (0.5, 0.9),
                _ => (40.0, 0.1),
            };
            week.learn(quarter, Sample { rate, busy });
        }
        week
    }

    #[test]
    fn the_middle_of_the_longest_quiet_row_is_proposed() {
        let proposal = learned().propose(250, |_| false).unwrap();
        assert_eq!(proposal.quarter % QUARTERS_A_DAY, 8, "02:00");
        assert!(proposal.delayed < 0.2);
    }

    #[test]
    fn a_closed_quarter_is_not_proposed() {
        let proposal = learned()
            .propose(250, |quarter| (4..12).contains(&(quarter % QUARTERS_A_DAY)))
            .unwrap();
        assert!((14..16).contains(&(proposal.quarter % QUARTERS_A_DAY)));
    }

    #[test]
    fn nothing_is_proposed_before_anything_was_seen() {
        assert_eq!(Week::default().propose(250, |_| false), None);
    }

    #[test]
    fn a_changed_habit_is_learned_within_weeks() {
        let mut week = learned();
        for _ in 0..8 {
            week.learn(
                8,
                Sample {
                    rate: 100.0,
                    busy: 0.0,
                },
            );
        }
        assert!(week.quarter(8).unwrap().rate > 90.0);
    }
}
