//! One call: its state, its timers, and the actions that the table names.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use varde_lapd::Side;

use crate::config::{Parameters, Timer};
use crate::element::{Element, Location, identifier as id};
use crate::elements::Elements;
use crate::message::{ElementFault, Fault, MessageType as M, Received};
use crate::table::{Do, Event, If, State, rows};
use crate::{Cause, Indication};

/// What a call wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Send(M, Elements),
    Tell(Indication, Elements),
    /// The channel may still be held at the other end.
    Suspect,
}

/// What came with an event; only what its rows use is filled in.
#[derive(Clone, Debug, Default)]
pub(crate) struct With {
    pub(crate) elements: Elements,
    pub(crate) channel_bad: bool,
}

/// What is wrong with a message as a whole (§5.8.6, §5.8.7.1): a cause, and the elements that it is about.
pub(crate) fn objection(received: &Received, mandatory: &[u8]) -> Option<(Cause, Vec<u8>)> {
    let missing: Vec<u8> = mandatory
        .iter()
        .copied()
        .filter(|identifier| !received.elements.has(*identifier))
        .collect();
    let not_understood = received.faults.iter().filter(|fault| fault.needs_comprehension());
    let absent: Vec<u8> = missing
        .iter()
        .copied()
        .filter(|identifier| !received.is_faulty(*identifier))
        .chain(not_understood.map(|fault| fault.identifier))
        .collect();
    if !absent.is_empty() {
        return Some((Cause::MANDATORY_ELEMENT_MISSING, absent));
    }
    (!missing.is_empty()).then_some((Cause::INVALID_ELEMENT_CONTENTS, missing))
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    side: Side,
    location: Location,
    parameters: Parameters,
    state: State,
    timers: BTreeMap<Timer, Duration>,
    /// How often the state's timer has run out.
    tries: u8,
    enquiries: u8,
    /// SETUP as it was sent; later the cause of the clearing.
    saved: Elements,
    /// What was wrong with the clearing message that came; the answer says it.
    objection: Option<Element>,
    effects: Vec<Effect>,
}

impl Call {
    pub(crate) fn new(side: Side, location: Location, parameters: Parameters) -> Self {
        Self {
            side,
            location,
            parameters,
            state: State::Null,
            timers: BTreeMap::new(),
            tries: 0,
            enquiries: 0,
            saved: Elements::new(),
            objection: None,
            effects: Vec::new(),
        }
    }

    /// A child of a call that is offered on a bus: SETUP has been sent for all of them, and the parent waits for T303.
    pub(crate) fn child(location: Location, parameters: Parameters) -> Self {
        Self {
            state: State::CallPresent,
            ..Self::new(Side::Network, location, parameters)
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn timers(&self) -> &BTreeMap<Timer, Duration> {
        &self.timers
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.timers.values().min().copied()
    }

    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        mem::take(&mut self.effects)
    }

    /// Lets the timers run out that are due.
    pub(crate) fn expire(&mut self, now: Duration) {
        let due: Vec<Timer> = self
            .timers
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(timer, _)| *timer)
            .collect();
        for timer in due {
            // One that ran out before may have stopped it.
            if self.timers.get(&timer).is_some_and(|at| *at <= now) {
                self.timers.remove(&timer);
                self.handle(now, Event::Timer(timer), &With::default());
            }
        }
    }

    /// A message for this call.
    pub(crate) fn receive(&mut self, now: Duration, received: Received, channel_bad: bool) {
        let kind = match received.kind {
            Ok(kind) => kind,
            Err(octet) => {
                self.status(Cause::MESSAGE_TYPE_NOT_IMPLEMENTED, vec![octet]);
                return;
            }
        };
        let clears = matches!(kind, M::Disconnect | M::Release | M::ReleaseComplete);
        let first_clearing = clears && !self.state.is_clearing();
        let mandatory = if first_clearing {
            &[id::CAUSE][..]
        } else {
            kind.mandatory()
        };
        let mut with = With {
            channel_bad,
            ..With::default()
        };
        let objection = objection(&received, mandatory);
        with.elements = received.elements;
        if clears {
            let unknown = unrecognised(&received.faults);
            let unknown = unknown.map(|identifiers| (Cause::ELEMENT_NOT_IMPLEMENTED, identifiers));
            if let Some((cause, diagnostics)) = objection.or(unknown) {
                self.objection = Some(cause.with_diagnostics(self.location, diagnostics));
            }
            if first_clearing {
                with.elements = with.elements.or(Cause::NORMAL_UNSPECIFIED.at(self.location));
            }
        } else if let Some((cause, diagnostics)) = objection {
            // STATUS about a STATUS would be answered by another.
            if kind != M::Status {
                self.status(cause, diagnostics);
            }
            return;
        }
        if !self.handle(now, Event::Message(kind), &with) {
            self.status(Cause::MESSAGE_NOT_COMPATIBLE, vec![kind as u8]);
        }
    }

    /// Whether the event has a row now.
    pub(crate) fn handle(&mut self, now: Duration, event: Event, with: &With) -> bool {
        let row = rows(self.side, self.state)
            .find(|row| row.event == event && row.when.iter().all(|condition| self.holds(*condition, with)));
        let Some(row) = row else {
            return false;
        };
        for action in row.then {
            self.act(now, *action, with);
        }
        if let Some(next) = row.next {
            self.state = next;
            self.tries = 0;
        }
        true
    }

