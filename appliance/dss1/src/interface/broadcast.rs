//! A call that a network side offers to all terminals of a bus (Q.931 §5.2): a child for each that answers.
//!
//! SETUP goes out once for all, with T303 and T312. Each terminal that answers gets a call of its own in state N6, which
//! goes through the same table as any other. What the children tell becomes what one call tells; the first that answers
//! has it, the others are released (§5.2.9).

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use varde_lapd::Ces;

use crate::call::{Call, Effect, With};
use crate::config::Parameters;
use crate::element::{Location, Selection};
use crate::elements::Elements;
use crate::message::{MessageType as M, Received};
use crate::table::{Event, State};
use crate::{CallId, Cause, Indication, Request};

/// What an offered call wants done.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Send(Ces, M, Elements),
    Tell(Indication, Elements),
    /// This terminal has the call now: from here on it is a call like any other.
    Select(Ces, Box<Call>),
}

#[derive(Clone, Debug)]
pub(super) struct Broadcast {
    pub(super) id: CallId,
    location: Location,
    parameters: Parameters,
    channel: u8,
    setup: Elements,
    t303: Option<Duration>,
    repeated: bool,
    t312: Option<Duration>,
    children: BTreeMap<Ces, Call>,
    /// How far the application knows the call to have come.
    told: u8,
    /// Why terminals did not take it: the weightiest cause.
    cause: Option<Cause>,
    /// The cause for terminals that answer too late; the application has heard its last from here.
    over: Option<Cause>,
    actions: Vec<Action>,
}

impl Broadcast {
    pub(super) fn new(
        now: Duration,
        id: CallId,
        location: Location,
        parameters: Parameters,
        channel: u8,
        setup: Elements,
    ) -> Self {
        let mut broadcast = Self {
            id,
            location,
            parameters,
            channel,
            setup,
            t303: None,
            repeated: false,
            t312: None,
            children: BTreeMap::new(),
            told: 0,
            cause: None,
            over: None,
            actions: Vec::new(),
        };
        broadcast.offer(now);
        broadcast
    }

    /// The state that the call has for the application: that of the child that has come furthest.
    pub(super) fn state(&self) -> State {
        if self.over.is_some() {
            return State::CallAbort;
        }
        match self.told {
            0 => State::CallPresent,
            1 => State::OverlapReceiving,
            2 => State::IncomingCallProceeding,
            _ => State::CallReceived,
        }
    }

    /// The terminals that have answered, and how.
    pub(super) fn children(&self) -> impl Iterator<Item = (Ces, State)> {
        self.children.iter().map(|(ces, child)| (*ces, child.state()))
    }

    /// Nobody is heard, and nobody will be.
    pub(super) fn is_done(&self) -> bool {
        self.over.is_some() && self.children.is_empty() && self.t312.is_none()
    }

    pub(super) fn take_actions(&mut self) -> Vec<Action> {
        mem::take(&mut self.actions)
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        let children = self.children.values().filter_map(Call::deadline);
        children.chain(self.t303).chain(self.t312).min()
    }

    pub(super) fn expire(&mut self, now: Duration) {
        let terminals: Vec<Ces> = self.children.keys().copied().collect();
        for ces in terminals {
            self.child(now, ces, |child| child.expire(now));
        }
        if self.t303.is_some_and(|at| at <= now) {
            self.t303 = None;
            if self.children.is_empty() {
                // Who has answered at all need not be asked again.
                if self.repeated || self.cause.is_some() {
                    self.end(now, self.cause.unwrap_or(Cause::NO_USER_RESPONDING));
                } else {
                    self.repeated = true;
                    self.offer(now);
                }
            }
        }
        if self.t312.is_some_and(|at| at <= now) {
            self.t312 = None;
        }
        self.end_if_nobody_is_left(now);
    }

    pub(super) fn receive(&mut self, now: Duration, ces: Ces, received: Received) {
        let (location, parameters) = (self.location, self.parameters);
        self.children
            .entry(ces)
            .or_insert_with(|| Call::child(location, parameters));
        let channel = received.elements.channel();
        let channel_bad =
            channel.is_some_and(|wish| wish.selection != Selection::Basic(self.channel) || wish.d_channel);
        self.child(now, ces, |child| child.receive(now, received, channel_bad));
        self.end_if_nobody_is_left(now);
    }

    pub(super) fn link_lost(&mut self, now: Duration, ces: Ces) {
        self.child(now, ces, |child| {
            child.handle(now, Event::LinkLost, &With::default());
        });
        self.end_if_nobody_is_left(now);
    }

