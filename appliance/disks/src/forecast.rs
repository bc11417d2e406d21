//! When the data disk will be full, if it goes on as it has.

use serde::{Deserialize, Serialize};

const HOUR: i64 = 3_600_000;

/// One sample an hour, two days of them.
const SAMPLES: usize = 48;

/// Too little to say anything from.
const FEWEST: usize = 3;

/// What was free at a moment (milliseconds since 1970, UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    pub when: i64,
    pub free: u64,
}

/// The last two days of the data disk. It is forecast from the middle of all slopes between two samples (Theil and
/// Sen): a file of a few gigabytes that came and went does not bend it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    samples: Vec<Sample>,
}

impl Forecast {
    /// True if the sample was taken up: not more often than once an hour.
    pub fn see(&mut self, sample: Sample) -> bool {
        if let Some(last) = self.samples.last() {
            if sample.when < last.when {
                // The clock was set back; what was seen by the old one is of no use.
                self.samples.clear();
            } else if sample.when < last.when.saturating_add(HOUR) {
                return false;
            }
        }
        self.samples.push(sample);
        if self.samples.len() > SAMPLES {
            self.samples.remove(0);
        }
        true
    }

    /// When nothing will be free; `None` while it does not shrink, or too little is known.
    pub fn full_at(&self) -> Option<i64> {
        if self.samples.len() < FEWEST {
            return None;
        }
        let mut slopes = Vec::new();
        for (place, early) in self.samples.iter().enumerate() {
            for late in &self.samples[place + 1..] {
                let bytes = i128::from(late.free) - i128::from(early.free);
                slopes
                    .push(bytes * i128::from(HOUR) / (i128::from(late.when) - i128::from(early.when)).max(1));
            }
        }
        slopes.sort_unstable();
        let each_hour = slopes[slopes.len() / 2];
        let last = self.samples.last()?;
        if each_hour >= 0 {
            return None;
        }
        let left = i128::from(last.free) * i128::from(HOUR) / -each_hour;
        last.when.checked_add(i64::try_from(left).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn samples(free: &[u64]) -> Forecast {
        let mut forecast = Forecast::default();
        for (hour, free) in (0i64..).zip(free) {
            forecast.see(Sample {
                when: hour * HOUR,
                free: *free,
            });
        }
        forecast
    }

    #[test]
    fn a_disk_that_loses_ten_an_hour_is_full_when_the_rest_is_used() {
        assert_eq!(samples(&[100, 90, 80, 70]).full_at(), Some(10 * HOUR));
    }

    #[test]
    fn a_file_that_came_and_went_does_not_bend_it() {
        assert_eq!(samples(&[100, 90, 10, 70, 60]).full_at(), Some(10 * HOUR));
    }

    #[test]
    fn nothing_is_foretold_of_a_disk_that_grows_emptier_or_is_hardly_known() {
        assert_eq!(samples(&[100, 90]).full_at(), None);
        assert_eq!(samples(&[100, 100, 100]).full_at(), None);
        assert_eq!(samples(&[70, 80, 90]).full_at(), None);
    }

    proptest! {
        #[test]
        fn whatever_is_seen_is_bounded_and_never_foretells_the_past(
            seen in proptest::collection::vec((any::<i64>(), any::<u64>()), 0..120),
        ) {
            let mut forecast = Forecast::default();
            for (when, free) in seen {
                forecast.see(Sample { when, free });
                prop_assert!(forecast.samples.len() <= SAMPLES);
                let last = forecast.samples.last().map_or(0, |sample| sample.when);
                prop_assert!(forecast.full_at().is_none_or(|full| full >= last));
            }
        }
    }
}
