//! Why a packet is not taken, why a description is not accepted, and why an endpoint cannot be had.

use std::io;
use std::net::{IpAddr, SocketAddr};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no endpoint.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot start the thread that carries audio: {0}")]
    Start(io::Error),
    #[error(
        "none of the ports {first} to {last} of {address} is free for another call: {source}. Give calls a larger range \
         of ports, or look what else uses it"
    )]
    NoPorts {
        address: IpAddr,
        first: u16,
        last: u16,
        source: io::Error,
    },
    #[error("the ports {first} to {last} hold no even port with its odd neighbour: a call needs both")]
    NoPair { first: u16, last: u16 },
    #[error("cannot prepare the socket {address} for audio: {source}")]
    Socket { address: SocketAddr, source: io::Error },
}

/// Why a datagram was not taken. It is counted, and nothing else happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("not RTP")]
    NotRtp,
    #[error("a payload type that was not agreed")]
    PayloadType,
    #[error("from an address that is not the peer's")]
    Source,
    #[error("a sequence number far from the stream's")]
    Sequence,
    #[error("nothing is to come: the call is on hold, or nothing was agreed")]
    NotExpected,
    #[error("not RTCP, or of another stream")]
    NotRtcp,
}

/// What is wrong with a session description, or why it does not suit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    #[error("not a session description: {0}")]
    Syntax(String),
    #[error("a session description of {0} octets is too long")]
    TooLong(usize),
    #[error("it has no audio that could be used")]
    NoAudio,
    #[error("its audio asks for {0}, and here is RTP/AVP alone")]
    Protocol(String),
    #[error("its audio has neither PCMA nor PCMU, but {0}")]
    Codec(String),
    #[error("its audio names no address, or one that is not unicast: {0}")]
    Address(String),
    #[error("the audio that was offered is refused")]
    AudioRefused,
}