    /// Whether the request could be done.
    pub(super) fn request(&mut self, now: Duration, request: Request, elements: &Elements) -> bool {
        if self.over.is_some() {
            return false;
        }
        match request {
            Request::Clear => {
                self.end(now, elements.cause().unwrap_or(Cause::NORMAL_CALL_CLEARING));
                true
            }
            Request::Information => {
                let waiting: Vec<Ces> = self
                    .children()
                    .filter(|(_, state)| *state == State::OverlapReceiving)
                    .map(|(ces, _)| ces)
                    .collect();
                let with = With {
                    elements: elements.clone(),
                    ..With::default()
                };
                for ces in &waiting {
                    self.child(now, *ces, |child| {
                        child.handle(now, Event::Request(request), &with);
                    });
                }
                !waiting.is_empty()
            }
            _ => false,
        }
    }

    fn offer(&mut self, now: Duration) {
        self.t303 = Some(now + self.parameters.t303);
        self.t312 = Some(now + self.parameters.t312);
        let setup = self.setup.clone();
        self.actions.push(Action::Send(Ces::BROADCAST, M::Setup, setup));
    }

    /// Does something to a child, and what comes of it.
    fn child(&mut self, now: Duration, ces: Ces, event: impl FnOnce(&mut Call)) {
        let Some(mut child) = self.children.remove(&ces) else {
            return;
        };
        event(&mut child);
        loop {
            let effects = child.take_effects();
            if effects.is_empty() {
                break;
            }
            for effect in effects {
                match effect {
                    Effect::Send(kind, elements) => self.actions.push(Action::Send(ces, kind, elements)),
                    // Its channel is that of the whole call.
                    Effect::Suspect => {}
                    Effect::Tell(Indication::Connect, elements) if self.over.is_none() => {
                        self.actions.push(Action::Tell(Indication::Connect, elements));
                        self.actions.push(Action::Select(ces, Box::new(child)));
                        self.release_all(now, Cause::NON_SELECTED_USER_CLEARING);
                        return;
                    }
                    Effect::Tell(indication, elements) => self.told(now, &mut child, indication, elements),
                }
            }
            if let Some(cause) = self.over
                && !child.state().is_clearing()
                && child.state() != State::CallPresent
            {
                deselect(now, &mut child, cause, self.location);
            }
        }
        if !matches!(child.state(), State::Null | State::CallPresent) {
            self.t303 = None;
            self.children.insert(ces, child);
        }
    }

    fn told(&mut self, now: Duration, child: &mut Call, indication: Indication, elements: Elements) {
        let rank = match indication {
            Indication::SetupAcknowledge => 1,
            Indication::Proceeding => 2,
            Indication::Alerting => 3,
            Indication::Disconnect => {
                child.handle(now, Event::Request(Request::Clear), &With::default());
                self.keep(elements.cause());
                return;
            }
            Indication::Clearing | Indication::Released => {
                self.keep(elements.cause());
                return;
            }
            _ => u8::MAX,
        };
        if self.over.is_none() && rank > self.told {
            if rank != u8::MAX {
                self.told = rank;
            }
            self.actions.push(Action::Tell(indication, elements));
        }
    }

    /// §5.2.5.3: that somebody rejects the call weighs more than that somebody is busy; an incompatible terminal says
    /// nothing about the others.
    fn keep(&mut self, cause: Option<Cause>) {
        let weight = |cause: Option<Cause>| match cause {
            Some(Cause::CALL_REJECTED) => 4,
            Some(Cause::USER_BUSY) => 3,
            Some(Cause::INCOMPATIBLE_DESTINATION) => 1,
            Some(_) => 2,
            None => 0,
        };
        if weight(cause) > weight(self.cause) {
            self.cause = cause;
        }
    }

    fn end_if_nobody_is_left(&mut self, now: Duration) {
        let nobody = self.children.is_empty() && self.t303.is_none() && self.t312.is_none();
        if self.over.is_none() && nobody {
            self.end(now, self.cause.unwrap_or(Cause::NO_USER_RESPONDING));
        }
    }

    fn end(&mut self, now: Duration, cause: Cause) {
        if self.over.is_none() {
            let elements = [cause.at(self.location)].into();
            self.actions.push(Action::Tell(Indication::Released, elements));
            self.release_all(now, cause);
        }
    }

    fn release_all(&mut self, now: Duration, cause: Cause) {
        self.over = Some(cause);
        self.t303 = None;
        let location = self.location;
        let terminals: Vec<Ces> = self.children.keys().copied().collect();
        for ces in terminals {
            self.child(now, ces, |child| deselect(now, child, cause, location));
        }
    }
}

fn deselect(now: Duration, child: &mut Call, cause: Cause, location: Location) {
    let with = With {
        elements: [cause.at(location)].into(),
        ..With::default()
    };
    child.handle(now, Event::Deselected, &with);
}
