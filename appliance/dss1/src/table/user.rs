//! The user side: U0 to U25.

use super::{
    ACTIVE, ANY, CLEARING, DISCONNECT_RECEIVED, DISCONNECT_SENT, Do, Event, If, KNOWN, RELEASE_REQUEST, Row,
    State, asks, disconnect, gets, out, stay, timed_out, to,
};
use crate::{Cause, Indication, MessageType as M, Request as R, Timer as T};

pub(super) fn rows(state: State) -> &'static [&'static [Row]] {
    match state {
        State::Null => &[NULL],
        State::CallInitiated => &[CALL_INITIATED, CLEARABLE, ANY],
        State::OverlapSending => &[OVERLAP_SENDING, CLEARABLE, KNOWN, ANY],
        State::OutgoingCallProceeding => &[OUTGOING_CALL_PROCEEDING, CLEARABLE, KNOWN, ANY],
        State::CallDelivered => &[CALL_DELIVERED, CLEARABLE, KNOWN, ANY],
        State::CallPresent => &[CALL_PRESENT, CLEARABLE, ANY],
        State::CallReceived => &[CALL_RECEIVED, CLEARABLE, KNOWN, ANY],
        State::ConnectRequest => &[CONNECT_REQUEST, CLEARABLE, KNOWN, ANY],
        State::IncomingCallProceeding => &[INCOMING_CALL_PROCEEDING, CLEARABLE, KNOWN, ANY],
        State::Active => &[ACTIVE, CLEARABLE, KNOWN, ANY],
        State::DisconnectRequest => &[DISCONNECT_SENT, CLEARING, ANY],
        State::DisconnectIndication => &[DISCONNECT_RECEIVED, CLEARING, ANY],
        State::ReleaseRequest => &[RELEASE_REQUEST, CLEARING, ANY],
        State::OverlapReceiving => &[OVERLAP_RECEIVING, CLEARABLE, KNOWN, ANY],
        State::CallAbort => &[],
    }
}

/// What ends a call that nobody has begun to clear.
#[rustfmt::skip]
const CLEARABLE: &[Row] = &[
    to(State::DisconnectRequest, asks(R::Clear), &[],
        &[Do::StopAll, Do::Send(M::Disconnect), Do::Start(T::T305)]),
    to(State::DisconnectIndication, gets(M::Disconnect), &[], &[Do::StopAll, Do::Tell(Indication::Disconnect)]),
    to(State::Null, gets(M::Status), &[If::PeerNull], &[Do::End(Cause::TEMPORARY_FAILURE)]),
    to(State::DisconnectRequest, gets(M::Status), &[If::PeerIncompatible],
        &[disconnect(Cause::MESSAGE_NOT_COMPATIBLE)]),
    stay(gets(M::Status), &[], &[Do::Enquired]),
    stay(out(T::T322), &[If::FirstEnquiry], &[Do::EnquireAgain]),
    to(State::DisconnectRequest, out(T::T322), &[], &[disconnect(Cause::TEMPORARY_FAILURE)]),
];

/// U0.
#[rustfmt::skip]
const NULL: &[Row] = &[
    to(State::CallInitiated, asks(R::Setup), &[], &[Do::Send(M::Setup), Do::Start(T::T303)]),
    to(State::CallPresent, gets(M::Setup), &[], &[Do::Tell(Indication::Setup)]),
];

