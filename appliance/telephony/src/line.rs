//! One ISDN line: its data links, its call control, and the legs on it.

use std::collections::BTreeMap;
use std::task::{Context, Poll};
use std::time::Duration;

use varde_dss1::{
    CallId, Cause, ChannelState, Indication, Interface, Location, Output, Request, Sharing, State,
};
use varde_exchange::{Action, LegId, PlaceName, Setup, Signal};
use varde_lapd::{Ces, DChannel, ErrorCode, Indication as LinkIndication, Output as LinkOutput, Side};
use varde_line::{BChannel, Line, Received};

use crate::isdn;

/// What comes of a line.
#[derive(Debug)]
pub enum LineEvent {
    /// Somebody there calls: to be adopted, or refused.
    Incoming(CallId, Setup),
    Says(LegId, Signal),
    Audio {
        leg: LegId,
        time: u32,
        octets: Vec<u8>,
    },
    /// A frame that has to do with a leg, for the flight recorder.
    Frame {
        leg: LegId,
        sent: bool,
        bytes: Vec<u8>,
    },
    /// Calls can go there, or no longer.
    Usable(bool),
    /// For the log.
    Note(String),
}

/// A line as the bridge holds it.
#[allow(clippy::struct_excessive_bools, reason = "two say what it is, two how it is")]
pub struct LineEnd {
    pub place: PlaceName,
    /// Whether digits come one by one; else what a SETUP has is all.
    pub overlap: bool,
    line: Box<dyn Line>,
    links: DChannel,
    interface: Interface,
    country: String,
    side: Side,
    location: Location,
    shared: bool,
    /// The other end of the line is there.
    present: bool,
    legs: BTreeMap<CallId, LegId>,
    calls: BTreeMap<LegId, CallId>,
    usable: bool,
    /// The frame that came last, until it is known which leg it was for.
    came: Option<Vec<u8>>,
    /// The leg that something has been asked of last: what is sent next is for it.
    asked: Option<LegId>,
    events: Vec<LineEvent>,
}

impl LineEnd {
    pub fn new(
        place: PlaceName,
        line: Box<dyn Line>,
        links: varde_lapd::Config,
        interface: varde_dss1::Config,
        country: &str,
    ) -> Self {
        let shared = interface.sharing == Sharing::PointToMultipoint;
        Self {
            place,
            overlap: false,
            line,
            links: DChannel::new(links),
            country: country.into(),
            side: interface.side,
            location: interface.location,
            shared,
            present: false,
            interface: Interface::new(interface),
            legs: BTreeMap::new(),
            calls: BTreeMap::new(),
            usable: false,
            came: None,
            asked: None,
            events: Vec::new(),
        }
    }

    pub fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<varde_line::Result<Received>> {
        self.line.poll_receive(context)
    }

    pub fn receive(&mut self, now: Duration, received: Received) {
        match received {
            Received::Up => {
                self.present = true;
                self.links.check_terminals(now);
            }
            Received::Down => {
                self.present = false;
                self.links.deactivated(now);
            }
            Received::Frame(frame) => {
                if let Err(fault) = self.links.receive(now, &frame) {
                    self.note(format!("a frame was ignored: {fault}"));
                }
                // I frames carry the messages of calls (Q.921 §3.4.3).
                self.came = frame
                    .get(2)
                    .is_some_and(|control| control & 1 == 0)
                    .then_some(frame);
            }
            Received::Audio {
                channel,
                time,
                octets,
            } => {
                if let Some(leg) = self.leg_on(channel.number()) {
                    self.events.push(LineEvent::Audio { leg, time, octets });
                }
            }
        }
    }

    pub fn poll_timeout(&self) -> Option<Duration> {
        let links = self.links.poll_timeout();
        links.into_iter().chain(self.interface.poll_timeout()).min()
    }

    pub fn handle_timeout(&mut self, now: Duration) {
        if self.links.poll_timeout().is_some_and(|at| at <= now) {
            self.links.handle_timeout(now);
        }
        if self.interface.poll_timeout().is_some_and(|at| at <= now) {
            self.interface.handle_timeout(now);
        }
    }

