//! One frame or message of a call.

use std::net::SocketAddrV4;

/// As seen from the appliance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    In,
    Out,
}

impl Direction {
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::In => Self::Out,
            Self::Out => Self::In,
        }
    }
}

/// What came or went, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Microseconds since 1970, UTC.
    pub at: u64,
    pub direction: Direction,
    pub frame: Frame,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A frame of Q.921 from its address field on, without FCS.
    Lapd {
        line: String,
        /// Whether the appliance is the network's end of the line.
        network: bool,
        bytes: Vec<u8>,
    },
    /// A message of SIP, as it was inside its transport. In the file it stands in a UDP datagram whatever carried it, so
    /// that one of TLS can be read.
    Sip {
        local: SocketAddrV4,
        remote: SocketAddrV4,
        bytes: Vec<u8>,
    },
}

impl Packet {
    /// Bytes that it takes in memory, about.
    pub(crate) fn size(&self) -> usize {
        let frame = match &self.frame {
            Frame::Lapd { line, bytes, .. } => line.len() + bytes.len(),
            Frame::Sip { bytes, .. } => bytes.len(),
        };
        size_of::<Self>() + frame
    }
}