/// U1: SETUP was sent.
#[rustfmt::skip]
const CALL_INITIATED: &[Row] = &[
    to(State::ReleaseRequest, gets(M::SetupAcknowledge), &[If::ChannelBad], UNACCEPTABLE),
    to(State::ReleaseRequest, gets(M::CallProceeding), &[If::ChannelBad], UNACCEPTABLE),
    to(State::ReleaseRequest, gets(M::Alerting), &[If::ChannelBad], UNACCEPTABLE),
    to(State::ReleaseRequest, gets(M::Connect), &[If::ChannelBad], UNACCEPTABLE),
    to(State::OverlapSending, gets(M::SetupAcknowledge), &[],
        &[Do::Stop(T::T303), Do::Start(T::T304), Do::Tell(Indication::SetupAcknowledge)]),
    to(State::OutgoingCallProceeding, gets(M::CallProceeding), &[],
        &[Do::Stop(T::T303), Do::Start(T::T310), Do::Tell(Indication::Proceeding)]),
    to(State::CallDelivered, gets(M::Alerting), &[],
        &[Do::Stop(T::T303), Do::Start(T::T301), Do::Tell(Indication::Alerting)]),
    to(State::Active, gets(M::Connect), &[],
        &[Do::StopAll, Do::Answer(M::ConnectAcknowledge), Do::Start(T::Check), Do::Tell(Indication::Connect)]),
    stay(out(T::T303), &[If::FirstTry], &[Do::SendSaved(M::Setup), Do::CountTry, Do::Start(T::T303)]),
    to(State::Null, out(T::T303), &[],
        &[Do::SendCause(M::ReleaseComplete, Cause::RECOVERY_ON_TIMER_EXPIRY),
          Do::End(Cause::RECOVERY_ON_TIMER_EXPIRY)]),
];

/// §5.1.2.
const UNACCEPTABLE: &[Do] = &[
    Do::StopAll,
    Do::SendCause(M::Release, Cause::CHANNEL_UNACCEPTABLE),
    Do::Start(T::T308),
    Do::TellCause(Indication::Clearing, Cause::CHANNEL_UNACCEPTABLE),
];

/// U2: digits go out one after another.
#[rustfmt::skip]
const OVERLAP_SENDING: &[Row] = &[
    stay(asks(R::Information), &[], &[Do::Send(M::Information), Do::Start(T::T304)]),
    to(State::OutgoingCallProceeding, gets(M::CallProceeding), &[],
        &[Do::Stop(T::T304), Do::Start(T::T310), Do::Tell(Indication::Proceeding)]),
    to(State::CallDelivered, gets(M::Alerting), &[],
        &[Do::Stop(T::T304), Do::Start(T::T301), Do::Tell(Indication::Alerting)]),
    stay(gets(M::Progress), &[], &[Do::Tell(Indication::Progress)]),
    to(State::Active, gets(M::Connect), &[],
        &[Do::StopAll, Do::Answer(M::ConnectAcknowledge), Do::Start(T::Check), Do::Tell(Indication::Connect)]),
    to(State::DisconnectRequest, out(T::T304), &[], &[timed_out(Cause::RECOVERY_ON_TIMER_EXPIRY)]),
    to(State::DisconnectRequest, Event::LinkReset, &[], &[disconnect(Cause::TEMPORARY_FAILURE)]),
];

/// U3.
#[rustfmt::skip]
const OUTGOING_CALL_PROCEEDING: &[Row] = &[
    to(State::CallDelivered, gets(M::Alerting), &[],
        &[Do::Stop(T::T310), Do::Start(T::T301), Do::Tell(Indication::Alerting)]),
    // §5.1.6: T310 stops. Ours: T301 follows, so that tones have an end.
    stay(gets(M::Progress), &[], &[Do::Stop(T::T310), Do::Start(T::T301), Do::Tell(Indication::Progress)]),
    to(State::Active, gets(M::Connect), &[],
        &[Do::StopAll, Do::Answer(M::ConnectAcknowledge), Do::Start(T::Check), Do::Tell(Indication::Connect)]),
    to(State::DisconnectRequest, out(T::T310), &[], &[timed_out(Cause::RECOVERY_ON_TIMER_EXPIRY)]),
    to(State::DisconnectRequest, out(T::T301), &[], &[timed_out(Cause::NO_ANSWER)]),
];