    /// Lets data links and call control do to each other what they want, and gives what comes of it.
    pub fn settle(&mut self, now: Duration) -> Vec<LineEvent> {
        loop {
            let mut quiet = true;
            while let Some(output) = self.links.poll_output(now) {
                quiet = false;
                self.link_says(now, output);
            }
            while let Some(output) = self.interface.poll_output() {
                quiet = false;
                self.interface_says(now, output);
            }
            if quiet {
                break;
            }
        }
        let usable = self.present && (self.shared || self.interface.is_up(Ces::OWN));
        if usable != self.usable {
            self.usable = usable;
            self.events.push(LineEvent::Usable(usable));
        }
        std::mem::take(&mut self.events)
    }

    fn link_says(&mut self, now: Duration, output: LinkOutput) {
        match output {
            LinkOutput::Frame(frame) => {
                if frame.get(2).is_some_and(|control| control & 1 == 0)
                    && let Some(leg) = self.asked.take()
                {
                    let bytes = frame.clone();
                    self.events.push(LineEvent::Frame {
                        leg,
                        sent: true,
                        bytes,
                    });
                }
                if let Err(error) = self.line.send_frame(&frame) {
                    self.note(format!("a frame could not be sent: {error}"));
                }
            }
            LinkOutput::Indication(ces, indication) => {
                let anew = matches!(
                    indication,
                    LinkIndication::Establish | LinkIndication::EstablishConfirm
                );
                self.interface.receive(now, ces, indication);
                if anew {
                    self.compare(now);
                }
            }
            LinkOutput::Error(ces, code) => {
                // The peer has set up a link anew that was there: it may have started anew itself.
                if code == ErrorCode::F {
                    self.compare(now);
                }
                self.note(format!("data link {ces}: error {code:?} of Q.921 Table II.1"));
            }
            LinkOutput::TeiAssigned(_) | LinkOutput::TeiRemoved(_) => {}
        }
    }

    fn interface_says(&mut self, now: Duration, output: Output) {
        match output {
            Output::Link(ces, request) => {
                // A terminal that has gone is told to call control by its data link.
                if let Err(error) = self.links.request(now, ces, request) {
                    self.note(format!("data link {ces}: {error}"));
                }
            }
            Output::Call(id, Indication::Setup, elements) => {
                let mut setup = isdn::setup(&elements, &self.country);
                setup.complete |= !self.overlap;
                self.events.push(LineEvent::Incoming(id, setup));
            }
            Output::Call(id, indication, elements) => {
                if indication == Indication::Connect && self.side == Side::Network {
                    self.ask(now, id, Request::Accept, varde_dss1::Elements::new());
                }
                let leg = self.legs.get(&id).copied();
                if let Some(leg) = leg {
                    self.record(leg);
                }
                if indication == Indication::Released {
                    self.legs.remove(&id);
                    self.calls.retain(|_, call| *call != id);
                }
                if let Some(leg) = leg
                    && let Some(signal) = isdn::signal(indication, &elements, &self.country)
                {
                    self.events.push(LineEvent::Says(leg, signal));
                }
            }
            Output::Ignored(ces, error) => self.note(format!("data link {ces}: {error}")),
            Output::Faulty(ces, _, fault) => {
                self.note(format!(
                    "data link {ces}: element {:#04x} was left out",
                    fault.identifier
                ));
            }
            Output::RestartUnanswered(channels) => {
                self.note(format!("nobody answered RESTART for channels {channels:?}"));
            }
        }
    }

    /// The other end may have lost its calls with the data link: is each still there? One that is not is cleared, and its
    /// channel is free (Q.931 §5.8.10).
    fn compare(&mut self, now: Duration) {
        let active: Vec<CallId> = self
            .interface
            .calls()
            .filter(|call| call.1 == State::Active)
            .map(|call| call.0)
            .collect();
        for call in active {
            self.ask(now, call, Request::Enquire, varde_dss1::Elements::new());
        }
    }

    fn note(&mut self, what: String) {
        self.events.push(LineEvent::Note(what));
    }

    /// The leg of a call that came.
    pub fn adopt(&mut self, call: CallId, leg: LegId) {
        self.legs.insert(call, leg);
        self.calls.insert(leg, call);
        self.record(leg);
    }

    /// The frame that has just come is for this leg.
    fn record(&mut self, leg: LegId) {
        if let Some(bytes) = self.came.take() {
            self.events.push(LineEvent::Frame {
                leg,
                sent: false,
                bytes,
            });
        }
    }

