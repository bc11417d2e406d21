//! One data link: the variables of Q.921 §3.5 and the actions that the table names.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use crate::config::{Parameters, Side};
use crate::frame::{Control, Frame, Role, Supervisory, Unnumbered};
use crate::table::{Do, Event, If, State, rows};
use crate::{ErrorCode, Indication};

/// Call control, the only user of data links here (Table 2/Q.921).
pub(crate) const CALL_CONTROL: u8 = 0;

/// What a link wants done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Frame(Vec<u8>),
    Indication(Indication),
    Error(ErrorCode),
    /// MDL-ASSIGN indication.
    AskForTei,
}

/// What came with an event; only what its rows use is filled in.
#[derive(Debug, Default)]
pub(crate) struct With {
    pub(crate) poll: bool,
    pub(crate) command: bool,
    pub(crate) ns: u8,
    pub(crate) nr: u8,
    pub(crate) data: Vec<u8>,
    pub(crate) tei: u8,
    pub(crate) code: Option<ErrorCode>,
}

/// One data link connection endpoint.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the conditions of §3.5 and B.3"
)]
pub(crate) struct Link {
    side: Side,
    parameters: Parameters,
    state: State,
    tei: Option<u8>,
    /// V(S), V(A), V(R): modulo 128.
    vs: u8,
    va: u8,
    vr: u8,
    /// RC.
    tries: u8,
    /// From the frame V(A) on: first those sent but not acknowledged, then those not sent.
    queue: VecDeque<Vec<u8>>,
    ui_queue: VecDeque<Vec<u8>>,
    layer3_initiated: bool,
    peer_busy: bool,
    own_busy: bool,
    reject_exception: bool,
    acknowledge_pending: bool,
    saved: Option<Event>,
    t200: Option<Duration>,
    t203: Option<Duration>,
    effects: Vec<Effect>,
}

