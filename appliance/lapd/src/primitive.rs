//! What layer 3 and a data link say to each other (Q.920 §4): plain data, and all that a user of this crate's links needs.

use std::fmt;

/// Which data link of a D channel: the connection endpoint suffix of Q.920 §2.
///
/// On the network side it is the TEI of the terminal at the other end. A user side has one data link of its own,
/// [`Ces::OWN`], whatever TEI it was given. [`Ces::BROADCAST`] reaches every terminal, without acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ces(pub u8);

impl Ces {
    /// The one data link of a user side. Also the network's end of a point-to-point line with TEI 0.
    pub const OWN: Self = Self(0);
    /// The broadcast data link (TEI 127): unit data only.
    pub const BROADCAST: Self = Self(127);
}

impl fmt::Display for Ces {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::BROADCAST {
            formatter.write_str("broadcast")
        } else {
            write!(formatter, "{}", self.0)
        }
    }
}

/// From layer 3 to a data link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// DL-ESTABLISH request: ends in [`Indication::EstablishConfirm`] or [`Indication::Release`].
    Establish,
    /// DL-RELEASE request: ends in [`Indication::ReleaseConfirm`].
    Release,
    /// DL-DATA request: acknowledged transfer, for which the link must be established.
    Data(Vec<u8>),
    /// DL-UNIT-DATA request: sent once, without acknowledgement.
    UnitData(Vec<u8>),
}

/// From a data link to layer 3: the indications, and the confirmations of its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Indication {
    /// DL-ESTABLISH indication: the peer has set up the link, or it was set up anew and what was not acknowledged is
    /// lost.
    Establish,
    /// DL-ESTABLISH confirm.
    EstablishConfirm,
    /// DL-RELEASE indication: the link is gone, or could not be set up.
    Release,
    /// DL-RELEASE confirm.
    ReleaseConfirm,
    /// DL-DATA indication: in order, each once.
    Data(Vec<u8>),
    /// DL-UNIT-DATA indication.
    UnitData(Vec<u8>),
}
