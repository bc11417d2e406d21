//! A D channel: its data links, its TEI management, and which of them a frame is for.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::config::{Arrangement, Config, Side};
use crate::error::{FrameError, RequestError};
use crate::frame::{Control, Frame, Role, Unnumbered};
use crate::link::{CALL_CONTROL, Effect, Link, With};
use crate::table::{Event, State};
use crate::tei::{self, AUTOMATIC, MANAGEMENT, TeiMessage, Wish};
use crate::{Ces, ErrorCode, Indication, Request};

/// What a D channel hands out, in the order in which it is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// To the line.
    Frame(Vec<u8>),
    /// To layer 3.
    Indication(Ces, Indication),
    /// To the record: a data link saw an error, and has done about it what Q.921 says.
    Error(Ces, ErrorCode),
    /// A terminal was given a TEI, or this one was.
    TeiAssigned(u8),
    /// A TEI is free again, and its data link is gone.
    TeiRemoved(u8),
}

/// One D channel, network or user side.
///
/// Time is a [`Duration`] since a fixed moment of the caller's choice, never going back. After each call, take
/// [`DChannel::poll_output`] until it is empty; then wait for a frame, a request, or the moment of
/// [`DChannel::poll_timeout`].
#[derive(Debug)]
pub struct DChannel {
    config: Config,
    links: BTreeMap<Ces, Link>,
    management: Management,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum Management {
    Network(tei::Network),
    User(tei::User),
    /// The network's end of a point-to-point line has no TEIs to give.
    None,
}

impl DChannel {
    pub fn new(config: Config) -> Self {
        let parameters = config.parameters;
        let fixed = match config.arrangement {
            Arrangement::PointToPoint { tei } => Some(tei),
            Arrangement::PointToMultipoint => None,
        };
        let management = match (config.side, fixed) {
            (Side::User, fixed) => {
                let user = tei::User::new(config.seed, parameters.t202, parameters.n202, fixed);
                Management::User(user)
            }
            (Side::Network, None) => Management::Network(tei::Network::new(parameters.t201)),
            (Side::Network, Some(_)) => Management::None,
        };
        let mut channel = Self {
            config,
            links: BTreeMap::new(),
            management,
            outputs: VecDeque::new(),
        };
        match fixed {
            Some(tei) => channel.open(Duration::ZERO, channel.ces(tei), Some(tei)),
            None if config.side == Side::User => channel.open(Duration::ZERO, Ces::OWN, None),
            None => {}
        }
        channel
    }

    /// The state of a data link; none if no terminal has this TEI.
    pub fn state(&self, ces: Ces) -> Option<State> {
        self.links.get(&ces).map(Link::state)
    }

    /// The TEI that a data link has now.
    pub fn tei(&self, ces: Ces) -> Option<u8> {
        self.links.get(&ces).and_then(Link::tei)
    }

    /// The data links there are, but for the broadcast one.
    pub fn links(&self) -> impl Iterator<Item = (Ces, State)> {
        self.links.iter().map(|(ces, link)| (*ces, link.state()))
    }

    /// How many messages a data link holds that the peer has not acknowledged.
    pub fn backlog(&self, ces: Ces) -> usize {
        self.links.get(&ces).map_or(0, Link::backlog)
    }

    /// A primitive from layer 3.
    pub fn request(&mut self, now: Duration, ces: Ces, request: Request) -> Result<(), RequestError> {
        if let Request::Data(data) | Request::UnitData(data) = &request
            && data.len() > self.config.parameters.n201
        {
            return Err(RequestError::TooLong {
                length: data.len(),
                n201: self.config.parameters.n201,
            });
        }
        if ces == Ces::BROADCAST {
            let Request::UnitData(data) = request else {
                return Err(RequestError::Broadcast);
            };
            self.broadcast(CALL_CONTROL, &data);
            return Ok(());
        }
        let link = self.links.get_mut(&ces).ok_or(RequestError::NoLink(ces))?;
        let (event, data) = match request {
            Request::Establish => (Event::EstablishRequest, Vec::new()),
            Request::Release => (Event::ReleaseRequest, Vec::new()),
            Request::Data(data) => (Event::DataRequest, data),
            Request::UnitData(data) => (Event::UnitDataRequest, data),
        };
        let with = With {
            data,
            ..With::default()
        };
        link.handle(now, event, with);
        self.settle(now);
        Ok(())
    }

