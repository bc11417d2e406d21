//! The two kinds of ISDN access, and the channels that each has.

use std::fmt;

/// What a line carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// S0: 2 B channels (1, 2) and a D channel of 16 kbit/s.
    Basic,
    /// E1: 30 B channels (1 to 15, 17 to 31) and a D channel of 64 kbit/s in timeslot 16.
    Primary,
}

impl Access {
    /// The D channel's number on this access, as mISDN counts.
    pub fn d_channel(self) -> u8 {
        match self {
            Self::Basic => 3,
            Self::Primary => 16,
        }
    }

    /// A B channel of this access, if it has one of that number.
    pub fn b_channel(self, number: u8) -> Option<BChannel> {
        let last = match self {
            Self::Basic => 2,
            Self::Primary => 31,
        };
        let exists = (1..=last).contains(&number) && number != self.d_channel();
        exists.then_some(BChannel(number))
    }

    /// All B channels, in their order.
    pub fn b_channels(self) -> impl Iterator<Item = BChannel> {
        (1..=31).filter_map(move |number| self.b_channel(number))
    }
}

/// A B channel, by the number that Q.931 has for it too: timeslot 1 to 31 on a primary access, 1 or 2 on a basic one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BChannel(u8);

impl BChannel {
    pub fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for BChannel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "B{}", self.0)
    }
}
