//! Who may not call now: overload sheds new calls early, and fraud is bounded in what it can cost.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::{CallId, Limit, PlaceName};

/// New calls a second: a bucket that holds a second's worth.
#[derive(Clone, Debug, Default)]
pub struct Rate {
    /// Millionths of a call that are left.
    left: u64,
    at: Option<Duration>,
}

const CALL: u64 = 1_000_000;

impl Rate {
    /// Takes a call if there is one left at so many a second.
    pub fn take(&mut self, now: Duration, a_second: u32) -> bool {
        let most = u64::from(a_second) * CALL;
        let filled = match self.at {
            None => most,
            Some(at) => {
                let passed = u64::try_from(now.saturating_sub(at).as_micros()).unwrap_or(u64::MAX);
                self.left
                    .saturating_add(passed.saturating_mul(u64::from(a_second)))
            }
        };
        self.left = filled.min(most);
        self.at = Some(now);
        let taken = self.left >= CALL;
        if taken {
            self.left -= CALL;
        }
        taken
    }
}

/// What accounts have spent on the numbers that are limited. An account is an extension, or a place whose callers are
/// none.
#[derive(Clone, Debug, Default)]
pub struct Spending(BTreeMap<(PlaceName, String), Spent>);

#[derive(Clone, Debug, Default)]
struct Spent {
    active: Vec<CallId>,
    begun: VecDeque<Duration>,
}

impl Spending {
    /// Lets a call begin, or says which prefix its account has spent too much on.
    pub fn begin(
        &mut self,
        now: Duration,
        call: CallId,
        account: &PlaceName,
        number: &str,
        limits: &[Limit],
    ) -> Result<(), String> {
        let fitting: Vec<(&Limit, &String)> = limits
            .iter()
            .filter_map(|limit| {
                let fits = |prefix: &&String| number.starts_with(prefix.as_str());
                Some((limit, limit.prefixes.iter().find(fits)?))
            })
            .collect();
        // First all that are asked, then all that count it: a call that one refuses costs nothing with another.
        for (limit, prefix) in &fitting {
            let spent = self.0.entry((account.clone(), (*prefix).clone())).or_default();
            while spent.begun.front().is_some_and(|at| *at + limit.window <= now) {
                spent.begun.pop_front();
            }
            if spent.active.len() >= limit.concurrent || spent.begun.len() >= limit.calls {
                return Err((*prefix).clone());
            }
        }
        for (_, prefix) in fitting {
            let spent = self.0.entry((account.clone(), prefix.clone())).or_default();
            spent.active.push(call);
            spent.begun.push_back(now);
        }
        Ok(())
    }

    pub fn end(&mut self, call: CallId) {
        for spent in self.0.values_mut() {
            spent.active.retain(|other| *other != call);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(concurrent: usize, calls: usize) -> [Limit; 1] {
        [Limit {
            prefixes: vec!["+".into(), "82".into()],
            concurrent,
            calls,
            window: Duration::from_hours(1),
        }]
    }

    #[test]
    fn a_bucket_lets_a_seconds_worth_through_at_once_and_then_its_rate() {
        let mut rate = Rate::default();
        let taken = |rate: &mut Rate, at: u64| rate.take(Duration::from_millis(at), 10);
        assert_eq!((0..20).filter(|_| taken(&mut rate, 0)).count(), 10);
        assert!(!taken(&mut rate, 99));
        assert!(taken(&mut rate, 100));
        assert!(!taken(&mut rate, 199));
    }

    #[test]
    fn an_account_has_so_many_calls_at_once_and_gets_the_next_when_one_ends() {
        let mut spending = Spending::default();
        let account: PlaceName = "200".into();
        let limits = limit(1, 100);
        let begin = |spending: &mut Spending, call, number| {
            spending.begin(Duration::ZERO, CallId(call), &account, number, &limits)
        };
        assert_eq!(begin(&mut spending, 1, "+4412345"), Ok(()));
        assert_eq!(begin(&mut spending, 2, "+4412346"), Err("+".into()));
        assert_eq!(begin(&mut spending, 3, "22334455"), Ok(()), "not limited");
        assert_eq!(begin(&mut spending, 4, "82012345"), Ok(()), "another prefix");
        spending.end(CallId(1));
        assert_eq!(begin(&mut spending, 5, "+4412346"), Ok(()));
    }

    #[test]
    fn an_account_has_so_many_calls_an_hour() {
        let mut spending = Spending::default();
        let account: PlaceName = "200".into();
        let limits = limit(100, 2);
        let mut begin = |at, call| {
            let result = spending.begin(at, CallId(call), &account, "+441", &limits);
            spending.end(CallId(call));
            result.is_ok()
        };
        assert!(begin(Duration::ZERO, 1));
        assert!(begin(Duration::from_mins(10), 2));
        assert!(!begin(Duration::from_mins(59), 3));
        assert!(begin(Duration::from_hours(1), 4));
        assert!(!begin(Duration::from_mins(61), 5));
    }
}
