//! The network side: N0 to N25.

use super::{
    ACTIVE, ANY, CLEARING, DISCONNECT_RECEIVED, DISCONNECT_SENT, Do, Event, If, KNOWN, RELEASE_REQUEST, Row,
    State, asks, disconnect, gets, out, stay, timed_out, to,
};
use crate::{Cause, Indication, MessageType as M, Request as R, Timer as T};

pub(super) fn rows(state: State) -> &'static [&'static [Row]] {
    match state {
        State::Null => &[NULL],
        State::CallInitiated => &[CALL_INITIATED, CLEARABLE, NETWORK, ANY],
        State::OverlapSending => &[OVERLAP_SENDING, CLEARABLE, KNOWN, NETWORK, ANY],
        State::OutgoingCallProceeding => &[OUTGOING_CALL_PROCEEDING, CLEARABLE, KNOWN, NETWORK, ANY],
        State::CallDelivered => &[CALL_DELIVERED, CLEARABLE, KNOWN, NETWORK, ANY],
        State::CallPresent => &[CALL_PRESENT, CLEARABLE, NETWORK, ANY],
        State::CallReceived => &[CALL_RECEIVED, CLEARABLE, KNOWN, NETWORK, ANY],
        State::ConnectRequest => &[CONNECT_REQUEST, CLEARABLE, KNOWN, NETWORK, ANY],
        State::IncomingCallProceeding => &[INCOMING_CALL_PROCEEDING, CLEARABLE, KNOWN, NETWORK, ANY],
        State::Active => &[ACTIVE, CLEARABLE, KNOWN, NETWORK, ANY],
        State::DisconnectRequest => &[DISCONNECT_RECEIVED, DESELECTED, CLEARING, NETWORK, ANY],
        State::DisconnectIndication => &[DISCONNECT_SENT, DESELECTED, CLEARING, NETWORK, ANY],
        State::ReleaseRequest => &[RELEASE_REQUEST, CLEARING, NETWORK, ANY],
        State::OverlapReceiving => &[OVERLAP_RECEIVING, CLEARABLE, KNOWN, NETWORK, ANY],
        State::CallAbort => &[],
    }
}

/// What a user alone sends.
#[rustfmt::skip]
const NETWORK: &[Row] = &[
    stay(gets(M::Suspend), &[], &[Do::SendCause(M::SuspendReject, Cause::FACILITY_NOT_IMPLEMENTED)]),
];

#[rustfmt::skip]
const DESELECTED: &[Row] = &[
    to(State::ReleaseRequest, Event::Deselected, &[], &[Do::StopAll, Do::Send(M::Release), Do::Start(T::T308)]),
];

/// What ends a call that nobody has begun to clear.
#[rustfmt::skip]
const CLEARABLE: &[Row] = &[
    to(State::DisconnectIndication, asks(R::Clear), &[If::InBand],
        &[Do::StopAll, Do::Send(M::Disconnect), Do::Start(T::T306)]),
    to(State::DisconnectIndication, asks(R::Clear), &[],
        &[Do::StopAll, Do::Send(M::Disconnect), Do::Start(T::T305)]),
    to(State::DisconnectRequest, gets(M::Disconnect), &[], &[Do::StopAll, Do::Tell(Indication::Disconnect)]),
    to(State::ReleaseRequest, Event::Deselected, &[], &[Do::StopAll, Do::Send(M::Release), Do::Start(T::T308)]),
    to(State::Null, gets(M::Status), &[If::PeerNull], &[Do::End(Cause::TEMPORARY_FAILURE)]),
    to(State::DisconnectIndication, gets(M::Status), &[If::PeerIncompatible],
        &[disconnect(Cause::MESSAGE_NOT_COMPATIBLE)]),
    stay(gets(M::Status), &[], &[Do::Enquired]),
    stay(out(T::T322), &[If::FirstEnquiry], &[Do::EnquireAgain]),
    to(State::DisconnectIndication, out(T::T322), &[], &[disconnect(Cause::TEMPORARY_FAILURE)]),
];

