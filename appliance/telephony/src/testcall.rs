//! Calls that the site makes itself: they send back what they hear, listen, and hang up.

use std::collections::BTreeMap;
use std::time::Duration;

use varde_dss1::Cause;
use varde_exchange::{Action, LegId, Signal};

/// How long one listens after the answer.
const LISTENS: Duration = Duration::from_secs(5);
/// A-law of silence, and what lines have instead.
const SILENCE: [u8; 4] = [0xd5, 0x55, 0xff, 0x2a];

/// One call of the site itself.
#[derive(Debug)]
struct TestCall {
    /// When it hangs up, answered or not.
    deadline: Duration,
    answered: bool,
    /// Octets that were no silence.
    heard: u64,
}

/// The test calls by their legs.
#[derive(Debug, Default)]
pub struct TestCalls(BTreeMap<LegId, TestCall>);

impl TestCalls {
    /// A call has begun that must be answered `within`.
    pub fn begin(&mut self, leg: LegId, now: Duration, within: Duration) {
        self.0.insert(
            leg,
            TestCall {
                deadline: now + within,
                answered: false,
                heard: 0,
            },
        );
    }

    /// Does what the exchange asks of a leg; gives what that leg says to it.
    pub fn act(&mut self, now: Duration, leg: LegId, action: &Action) -> Option<Signal> {
        match action {
            Action::Answer { .. } => {
                let test = self.0.get_mut(&leg)?;
                test.answered = true;
                test.deadline = now + LISTENS;
                None
            }
            Action::Release(cause) => Some(Signal::Released(*cause)),
            // Nobody calls the tester.
            Action::Call { .. } => Some(Signal::Released(Cause::UNALLOCATED_NUMBER)),
            Action::MoreDigits | Action::Proceeding | Action::Alerting { .. } | Action::Progress => None,
        }
    }

    pub fn hear(&mut self, leg: LegId, octets: &[u8]) {
        if let Some(test) = self.0.get_mut(&leg) {
            let loud = octets.iter().filter(|octet| !SILENCE.contains(octet)).count();
            test.heard += u64::try_from(loud).unwrap_or(0);
        }
    }

    pub fn poll_timeout(&self) -> Option<Duration> {
        self.0.values().map(|test| test.deadline).min()
    }

    /// Those that hang up now, and with which cause.
    pub fn due(&mut self, now: Duration) -> Vec<(LegId, Cause)> {
        let due = self.0.iter_mut().filter(|(_, test)| test.deadline <= now);
        due.map(|(leg, test)| {
            test.deadline = Duration::MAX;
            let cause = if test.answered {
                Cause::NORMAL_CALL_CLEARING
            } else {
                Cause::NO_ANSWER
            };
            (*leg, cause)
        })
        .collect()
    }

    /// A test is over: whether it heard anything, if it was answered.
    pub fn end(&mut self, leg: LegId) -> Option<bool> {
        let test = self.0.remove(&leg)?;
        test.answered.then_some(test.heard > 0)
    }
}
