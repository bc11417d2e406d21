//! What call control and an application say to each other about a call (Q.931 Annex A, after Q.699): plain data.

use std::fmt;

/// One call of an interface. Not used again as long as the interface lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub(crate) u64);

impl fmt::Display for CallId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// From the application; most go out as the message of that name, with the elements given beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Begins a call: by [`crate::Interface::call`] alone.
    Setup,
    /// More digits are wanted.
    SetupAcknowledge,
    Proceeding,
    Alerting,
    Progress,
    /// Answers the call.
    Connect,
    /// Network: takes the answer of [`Indication::Connect`] (CONNECT ACKNOWLEDGE).
    Accept,
    /// Digits, or a display.
    Information,
    Notify,
    Facility,
    /// Asks the peer for its state of the call.
    Enquire,
    /// Ends the call, in whichever way its state asks for, with the cause given; also the answer to
    /// [`Indication::Disconnect`]. Ends in [`Indication::Released`].
    Clear,
    /// User side, on a bus: a call that is for another terminal. Nothing is answered.
    Ignore,
}

/// To the application, with the elements of the message, if there was one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indication {
    /// A call comes.
    Setup,
    SetupAcknowledge,
    Proceeding,
    Alerting,
    Progress,
    /// The call is answered. A network side has yet to accept the answer.
    Connect,
    /// The call that was answered here is connected.
    ConnectAcknowledge,
    /// More digits, or a display.
    Information,
    /// No more digits come (T302): what came is the number, or it is incomplete.
    DiallingEnd,
    Notify,
    Facility,
    /// The peer ends the call; tones may be left to hear. To be answered by [`Request::Clear`].
    Disconnect,
    /// This end has begun to end the call by itself; [`Indication::Released`] follows.
    Clearing,
    /// The call is over, and its channel is free. The last word about every call; a cause is always with it.
    Released,
}
