//! Why a line cannot do what it was asked, and why a datagram is not one of l1oip.

use std::io;
use std::net::SocketAddr;

use crate::{Access, BChannel};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "cannot listen for the line on UDP {address}: {source}. Look whether something else has this port"
    )]
    Bind { address: SocketAddr, source: io::Error },
    #[error(
        "cannot set the line's other end to UDP {address}: {source}. Look whether there is a route to it"
    )]
    Connect { address: SocketAddr, source: io::Error },
    #[error("cannot read from the line's socket: {0}")]
    Read(io::Error),
    #[error("a frame of {0} octets does not fit into one datagram of the line (1 to 1400)")]
    FrameSize(usize),
    #[error("this line has no channel {0}")]
    NoChannel(BChannel),
}

/// What is wrong with a datagram; positions are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum L1oipError {
    #[error("the datagram ends at octet {0}, where {1} is expected")]
    Ends(usize, &'static str),
    #[error("version {0} of l1oip is not known (0 is)")]
    Version(u8),
    #[error("the other end has a {theirs:?} access, this one is {ours:?}")]
    Access { ours: Access, theirs: Access },
    #[error("codec {0} is not understood: set codec=0 at the other end")]
    Codec(u8),
    #[error("the datagram has an id, and this line has none")]
    UnexpectedId,
    #[error("the datagram has no id, and this line has one")]
    MissingId,
    #[error("the datagram's id {0:#010x} is not this line's")]
    ForeignId(u32),
    #[error("there is no channel {0} on this access")]
    Channel(u8),
    #[error("channel {channel} is said to have {length} octets, and {left} are left")]
    Length { channel: u8, length: usize, left: usize },
}
