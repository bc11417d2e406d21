//! An interface: its calls, by whose reference a message is for which, its channels, and its data links.

mod broadcast;
mod channels;
mod dispatch;
mod restart;
mod segments;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use varde_lapd::{Ces, Indication as LinkIndication, Request as LinkRequest, Side};

pub use channels::ChannelState;

use crate::call::{Call, Effect, With};
use crate::config::{Access, Config, Sharing, Timer};
use crate::element::{ChannelIdentification, Element};
use crate::elements::Elements;
use crate::error::{MessageError, RequestError};
use crate::message::{CallReference, ElementFault, Message, MessageType as M};
use crate::table::{Event, State};
use crate::{CallId, Cause, Indication, Request};
use broadcast::{Action, Broadcast};
use channels::Channels;
use restart::Restarts;
use segments::Segments;

/// What an interface hands out, in the order in which it is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// To the data link.
    Link(Ces, LinkRequest),
    /// To the application.
    Call(CallId, Indication, Elements),
    /// To the record: octets that are no message, and were ignored.
    Ignored(Ces, MessageError),
    /// To the record: an element that was left out of a message.
    Faulty(Ces, CallReference, ElementFault),
    /// To the record: nobody answered RESTART for these channels. They are tried again, and used if no other is free.
    RestartUnanswered(Vec<u8>),
}

/// A call of the interface. Its key is what its messages say: data link, value, and whether the value is ours.
#[derive(Clone, Debug)]
struct Entry {
    call: Call,
    key: Key,
    /// The other end knows which channel it is.
    channel_said: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    ces: Ces,
    value: u16,
    ours: bool,
}

#[derive(Clone, Debug, Default)]
struct Link {
    up: bool,
    asked: bool,
    /// Messages for when it is up.
    waiting: Vec<Vec<u8>>,
}

/// One interface, network or user side.
///
/// Time is a [`Duration`] since a fixed moment of the caller's choice, never going back. After each call, take
/// [`Interface::poll_output`] until it is empty; then wait for an indication of a data link, a request, or the moment
/// of [`Interface::poll_timeout`].
#[derive(Clone, Debug)]
pub struct Interface {
    config: Config,
    links: BTreeMap<Ces, Link>,
    calls: BTreeMap<CallId, Entry>,
    keys: BTreeMap<Key, CallId>,
    /// Calls offered on a bus, by the value of their reference.
    broadcasts: BTreeMap<u16, Broadcast>,
    channels: Channels,
    restarts: Restarts,
    segments: Segments,
    last_call: u64,
    last_reference: u16,
    /// When links that are to be up are asked for again.
    retry: Option<Duration>,
    outputs: VecDeque<Output>,
}

impl Interface {
    pub fn new(config: Config) -> Self {
        // A peer on a primary rate access may hold channels from before our start.
        let state = match config.access {
            Access::Primary => ChannelState::Suspect,
            Access::Basic => ChannelState::Idle,
        };
        let channels = Channels::new(config.access, &config.channels, state);
        let mut interface = Self {
            channels,
            links: BTreeMap::new(),
            calls: BTreeMap::new(),
            keys: BTreeMap::new(),
            broadcasts: BTreeMap::new(),
            restarts: Restarts::default(),
            segments: Segments::default(),
            last_call: 0,
            last_reference: 0,
            retry: None,
            outputs: VecDeque::new(),
            config,
        };
        if interface.config.sharing == Sharing::PointToPoint {
            interface.establish(Ces::OWN);
        }
        interface
    }

