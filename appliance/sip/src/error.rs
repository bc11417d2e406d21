//! Why the bridge cannot start, and why bytes are no message.

use std::io;
use std::net::SocketAddr;

use crate::Transport;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "cannot listen for SIP on {} {address}: {source}. Look whether something else has this port, and whether the host has this address",
        .transport.name()
    )]
    Listen {
        transport: Transport,
        address: SocketAddr,
        source: io::Error,
    },
    #[error(
        "the listener on {0} needs the address that peers are told (advertised), because it listens on all"
    )]
    Advertised(SocketAddr),
    #[error("a listener or trunk uses TLS, and there is no certificate")]
    NoCertificate,
    #[error(
        "the certificate for SIP cannot be used: {0}. Look whether certificate and key are PEM and belong together"
    )]
    Certificate(String),
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

/// What is wrong with bytes that should be a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the message ends early")]
    Ends,
    #[error("the message is too large")]
    TooLarge,
    #[error("the first line is no request and no status")]
    StartLine,
    #[error("a line is no header")]
    Line,
    #[error("there is no {0}")]
    Missing(&'static str),
    #[error("{0} is there twice")]
    Twice(&'static str),
    #[error("{0} cannot be read")]
    Header(&'static str),
    #[error("an address cannot be read")]
    Uri,
}
