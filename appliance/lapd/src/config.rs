//! What a D channel must be told: its side, who is at the other end, and the system parameters of Q.921 §5.9.

use std::time::Duration;

/// Which end of the line this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// NT: the exchange's end. Its commands have C/R=1.
    Network,
    /// TE: the terminal's or private exchange's end. Its commands have C/R=0.
    User,
}

impl Side {
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Network => Self::User,
            Self::User => Self::Network,
        }
    }
}

/// Who shares the line, and so where TEIs come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrangement {
    /// One data link with a TEI that both ends know: 0 on every primary rate access. On the user side also a terminal
    /// with a fixed TEI (0 to 63) on a bus.
    PointToPoint { tei: u8 },
    /// A bus. A user side asks for its TEI; a network side gives TEIs (64 to 126) to terminals that ask, and takes
    /// terminals with fixed ones as they come.
    PointToMultipoint,
}

/// The system parameters of Q.921 §5.9. Q.921 has no N203: T203 needs no counter, the enquiry that follows it counts
/// in N200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// How long an acknowledgement may take: 1 s.
    pub t200: Duration,
    /// Network: how long answers to a TEI check may take: 1 s.
    pub t201: Duration,
    /// User: how long an answer to a request for a TEI may take: 2 s.
    pub t202: Duration,
    /// How long an established link may be silent: 10 s.
    pub t203: Duration,
    /// How often a command is repeated: 3.
    pub n200: u8,
    /// The longest information field in octets: 260.
    pub n201: usize,
    /// How often a user side asks for a TEI: 3.
    pub n202: u8,
    /// How many I frames may be without acknowledgement, 1 to 127: 7 on a primary rate access, 1 on a basic one.
    pub k: u8,
}

impl Parameters {
    /// Those of a primary rate access.
    pub const PRIMARY: Self = Self {
        t200: Duration::from_secs(1),
        t201: Duration::from_secs(1),
        t202: Duration::from_secs(2),
        t203: Duration::from_secs(10),
        n200: 3,
        n201: 260,
        n202: 3,
        k: 7,
    };
    /// Those of a basic access.
    pub const BASIC: Self = Self {
        k: 1,
        ..Self::PRIMARY
    };
}

/// A D channel, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    pub side: Side,
    pub arrangement: Arrangement,
    pub parameters: Parameters,
    /// Where the reference numbers that a terminal draws for TEI management start; a network side draws none. Two
    /// terminals on a bus must not start alike, so take it from the system's random numbers. A recorded line is
    /// replayed with the same.
    pub seed: u64,
}

impl Config {
    /// A primary rate access: one data link with TEI 0.
    pub fn primary(side: Side) -> Self {
        Self {
            side,
            arrangement: Arrangement::PointToPoint { tei: 0 },
            parameters: Parameters::PRIMARY,
            seed: 0,
        }
    }

    /// A basic access, point-to-point: one data link with TEI 0.
    pub fn basic(side: Side) -> Self {
        Self {
            parameters: Parameters::BASIC,
            ..Self::primary(side)
        }
    }

    /// A basic access with a bus of terminals.
    pub fn bus(side: Side, seed: u64) -> Self {
        Self {
            side,
            arrangement: Arrangement::PointToMultipoint,
            parameters: Parameters::BASIC,
            seed,
        }
    }
}