    /// Begins a call. The elements are those of SETUP, bearer capability among them; the channel is chosen here,
    /// unless they name one.
    pub fn call(&mut self, now: Duration, elements: Elements) -> Result<CallId, RequestError> {
        let bus = self.config.sharing == Sharing::PointToMultipoint;
        if !bus && !self.is_up(Ces::OWN) {
            return Err(RequestError::LinkDown);
        }
        let value = self.free_reference().ok_or(RequestError::NoReference)?;
        let offers = bus && self.config.side == Side::Network;
        let (channel, element) = self.choose(&elements, offers)?;
        let id = self.next_call();
        if let Some(channel) = channel {
            self.channels.set(channel, ChannelState::Busy(id));
        }
        let mut elements = elements;
        elements.set(Element::Channel(element));
        match channel {
            Some(channel) if offers => {
                let (location, parameters) = (self.config.location, self.config.parameters);
                let broadcast = Broadcast::new(now, id, location, parameters, channel, elements);
                self.broadcasts.insert(value, broadcast);
                self.settle_broadcast(now, value);
            }
            _ => {
                let key = Key {
                    ces: Ces::OWN,
                    value,
                    ours: true,
                };
                self.open(id, key, self.new_call());
                let with = With {
                    elements,
                    ..With::default()
                };
                self.step(now, id, |call| {
                    call.handle(now, Event::Request(Request::Setup), &with);
                });
            }
        }
        Ok(id)
    }

    /// A request for a call that there is.
    pub fn request(
        &mut self,
        now: Duration,
        id: CallId,
        request: Request,
        elements: Elements,
    ) -> Result<(), RequestError> {
        let with = With {
            elements,
            ..With::default()
        };
        if let Some(state) = self.calls.get(&id).map(|entry| entry.call.state()) {
            let mut done = false;
            self.step(now, id, |call| {
                done = call.handle(now, Event::Request(request), &with);
            });
            return done.then_some(()).ok_or(RequestError::State { request, state });
        }
        let value = self.broadcast_of(id).ok_or(RequestError::NoCall(id))?;
        let broadcast = self.broadcasts.get_mut(&value).ok_or(RequestError::NoCall(id))?;
        let state = broadcast.state();
        let done = broadcast.request(now, request, &with.elements);
        self.settle_broadcast(now, value);
        done.then_some(()).ok_or(RequestError::State { request, state })
    }

    /// Ends a call; short for [`Request::Clear`] with a cause.
    pub fn clear(&mut self, now: Duration, id: CallId, cause: Cause) -> Result<(), RequestError> {
        let elements = [cause.at(self.config.location)].into();
        self.request(now, id, Request::Clear, elements)
    }

    /// Brings a channel to rest at both ends: a call on it ends, and RESTART is sent for one without. False if there is no
    /// such channel.
    pub fn restart_channel(&mut self, now: Duration, channel: u8) -> bool {
        match self.channels.get(channel) {
            None => return false,
            Some(ChannelState::Busy(call)) => {
                // One that is being cleared already is on its way to rest.
                let _ = self.clear(now, call, Cause::NORMAL_UNSPECIFIED);
            }
            Some(ChannelState::Idle | ChannelState::Suspect) => {
                self.channels.set(channel, ChannelState::Suspect);
                self.restart(now);
            }
            Some(ChannelState::Restarting) => {}
        }
        true
    }

    /// What a data link says.
    pub fn receive(&mut self, now: Duration, ces: Ces, indication: LinkIndication) {
        match indication {
            LinkIndication::Establish => self.link_up(now, ces, false),
            LinkIndication::EstablishConfirm => self.link_up(now, ces, true),
            LinkIndication::Release | LinkIndication::ReleaseConfirm => self.link_down(now, ces),
            LinkIndication::Data(bytes) => self.message(now, ces, &bytes),
            // To all terminals; each answers on a data link of its own.
            LinkIndication::UnitData(bytes) => {
                let ces = if ces == Ces::BROADCAST { Ces::OWN } else { ces };
                self.message(now, ces, &bytes);
            }
        }
        self.restart(now);
    }