    fn holds(&self, condition: If, with: &With) -> bool {
        match condition {
            If::FirstTry => self.tries == 0,
            If::InBand => with.elements.is_in_band(),
            If::Complete => with.elements.is_sending_complete(),
            If::ChannelBad => with.channel_bad,
            If::PeerNull => with.elements.call_state() == Some(0),
            If::PeerIncompatible => {
                let is_answer = with.elements.cause() == Some(Cause::RESPONSE_TO_STATUS_ENQUIRY);
                let state = with.elements.call_state();
                state.is_some_and(|state| !may_be(self.side, self.state, state, is_answer))
            }
            If::FirstEnquiry => self.enquiries == 1,
            If::T309Runs => self.timers.contains_key(&Timer::T309),
        }
    }

    fn act(&mut self, now: Duration, action: Do, with: &With) {
        match action {
            Do::Send(kind) => {
                let mut elements = with.elements.clone();
                if matches!(kind, M::Release | M::ReleaseComplete) && !self.state.is_clearing() {
                    elements = elements.or(Cause::NORMAL_CALL_CLEARING.at(self.location));
                    self.save_cause(&elements);
                }
                self.send(kind, elements);
            }
            Do::Answer(kind) => self.send(kind, Elements::new()),
            Do::SendCause(kind, cause) => self.send(kind, [cause.at(self.location)].into()),
            Do::SendSaved(kind) => self.send(kind, self.saved.clone()),
            Do::SendStatus(cause) => self.status(cause, Vec::new()),
            Do::Tell(indication) => self.tell(indication, with.elements.clone()),
            Do::TellCause(indication, cause) => self.tell(indication, [cause.at(self.location)].into()),
            Do::Start(timer) => self.start(now, timer),
            Do::Stop(timer) => drop(self.timers.remove(&timer)),
            Do::StopAll => self.timers.clear(),
            Do::CountTry => self.tries += 1,
            Do::ZeroTries => self.tries = 0,
            Do::Enquire => {
                self.enquiries = 0;
                self.act(now, Do::EnquireAgain, with);
            }
            Do::EnquireAgain => {
                self.enquiries += 1;
                self.send(M::StatusEnquiry, Elements::new());
                self.start(now, Timer::T322);
            }
            Do::Enquired => drop(self.timers.remove(&Timer::T322)),
            Do::Disconnect { peer, told } => {
                self.timers.clear();
                self.send(M::Disconnect, [peer.at(self.location)].into());
                self.start(now, Timer::T305);
                self.tell(Indication::Clearing, [told.at(self.location)].into());
            }
            Do::End(cause) => {
                self.timers.clear();
                let cause = self.saved.cause().unwrap_or(cause);
                self.tell(Indication::Released, [cause.at(self.location)].into());
            }
            Do::Suspect => self.effects.push(Effect::Suspect),
        }
    }

    fn start(&mut self, now: Duration, timer: Timer) {
        self.timers.insert(timer, now + self.parameters.of(timer));
    }

    fn send(&mut self, kind: M, mut elements: Elements) {
        match kind {
            M::Setup => self.saved = elements.clone(),
            M::Disconnect => {
                elements = elements.or(Cause::NORMAL_CALL_CLEARING.at(self.location));
                self.save_cause(&elements);
            }
            M::Release | M::ReleaseComplete => {
                if let Some(objection) = self.objection.take() {
                    elements.set(objection);
                }
                if kind == M::Release && self.saved.cause().is_none() {
                    self.save_cause(&elements);
                }
            }
            _ => {}
        }
        self.effects.push(Effect::Send(kind, elements));
    }

    /// The first cause is the one that the call ends with.
    fn save_cause(&mut self, elements: &Elements) {
        let cause = elements.cause_element().cloned().map(Element::Cause);
        self.saved = Elements::from(Vec::from_iter(cause));
    }

    fn tell(&mut self, indication: Indication, mut elements: Elements) {
        match indication {
            Indication::Disconnect | Indication::Clearing => self.save_cause(&elements),
            Indication::Released => {
                let saved = self.saved.cause_element().cloned().map(Element::Cause);
                elements = elements.or(saved.unwrap_or(Cause::NORMAL_UNSPECIFIED.at(self.location)));
            }
            _ => {}
        }
        self.effects.push(Effect::Tell(indication, elements));
    }

    fn status(&mut self, cause: Cause, diagnostics: Vec<u8>) {
        let cause = cause.with_diagnostics(self.location, diagnostics);
        let elements = [cause, Element::CallState(self.state.number())].into();
        self.effects.push(Effect::Send(M::Status, elements));
    }
}

/// The identifiers that were not recognised, if there are any.
fn unrecognised(faults: &[ElementFault]) -> Option<Vec<u8>> {
    let unknown = faults.iter().filter(|fault| fault.fault == Fault::Unrecognised);
    let identifiers: Vec<u8> = unknown.map(|fault| fault.identifier).collect();
    (!identifiers.is_empty()).then_some(identifiers)
}

/// Whether a peer can be in a state while we are in ours (§5.8.11). A peer that clears will say so; one in an earlier
/// state of the same direction will come after. An answer to STATUS ENQUIRY was sent after our last message had
/// arrived, any other STATUS perhaps before.
fn may_be(side: Side, own: State, peer: u8, is_answer: bool) -> bool {
    const OUTGOING: [u8; 4] = [1, 2, 3, 4];
    const INCOMING: [u8; 5] = [6, 7, 8, 9, 25];
    if [11, 12, 19].contains(&peer) {
        return true;
    }
    match own.number() {
        10 => {
            let not_yet = [1, 2, 3, 4, 8];
            peer == 10 || side == Side::Network && !is_answer && not_yet.contains(&peer)
        }
        own if OUTGOING.contains(&own) => OUTGOING.contains(&peer),
        own if INCOMING.contains(&own) => INCOMING.contains(&peer),
        _ => true,
    }
}