/// N0.
#[rustfmt::skip]
const NULL: &[Row] = &[
    to(State::CallPresent, asks(R::Setup), &[], &[Do::Send(M::Setup), Do::Start(T::T303)]),
    to(State::CallInitiated, gets(M::Setup), &[], &[Do::Tell(Indication::Setup)]),
];

/// N1: SETUP came.
#[rustfmt::skip]
const CALL_INITIATED: &[Row] = &[
    to(State::OverlapSending, asks(R::SetupAcknowledge), &[],
        &[Do::Send(M::SetupAcknowledge), Do::Start(T::T302)]),
    to(State::OutgoingCallProceeding, asks(R::Proceeding), &[], &[Do::Send(M::CallProceeding)]),
    to(State::Null, asks(R::Clear), &[], &[Do::Send(M::ReleaseComplete), Do::Tell(Indication::Released)]),
];

/// N2: digits come one after another.
#[rustfmt::skip]
const OVERLAP_SENDING: &[Row] = &[
    stay(gets(M::Information), &[If::Complete], &[Do::Stop(T::T302), Do::Tell(Indication::Information)]),
    stay(gets(M::Information), &[],
        &[Do::ZeroTries, Do::Start(T::T302), Do::Tell(Indication::Information)]),
    to(State::OutgoingCallProceeding, asks(R::Proceeding), &[], &[Do::StopAll, Do::Send(M::CallProceeding)]),
    to(State::CallDelivered, asks(R::Alerting), &[], &[Do::StopAll, Do::Send(M::Alerting)]),
    to(State::Active, asks(R::Connect), &[], &[Do::StopAll, Do::Send(M::Connect), Do::Start(T::Check)]),
    stay(asks(R::Progress), &[], &[Do::Send(M::Progress)]),
    // The application decides what the number is worth; it has as long again.
    stay(out(T::T302), &[If::FirstTry],
        &[Do::CountTry, Do::Start(T::T302), Do::Tell(Indication::DiallingEnd)]),
    to(State::DisconnectIndication, out(T::T302), &[], &[disconnect(Cause::INVALID_NUMBER_FORMAT)]),
    to(State::DisconnectIndication, Event::LinkReset, &[], &[disconnect(Cause::TEMPORARY_FAILURE)]),
];

/// N3.
#[rustfmt::skip]
const OUTGOING_CALL_PROCEEDING: &[Row] = &[
    to(State::CallDelivered, asks(R::Alerting), &[], &[Do::Send(M::Alerting)]),
    to(State::Active, asks(R::Connect), &[], &[Do::StopAll, Do::Send(M::Connect), Do::Start(T::Check)]),
    stay(asks(R::Progress), &[], &[Do::Send(M::Progress)]),
];

/// N4: it rings there.
#[rustfmt::skip]
const CALL_DELIVERED: &[Row] = &[
    to(State::Active, asks(R::Connect), &[], &[Do::StopAll, Do::Send(M::Connect), Do::Start(T::Check)]),
    stay(asks(R::Progress), &[], &[Do::Send(M::Progress)]),
];

/// N6: SETUP was sent.
#[rustfmt::skip]
const CALL_PRESENT: &[Row] = &[
    to(State::ReleaseRequest, gets(M::SetupAcknowledge), &[If::ChannelBad], UNACCEPTABLE),
    to(State::ReleaseRequest, gets(M::CallProceeding), &[If::ChannelBad], UNACCEPTABLE),
    to(State::ReleaseRequest, gets(M::Alerting), &[If::ChannelBad], UNACCEPTABLE),
    to(State::ReleaseRequest, gets(M::Connect), &[If::ChannelBad], UNACCEPTABLE),
    to(State::OverlapReceiving, gets(M::SetupAcknowledge), &[],
        &[Do::Stop(T::T303), Do::Start(T::T304), Do::Tell(Indication::SetupAcknowledge)]),
    to(State::IncomingCallProceeding, gets(M::CallProceeding), &[],
        &[Do::Stop(T::T303), Do::Start(T::T310), Do::Tell(Indication::Proceeding)]),
    to(State::CallReceived, gets(M::Alerting), &[],
        &[Do::Stop(T::T303), Do::Start(T::T301), Do::Tell(Indication::Alerting)]),
    to(State::ConnectRequest, gets(M::Connect), &[], &[Do::StopAll, Do::Tell(Indication::Connect)]),
    stay(out(T::T303), &[If::FirstTry], &[Do::SendSaved(M::Setup), Do::CountTry, Do::Start(T::T303)]),
    // §5.2.5.4.
    to(State::Null, out(T::T303), &[],
        &[Do::SendCause(M::ReleaseComplete, Cause::RECOVERY_ON_TIMER_EXPIRY), Do::End(Cause::NO_USER_RESPONDING)]),
];

