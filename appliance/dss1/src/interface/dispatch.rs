//! Which call a message is for, and what is answered if it is for none (Q.931 §5.8.3.2).

use std::time::Duration;

use varde_lapd::{Ces, Side};

use super::channels::{ChannelState, Refused};
use super::{Interface, Key, Output};
use crate::call::{With, objection};
use crate::config::{Sharing, Timer};
use crate::element::{ChannelIdentification, Element, RestartClass, identifier as id};
use crate::elements::Elements;
use crate::message::{CallReference, MessageType as M, Received};
use crate::table::{Event, State};
use crate::{CallId, Cause, Request};

/// Rest 1 of §5.5, as a call state (Table 4-14): RESTART was sent.
const RESTART_REQUEST: u8 = 61;

impl Interface {
    pub(super) fn message(&mut self, now: Duration, ces: Ces, bytes: &[u8]) {
        let received = match Received::parse(bytes) {
            Ok(received) => received,
            Err(error) => {
                self.outputs.push_back(Output::Ignored(ces, error));
                return;
            }
        };
        for fault in &received.faults {
            self.outputs
                .push_back(Output::Faulty(ces, received.reference, *fault));
        }
        if received.kind == Ok(M::Segment)
            && let Some(segment) = received.elements.segment()
        {
            let until = now + self.config.parameters.t314;
            let whole = self
                .segments
                .take((ces, received.reference), segment, bytes, until);
            // A message in segments is no segment itself.
            if let Some(whole) = whole
                && segment.message != M::Segment as u8
            {
                self.message(now, ces, &whole);
            }
            return;
        }
        match received.reference {
            // Supplementary services that belong to no call: there are none here.
            CallReference::Dummy => {}
            CallReference::Global { from_origin } => self.global(now, ces, from_origin, &received),
            CallReference::Call { value, from_origin } => {
                let key = Key {
                    ces,
                    value,
                    ours: !from_origin,
                };
                self.for_call(now, key, received);
            }
        }
    }

    fn for_call(&mut self, now: Duration, key: Key, received: Received) {
        if let Some(id) = self.keys.get(&key).copied() {
            let channel_bad = self.negotiate(now, id, &received);
            self.step(now, id, |call| call.receive(now, received, channel_bad));
        } else if key.ours
            && let Some(broadcast) = self.broadcasts.get_mut(&key.value)
        {
            broadcast.receive(now, key.ces, received);
            self.settle_broadcast(now, key.value);
        } else {
            self.without_call(now, key, received);
        }
    }

    /// §5.8.3.2, and §5.8.11 for STATUS.
    fn without_call(&mut self, now: Duration, key: Key, received: Received) {
        let is_network = self.config.side == Side::Network;
        match received.kind {
            Ok(M::Setup) if !key.ours => self.setup(now, key, received),
            Ok(M::Resume) if !key.ours && is_network => {
                self.answer(key, M::ResumeReject, Cause::NO_CALL_SUSPENDED);
            }
            Ok(M::Setup | M::Resume | M::ReleaseComplete) => {}
            Ok(M::StatusEnquiry) => {
                let cause = Cause::RESPONSE_TO_STATUS_ENQUIRY.at(self.config.location);
                self.reply(key, M::Status, [cause, Element::CallState(0)].into());
            }
            Ok(M::Status) => {
                if received.elements.call_state().is_some_and(|state| state != 0) {
                    self.answer(key, M::ReleaseComplete, Cause::MESSAGE_NOT_COMPATIBLE);
                }
            }
            _ => self.answer(key, M::ReleaseComplete, Cause::INVALID_CALL_REFERENCE),
        }
    }

    fn answer(&mut self, key: Key, kind: M, cause: Cause) {
        self.reply(key, kind, [cause.at(self.config.location)].into());
    }

    fn reply(&mut self, key: Key, kind: M, elements: Elements) {
        let reference = CallReference::Call {
            value: key.value,
            from_origin: key.ours,
        };
        self.send(key.ces, reference, kind, elements);
    }

    /// A call of the peer's.
    fn setup(&mut self, now: Duration, key: Key, received: Received) {
        // The network says which channel; a user may leave it open (§3.1.14).
        let mandatory = match self.config.side {
            Side::Network => M::Setup.mandatory(),
            Side::User => &[id::BEARER_CAPABILITY, id::CHANNEL],
        };
        if let Some((cause, diagnostics)) = objection(&received, mandatory) {
            let cause = cause.with_diagnostics(self.config.location, diagnostics);
            self.reply(key, M::ReleaseComplete, [cause].into());
            return;
        }
        let id = self.next_call();
        match self.channel_for(now, id, &received.elements) {
            Ok(channel) => self.channels.set(channel, ChannelState::Busy(id)),
            Err(cause) => {
                self.answer(key, M::ReleaseComplete, cause);
                return;
            }
        }
        self.open(id, key, self.new_call());
        self.step(now, id, |call| call.receive(now, received, false));
    }