    pub fn refuse(&mut self, now: Duration, call: CallId, cause: Cause) {
        self.ask(now, call, Request::Clear, [cause.at(self.location)].into());
    }

    /// Does what the exchange asks of a leg.
    pub fn act(&mut self, now: Duration, leg: LegId, action: Action) {
        if let Action::Call { setup, .. } = action {
            match self.interface.call(now, isdn::elements(&setup, self.side)) {
                Ok(call) => {
                    self.came = None;
                    self.adopt(call, leg);
                    self.asked = Some(leg);
                }
                Err(error) => {
                    self.note(format!("no call could be begun: {error}"));
                    let cause = match error {
                        varde_dss1::RequestError::LinkDown => Cause::NETWORK_OUT_OF_ORDER,
                        varde_dss1::RequestError::NoChannel => Cause::NO_CIRCUIT_AVAILABLE,
                        _ => Cause::RESOURCE_UNAVAILABLE,
                    };
                    self.events.push(LineEvent::Says(leg, Signal::Released(cause)));
                }
            }
            return;
        }
        let Some(call) = self.calls.get(&leg).copied() else {
            // It is over already, and has said so; who asks for its end is told again.
            if let Action::Release(cause) = action {
                self.events.push(LineEvent::Says(leg, Signal::Released(cause)));
            }
            return;
        };
        let none = varde_dss1::Elements::new;
        let (request, elements) = match action {
            Action::Call { .. } => return,
            Action::MoreDigits => (Request::SetupAcknowledge, none()),
            Action::Proceeding => (Request::Proceeding, none()),
            // Where the appliance is the network, it has the tone of ringing in the channel itself.
            Action::Alerting { in_band } if in_band || self.side == Side::Network => {
                (Request::Alerting, isdn::in_band(self.location))
            }
            Action::Alerting { .. } => (Request::Alerting, none()),
            Action::Progress => (Request::Progress, isdn::in_band(self.location)),
            Action::Answer { connected } => (Request::Connect, isdn::connected(connected.as_ref())),
            Action::Release(cause) => (Request::Clear, [cause.at(self.location)].into()),
        };
        self.asked = Some(leg);
        self.ask(now, call, request, elements);
    }

    /// What cannot be asked in a call's state is for nobody: it is on its way to its end already, or has rung before.
    fn ask(&mut self, now: Duration, call: CallId, request: Request, elements: varde_dss1::Elements) {
        let _ = self.interface.request(now, call, request, elements);
    }

    /// Brings a channel, or all for 0, to rest at both ends. False if there is no such channel.
    pub fn restart(&mut self, now: Duration, channel: u8) -> bool {
        let all: Vec<u8> = self.interface.channels().map(|one| one.0).collect();
        let mut found = false;
        for one in all {
            if channel == 0 || channel == one {
                found |= self.interface.restart_channel(now, one);
            }
        }
        found
    }

    /// Sends audio to a leg, if it has its channel.
    pub fn play(&mut self, leg: LegId, octets: &[u8]) {
        if let Some(channel) = self.channel_of(leg) {
            // What a line cannot take is lost.
            let _ = self.line.send_audio(channel, octets);
        }
    }

    pub fn channel_of(&self, leg: LegId) -> Option<BChannel> {
        let call = self.calls.get(&leg)?;
        self.line.access().b_channel(self.interface.channel(*call)?)
    }

    fn leg_on(&self, channel: u8) -> Option<LegId> {
        let (_, state) = self.interface.channels().find(|one| one.0 == channel)?;
        match state {
            ChannelState::Busy(call) => self.legs.get(&call).copied(),
            _ => None,
        }
    }

    /// Whether tones for callers come from here.
    pub fn gives_tones(&self) -> bool {
        self.side == Side::Network
    }

    pub fn is_usable(&self) -> bool {
        self.usable
    }

    pub fn is_present(&self) -> bool {
        self.present
    }

    pub fn is_idle(&self) -> bool {
        self.interface.calls().next().is_none()
    }

    /// The channels, and the legs that have them.
    pub fn channels(&self) -> impl Iterator<Item = (u8, ChannelState, Option<LegId>)> {
        self.interface.channels().map(|(channel, state)| {
            let leg = match state {
                ChannelState::Busy(call) => self.legs.get(&call).copied(),
                _ => None,
            };
            (channel, state, leg)
        })
    }
}