/// §5.2.3.1.
const UNACCEPTABLE: &[Do] = &[
    Do::StopAll,
    Do::SendCause(M::Release, Cause::CHANNEL_UNACCEPTABLE),
    Do::Start(T::T308),
    Do::TellCause(Indication::Clearing, Cause::CHANNEL_UNACCEPTABLE),
];

/// N25: digits go out one after another.
#[rustfmt::skip]
const OVERLAP_RECEIVING: &[Row] = &[
    stay(asks(R::Information), &[], &[Do::Send(M::Information), Do::Start(T::T304)]),
    to(State::IncomingCallProceeding, gets(M::CallProceeding), &[],
        &[Do::Stop(T::T304), Do::Start(T::T310), Do::Tell(Indication::Proceeding)]),
    to(State::CallReceived, gets(M::Alerting), &[],
        &[Do::Stop(T::T304), Do::Start(T::T301), Do::Tell(Indication::Alerting)]),
    stay(gets(M::Progress), &[], &[Do::Tell(Indication::Progress)]),
    to(State::ConnectRequest, gets(M::Connect), &[], &[Do::StopAll, Do::Tell(Indication::Connect)]),
    // §5.2.4: the number was not complete.
    to(State::DisconnectIndication, out(T::T304), &[], &[timed_out(Cause::INVALID_NUMBER_FORMAT)]),
    to(State::DisconnectIndication, Event::LinkReset, &[], &[disconnect(Cause::TEMPORARY_FAILURE)]),
];

/// N9.
#[rustfmt::skip]
const INCOMING_CALL_PROCEEDING: &[Row] = &[
    to(State::CallReceived, gets(M::Alerting), &[],
        &[Do::Stop(T::T310), Do::Start(T::T301), Do::Tell(Indication::Alerting)]),
    // As on the user side.
    stay(gets(M::Progress), &[], &[Do::Stop(T::T310), Do::Start(T::T301), Do::Tell(Indication::Progress)]),
    to(State::ConnectRequest, gets(M::Connect), &[], &[Do::StopAll, Do::Tell(Indication::Connect)]),
    // §5.2.5.4.
    to(State::DisconnectIndication, out(T::T310), &[], &[timed_out(Cause::NO_USER_RESPONDING)]),
    to(State::DisconnectIndication, out(T::T301), &[], &[timed_out(Cause::NO_ANSWER)]),
];

/// N7: it rings there.
#[rustfmt::skip]
const CALL_RECEIVED: &[Row] = &[
    stay(gets(M::Progress), &[], &[Do::Tell(Indication::Progress)]),
    to(State::ConnectRequest, gets(M::Connect), &[], &[Do::StopAll, Do::Tell(Indication::Connect)]),
    to(State::DisconnectIndication, out(T::T301), &[], &[timed_out(Cause::NO_ANSWER)]),
];

/// N8: CONNECT came, and is to be accepted.
#[rustfmt::skip]
const CONNECT_REQUEST: &[Row] = &[
    to(State::Active, asks(R::Accept), &[],
        &[Do::StopAll, Do::Send(M::ConnectAcknowledge), Do::Start(T::Check)]),
];
