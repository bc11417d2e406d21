//! The errors that a data link tells layer management about (Q.921 Appendix II).

use std::fmt;

/// The code of an MDL-ERROR indication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorCode {
    /// A supervisory response with F=1 that nobody asked for.
    A,
    /// A DM response with F=1 that nobody asked for.
    B,
    /// A UA response with F=1 that nobody asked for.
    C,
    /// A UA response with F=0 that nobody asked for.
    D,
    /// A DM response with F=0: the peer has lost the link.
    E,
    /// The peer set up the link anew.
    F,
    /// SABME was sent N200 times more, without an answer.
    G,
    /// DISC was sent N200 times more, without an answer.
    H,
    /// The peer did not answer N200 enquiries.
    I,
    /// N(R) acknowledges what was never sent.
    J,
    /// The peer rejected a frame: FRMR.
    K,
    /// A control field that is not defined, or a command that came as a response, or the other way round.
    L,
    /// An information field where none is allowed.
    M,
    /// A frame of wrong size.
    N,
    /// An information field longer than N201.
    O,
}

impl ErrorCode {
    /// What happened, in English for the record.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::A => "unsolicited supervisory response (F=1)",
            Self::B => "unsolicited DM response (F=1)",
            Self::C => "unsolicited UA response (F=1)",
            Self::D => "unsolicited UA response (F=0)",
            Self::E => "DM response (F=0): the peer has lost the link",
            Self::F => "the peer set up the link anew",
            Self::G => "no answer to SABME",
            Self::H => "no answer to DISC",
            Self::I => "no answer to enquiries",
            Self::J => "N(R) outside the window",
            Self::K => "FRMR from the peer",
            Self::L => "undefined control field",
            Self::M => "information field not permitted",
            Self::N => "frame of wrong size",
            Self::O => "information field longer than N201",
        }
    }

    /// Whether the TEI may be held by two terminals or by none, so that it is to be checked (Table II.1).
    pub(crate) fn doubts_the_tei(self) -> bool {
        matches!(self, Self::C | Self::D | Self::G | Self::H)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MDL-ERROR {self:?}: {}", self.meaning())
    }
}
