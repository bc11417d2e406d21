//! How long the exchange waits, and how often it tries.

use std::time::Duration;

/// The times of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The last digit until the number counts as complete, if it means something: 6 s (RFC 3578 §3.1 and TS 183 036
    /// have 4 to 6 s).
    pub digit: Duration,
    /// The first digit: 15 s (T302).
    pub first_digit: Duration,
    /// A place that is called until it says anything: 20 s, then the next one is tried.
    pub response: Duration,
    /// The same of an emergency call, where there is another place to try: 5 s on a line, which says at once that it has
    /// taken the call.
    pub emergency_response: Duration,
    /// 10 s on a trunk: one that says nothing at all ends its leg itself after 4 s, and one that has taken the call is
    /// commonly slow to ring.
    pub emergency_ringing: Duration,
    /// A place that has said something until it rings: 120 s (T310).
    pub alert: Duration,
    /// Ringing until an answer: 180 s (T301).
    pub answer: Duration,
    /// Release until the leg says that it is: 90 s, longer than DISCONNECT, RELEASE and its repetition can take.
    pub release: Duration,
    /// A channel that is taken from another call until it is free: 5 s.
    pub channel: Duration,
    /// How often a call may be forwarded.
    pub forwards: usize,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            digit: Duration::from_secs(6),
            first_digit: Duration::from_secs(15),
            response: Duration::from_secs(20),
            emergency_response: Duration::from_secs(5),
            emergency_ringing: Duration::from_secs(10),
            alert: Duration::from_mins(2),
            answer: Duration::from_mins(3),
            release: Duration::from_secs(90),
            channel: Duration::from_secs(5),
            forwards: 5,
        }
    }
}