    /// When [`Interface::handle_timeout`] must be called, if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let calls = self.calls.values().filter_map(|entry| entry.call.deadline());
        let broadcasts = self.broadcasts.values().filter_map(Broadcast::deadline);
        calls
            .chain(broadcasts)
            .chain(self.restarts.deadline())
            .chain(self.segments.deadline())
            .chain(self.retry)
            .min()
    }

    pub fn handle_timeout(&mut self, now: Duration) {
        let due: Vec<CallId> = self
            .calls
            .iter()
            .filter(|(_, entry)| entry.call.deadline().is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.step(now, id, |call| call.expire(now));
        }
        let offered: Vec<u16> = self.broadcasts.keys().copied().collect();
        for value in offered {
            if let Some(broadcast) = self.broadcasts.get_mut(&value) {
                broadcast.expire(now);
            }
            self.settle_broadcast(now, value);
        }
        self.segments.expire(now);
        let t316 = self.config.parameters.t316;
        match self.restarts.expire(now, t316, &mut self.channels) {
            Some(Ok(elements)) => self.send_global(M::Restart, elements, true),
            Some(Err(channels)) => self.outputs.push_back(Output::RestartUnanswered(channels)),
            None => {}
        }
        if self.retry.is_some_and(|at| at <= now) {
            self.retry = None;
            self.establish_needed();
        }
        self.restart(now);
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The calls there are.
    pub fn calls(&self) -> impl Iterator<Item = (CallId, State)> {
        let offered = self
            .broadcasts
            .values()
            .filter(|offered| offered.state() != State::CallAbort);
        let offered = offered.map(|offered| (offered.id, offered.state()));
        self.calls
            .iter()
            .map(|(id, entry)| (*id, entry.call.state()))
            .chain(offered)
    }

    /// None if the call is over.
    pub fn state(&self, id: CallId) -> Option<State> {
        self.calls()
            .find(|(other, _)| *other == id)
            .map(|(_, state)| state)
    }

    /// The timers of a call that run, and when they run out.
    pub fn timers(&self, id: CallId) -> impl Iterator<Item = (Timer, Duration)> {
        let entry = self.calls.get(&id).into_iter();
        entry.flat_map(|entry| entry.call.timers().iter().map(|(timer, at)| (*timer, *at)))
    }

    /// The B channel of a call, as soon as it has one.
    pub fn channel(&self, id: CallId) -> Option<u8> {
        self.channels.of(id)
    }

    /// Every B channel, ascending.
    pub fn channels(&self) -> impl Iterator<Item = (u8, ChannelState)> {
        self.channels.iter()
    }

    /// The data link over which a call goes: on the network's end of a bus, whose TEI has it.
    pub fn ces(&self, id: CallId) -> Option<Ces> {
        self.calls.get(&id).map(|entry| entry.key.ces)
    }

    /// The terminals of a bus that have answered a call, and the states of their children of it.
    pub fn children(&self, id: CallId) -> impl Iterator<Item = (Ces, State)> {
        let offered = self.broadcasts.values().filter(move |offered| offered.id == id);
        offered.flat_map(Broadcast::children)
    }

    pub fn is_up(&self, ces: Ces) -> bool {
        self.links.get(&ces).is_some_and(|link| link.up)
    }

    fn new_call(&self) -> Call {
        Call::new(self.config.side, self.config.location, self.config.parameters)
    }

    fn next_call(&mut self) -> CallId {
        self.last_call += 1;
        CallId(self.last_call)
    }

    fn is_primary(&self) -> bool {
        self.config.access == Access::Primary
    }

    /// A value that no call of ours has, going round so that a late message of an old call seldom meets a new one.
    fn free_reference(&mut self) -> Option<u16> {
        let most = if self.is_primary() { 0x7fff } else { 0x7f };
        let used = |value: u16| {
            self.broadcasts.contains_key(&value)
                || self
                    .calls
                    .values()
                    .any(|entry| entry.key.ours && entry.key.value == value)
        };
        let after = (self.last_reference + 1..=most).chain(1..=self.last_reference);
        let value = after.into_iter().find(|value| !used(*value))?;
        self.last_reference = value;
        Some(value)
    }

    /// The channel of a new call of ours, and how it is asked for (§5.1.2, §5.2.3).
    fn choose(
        &self,
        elements: &Elements,
        exclusive: bool,
    ) -> Result<(Option<u8>, ChannelIdentification), RequestError> {
        if let Some(wish) = elements.channel() {
            let [channel] = wish.channels()[..] else {
                return Ok((None, wish.clone()));
            };
            return match self.channels.get(channel) {
                Some(ChannelState::Idle | ChannelState::Suspect) => Ok((Some(channel), wish.clone())),
                _ => Err(RequestError::NoChannel),
            };
        }
        let is_network = self.config.side == Side::Network;
        if !is_network && !self.is_primary() {
            return Ok((None, ChannelIdentification::any(false)));
        }
        let channel = self.channels.free(is_network).ok_or(RequestError::NoChannel)?;
        Ok((Some(channel), self.channels.identify(channel, exclusive)))
    }

    fn broadcast_of(&self, id: CallId) -> Option<u16> {
        let mut offered = self.broadcasts.iter();
        offered
            .find(|(_, offered)| offered.id == id)
            .map(|(value, _)| *value)
    }

    fn open(&mut self, id: CallId, key: Key, call: Call) {
        self.keys.insert(key, id);
        // Whoever began the call has said which channel.
        let channel_said = key.ours;
        self.calls.insert(
            id,
            Entry {
                call,
                key,
                channel_said,
            },
        );
    }

    /// Lets something happen to a call, and does what comes of it.
    fn step(&mut self, now: Duration, id: CallId, event: impl FnOnce(&mut Call)) {
        let Some(entry) = self.calls.get_mut(&id) else {
            return;
        };
        let asked = matches!(entry.call.state(), State::CallInitiated | State::CallPresent) && entry.key.ours;
        event(&mut entry.call);
        let (key, effects) = (entry.key, entry.call.take_effects());
        let is_over = entry.call.state() == State::Null;
        let mut left = ChannelState::Idle;
        for effect in effects {
            match effect {
                Effect::Send(kind, elements) => self.send_for(id, key, kind, elements),
                Effect::Tell(indication, elements) => {
                    // The peer holds a channel that is free here.
                    if asked && elements.cause() == Some(Cause::REQUESTED_CIRCUIT_NOT_AVAILABLE) {
                        left = ChannelState::Suspect;
                    }
                    self.outputs.push_back(Output::Call(id, indication, elements));
                }
                Effect::Suspect => left = ChannelState::Suspect,
            }
        }
        if is_over {
            // On a bus there is no RESTART; terminals learn from the answer that a call is gone.
            if self.config.sharing == Sharing::PointToMultipoint {
                left = ChannelState::Idle;
            }
            self.channels.leave(id, left);
            self.calls.remove(&id);
            self.keys.remove(&key);
            self.restart(now);
        }
    }

    /// Sends for a call; the first answer to a SETUP names the channel (§5.1.2, §5.2.3).
    fn send_for(&mut self, id: CallId, key: Key, kind: M, mut elements: Elements) {
        let answers = matches!(
            kind,
            M::SetupAcknowledge | M::CallProceeding | M::Alerting | M::Connect
        );
        if let Some(entry) = self.calls.get_mut(&id)
            && answers
            && !entry.channel_said
            && let Some(channel) = self.channels.of(id)
        {
            entry.channel_said = true;
            elements.set(Element::Channel(self.channels.identify(channel, true)));
        }
        let reference = CallReference::Call {
            value: key.value,
            from_origin: key.ours,
        };
        self.send(key.ces, reference, kind, elements);
    }

    fn settle_broadcast(&mut self, now: Duration, value: u16) {
        let Some(broadcast) = self.broadcasts.get_mut(&value) else {
            return;
        };
        let (id, actions) = (broadcast.id, broadcast.take_actions());
        if broadcast.is_done() {
            self.broadcasts.remove(&value);
        }
        for action in actions {
            match action {
                Action::Send(ces, kind, elements) => {
                    let reference = CallReference::Call {
                        value,
                        from_origin: true,
                    };
                    self.send(ces, reference, kind, elements);
                }
                Action::Tell(indication, elements) => {
                    if indication == Indication::Released {
                        self.channels.leave(id, ChannelState::Idle);
                    }
                    self.outputs.push_back(Output::Call(id, indication, elements));
                }
                Action::Select(ces, call) => {
                    let key = Key {
                        ces,
                        value,
                        ours: true,
                    };
                    self.open(id, key, *call);
                    self.step(now, id, |_| {});
                }
            }
        }
    }

    fn send(&mut self, ces: Ces, reference: CallReference, kind: M, elements: Elements) {
        let message = Message {
            reference,
            kind,
            elements,
        };
        let length = if self.is_primary() { 2 } else { 1 };
        for bytes in segments::encode(&message, length) {
            if ces == Ces::BROADCAST {
                self.outputs
                    .push_back(Output::Link(ces, LinkRequest::UnitData(bytes)));
            } else if self.is_up(ces) {
                self.outputs
                    .push_back(Output::Link(ces, LinkRequest::Data(bytes)));
            } else {
                self.establish(ces);
                self.links.entry(ces).or_default().waiting.push(bytes);
            }
        }
    }

    fn send_global(&mut self, kind: M, elements: Elements, from_origin: bool) {
        self.send(Ces::OWN, CallReference::Global { from_origin }, kind, elements);
    }

    fn establish(&mut self, ces: Ces) {
        let link = self.links.entry(ces).or_default();
        if !link.up && !link.asked {
            link.asked = true;
            self.outputs.push_back(Output::Link(ces, LinkRequest::Establish));
        }
    }

    /// The links that are to be up: that of a line to one peer, and on a bus those of calls that wait for theirs.
    fn establish_needed(&mut self) {
        if self.config.sharing == Sharing::PointToPoint {
            self.establish(Ces::OWN);
        }
        let needed: Vec<Ces> = self.calls.values().map(|entry| entry.key.ces).collect();
        for ces in needed {
            self.establish(ces);
        }
    }

    fn calls_on(&self, ces: Ces) -> Vec<CallId> {
        let calls = self.calls.iter().filter(|(_, entry)| entry.key.ces == ces);
        calls.map(|(id, _)| *id).collect()
    }

    fn link_up(&mut self, now: Duration, ces: Ces, confirmed: bool) {
        let link = self.links.entry(ces).or_default();
        let was_up = std::mem::replace(&mut link.up, true);
        link.asked = false;
        if was_up && confirmed {
            return;
        }
        for bytes in std::mem::take(&mut link.waiting) {
            self.outputs
                .push_back(Output::Link(ces, LinkRequest::Data(bytes)));
        }
        if was_up && ces == Ces::OWN {
            // RESTART, or its answer, may be lost with what was on its way.
            self.restarts.link_lost(&mut self.channels);
        }
        let event = if was_up { Event::LinkReset } else { Event::LinkBack };
        for id in self.calls_on(ces) {
            self.step(now, id, |call| {
                call.handle(now, event, &With::default());
            });
        }
    }

    fn link_down(&mut self, now: Duration, ces: Ces) {
        self.links.insert(ces, Link::default());
        self.segments.forget(ces);
        if ces == Ces::OWN {
            self.restarts.link_lost(&mut self.channels);
        }
        for id in self.calls_on(ces) {
            self.step(now, id, |call| {
                call.handle(now, Event::LinkLost, &With::default());
            });
        }
        let offered: Vec<u16> = self.broadcasts.keys().copied().collect();
        for value in offered {
            if let Some(broadcast) = self.broadcasts.get_mut(&value) {
                broadcast.link_lost(now, ces);
            }
            self.settle_broadcast(now, value);
        }
        if self.config.sharing == Sharing::PointToPoint || !self.calls_on(ces).is_empty() {
            self.retry = Some(now + self.config.parameters.retry);
        }
    }

    /// Sends RESTART for channels in doubt, if there are any and somebody can hear it.
    fn restart(&mut self, now: Duration) {
        if self.config.sharing == Sharing::PointToPoint && self.is_up(Ces::OWN) {
            let t316 = self.config.parameters.t316;
            if let Some(elements) = self.restarts.begin(now, t316, &mut self.channels) {
                self.send_global(M::Restart, elements, true);
            }
        }
    }
}
