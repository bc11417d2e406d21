//! The pace of audio: lines over packets have no clock of their own, so it is the machine's.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// Octets a second of one B channel.
const RATE: usize = 8000;

/// How much audio goes into one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// 160 octets: what SIP phones send.
    TwentyMs,
    /// 64 octets: what mISDN sends.
    EightMs,
}

impl Pace {
    pub fn period(self) -> Duration {
        match self {
            Self::TwentyMs => Duration::from_millis(20),
            Self::EightMs => Duration::from_millis(8),
        }
    }

    /// Octets of one channel in one packet.
    pub fn octets(self) -> usize {
        match self {
            Self::TwentyMs => RATE / 50,
            Self::EightMs => RATE / 125,
        }
    }
}

/// Says when the next packet of audio is due. A tick that came late is followed by the next ones at once, so that the
/// rate is right over time.
#[derive(Debug)]
pub struct Ticker {
    pace: Pace,
    interval: Interval,
}

impl Ticker {
    pub fn new(pace: Pace) -> Self {
        let mut interval = interval(pace.period());
        interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
        Self { pace, interval }
    }

    /// Waits until a packet is due, and says how many octets it has. May be dropped before it is done.
    pub async fn tick(&mut self) -> usize {
        self.interval.tick().await;
        self.pace.octets()
    }
}
