//! Why bytes are not a frame, and why a request cannot be done.

use crate::{Ces, ErrorCode};

/// Why bytes are not a frame of Q.921.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// An invalid frame of §2.9: to be discarded without a word.
    #[error("{0} octets are too few for an address and a control field")]
    TooShort(usize),
    /// An invalid frame of §2.9: to be discarded without a word.
    #[error("the address field {0:02x} {1:02x} does not have two octets")]
    Address(u8, u8),
    /// A frame rejection condition of §5.8.5, on this data link.
    #[error("frame for SAPI {sapi}, TEI {tei}: {fault}")]
    Rejected { sapi: u8, tei: u8, fault: Fault },
}

/// What is wrong with a frame whose address is sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the control field {0:02x} is not defined")]
    Control(u8),
    #[error("the control field {0:02x} is not defined for a command")]
    NotACommand(u8),
    #[error("the control field {0:02x} is not defined for a response")]
    NotAResponse(u8),
    #[error("{0} octets of information where none is allowed")]
    Information(usize),
    #[error("the information field of FRMR has {0} octets instead of 5")]
    Size(usize),
}

impl Fault {
    /// What layer management is told.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::Control(_) | Self::NotACommand(_) | Self::NotAResponse(_) => ErrorCode::L,
            Self::Information(_) => ErrorCode::M,
            Self::Size(_) => ErrorCode::N,
        }
    }
}

/// Why a message of TEI management (Q.921 §5.3) cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TeiError {
    #[error("a management message has 5 octets or more, not {0}")]
    TooShort(usize),
    #[error("the management entity is {0:#04x}, not 0x0f")]
    Entity(u8),
    #[error("the message type {0} is not one of 1 to 7")]
    Type(u8),
    #[error("the action indicator is not ended, or {0} octets follow its end")]
    ActionIndicator(usize),
}

/// Why a request of layer 3 was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("no data link {0}: no terminal has this TEI now")]
    NoLink(Ces),
    #[error("the broadcast data link carries unit data only")]
    Broadcast,
    #[error("{length} octets are more than a frame carries (N201: {n201})")]
    TooLong { length: usize, n201: usize },
}
