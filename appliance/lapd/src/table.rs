//! The point-to-point procedures of Q.921 as a table: what Annex B draws on thirty pages.
//!
//! A [`Row`] belongs to a state and an event. The first row of the event whose conditions all hold is the one that
//! happens: its actions in order, then its next state. An event without such a row is discarded (§5.5.4). Where the
//! figures are silent, because layer 3 "never" does it, there are rows of our own, each with its comment.

use crate::ErrorCode;

/// The states of Annex B, with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    TeiUnassigned = 1,
    AssignAwaitingTei = 2,
    EstablishAwaitingTei = 3,
    TeiAssigned = 4,
    AwaitingEstablishment = 5,
    AwaitingRelease = 6,
    MultipleFrameEstablished = 7,
    TimerRecovery = 8,
}

impl State {
    /// Annex B's number, 1 to 8.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Whether layer 3 can send acknowledged data now.
    pub fn is_established(self) -> bool {
        matches!(self, Self::MultipleFrameEstablished | Self::TimerRecovery)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    EstablishRequest,
    ReleaseRequest,
    DataRequest,
    UnitDataRequest,
    /// MDL-ASSIGN request.
    Assign,
    /// MDL-REMOVE request.
    Remove,
    /// MDL-ERROR response: there is no TEI to be had.
    AssignFailed,
    /// PH-DEACTIVATE indication, persistent.
    Deactivated,
    T200,
    T203,
    SetOwnBusy,
    ClearOwnBusy,
    /// Nothing carried the acknowledgement that is due.
    AcknowledgePending,
    Sabme,
    Disc,
    Ua,
    Dm,
    Frmr,
    Ui,
    Xid,
    Rr,
    Rej,
    Rnr,
    Information,
    /// A frame that is rejected (§5.8.5).
    Rejected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum If {
    /// P or F is 1.
    Poll,
    Command,
    Response,
    Layer3Initiated,
    NotLayer3Initiated,
    /// RC = N200.
    LastTry,
    /// V(S) ≠ V(A).
    Outstanding,
    /// Not V(A) ≤ N(R) ≤ V(S).
    BadNr,
    /// N(R) = V(S).
    AllAcknowledged,
    /// N(R) = V(A).
    NoneAcknowledged,
    PeerBusy,
    OwnBusy,
    OwnFree,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Do {
    // Primitives.
    EstablishIndication,
    EstablishConfirm,
    ReleaseIndication,
    ReleaseConfirm,
    UnitDataIndication,
    /// MDL-ASSIGN indication.
    AskForTei,
    Error(ErrorCode),
    /// MDL-ERROR indication with the code of what was rejected.
    RejectedError,
    // Frames. A command is sent with P=1, a response with the F that answers the P received.
    Sabme,
    Disc,
    Ua,
    Dm,
    Ui,
    XidResponse,
    /// F=0.
    RrResponse,
    /// F=0.
    RnrResponse,
    // Queues and variables.
    QueueI,
    QueueUi,
    SendUiQueue,
    DiscardI,
    DiscardUi,
    SetTei,
    ClearTei,
    /// V(S) = V(A) = V(R) = 0.
    ZeroSequence,
    ZeroRc,
    CountRc,
    Layer3Initiated(bool),
    PeerBusy(bool),
    OwnBusy(bool),
    /// V(A) = N(R).
    Acknowledge,
    /// V(S) = N(R).
    InvokeRetransmission,
    /// Do the event again in the next state (SDL's save).
    Save,
    // Procedures of Figure B-9, and of the parts of B-7 and B-8 that are alike.
    ClearExceptions,
    EstablishDataLink,
    TransmitEnquiry,
    /// Enquiry response to a command with P=1.
    AnswerPoll,
    /// MDL-ERROR A on a response with F=1.
    DoubtFinal,
    /// N(S), own receiver busy, reject exception, P: all but N(R) of an I frame.
    TakeInformation,
    // Timers; starting one that runs restarts it.
    StartT200,
    StopT200,
    StartT203,
    StopT203,
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

/// The rows of a state.
pub(crate) fn rows(state: State) -> &'static [Row] {
    match state {
        State::TeiUnassigned => TEI_UNASSIGNED,
        State::AssignAwaitingTei => ASSIGN_AWAITING_TEI,
        State::EstablishAwaitingTei => ESTABLISH_AWAITING_TEI,
        State::TeiAssigned => TEI_ASSIGNED,
        State::AwaitingEstablishment => AWAITING_ESTABLISHMENT,
        State::AwaitingRelease => AWAITING_RELEASE,
        State::MultipleFrameEstablished => MULTIPLE_FRAME_ESTABLISHED,
        State::TimerRecovery => TIMER_RECOVERY,
    }
}

/// Figure B-1.
#[rustfmt::skip]
const TEI_UNASSIGNED: &[Row] = &[
    to(State::EstablishAwaitingTei, Event::EstablishRequest, &[], &[Do::AskForTei]),
    // Ours: what is not established is released at once.
    stay(Event::ReleaseRequest, &[], &[Do::ReleaseConfirm]),
    to(State::AssignAwaitingTei, Event::UnitDataRequest, &[], &[Do::QueueUi, Do::AskForTei]),
    to(State::TeiAssigned, Event::Assign, &[], &[Do::SetTei]),
];

/// Figure B-2.
#[rustfmt::skip]
const ASSIGN_AWAITING_TEI: &[Row] = &[
    to(State::EstablishAwaitingTei, Event::EstablishRequest, &[], &[]),
    // Ours, as in state 1.
    stay(Event::ReleaseRequest, &[], &[Do::ReleaseConfirm]),
    stay(Event::UnitDataRequest, &[], &[Do::QueueUi]),
    to(State::TeiAssigned, Event::Assign, &[], &[Do::SetTei, Do::SendUiQueue]),
    to(State::TeiUnassigned, Event::AssignFailed, &[], &[Do::DiscardUi]),
    to(State::TeiUnassigned, Event::Deactivated, &[], &[Do::DiscardUi]),
];

/// Figure B-3.
#[rustfmt::skip]
const ESTABLISH_AWAITING_TEI: &[Row] = &[
    // Ours: layer 3 may think better of it; the TEI is still taken when it comes.
    to(State::AssignAwaitingTei, Event::ReleaseRequest, &[], &[Do::ReleaseConfirm]),
    stay(Event::UnitDataRequest, &[], &[Do::QueueUi]),
    to(State::AwaitingEstablishment, Event::Assign, &[],
        &[Do::SetTei, Do::EstablishDataLink, Do::Layer3Initiated(true), Do::SendUiQueue]),
    to(State::TeiUnassigned, Event::AssignFailed, &[], &[Do::DiscardUi, Do::ReleaseIndication]),
    to(State::TeiUnassigned, Event::Deactivated, &[], &[Do::DiscardUi, Do::ReleaseIndication]),
];

/// Figure B-4.
#[rustfmt::skip]
const TEI_ASSIGNED: &[Row] = &[
    to(State::AwaitingEstablishment, Event::EstablishRequest, &[], &[Do::EstablishDataLink, Do::Layer3Initiated(true)]),
    stay(Event::ReleaseRequest, &[], &[Do::ReleaseConfirm]),
    stay(Event::UnitDataRequest, &[], &[Do::Ui]),
    to(State::TeiUnassigned, Event::Remove, &[], &[Do::DiscardUi, Do::ClearTei]),
    stay(Event::Deactivated, &[], &[Do::DiscardUi]),
    to(State::MultipleFrameEstablished, Event::Sabme, &[],
        &[Do::Ua, Do::ClearExceptions, Do::ZeroSequence, Do::EstablishIndication, Do::StartT203]),
    stay(Event::Disc, &[], &[Do::Dm]),
    stay(Event::Ua, &[If::Poll], &[Do::Error(ErrorCode::C)]),
    stay(Event::Ua, &[], &[Do::Error(ErrorCode::D)]),
    stay(Event::Dm, &[If::Poll], &[]),
    to(State::AwaitingEstablishment, Event::Dm, &[], &[Do::EstablishDataLink, Do::Layer3Initiated(true)]),
    stay(Event::Ui, &[], &[Do::UnitDataIndication]),
    stay(Event::Xid, &[If::Command], &[Do::XidResponse]),
    stay(Event::Rejected, &[], &[Do::RejectedError]),
];

/// Figure B-5.
#[rustfmt::skip]
const AWAITING_ESTABLISHMENT: &[Row] = &[
    stay(Event::EstablishRequest, &[If::NotLayer3Initiated], &[Do::DiscardI, Do::Layer3Initiated(true)]),
    stay(Event::ReleaseRequest, &[], &[Do::Save]),
    stay(Event::DataRequest, &[If::NotLayer3Initiated], &[Do::QueueI]),
    stay(Event::UnitDataRequest, &[], &[Do::Ui]),
    to(State::TeiUnassigned, Event::Remove, &[],
        &[Do::DiscardI, Do::DiscardUi, Do::ReleaseIndication, Do::StopT200, Do::ClearTei]),
    to(State::TeiAssigned, Event::Deactivated, &[],
        &[Do::DiscardI, Do::DiscardUi, Do::ReleaseIndication, Do::StopT200]),
    stay(Event::Sabme, &[], &[Do::Ua]),
    stay(Event::Disc, &[], &[Do::Dm]),
    to(State::MultipleFrameEstablished, Event::Ua, &[If::Poll, If::Layer3Initiated],
        &[Do::EstablishConfirm, Do::StopT200, Do::StartT203, Do::ZeroSequence]),
    to(State::MultipleFrameEstablished, Event::Ua, &[If::Poll, If::Outstanding],
        &[Do::DiscardI, Do::EstablishIndication, Do::StopT200, Do::StartT203, Do::ZeroSequence]),
    to(State::MultipleFrameEstablished, Event::Ua, &[If::Poll], &[Do::StopT200, Do::StartT203, Do::ZeroSequence]),
    stay(Event::Ua, &[], &[Do::Error(ErrorCode::D)]),
    to(State::TeiAssigned, Event::Dm, &[If::Poll], &[Do::DiscardI, Do::ReleaseIndication, Do::StopT200]),
    to(State::TeiAssigned, Event::T200, &[If::LastTry],
        &[Do::DiscardI, Do::Error(ErrorCode::G), Do::ReleaseIndication]),
    stay(Event::T200, &[], &[Do::CountRc, Do::Sabme, Do::StartT200]),
    stay(Event::Ui, &[], &[Do::UnitDataIndication]),
    stay(Event::Xid, &[If::Command], &[Do::XidResponse]),
    stay(Event::Rejected, &[], &[Do::RejectedError]),
];

/// Figure B-6.
#[rustfmt::skip]
const AWAITING_RELEASE: &[Row] = &[
    // Ours: layer 3 wants the link again before it is gone.
    stay(Event::EstablishRequest, &[], &[Do::Save]),
    stay(Event::UnitDataRequest, &[], &[Do::Ui]),
    to(State::TeiUnassigned, Event::Remove, &[], &[Do::DiscardUi, Do::ReleaseConfirm, Do::StopT200, Do::ClearTei]),
    to(State::TeiAssigned, Event::Deactivated, &[], &[Do::DiscardUi, Do::ReleaseConfirm, Do::StopT200]),
    stay(Event::Sabme, &[], &[Do::Dm]),
    stay(Event::Disc, &[], &[Do::Ua]),
    to(State::TeiAssigned, Event::Ua, &[If::Poll], &[Do::ReleaseConfirm, Do::StopT200]),
    stay(Event::Ua, &[], &[Do::Error(ErrorCode::D)]),
    to(State::TeiAssigned, Event::Dm, &[If::Poll], &[Do::ReleaseConfirm, Do::StopT200]),
    to(State::TeiAssigned, Event::T200, &[If::LastTry], &[Do::Error(ErrorCode::H), Do::ReleaseConfirm]),
    stay(Event::T200, &[], &[Do::CountRc, Do::Disc, Do::StartT200]),
    stay(Event::Ui, &[], &[Do::UnitDataIndication]),
    stay(Event::Xid, &[If::Command], &[Do::XidResponse]),
    stay(Event::Rejected, &[], &[Do::RejectedError]),
];

/// Figure B-7.
#[rustfmt::skip]
const MULTIPLE_FRAME_ESTABLISHED: &[Row] = &[
    to(State::AwaitingEstablishment, Event::EstablishRequest, &[],
        &[Do::DiscardI, Do::EstablishDataLink, Do::Layer3Initiated(true)]),
    to(State::AwaitingRelease, Event::ReleaseRequest, &[],
        &[Do::DiscardI, Do::ZeroRc, Do::Disc, Do::StopT203, Do::StartT200]),
    stay(Event::DataRequest, &[], &[Do::QueueI]),
    stay(Event::UnitDataRequest, &[], &[Do::Ui]),
    to(State::TimerRecovery, Event::T200, &[], &[Do::ZeroRc, Do::TransmitEnquiry, Do::CountRc]),
    to(State::TimerRecovery, Event::T203, &[], &[Do::ZeroRc, Do::TransmitEnquiry]),
    to(State::TeiUnassigned, Event::Remove, &[],
        &[Do::DiscardI, Do::DiscardUi, Do::ReleaseIndication, Do::StopT200, Do::StopT203, Do::ClearTei]),
    to(State::TeiAssigned, Event::Deactivated, &[],
        &[Do::DiscardI, Do::DiscardUi, Do::ReleaseIndication, Do::StopT200, Do::StopT203]),
    stay(Event::Sabme, &[If::Outstanding],
        &[Do::Ua, Do::ClearExceptions, Do::Error(ErrorCode::F), Do::DiscardI, Do::EstablishIndication,
          Do::StopT200, Do::StartT203, Do::ZeroSequence]),
    stay(Event::Sabme, &[],
        &[Do::Ua, Do::ClearExceptions, Do::Error(ErrorCode::F), Do::StopT200, Do::StartT203, Do::ZeroSequence]),
    to(State::TeiAssigned, Event::Disc, &[],
        &[Do::DiscardI, Do::Ua, Do::ReleaseIndication, Do::StopT200, Do::StopT203]),
    stay(Event::Ua, &[If::Poll], &[Do::Error(ErrorCode::C)]),
    stay(Event::Ua, &[], &[Do::Error(ErrorCode::D)]),
    stay(Event::Dm, &[If::Poll], &[Do::Error(ErrorCode::B)]),
    to(State::AwaitingEstablishment, Event::Dm, &[],
        &[Do::Error(ErrorCode::E), Do::EstablishDataLink, Do::Layer3Initiated(false)]),
    stay(Event::SetOwnBusy, &[If::OwnFree], &[Do::OwnBusy(true), Do::RnrResponse]),
    stay(Event::ClearOwnBusy, &[If::OwnBusy], &[Do::OwnBusy(false), Do::RrResponse]),
    stay(Event::AcknowledgePending, &[], &[Do::RrResponse]),
    to(State::AwaitingEstablishment, Event::Rr, &[If::BadNr],
        &[Do::PeerBusy(false), Do::AnswerPoll, Do::DoubtFinal,
          Do::Error(ErrorCode::J), Do::EstablishDataLink, Do::Layer3Initiated(false)]),
    stay(Event::Rr, &[If::AllAcknowledged],
        &[Do::PeerBusy(false), Do::AnswerPoll, Do::DoubtFinal, Do::Acknowledge, Do::StopT200, Do::StartT203]),
    stay(Event::Rr, &[If::NoneAcknowledged], &[Do::PeerBusy(false), Do::AnswerPoll, Do::DoubtFinal]),
    stay(Event::Rr, &[],
        &[Do::PeerBusy(false), Do::AnswerPoll, Do::DoubtFinal, Do::Acknowledge, Do::StartT200]),
    to(State::AwaitingEstablishment, Event::Rej, &[If::BadNr],
        &[Do::PeerBusy(false), Do::AnswerPoll, Do::DoubtFinal,
          Do::Error(ErrorCode::J), Do::EstablishDataLink, Do::Layer3Initiated(false)]),
    stay(Event::Rej, &[],
        &[Do::PeerBusy(false), Do::AnswerPoll, Do::DoubtFinal, Do::Acknowledge,
          Do::StopT200, Do::StartT203, Do::InvokeRetransmission]),
    to(State::AwaitingEstablishment, Event::Rnr, &[If::BadNr],
        &[Do::PeerBusy(true), Do::AnswerPoll, Do::DoubtFinal,
          Do::Error(ErrorCode::J), Do::EstablishDataLink, Do::Layer3Initiated(false)]),
    stay(Event::Rnr, &[],
        &[Do::PeerBusy(true), Do::AnswerPoll, Do::DoubtFinal, Do::Acknowledge, Do::StopT203, Do::StartT200]),
    to(State::AwaitingEstablishment, Event::Information, &[If::BadNr],
        &[Do::TakeInformation, Do::Error(ErrorCode::J), Do::EstablishDataLink, Do::Layer3Initiated(false)]),
    stay(Event::Information, &[If::PeerBusy], &[Do::TakeInformation, Do::Acknowledge]),
    stay(Event::Information, &[If::AllAcknowledged],
        &[Do::TakeInformation, Do::Acknowledge, Do::StopT200, Do::StartT203]),
    stay(Event::Information, &[If::NoneAcknowledged], &[Do::TakeInformation]),
    stay(Event::Information, &[], &[Do::TakeInformation, Do::Acknowledge, Do::StartT200]),
    to(State::AwaitingEstablishment, Event::Frmr, &[],
        &[Do::Error(ErrorCode::K), Do::EstablishDataLink, Do::Layer3Initiated(false)]),
    to(State::AwaitingEstablishment, Event::Rejected, &[],
        &[Do::RejectedError, Do::EstablishDataLink, Do::Layer3Initiated(false)]),
    stay(Event::Ui, &[], &[Do::UnitDataIndication]),
    stay(Event::Xid, &[If::Command], &[Do::XidResponse]),
];

/// Figure B-8.
#[rustfmt::skip]
const TIMER_RECOVERY: &[Row] = &[
    to(State::AwaitingEstablishment, Event::EstablishRequest, &[],
        &[Do::DiscardI, Do::EstablishDataLink, Do::Layer3Initiated(true)]),
    to(State::AwaitingRelease, Event::ReleaseRequest, &[], &[Do::DiscardI, Do::ZeroRc, Do::Disc, Do::StartT200]),
    stay(Event::DataRequest, &[], &[Do::QueueI]),
    stay(Event::UnitDataRequest, &[], &[Do::Ui]),
    to(State::AwaitingEstablishment, Event::T200, &[If::LastTry],
        &[Do::Error(ErrorCode::I), Do::EstablishDataLink, Do::Layer3Initiated(false)]),
    stay(Event::T200, &[], &[Do::TransmitEnquiry, Do::CountRc]),
    to(State::TeiUnassigned, Event::Remove, &[],
        &[Do::DiscardI, Do::DiscardUi, Do::ReleaseIndication, Do::StopT200, Do::ClearTei]),
    to(State::TeiAssigned, Event::Deactivated, &[],
        &[Do::DiscardI, Do::DiscardUi, Do::ReleaseIndication, Do::StopT200]),
    to(State::MultipleFrameEstablished, Event::Sabme, &[If::Outstanding],
        &[Do::Ua, Do::ClearExceptions, Do::Error(ErrorCode::F), Do::DiscardI, Do::EstablishIndication,
          Do::StopT200, Do::StartT203, Do::ZeroSequence]),
    to(State::MultipleFrameEstablished, Event::Sabme, &[],
        &[Do::Ua, Do::ClearExceptions, Do::Error(ErrorCode::F), Do::StopT200, Do::StartT203, Do::ZeroSequence]),
    to(State::TeiAssigned, Event::Disc, &[], &[Do::DiscardI, Do::Ua, Do::ReleaseIndication, Do::StopT200]),
    stay(Event::Ua, &[If::Poll], &[Do::Error(ErrorCode::C)]),
    stay(Event::Ua, &[], &[Do::Error(ErrorCode::D)]),
    to(State::AwaitingEstablishment, Event::Dm, &[If::Poll],
        &[Do::Error(ErrorCode::B), Do::EstablishDataLink, Do::Layer3Initiated(false)]),
    to(State::AwaitingEstablishment, Event::Dm, &[],
        &[Do::Error(ErrorCode::E), Do::EstablishDataLink, Do::Layer3Initiated(false)]),
    stay(Event::SetOwnBusy, &[If::OwnFree], &[Do::OwnBusy(true), Do::RnrResponse]),
    stay(Event::ClearOwnBusy, &[If::OwnBusy], &[Do::OwnBusy(false), Do::RrResponse]),
    stay(Event::AcknowledgePending, &[], &[Do::RrResponse]),
    to(State::AwaitingEstablishment, Event::Rr, &[If::BadNr],
        &[Do::PeerBusy(false), Do::AnswerPoll,
          Do::Error(ErrorCode::J), Do::EstablishDataLink, Do::Layer3Initiated(false)]),
    to(State::MultipleFrameEstablished, Event::Rr, &[If::Response, If::Poll],
        &[Do::PeerBusy(false), Do::Acknowledge, Do::StopT200, Do::StartT203, Do::InvokeRetransmission]),
    stay(Event::Rr, &[], &[Do::PeerBusy(false), Do::AnswerPoll, Do::Acknowledge]),
    to(State::AwaitingEstablishment, Event::Rej, &[If::BadNr],
        &[Do::PeerBusy(false), Do::AnswerPoll,
          Do::Error(ErrorCode::J), Do::EstablishDataLink, Do::Layer3Initiated(false)]),
    to(State::MultipleFrameEstablished, Event::Rej, &[If::Response, If::Poll],
        &[Do::PeerBusy(false), Do::Acknowledge, Do::StopT200, Do::StartT203, Do::InvokeRetransmission]),
    stay(Event::Rej, &[], &[Do::PeerBusy(false), Do::AnswerPoll, Do::Acknowledge]),
    to(State::AwaitingEstablishment, Event::Rnr, &[If::BadNr],
        &[Do::PeerBusy(true), Do::AnswerPoll,
          Do::Error(ErrorCode::J), Do::EstablishDataLink, Do::Layer3Initiated(false)]),
    to(State::MultipleFrameEstablished, Event::Rnr, &[If::Response, If::Poll],
        &[Do::PeerBusy(true), Do::Acknowledge, Do::StartT200, Do::InvokeRetransmission]),
    stay(Event::Rnr, &[], &[Do::PeerBusy(true), Do::AnswerPoll, Do::Acknowledge]),
    to(State::AwaitingEstablishment, Event::Information, &[If::BadNr],
        &[Do::TakeInformation, Do::Error(ErrorCode::J), Do::EstablishDataLink, Do::Layer3Initiated(false)]),
    stay(Event::Information, &[], &[Do::TakeInformation, Do::Acknowledge]),
    to(State::AwaitingEstablishment, Event::Frmr, &[],
        &[Do::Error(ErrorCode::K), Do::EstablishDataLink, Do::Layer3Initiated(false)]),
    to(State::AwaitingEstablishment, Event::Rejected, &[],
        &[Do::RejectedError, Do::EstablishDataLink, Do::Layer3Initiated(false)]),
    stay(Event::Ui, &[], &[Do::UnitDataIndication]),
    stay(Event::Xid, &[If::Command], &[Do::XidResponse]),
];
