//! Call control as a table: what Annex A of Q.931 draws, one table a side.
//!
//! A [`Row`] belongs to a state and an event. The first row of the event whose conditions all hold is the one that
//! happens: its actions in order, then its next state. The rows of a state are its own, then those that it has in
//! common with others. A message without a row is answered by STATUS #101 (§5.8.4), a request without one is refused,
//! anything else without one is nothing. Where rows are of our own, they say so.

mod network;
mod user;

use varde_lapd::Side;

use crate::{Cause, Indication, MessageType as M, Request as R, Timer as T};

/// The states of a call (§2.1 and §2.2), the same numbers on both sides. Those of suspended calls, 15 and 17, no call
/// here is ever in: SUSPEND is rejected, and a user side does not send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    Null = 0,
    CallInitiated = 1,
    OverlapSending = 2,
    OutgoingCallProceeding = 3,
    CallDelivered = 4,
    CallPresent = 6,
    CallReceived = 7,
    ConnectRequest = 8,
    IncomingCallProceeding = 9,
    Active = 10,
    DisconnectRequest = 11,
    DisconnectIndication = 12,
    ReleaseRequest = 19,
    /// Network, on a bus: the call is over, but terminals may yet answer.
    CallAbort = 22,
    OverlapReceiving = 25,
}