    /// Layer 3 cannot take more (`busy`), or can again. A link that is set up anew forgets it (Figure B-9).
    pub fn set_receiver_busy(&mut self, now: Duration, ces: Ces, busy: bool) -> Result<(), RequestError> {
        let link = self.links.get_mut(&ces).ok_or(RequestError::NoLink(ces))?;
        let event = if busy {
            Event::SetOwnBusy
        } else {
            Event::ClearOwnBusy
        };
        link.handle(now, event, With::default());
        self.settle(now);
        Ok(())
    }

    /// The line has been down for so long that its links are gone (PH-DEACTIVATE indication).
    pub fn deactivated(&mut self, now: Duration) {
        if let Management::User(user) = &mut self.management {
            user.deactivated();
        }
        for link in self.links.values_mut() {
            link.handle(now, Event::Deactivated, With::default());
        }
        self.settle(now);
    }

    /// Asks on a bus who is there (Q.921 §5.3.3). Who does not answer twice loses its TEI, and so does who has one that
    /// was not given here: ask once when the line comes up, and terminals from before our last start come anew.
    pub fn check_terminals(&mut self, now: Duration) {
        if let Management::Network(network) = &mut self.management {
            network.check(now, tei::ANY);
        }
        self.settle(now);
    }

    /// A frame from the line, without FCS. What is wrong with it, if anything, is for the record only: the channel
    /// has done about it what Q.921 §5.8.4 and §5.8.5 say.
    pub fn receive(&mut self, now: Duration, bytes: &[u8]) -> Result<(), FrameError> {
        let parsed = Frame::parse(bytes, self.config.side.other());
        match &parsed {
            Ok(frame) => self.dispatch(now, frame),
            Err(FrameError::Rejected {
                sapi: CALL_CONTROL,
                tei,
                fault,
            }) => {
                let ces = self.ces(*tei);
                if let Some(link) = self.links.get_mut(&ces)
                    && link.tei() == Some(*tei)
                {
                    link.reject(now, fault.code());
                }
            }
            Err(_) => {}
        }
        self.settle(now);
        parsed.map(|_| ())
    }

    /// When [`DChannel::handle_timeout`] must be called, if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let links = self.links.values().filter_map(Link::deadline).min();
        let management = match &self.management {
            Management::Network(network) => network.deadline(),
            Management::User(user) => user.deadline(),
            Management::None => None,
        };
        links.into_iter().chain(management).min()
    }

    pub fn handle_timeout(&mut self, now: Duration) {
        for link in self.links.values_mut() {
            link.expire(now);
        }
        match &mut self.management {
            Management::Network(network) => network.expire(now),
            Management::User(user) => user.expire(now),
            Management::None => {}
        }
        self.settle(now);
    }

    /// The next thing to do. Acknowledgements come last, so that what layer 3 sends meanwhile carries them.
    pub fn poll_output(&mut self, now: Duration) -> Option<Output> {
        if self.outputs.is_empty() {
            for link in self.links.values_mut().filter(|link| link.acknowledge_pending()) {
                link.handle(now, Event::AcknowledgePending, With::default());
            }
            self.settle(now);
        }
        self.outputs.pop_front()
    }

    /// The endpoint that a TEI belongs to.
    fn ces(&self, tei: u8) -> Ces {
        match self.config.side {
            Side::Network => Ces(tei),
            Side::User => Ces::OWN,
        }
    }

    fn open(&mut self, now: Duration, ces: Ces, tei: Option<u8>) {
        let (side, parameters) = (self.config.side, self.config.parameters);
        let link = self
            .links
            .entry(ces)
            .or_insert_with(|| Link::new(side, parameters));
        if let Some(tei) = tei {
            let with = With {
                tei,
                ..With::default()
            };
            link.handle(now, Event::Assign, with);
        }
    }