/// U4: it rings there.
#[rustfmt::skip]
const CALL_DELIVERED: &[Row] = &[
    stay(gets(M::Progress), &[], &[Do::Tell(Indication::Progress)]),
    to(State::Active, gets(M::Connect), &[],
        &[Do::StopAll, Do::Answer(M::ConnectAcknowledge), Do::Start(T::Check), Do::Tell(Indication::Connect)]),
    to(State::DisconnectRequest, out(T::T301), &[], &[timed_out(Cause::NO_ANSWER)]),
];

/// U6: SETUP came.
#[rustfmt::skip]
const CALL_PRESENT: &[Row] = &[
    to(State::OverlapReceiving, asks(R::SetupAcknowledge), &[],
        &[Do::Send(M::SetupAcknowledge), Do::Start(T::T302)]),
    to(State::IncomingCallProceeding, asks(R::Proceeding), &[], &[Do::Send(M::CallProceeding)]),
    to(State::CallReceived, asks(R::Alerting), &[], &[Do::Send(M::Alerting)]),
    to(State::ConnectRequest, asks(R::Connect), &[], &[Do::Send(M::Connect), Do::Start(T::T313)]),
    to(State::Null, asks(R::Clear), &[], &[Do::Send(M::ReleaseComplete), Do::Tell(Indication::Released)]),
    to(State::Null, asks(R::Ignore), &[], &[Do::Tell(Indication::Released)]),
];

/// U25: digits come one after another.
#[rustfmt::skip]
const OVERLAP_RECEIVING: &[Row] = &[
    stay(gets(M::Information), &[If::Complete], &[Do::Stop(T::T302), Do::Tell(Indication::Information)]),
    stay(gets(M::Information), &[],
        &[Do::ZeroTries, Do::Start(T::T302), Do::Tell(Indication::Information)]),
    to(State::IncomingCallProceeding, asks(R::Proceeding), &[], &[Do::StopAll, Do::Send(M::CallProceeding)]),
    to(State::CallReceived, asks(R::Alerting), &[], &[Do::StopAll, Do::Send(M::Alerting)]),
    to(State::ConnectRequest, asks(R::Connect), &[], &[Do::StopAll, Do::Send(M::Connect), Do::Start(T::T313)]),
    stay(asks(R::Progress), &[], &[Do::Send(M::Progress)]),
    // The application decides what the number is worth; it has as long again.
    stay(out(T::T302), &[If::FirstTry],
        &[Do::CountTry, Do::Start(T::T302), Do::Tell(Indication::DiallingEnd)]),
    to(State::DisconnectRequest, out(T::T302), &[], &[disconnect(Cause::INVALID_NUMBER_FORMAT)]),
    to(State::DisconnectRequest, Event::LinkReset, &[], &[disconnect(Cause::TEMPORARY_FAILURE)]),
];

/// U9.
#[rustfmt::skip]
const INCOMING_CALL_PROCEEDING: &[Row] = &[
    to(State::CallReceived, asks(R::Alerting), &[], &[Do::Send(M::Alerting)]),
    to(State::ConnectRequest, asks(R::Connect), &[], &[Do::Send(M::Connect), Do::Start(T::T313)]),
    stay(asks(R::Progress), &[], &[Do::Send(M::Progress)]),
];

/// U7: it rings here.
#[rustfmt::skip]
const CALL_RECEIVED: &[Row] = &[
    to(State::ConnectRequest, asks(R::Connect), &[], &[Do::Send(M::Connect), Do::Start(T::T313)]),
    stay(asks(R::Progress), &[], &[Do::Send(M::Progress)]),
];

/// U8: CONNECT was sent.
#[rustfmt::skip]
const CONNECT_REQUEST: &[Row] = &[
    to(State::Active, gets(M::ConnectAcknowledge), &[],
        &[Do::StopAll, Do::Start(T::Check), Do::Tell(Indication::ConnectAcknowledge)]),
    to(State::DisconnectRequest, out(T::T313), &[], &[timed_out(Cause::RECOVERY_ON_TIMER_EXPIRY)]),
];
