//! How long the next restart will hold clients, predicted from how long the last ones did.

use serde::{Deserialize, Serialize};

/// So many of the latest runs count; what the hardware was like a year ago does not.
const REMEMBERED: usize = 20;

/// With fewer runs than this, one that was slow by chance must not put all later ones off.
const FEW: usize = 5;

/// A prediction, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// From the stop of the server until the gate lets go: what nine of ten runs kept within, or the middle one while
    /// there are few.
    pub restart: u64,
    /// How many runs it rests on; 0 makes it a guess.
    pub runs: usize,
}

/// From the measured restarts, newest last; `guess` where there are none.
pub fn forecast(restarts: &[u64], guess: u64) -> Forecast {
    let recent = &restarts[restarts.len().saturating_sub(REMEMBERED)..];
    let mut sorted = recent.to_vec();
    sorted.sort_unstable();
    let tenths = if sorted.len() < FEW { 5 } else { 9 };
    let place = (sorted.len() * tenths).div_ceil(10).saturating_sub(1);
    Forecast {
        restart: sorted.get(place).copied().unwrap_or(guess),
        runs: sorted.len(),
    }
}

/// How long a pause may wait for running transactions so that pause and restart together keep the stall budget;
/// `None` where the restart alone would break it.
pub fn pause_bound(budget: u64, forecast: Forecast, most: u64) -> Option<u64> {
    // Shorter than this a pause does not get through PgBouncer's own loop.
    const LEAST: u64 = 20;
    let left = budget.checked_sub(forecast.restart)?;
    (left >= LEAST).then_some(left.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_run_does_not_decide_and_three_do() {
        let mut restarts = vec![100; 20];
        restarts[19] = 9000;
        assert_eq!(forecast(&restarts, 0).restart, 100);
        restarts[17] = 9000;
        restarts[18] = 9000;
        assert_eq!(forecast(&restarts, 0).restart, 9000);
    }

    #[test]
    fn of_few_runs_the_middle_one_counts() {
        assert_eq!(forecast(&[9000, 90, 100], 0).restart, 100);
        assert_eq!(forecast(&[90, 9000], 0).restart, 90);
    }

    #[test]
    fn old_runs_are_forgotten() {
        let mut restarts = vec![9000; 50];
        restarts.extend([80; 20]);
        assert_eq!(
            forecast(&restarts, 0),
            Forecast {
                restart: 80,
                runs: 20
            }
        );
    }

    #[test]
    fn without_a_run_it_is_a_guess_and_says_so() {
        assert_eq!(
            forecast(&[], 300),
            Forecast {
                restart: 300,
                runs: 0
            }
        );
    }

    #[test]
    fn the_pause_gets_what_the_restart_leaves_of_the_budget() {
        let at = |restart| Forecast { restart, runs: 5 };
        assert_eq!(pause_bound(250, at(100), 250), Some(150));
        assert_eq!(pause_bound(1000, at(100), 250), Some(250));
        assert_eq!(pause_bound(250, at(240), 250), None);
        assert_eq!(pause_bound(250, at(400), 250), None);
    }
}