    /// The channel of a call that comes (§5.1.2, §5.2.3).
    fn channel_for(&mut self, now: Duration, id: CallId, elements: &Elements) -> Result<u8, Cause> {
        let is_network = self.config.side == Side::Network;
        let any = ChannelIdentification::any(self.is_primary());
        let wish = elements.channel().unwrap_or(&any);
        let refused = match self.channels.wanted(id, wish) {
            Ok(channel) => return Ok(channel),
            Err(Refused::Busy(Some(holder))) => {
                // §5.7: both ends began a call on this channel. The network's has it; the user's gets another.
                if !is_network
                    && self.state(holder) == Some(State::CallInitiated)
                    && let Some(channel) = self.channels.of(holder)
                {
                    return Ok(channel);
                }
                self.doubt(now, holder);
                Refused::Busy(Some(holder))
            }
            Err(refused) => refused,
        };
        if refused == Refused::NoneFree {
            return Err(Cause::NO_CIRCUIT_AVAILABLE);
        }
        if wish.exclusive || wish.channels().is_empty() {
            return Err(Cause::REQUESTED_CIRCUIT_NOT_AVAILABLE);
        }
        self.channels.free(is_network).ok_or(Cause::NO_CIRCUIT_AVAILABLE)
    }

    /// The channel that an answer to our SETUP names; true if it cannot be had.
    fn negotiate(&mut self, now: Duration, id: CallId, received: &Received) -> bool {
        let Some(entry) = self.calls.get(&id) else {
            return false;
        };
        let asked = matches!(entry.call.state(), State::CallInitiated | State::CallPresent);
        let answers = matches!(
            received.kind,
            Ok(M::SetupAcknowledge | M::CallProceeding | M::Alerting | M::Connect)
        );
        if !entry.key.ours || !asked || !answers {
            return false;
        }
        let own = self.channels.of(id);
        let Some(wish) = received.elements.channel() else {
            return own.is_none();
        };
        match self.channels.wanted(id, wish) {
            Ok(channel) => {
                if own != Some(channel) {
                    self.channels.leave(id, ChannelState::Idle);
                    self.channels.set(channel, ChannelState::Busy(id));
                }
                false
            }
            Err(refused) => {
                if let Refused::Busy(Some(holder)) = refused {
                    self.doubt(now, holder);
                }
                true
            }
        }
    }

    /// The peer gives away a channel that a call of ours has: does it still know that call?
    fn doubt(&mut self, now: Duration, holder: CallId) {
        self.step(now, holder, |call| {
            if call.state() == State::Active && !call.timers().contains_key(&Timer::T322) {
                call.handle(now, Event::Request(Request::Enquire), &With::default());
            }
        });
    }

    /// Messages with the global call reference: RESTART and its answers (§5.5, §5.8.3.2 f, h).
    fn global(&mut self, now: Duration, ces: Ces, from_origin: bool, received: &Received) {
        match received.kind {
            Ok(M::Restart) if from_origin => self.restarted(now, ces, received),
            Ok(M::RestartAcknowledge) if !from_origin => {
                self.restarts.answered(&mut self.channels);
            }
            // A peer that knows no RESTART says so; one that has none to answer need not.
            Ok(M::Status) => {
                if !from_origin {
                    self.restarts.answered(&mut self.channels);
                }
            }
            _ => {
                let cause = Cause::INVALID_CALL_REFERENCE.at(self.config.location);
                let state = if self.restarts.is_waiting() {
                    RESTART_REQUEST
                } else {
                    0
                };
                let elements = [cause, Element::CallState(state)].into();
                self.reply_global(ces, M::Status, elements, !from_origin);
            }
        }
    }

    fn reply_global(&mut self, ces: Ces, kind: M, elements: Elements, from_origin: bool) {
        self.send(ces, CallReference::Global { from_origin }, kind, elements);
    }

    /// The peer wants channels idle: so they are, and the calls on them are over. The standard's T317 is not needed,
    /// for nobody is waited for.
    fn restarted(&mut self, now: Duration, ces: Ces, received: &Received) {
        let mut refuse = |cause: Cause, diagnostics: Vec<u8>| {
            let cause = cause.with_diagnostics(self.config.location, diagnostics);
            let elements = [cause, Element::CallState(0)].into();
            self.reply_global(ces, M::Status, elements, false);
        };
        if let Some((cause, diagnostics)) = objection(received, M::Restart.mandatory()) {
            refuse(cause, diagnostics);
            return;
        }
        let channels = match (received.elements.restart(), received.elements.channel()) {
            (Some(RestartClass::Channels), None) => {
                refuse(Cause::MANDATORY_ELEMENT_MISSING, vec![id::CHANNEL]);
                return;
            }
            (Some(RestartClass::Channels), Some(named)) => named.channels(),
            _ => self.channels.iter().map(|row| row.0).collect(),
        };
        let unknown = channels
            .iter()
            .any(|channel| self.channels.get(*channel).is_none());
        if unknown || channels.is_empty() {
            let cause = Cause::CHANNEL_DOES_NOT_EXIST.at(self.config.location);
            self.reply_global(ces, M::Status, [cause, Element::CallState(0)].into(), false);
            return;
        }
        let on_bus = self.config.sharing == Sharing::PointToMultipoint;
        for channel in &channels {
            match self.channels.get(*channel) {
                // A terminal on a bus speaks for its own calls alone.
                Some(ChannelState::Busy(id)) if !on_bus || self.ces(id) == Some(ces) => {
                    self.step(now, id, |call| {
                        call.handle(now, Event::Restarted, &With::default());
                    });
                }
                Some(ChannelState::Suspect) => self.channels.set(*channel, ChannelState::Idle),
                _ => {}
            }
        }
        let mut elements = Elements::new();
        for element in &received.elements {
            if matches!(element, Element::Restart(_) | Element::Channel(_)) {
                elements.push(element.clone());
            }
        }
        self.reply_global(ces, M::RestartAcknowledge, elements, false);
    }
}