impl State {
    /// The standard's number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Whether the call is being ended.
    pub fn is_clearing(self) -> bool {
        matches!(
            self,
            Self::DisconnectRequest | Self::DisconnectIndication | Self::ReleaseRequest | Self::CallAbort
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Request(R),
    Message(M),
    Timer(T),
    /// The data link was set up anew under the call; what was on its way may be lost (§5.8.8).
    LinkReset,
    /// §5.8.9.
    LinkLost,
    LinkBack,
    /// The call's channel was restarted, by either end (§5.5).
    Restarted,
    /// Network, on a bus: another terminal has the call, or the caller is gone (§5.2.9, §5.3.4).
    Deselected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum If {
    /// The timer has not run out in this state before.
    FirstTry,
    /// Tones or announcements come with the message.
    InBand,
    /// Sending complete is in the message.
    Complete,
    /// The channel that the peer chose cannot be had (§5.1.2, §5.2.3).
    ChannelBad,
    /// STATUS reports state 0.
    PeerNull,
    /// STATUS reports a state in which the peer cannot be (§5.8.11).
    PeerIncompatible,
    /// STATUS ENQUIRY was sent once.
    FirstEnquiry,
    T309Runs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Do {
    /// With the elements of the request.
    Send(M),
    /// With nothing but what must be in it.
    Answer(M),
    SendCause(M, Cause),
    /// Again, or with its cause.
    SendSaved(M),
    SendStatus(Cause),
    /// With the elements of the message.
    Tell(Indication),
    TellCause(Indication, Cause),
    Start(T),
    Stop(T),
    StopAll,
    CountTry,
    ZeroTries,
    /// STATUS ENQUIRY, and T322.
    Enquire,
    EnquireAgain,
    Enquired,
    /// DISCONNECT and T305; the peer and the application may be told different causes.
    Disconnect {
        peer: Cause,
        told: Cause,
    },
    /// Nothing runs any more, and the application is told why: the first cause is the one that counts.
    End(Cause),
    /// The peer may still hold the channel: RESTART will tell.
    Suspect,
}

pub(crate) struct Row {
    pub(crate) event: Event,
    pub(crate) when: &'static [If],
    pub(crate) then: &'static [Do],
    /// None: the state stays.
    pub(crate) next: Option<State>,
}

const fn stay(event: Event, when: &'static [If], then: &'static [Do]) -> Row {
    Row {
        event,
        when,
        then,
        next: None,
    }
}

const fn to(next: State, event: Event, when: &'static [If], then: &'static [Do]) -> Row {
    Row {
        event,
        when,
        then,
        next: Some(next),
    }
}

/// The rows of a state, in order.
pub(crate) fn rows(side: Side, state: State) -> impl Iterator<Item = &'static Row> {
    let parts = match side {
        Side::Network => network::rows(state),
        Side::User => user::rows(state),
    };
    parts.iter().copied().flatten()
}

const fn asks(request: R) -> Event {
    Event::Request(request)
}

const fn gets(message: M) -> Event {
    Event::Message(message)
}

const fn out(timer: T) -> Event {
    Event::Timer(timer)
}

/// A peer that does not answer in time, and is told so.
const fn timed_out(told: Cause) -> Do {
    Do::Disconnect {
        peer: Cause::RECOVERY_ON_TIMER_EXPIRY,
        told,
    }
}

const fn disconnect(cause: Cause) -> Do {
    Do::Disconnect {
        peer: cause,
        told: cause,
    }
}

/// Every state of a call but Null.
#[rustfmt::skip]
const ANY: &[Row] = &[
    to(State::Null, gets(M::Release), &[],
        &[Do::StopAll, Do::Answer(M::ReleaseComplete), Do::Tell(Indication::Released)]),
    to(State::Null, gets(M::ReleaseComplete), &[], &[Do::StopAll, Do::Tell(Indication::Released)]),
    to(State::Null, Event::Restarted, &[], &[Do::End(Cause::TEMPORARY_FAILURE)]),
    // Active calls have rows before these.
    to(State::Null, Event::LinkLost, &[], &[Do::Suspect, Do::End(Cause::DESTINATION_OUT_OF_ORDER)]),
    stay(gets(M::StatusEnquiry), &[], &[Do::SendStatus(Cause::RESPONSE_TO_STATUS_ENQUIRY)]),
    // §5.8.3.2 e: the reference is in use.
    stay(gets(M::Setup), &[], &[]),
    stay(gets(M::Hold), &[], &[Do::SendCause(M::HoldReject, Cause::FACILITY_NOT_IMPLEMENTED)]),
    stay(gets(M::Retrieve), &[], &[Do::SendCause(M::RetrieveReject, Cause::FACILITY_NOT_IMPLEMENTED)]),
];

/// States in which the peer knows the call, and neither end clears it.
#[rustfmt::skip]
const KNOWN: &[Row] = &[
    stay(asks(R::Information), &[], &[Do::Send(M::Information)]),
    stay(asks(R::Notify), &[], &[Do::Send(M::Notify)]),
    stay(asks(R::Facility), &[], &[Do::Send(M::Facility)]),
    stay(asks(R::Enquire), &[], &[Do::Enquire]),
    stay(gets(M::Information), &[], &[Do::Tell(Indication::Information)]),
    stay(gets(M::Notify), &[], &[Do::Tell(Indication::Notify)]),
    stay(gets(M::Facility), &[], &[Do::Tell(Indication::Facility)]),
    // Ours: what was lost with the old link is found out at once.
    stay(Event::LinkReset, &[], &[Do::Enquire]),
];

/// State 10.
#[rustfmt::skip]
const ACTIVE: &[Row] = &[
    stay(gets(M::ConnectAcknowledge), &[], &[]),
    // Nobody can answer now.
    stay(asks(R::Enquire), &[If::T309Runs], &[]),
    stay(out(T::Check), &[If::T309Runs], &[Do::Start(T::Check)]),
    stay(out(T::Check), &[], &[Do::Enquire, Do::Start(T::Check)]),
    stay(Event::LinkLost, &[If::T309Runs], &[]),
    stay(Event::LinkLost, &[], &[Do::Enquired, Do::Start(T::T309)]),
    stay(Event::LinkBack, &[], &[Do::Stop(T::T309), Do::Enquire]),
    to(State::Null, out(T::T309), &[], &[Do::Suspect, Do::End(Cause::DESTINATION_OUT_OF_ORDER)]),
];

/// The states in which a call is being cleared. What crosses the clearing on the line is of no use any more.
#[rustfmt::skip]
const CLEARING: &[Row] = &[
    stay(gets(M::Information), &[], &[]),
    stay(gets(M::Notify), &[], &[]),
    stay(gets(M::Facility), &[], &[]),
    to(State::Null, gets(M::Status), &[If::PeerNull], &[Do::End(Cause::TEMPORARY_FAILURE)]),
    stay(gets(M::Status), &[], &[]),
];

/// The end that sent DISCONNECT: U11, N12.
#[rustfmt::skip]
const DISCONNECT_SENT: &[Row] = &[
    stay(asks(R::Clear), &[], &[]),
    // §5.3.5: both ends at once.
    to(State::ReleaseRequest, gets(M::Disconnect), &[],
        &[Do::StopAll, Do::SendSaved(M::Release), Do::Start(T::T308)]),
    to(State::ReleaseRequest, out(T::T305), &[], &[Do::SendSaved(M::Release), Do::Start(T::T308)]),
    to(State::ReleaseRequest, out(T::T306), &[], &[Do::SendSaved(M::Release), Do::Start(T::T308)]),
];

/// The end that received DISCONNECT: U12, N11.
#[rustfmt::skip]
const DISCONNECT_RECEIVED: &[Row] = &[
    to(State::ReleaseRequest, asks(R::Clear), &[], &[Do::Send(M::Release), Do::Start(T::T308)]),
    stay(gets(M::Disconnect), &[], &[]),
];

/// U19, N19.
#[rustfmt::skip]
const RELEASE_REQUEST: &[Row] = &[
    stay(asks(R::Clear), &[], &[]),
    // §5.3.5: both ends at once.
    to(State::Null, gets(M::Release), &[], &[Do::StopAll, Do::Tell(Indication::Released)]),
    stay(gets(M::Disconnect), &[], &[]),
    stay(out(T::T308), &[If::FirstTry], &[Do::SendSaved(M::Release), Do::CountTry, Do::Start(T::T308)]),
    to(State::Null, out(T::T308), &[], &[Do::Suspect, Do::End(Cause::RECOVERY_ON_TIMER_EXPIRY)]),
];