impl Link {
    pub(crate) fn new(side: Side, parameters: Parameters) -> Self {
        Self {
            side,
            parameters,
            state: State::TeiUnassigned,
            tei: None,
            vs: 0,
            va: 0,
            vr: 0,
            tries: 0,
            queue: VecDeque::new(),
            ui_queue: VecDeque::new(),
            layer3_initiated: false,
            peer_busy: false,
            own_busy: false,
            reject_exception: false,
            acknowledge_pending: false,
            saved: None,
            t200: None,
            t203: None,
            effects: Vec::new(),
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn tei(&self) -> Option<u8> {
        self.tei
    }

    /// Messages that the peer has not acknowledged.
    pub(crate) fn backlog(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn acknowledge_pending(&self) -> bool {
        self.acknowledge_pending
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.t200.into_iter().chain(self.t203).min()
    }

    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        mem::take(&mut self.effects)
    }

    /// Lets the timers run out that are due.
    pub(crate) fn expire(&mut self, now: Duration) {
        if self.t200.is_some_and(|at| at <= now) {
            self.t200 = None;
            self.handle(now, Event::T200, With::default());
        }
        if self.t203.is_some_and(|at| at <= now) {
            self.t203 = None;
            self.handle(now, Event::T203, With::default());
        }
    }

    /// A frame for this link; the caller has checked its address.
    pub(crate) fn receive(&mut self, now: Duration, frame: &Frame<'_>) {
        if frame.information.len() > self.parameters.n201 {
            self.reject(now, ErrorCode::O);
            return;
        }
        let mut with = With {
            command: frame.role == Role::Command,
            data: frame.information.to_vec(),
            ..With::default()
        };
        let event = match frame.control {
            Control::Information { ns, nr, poll } => {
                (with.ns, with.nr, with.poll) = (ns, nr, poll);
                Event::Information
            }
            Control::Supervisory { kind, nr, poll } => {
                (with.nr, with.poll) = (nr, poll);
                match kind {
                    Supervisory::Rr => Event::Rr,
                    Supervisory::Rnr => Event::Rnr,
                    Supervisory::Rej => Event::Rej,
                }
            }
            Control::Unnumbered { kind, poll } => {
                with.poll = poll;
                match kind {
                    Unnumbered::Sabme => Event::Sabme,
                    Unnumbered::Dm => Event::Dm,
                    Unnumbered::Ui => Event::Ui,
                    Unnumbered::Disc => Event::Disc,
                    Unnumbered::Ua => Event::Ua,
                    Unnumbered::Frmr => Event::Frmr,
                    Unnumbered::Xid => Event::Xid,
                }
            }
        };
        self.handle(now, event, with);
    }

    /// A frame for this link that was rejected.
    pub(crate) fn reject(&mut self, now: Duration, code: ErrorCode) {
        let with = With {
            code: Some(code),
            ..With::default()
        };
        self.handle(now, Event::Rejected, with);
    }

    pub(crate) fn handle(&mut self, now: Duration, event: Event, mut with: With) {
        let Some(row) = rows(self.state)
            .iter()
            .find(|row| row.event == event && row.when.iter().all(|condition| self.holds(*condition, &with)))
        else {
            return;
        };
        for action in row.then {
            self.act(now, *action, event, &mut with);
        }
        if let Some(next) = row.next {
            self.state = next;
            if let Some(saved) = self.saved.take() {
                self.handle(now, saved, With::default());
            }
        }
        self.send_queued(now);
    }

    fn holds(&self, condition: If, with: &With) -> bool {
        match condition {
            If::Poll => with.poll,
            If::Command => with.command,
            If::Response => !with.command,
            If::Layer3Initiated => self.layer3_initiated,
            If::NotLayer3Initiated => !self.layer3_initiated,
            If::LastTry => self.tries >= self.parameters.n200,
            If::Outstanding => self.vs != self.va,
            If::BadNr => distance(self.va, with.nr) > distance(self.va, self.vs),
            If::AllAcknowledged => with.nr == self.vs,
            If::NoneAcknowledged => with.nr == self.va,
            If::PeerBusy => self.peer_busy,
            If::OwnBusy => self.own_busy,
            If::OwnFree => !self.own_busy,
        }
    }

    fn act(&mut self, now: Duration, action: Do, event: Event, with: &mut With) {
        match action {
            Do::EstablishIndication => self.indicate(Indication::Establish),
            Do::EstablishConfirm => self.indicate(Indication::EstablishConfirm),
            Do::ReleaseIndication => self.indicate(Indication::Release),
            Do::ReleaseConfirm => self.indicate(Indication::ReleaseConfirm),
            Do::UnitDataIndication => self.indicate(Indication::UnitData(mem::take(&mut with.data))),
            Do::AskForTei => self.effects.push(Effect::AskForTei),
            Do::Error(code) => self.effects.push(Effect::Error(code)),
            Do::RejectedError => self.effects.extend(with.code.map(Effect::Error)),
            Do::Sabme => self.unnumbered(Role::Command, Unnumbered::Sabme, true, &[]),
            Do::Disc => self.unnumbered(Role::Command, Unnumbered::Disc, true, &[]),
            Do::Ua => self.unnumbered(Role::Response, Unnumbered::Ua, with.poll, &[]),
            Do::Dm => self.unnumbered(Role::Response, Unnumbered::Dm, with.poll, &[]),
            Do::Ui => self.unnumbered(Role::Command, Unnumbered::Ui, false, &with.data),
            // Without information: the parameters stay what they are (Appendix IV).
            Do::XidResponse => self.unnumbered(Role::Response, Unnumbered::Xid, with.poll, &[]),
            Do::RrResponse => self.supervisory(Role::Response, Supervisory::Rr, false),
            Do::RnrResponse => self.supervisory(Role::Response, Supervisory::Rnr, false),
            Do::QueueI => self.queue.push_back(mem::take(&mut with.data)),
            Do::QueueUi => self.ui_queue.push_back(mem::take(&mut with.data)),
            Do::SendUiQueue => {
                for data in mem::take(&mut self.ui_queue) {
                    self.unnumbered(Role::Command, Unnumbered::Ui, false, &data);
                }
            }
            Do::DiscardI => self.queue.clear(),
            Do::DiscardUi => self.ui_queue.clear(),
            Do::SetTei => self.tei = Some(with.tei),
            Do::ClearTei => self.tei = None,
            Do::ZeroSequence => (self.vs, self.va, self.vr) = (0, 0, 0),
            Do::ZeroRc => self.tries = 0,
            Do::CountRc => self.tries += 1,
            Do::Layer3Initiated(by_layer3) => self.layer3_initiated = by_layer3,
            Do::PeerBusy(busy) => self.peer_busy = busy,
            Do::OwnBusy(busy) => self.own_busy = busy,
            Do::Acknowledge => {
                let acknowledged = usize::from(distance(self.va, with.nr));
                self.queue.drain(..acknowledged.min(self.queue.len()));
                self.va = with.nr;
            }
            Do::InvokeRetransmission => self.vs = with.nr,
            Do::Save => self.saved = Some(event),
            Do::ClearExceptions => self.clear_exceptions(),
            Do::EstablishDataLink => {
                self.clear_exceptions();
                self.tries = 0;
                self.unnumbered(Role::Command, Unnumbered::Sabme, true, &[]);
                self.t200 = Some(now + self.parameters.t200);
                self.t203 = None;
            }
            Do::TransmitEnquiry => {
                self.ready_or_not(Role::Command);
                self.t200 = Some(now + self.parameters.t200);
                self.t203 = None;
            }
            Do::AnswerPoll if with.command && with.poll => self.ready_or_not(Role::Response),
            Do::DoubtFinal if !with.command && with.poll => self.effects.push(Effect::Error(ErrorCode::A)),
            Do::AnswerPoll | Do::DoubtFinal => {}
            Do::TakeInformation => self.take_information(with),
            Do::StartT200 => self.t200 = Some(now + self.parameters.t200),
            Do::StopT200 => self.t200 = None,
            Do::StartT203 => self.t203 = Some(now + self.parameters.t203),
            Do::StopT203 => self.t203 = None,
        }
    }

    fn clear_exceptions(&mut self) {
        self.peer_busy = false;
        self.own_busy = false;
        self.reject_exception = false;
        self.acknowledge_pending = false;
    }

    /// Figures B-7 (8 of 10) and B-8 (7 of 9).
    fn take_information(&mut self, with: &mut With) {
        if self.own_busy {
            if with.poll {
                self.ready_or_not(Role::Response);
            }
        } else if with.ns == self.vr {
            self.vr = next(self.vr);
            self.reject_exception = false;
            self.indicate(Indication::Data(mem::take(&mut with.data)));
            if with.poll {
                self.ready_or_not(Role::Response);
            } else {
                self.acknowledge_pending = true;
            }
        } else if !self.reject_exception {
            self.reject_exception = true;
            self.supervisory(Role::Response, Supervisory::Rej, with.poll);
        } else if with.poll {
            self.ready_or_not(Role::Response);
        }
    }

    /// "I frame queued up" (Figure B-7, 1 of 10): as much as the window takes.
    fn send_queued(&mut self, now: Duration) {
        if self.state != State::MultipleFrameEstablished || self.peer_busy {
            return;
        }
        while distance(self.va, self.vs) < self.parameters.k.min(127) {
            let Some(data) = self.queue.get(usize::from(distance(self.va, self.vs))) else {
                return;
            };
            let control = Control::Information {
                ns: self.vs,
                nr: self.vr,
                poll: false,
            };
            let bytes = self.encode(Role::Command, control, data);
            self.effects.extend(bytes.map(Effect::Frame));
            self.vs = next(self.vs);
            self.acknowledge_pending = false;
            if self.t200.is_none() {
                self.t203 = None;
                self.t200 = Some(now + self.parameters.t200);
            }
        }
    }

    fn indicate(&mut self, indication: Indication) {
        self.effects.push(Effect::Indication(indication));
    }

    /// RR, or RNR while we are busy, with P or F = 1.
    fn ready_or_not(&mut self, role: Role) {
        let kind = if self.own_busy {
            Supervisory::Rnr
        } else {
            Supervisory::Rr
        };
        self.supervisory(role, kind, true);
    }

    /// Every supervisory frame carries N(R), so none is owed afterwards.
    fn supervisory(&mut self, role: Role, kind: Supervisory, poll: bool) {
        self.acknowledge_pending = false;
        let nr = self.vr;
        let bytes = self.encode(role, Control::Supervisory { kind, nr, poll }, &[]);
        self.effects.extend(bytes.map(Effect::Frame));
    }

    fn unnumbered(&mut self, role: Role, kind: Unnumbered, poll: bool, information: &[u8]) {
        let bytes = self.encode(role, Control::Unnumbered { kind, poll }, information);
        self.effects.extend(bytes.map(Effect::Frame));
    }

    /// Nothing without a TEI: the states that send have one.
    fn encode(&self, role: Role, control: Control, information: &[u8]) -> Option<Vec<u8>> {
        let frame = Frame {
            sapi: CALL_CONTROL,
            tei: self.tei?,
            role,
            control,
            information,
        };
        Some(frame.encode(self.side))
    }
}

fn next(number: u8) -> u8 {
    (number + 1) % 128
}

/// How far `to` is after `from`, modulo 128.
fn distance(from: u8, to: u8) -> u8 {
    to.wrapping_sub(from) % 128
}
