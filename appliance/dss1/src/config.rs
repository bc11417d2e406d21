//! What an interface must be told: its side, its access, who is at the other end, and the timers of Q.931 §9.

use std::time::Duration;

use varde_lapd::Side;

use crate::Location;

/// What a line is, and so how channels and call references are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// B1 and B2, call references of one octet.
    Basic,
    /// E1: time slots 1 to 15 and 17 to 31, call references of two octets.
    Primary,
}

/// Who shares the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// One peer, on one data link, which is kept up.
    PointToPoint,
    /// A bus: a network side offers a call to all terminals at once, a user side is one of them. Data links are set
    /// up when there is something to be said.
    PointToMultipoint,
}

/// The timers of Q.931 (Tables 9-1 and 9-2), and one of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// ALERTING, or tones instead, until CONNECT.
    T301,
    /// Overlap receiving: until the next digit.
    T302,
    /// SETUP until the first answer; once repeated.
    T303,
    /// Overlap sending: the last digit until an answer.
    T304,
    /// DISCONNECT until RELEASE.
    T305,
    /// Network: DISCONNECT with tones until RELEASE.
    T306,
    /// RELEASE until RELEASE COMPLETE; once repeated.
    T308,
    /// How long an active call outlives its data link.
    T309,
    /// CALL PROCEEDING until something more.
    T310,
    /// User: CONNECT until CONNECT ACKNOWLEDGE.
    T313,
    /// STATUS ENQUIRY until STATUS; once repeated.
    T322,
    /// Ours: how often the peer is asked whether it still has an active call too.
    Check,
}

/// How long they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// 180 s or more.
    pub t301: Duration,
    /// 15 s.
    pub t302: Duration,
    /// 4 s.
    pub t303: Duration,
    /// 30 s.
    pub t304: Duration,
    /// 30 s.
    pub t305: Duration,
    /// 30 s.
    pub t306: Duration,
    /// 4 s.
    pub t308: Duration,
    /// 90 s.
    pub t309: Duration,
    /// 120 s.
    pub t310: Duration,
    /// Network, on a bus: SETUP until no terminal will answer any more; 6 s, and longer than T303.
    pub t312: Duration,
    /// 4 s.
    pub t313: Duration,
    /// One segment of a message until the next: 4 s.
    pub t314: Duration,
    /// RESTART until RESTART ACKNOWLEDGE: 120 s.
    pub t316: Duration,
    /// 4 s.
    pub t322: Duration,
    /// Ours: 10 min.
    pub check: Duration,
    /// Ours: how long after its loss a data link that is to be up is asked for again; 1 s.
    pub retry: Duration,
}

impl Parameters {
    pub const STANDARD: Self = Self {
        t301: Duration::from_mins(3),
        t302: Duration::from_secs(15),
        t303: Duration::from_secs(4),
        t304: Duration::from_secs(30),
        t305: Duration::from_secs(30),
        t306: Duration::from_secs(30),
        t308: Duration::from_secs(4),
        t309: Duration::from_secs(90),
        t310: Duration::from_mins(2),
        t312: Duration::from_secs(6),
        t313: Duration::from_secs(4),
        t314: Duration::from_secs(4),
        t316: Duration::from_mins(2),
        t322: Duration::from_secs(4),
        check: Duration::from_mins(10),
        retry: Duration::from_secs(1),
    };

    pub(crate) fn of(&self, timer: Timer) -> Duration {
        match timer {
            Timer::T301 => self.t301,
            Timer::T302 => self.t302,
            Timer::T303 => self.t303,
            Timer::T304 => self.t304,
            Timer::T305 => self.t305,
            Timer::T306 => self.t306,
            Timer::T308 => self.t308,
            Timer::T309 => self.t309,
            Timer::T310 => self.t310,
            Timer::T313 => self.t313,
            Timer::T322 => self.t322,
            Timer::Check => self.check,
        }
    }
}

/// An interface, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub side: Side,
    pub access: Access,
    pub sharing: Sharing,
    /// The B channels in use, ascending: time slots, or 1 and 2.
    pub channels: Vec<u8>,
    /// Where causes of ours say that they come from.
    pub location: Location,
    pub parameters: Parameters,
}

impl Config {
    /// A primary rate access with 30 B channels.
    pub fn primary(side: Side) -> Self {
        Self {
            side,
            access: Access::Primary,
            sharing: Sharing::PointToPoint,
            channels: (1..=31).filter(|slot| *slot != 16).collect(),
            location: match side {
                Side::Network => Location::PRIVATE_LOCAL,
                Side::User => Location::USER,
            },
            parameters: Parameters::STANDARD,
        }
    }

    /// A basic access, point-to-point.
    pub fn basic(side: Side) -> Self {
        Self {
            access: Access::Basic,
            channels: vec![1, 2],
            ..Self::primary(side)
        }
    }

    /// A basic access with a bus of terminals.
    pub fn bus(side: Side) -> Self {
        Self {
            sharing: Sharing::PointToMultipoint,
            ..Self::basic(side)
        }
    }
}