    fn dispatch(&mut self, now: Duration, frame: &Frame<'_>) {
        match (frame.sapi, frame.tei) {
            (MANAGEMENT, tei::ANY) => self.manage(now, frame),
            (CALL_CONTROL, tei::ANY)
                if is_ui(frame) && frame.information.len() <= self.config.parameters.n201 =>
            {
                let indication = Indication::UnitData(frame.information.to_vec());
                self.outputs
                    .push_back(Output::Indication(Ces::BROADCAST, indication));
            }
            (CALL_CONTROL, tei) if tei != tei::ANY => {
                let ces = self.ces(tei);
                if let Management::Network(network) = &mut self.management
                    && !self.links.contains_key(&ces)
                {
                    if AUTOMATIC.contains(&tei) {
                        network.unknown(tei);
                        return;
                    }
                    self.open(now, ces, Some(tei));
                }
                if let Some(link) = self.links.get_mut(&ces)
                    && link.tei() == Some(tei)
                {
                    link.receive(now, frame);
                }
            }
            // Nothing of ours: an invalid frame (§2.9).
            _ => {}
        }
    }

    fn manage(&mut self, now: Duration, frame: &Frame<'_>) {
        if !is_ui(frame) {
            return;
        }
        let Ok(message) = TeiMessage::parse(frame.information) else {
            return;
        };
        match &mut self.management {
            Management::Network(network) => network.receive(now, &message),
            Management::User(user) => user.receive(now, &message),
            Management::None => {}
        }
    }

    fn broadcast(&mut self, sapi: u8, information: &[u8]) {
        let frame = Frame {
            sapi,
            tei: tei::ANY,
            role: Role::Command,
            control: Control::Unnumbered {
                kind: Unnumbered::Ui,
                poll: false,
            },
            information,
        };
        self.outputs
            .push_back(Output::Frame(frame.encode(self.config.side)));
    }

    /// Lets links and management do to each other what they want, until neither wants any more.
    fn settle(&mut self, now: Duration) {
        loop {
            let effects: Vec<(Ces, Effect)> = self
                .links
                .iter_mut()
                .flat_map(|(ces, link)| link.take_effects().into_iter().map(|effect| (*ces, effect)))
                .collect();
            let wishes = match &mut self.management {
                Management::Network(network) => network.take_wishes(),
                Management::User(user) => user.take_wishes(),
                Management::None => Vec::new(),
            };
            if effects.is_empty() && wishes.is_empty() {
                break;
            }
            for (ces, effect) in effects {
                self.effect(now, ces, effect);
            }
            for wish in wishes {
                self.wish(now, wish);
            }
        }
        if self.config.side == Side::Network {
            self.links.retain(|_, link| link.state() != State::TeiUnassigned);
        }
    }

    fn effect(&mut self, now: Duration, ces: Ces, effect: Effect) {
        match effect {
            Effect::Frame(bytes) => self.outputs.push_back(Output::Frame(bytes)),
            Effect::Indication(indication) => self.outputs.push_back(Output::Indication(ces, indication)),
            Effect::Error(code) => {
                self.outputs.push_back(Output::Error(ces, code));
                match &mut self.management {
                    Management::Network(network) if code.doubts_the_tei() => network.check(now, ces.0),
                    Management::User(user) if code.doubts_the_tei() => user.verify(now),
                    _ => {}
                }
            }
            Effect::AskForTei => match &mut self.management {
                Management::User(user) => user.ask(now),
                // Layer 3 wants a link that is being taken away.
                _ => self.tell(now, ces, Event::AssignFailed, With::default()),
            },
        }
    }

    fn wish(&mut self, now: Duration, wish: Wish) {
        match wish {
            Wish::Send(message) => self.broadcast(MANAGEMENT, &message.encode()),
            Wish::Assign(tei) => {
                self.open(now, self.ces(tei), Some(tei));
                self.outputs.push_back(Output::TeiAssigned(tei));
            }
            Wish::Remove(tei) => {
                let ces = self.ces(tei);
                if self.tei(ces) == Some(tei) {
                    self.tell(now, ces, Event::Remove, With::default());
                    self.outputs.push_back(Output::TeiRemoved(tei));
                }
            }
            Wish::Failed => self.tell(now, Ces::OWN, Event::AssignFailed, With::default()),
        }
    }

    /// An event from management; what comes of it is said before anything else is.
    fn tell(&mut self, now: Duration, ces: Ces, event: Event, with: With) {
        let Some(link) = self.links.get_mut(&ces) else {
            return;
        };
        link.handle(now, event, with);
        for effect in link.take_effects() {
            self.effect(now, ces, effect);
        }
    }
}

fn is_ui(frame: &Frame<'_>) -> bool {
    matches!(
        frame.control,
        Control::Unnumbered {
            kind: Unnumbered::Ui,
            ..
        }
    )
}
