//! What the exchange and the legs say to each other: plain data.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use varde_dss1::Cause;

use crate::{Record, Target};

/// Now, on two clocks: one that never goes back and is for waiting, and the one on the wall, which is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub clock: Duration,
    pub wall: Timestamp,
}

/// One party's side of a call. Not used again as long as the exchange lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(pub(crate) u64);

/// A call. Not used again as long as the exchange lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub(crate) u64);

impl CallId {
    /// The number that people name it by.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The call that people name so, if there is one.
    pub fn numbered(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for LegId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// The name of a line, a trunk or a phone.
pub type PlaceName = Arc<str>;

/// What is to be carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bearer {
    #[default]
    Speech,
    /// 3.1 kHz: modems and fax.
    Audio,
    /// 64 kbit/s, unrestricted.
    Digital,
}

/// Who calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calling {
    /// In the form of [`crate::canonical`].
    pub number: String,
    /// CLIR: not to be shown to whom it reaches.
    pub hidden: bool,
}

/// What a call begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// In the form of [`crate::canonical`]; of a call that comes, as far as it has been dialled.
    pub called: String,
    /// No more digits come.
    pub complete: bool,
    pub calling: Option<Calling>,
    pub bearer: Bearer,
    /// The number that sent the call on, if one did.
    pub diverted: Option<String>,
    /// How often it may still be passed on, where that is counted.
    pub hops: Option<u8>,
    /// Where the caller is, of an emergency call: what the site says of it.
    pub emergency: Option<String>,
    /// Of a call that the site makes itself to see whether it works.
    pub test: Option<Test>,
}

/// A call that is a test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Test {
    /// There and nowhere else, whatever the routes say.
    pub to: Option<Target>,
    /// As an emergency call, but that no other call ends for it.
    pub emergency: bool,
}

/// From a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// More of the called number, and whether that was all.
    Digits { digits: String, complete: bool },
    /// The party that was called has what it needs.
    Proceeding,
    /// It rings; with the tone to be heard from there, or not.
    Alerting { in_band: bool },
    /// Something is to be heard from there.
    Progress,
    /// The party that was called answers; its number, if it says one.
    Answered { connected: Option<String> },
    /// The party ends the call, and has yet to be told to release.
    Disconnected(Cause),
    /// The leg is gone. Its last word.
    Released(Cause),
}

/// To a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Calls somebody at that place; from now on there is this leg.
    Call {
        place: PlaceName,
        setup: Setup,
    },
    /// More digits are wanted.
    MoreDigits,
    Proceeding,
    Alerting {
        in_band: bool,
    },
    Progress,
    Answer {
        connected: Option<String>,
    },
    /// Ends the leg, whatever state it is in. It answers [`Signal::Released`].
    Release(Cause),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Leg(LegId, Action),
    /// The two are to hear each other, from now until one of them is released.
    Join(LegId, LegId),
    Record(Box<Record>),
    Notice(Notice),
}

/// What an operator should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A call was refused by a limit against fraud.
    Limit {
        account: PlaceName,
        prefix: String,
    },
    /// Calls are shed: the exchange has as many as it can take. Said at most once a minute.
    Overload,
    /// A call was shed.
    Shed,
    /// A call was ended so that an emergency call gets its channel.
    Preempted {
        call: CallId,
        place: PlaceName,
    },
    /// An emergency call found nobody who would take it.
    EmergencyFailed {
        call: CallId,
        cause: Cause,
    },
    /// A leg did not say that it is released.
    GivenUp {
        leg: LegId,
        place: PlaceName,
    },
    Place {
        place: PlaceName,
        usable: bool,
    },
}

/// A call that cannot be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such place in the plan.
    NoPlace,
}
