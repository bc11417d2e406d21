//! Why octets are not a message, and why a request cannot be done.

use crate::{CallId, Request, State};

/// Why octets are not a message of Q.931: such are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// §5.8.1.
    #[error("the protocol discriminator is {0:#04x}, not 0x08: no message of call control")]
    Discriminator(u8),
    /// §5.8.2.
    #[error("{0} octets are too few for a message")]
    TooShort(usize),
    /// §5.8.3.1.
    #[error("the call reference has the length octet {0:#04x}: it is 0 to 2 octets long")]
    CallReference(u8),
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("call {0} is over, or never was")]
    NoCall(CallId),
    #[error("{request:?} is not for a call in state {}", .state.number())]
    State { request: Request, state: State },
    #[error("no B channel is free")]
    NoChannel,
    #[error("the data link is down")]
    LinkDown,
    #[error("every call reference is in use")]
    NoReference,
}
