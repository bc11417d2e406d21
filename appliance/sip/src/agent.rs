//! The bridge's SIP side without IO: bytes and time in, bytes and events out.
//!
//! The rim calls [`Agent::receive`] with what comes, [`Agent::handle_timeout`] when [`Agent::poll_timeout`] says so, and
//! drains [`Agent::poll_send`], [`Agent::poll_lookup`] and [`Agent::poll_event`] after each. Time counts from any start.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::api::{Alarm, Command, Direction, Event, Flow, LegId, Outgoing, Party, Why};
use crate::client::{Client, Owner};
use crate::config::{Account, Directory, Limits, Setup};
use crate::core::{Core, Due, Local, Lookup, Tokens};
use crate::digest::Challenger;
use crate::guard::Guard;
use crate::leg::{Leg, Target, Way};
use crate::message::{Message, Method, user_part};
use crate::registrar::Registrar;
use crate::server;
use crate::trunk::TrunkState;

/// A request that is new, with where it comes from.
pub(crate) struct Arrived {
    pub flow: Flow,
    /// Where its answers go.
    pub answers: Flow,
    pub message: Message,
    pub key: server::ServerKey,
}

pub struct Agent {
    pub(crate) core: Core,
    pub(crate) legs: HashMap<LegId, Leg>,
    tags: HashMap<u64, LegId>,
    last_leg: u64,
    pub(crate) open: HashMap<Party, usize>,
    pub(crate) open_in_all: usize,
    pub(crate) guard: Guard,
    pub(crate) challenger: Challenger,
    pub(crate) registrar: Registrar,
    pub(crate) accounts: HashMap<String, Account>,
    pub(crate) trunks: HashMap<String, TrunkState>,
    leaving: Vec<TrunkState>,
    sources: HashMap<IpAddr, String>,
    pub(crate) limits: Limits,
    emergency: HashSet<String>,
}

impl Agent {
    /// `bound` is where each listener of the setup really listens; `key` is secret and random.
    pub fn new(setup: &Setup, bound: &[SocketAddr], key: [u8; 32]) -> Self {
        let locals = setup
            .listeners
            .iter()
            .zip(bound)
            .map(|(listener, bound)| Local {
                transport: listener.transport,
                bound: *bound,
                host: listener.advertised.unwrap_or(bound.ip()).to_string(),
            })
            .collect();
        let mut other_key = key;
        other_key.reverse();
        Self {
            core: Core {
                timers: setup.timers,
                product: setup.product.clone(),
                realm: setup.realm.clone(),
                locals,
                tokens: Tokens::new(key),
                clients: HashMap::new(),
                servers: HashMap::new(),
                server_ids: HashMap::new(),
                deadlines: std::collections::BTreeSet::new(),
                sends: std::collections::VecDeque::new(),
                events: std::collections::VecDeque::new(),
                lookups: std::collections::VecDeque::new(),
                tap: setup.tap,
            },
            legs: HashMap::new(),
            tags: HashMap::new(),
            last_leg: 0,
            open: HashMap::new(),
            open_in_all: 0,
            guard: Guard::default(),
            challenger: Challenger::new(setup.realm.clone(), other_key),
            registrar: Registrar::default(),
            accounts: HashMap::new(),
            trunks: HashMap::new(),
            leaving: Vec::new(),
            sources: HashMap::new(),
            limits: Limits::default(),
            emergency: HashSet::new(),
        }
    }

    /// Takes a directory in place of the one before. Legs go on; so do trunks that are the same.
    pub fn configure(&mut self, now: Duration, directory: Directory) {
        self.limits = directory.limits;
        self.emergency = directory.emergency.into_iter().collect();
        self.accounts = directory
            .accounts
            .into_iter()
            .map(|account| (account.name.clone(), account))
            .collect();
        let accounts = &self.accounts;
        self.registrar
            .keep_accounts(&mut self.core, |name| accounts.contains_key(name));
        self.guard.keep_accounts(|name| accounts.contains_key(name));
        let mut before = std::mem::take(&mut self.trunks);
        for config in directory.trunks {
            let state = match before.remove(&config.name) {
                Some(same) if same.config == config => same,
                other => {
                    self.leaving.extend(other.map(|mut other| {
                        other.leave(&mut self.core, now);
                        other
                    }));
                    TrunkState::new(&mut self.core, now, config)
                }
            };
            self.trunks.insert(state.config.name.clone(), state);
        }
        for (_, mut gone) in before {
            gone.leave(&mut self.core, now);
            self.leaving.push(gone);
        }
        self.leaving.retain(|trunk| !trunk.is_gone());
        self.list_sources();
        self.handle_timeout(now);
    }

    fn list_sources(&mut self) {
        self.sources.clear();
        for trunk in self.trunks.values() {
            let addresses = trunk.addresses.iter().map(|(address, _)| address.ip());
            for source in addresses.chain(trunk.config.sources.iter().copied()) {
                self.sources
                    .insert(source.to_canonical(), trunk.config.name.clone());
            }
        }
    }

    /// What the name in a [`Lookup`] stands for: each address with the one that the host would send from.
    pub fn found(&mut self, now: Duration, trunk: &str, addresses: Vec<(SocketAddr, Option<IpAddr>)>) {
        if let Some(trunk) = self.trunks.get_mut(trunk) {
            trunk.found(&mut self.core, now, addresses);
        }
        self.list_sources();
        self.handle_timeout(now);
    }

    /// Whether calls may be sent to this trunk.
    pub fn trunk_is_up(&self, trunk: &str) -> bool {
        self.trunks.get(trunk).is_some_and(TrunkState::is_up)
    }

    /// How many legs have not ended.
    pub fn legs(&self) -> usize {
        self.open_in_all
    }

    /// How much is remembered in all: legs, transactions and deadlines. Zero when nothing is going on.
    pub fn load(&self) -> usize {
        self.legs.len() + self.core.clients.len() + self.core.servers.len() + self.tags.len()
    }

    pub fn poll_timeout(&self) -> Option<Duration> {
        self.core.deadlines.first().map(|(at, _)| *at)
    }

    pub fn poll_send(&mut self) -> Option<(Flow, Vec<u8>)> {
        self.core.sends.pop_front()
    }

    pub fn poll_lookup(&mut self) -> Option<Lookup> {
        self.core.lookups.pop_front()
    }

    pub(crate) fn has_event(&self) -> bool {
        !self.core.events.is_empty()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.core.events.pop_front()
    }

    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some((at, due)) = self.core.deadlines.first().copied() {
            if at > now {
                return;
            }
            match due {
                Due::Client(id) => {
                    if let Some(client) = self.core.client_due(now, id) {
                        self.unanswered(now, id, &client);
                    }
                }
                Due::Server(id) => {
                    if let Some(server) = self.core.server_due(now, id)
                        && let Some(leg) = server.leg
                    {
                        self.with_leg(now, leg, |leg, core| leg.on_no_ack(core, now, id));
                    }
                }
                Due::Leg(id) => self.with_leg(now, id, |leg, core| leg.on_due(core, now)),
                Due::Trunk(id) => self.with_trunk(id, |trunk, core| trunk.on_due(core, now)),
                Due::Contacts => self.registrar.expire(&mut self.core, now),
            }
            if self.core.deadlines.first() == Some(&(at, due)) {
                // Whoever should have handled it is gone.
                self.core.deadlines.pop_first();
            }
        }
    }

    /// The other end of a connection has gone, or cannot be reached.
    pub fn closed(&mut self, now: Duration, flow: Flow) {
        self.registrar.closed(&mut self.core, &flow);
        for (id, client) in self.core.clients_on(&flow) {
            self.unanswered(now, id, &client);
        }
    }

    /// Nobody answered a request, or it could not be sent.
    fn unanswered(&mut self, now: Duration, id: u64, client: &Client) {
        match client.owner {
            Owner::Leg { leg, .. } => {
                self.with_leg(now, leg, |leg, core| leg.on_silence(core, now, id, client));
            }
            Owner::Register { trunk } => {
                self.with_trunk(trunk, |trunk, core| trunk.on_registered(core, now, None));
            }
            Owner::Probe { trunk } => self.with_trunk(trunk, |trunk, core| trunk.on_probe(core, now, None)),
            Owner::Nobody => {}
        }
    }

    /// Does something with a leg, and keeps the books of what came of it.
    fn with_leg(&mut self, now: Duration, id: LegId, act: impl FnOnce(&mut Leg, &mut Core)) {
        let Some(mut leg) = self.legs.remove(&id) else {
            return;
        };
        let open = leg.is_open();
        act(&mut leg, &mut self.core);
        leg.rearm(&mut self.core);
        self.keep(now, leg, open);
    }

    fn keep(&mut self, now: Duration, leg: Leg, was_open: bool) {
        if was_open && !leg.is_open() {
            self.open_in_all -= 1;
            if let Some(count) = self.open.get_mut(&leg.party) {
                *count -= 1;
                if *count == 0 {
                    self.open.remove(&leg.party);
                }
            }
            if let (true, Party::Trunk(name)) = (leg.unreachable, &leg.party)
                && let Some(trunk) = self.trunks.get_mut(name)
            {
                trunk.suspect(&mut self.core, now);
            }
        }
        if leg.is_over() {
            for tag in &leg.tags {
                self.tags.remove(tag);
            }
        } else {
            self.legs.insert(leg.id, leg);
        }
    }

    fn with_trunk(&mut self, id: u64, act: impl FnOnce(&mut TrunkState, &mut Core)) {
        let current = self.trunks.values_mut().find(|trunk| trunk.id == id);
        let leaving = self.leaving.iter_mut().find(|trunk| trunk.id == id);
        if let Some(trunk) = current.or(leaving) {
            act(trunk, &mut self.core);
        }
        self.leaving.retain(|trunk| !trunk.is_gone());
    }

    fn new_leg(&mut self) -> LegId {
        self.last_leg += 1;
        LegId(self.last_leg)
    }

    fn begin(&mut self, now: Duration, mut leg: Leg) {
        self.open_in_all += 1;
        *self.open.entry(leg.party.clone()).or_default() += 1;
        for tag in &leg.tags {
            self.tags.insert(*tag, leg.id);
        }
        leg.rearm(&mut self.core);
        self.keep(now, leg, true);
    }

    /// Whether a party may have one more leg. Emergency calls always may.
    pub(crate) fn has_room(&mut self, party: &Party, emergency: bool) -> bool {
        if emergency {
            return true;
        }
        let most = match party {
            Party::Account(name) => self.accounts.get(name).map(|account| account.max_legs),
            Party::Trunk(name) => self.trunks.get(name).map(|trunk| trunk.config.max_legs),
        };
        let fits = most.is_some_and(|most| self.open.get(party).copied().unwrap_or(0) < most);
        if !fits {
            self.core
                .events
                .push_back(Event::Alarm(Alarm::LegLimit { party: party.clone() }));
        }
        fits && self.open_in_all < self.limits.max_legs
    }

    /// Whether a dialled number is an emergency number.
    pub(crate) fn is_emergency(&self, called: &str) -> bool {
        self.emergency.contains(called)
    }

    /// Calls a party. The leg's events follow; if it cannot even be tried, the first of them is its end.
    pub fn call(&mut self, now: Duration, call: Outgoing) -> LegId {
        let id = self.new_leg();
        let way = if self.has_room(&call.to, call.emergency) {
            self.way(now, &call)
        } else {
            Err(match &call.to {
                Party::Account(name) if !self.accounts.contains_key(name) => Why::Unknown,
                Party::Trunk(name) if !self.trunks.contains_key(name) => Why::Unknown,
                _ => Why::Limit,
            })
        };
        match way {
            Ok(way) => {
                let leg = Leg::outgoing(&mut self.core, now, id, call, way);
                self.begin(now, leg);
            }
            Err(why) => self.core.events.push_back(Event::Ended(crate::api::Ended {
                leg: id,
                why,
                cause: None,
            })),
        }
        id
    }

    fn way(&mut self, now: Duration, call: &Outgoing) -> Result<Way, Why> {
        match &call.to {
            Party::Account(name) => {
                if !self.accounts.contains_key(name) {
                    return Err(Why::Unknown);
                }
                let targets: Vec<Target> = self
                    .registrar
                    .contacts(now, name)
                    .into_iter()
                    .map(|contact| Target {
                        uri: contact.uri,
                        flow: contact.flow,
                    })
                    .collect();
                if targets.is_empty() {
                    return Err(Why::NotRegistered);
                }
                Ok(Way {
                    targets,
                    host: self.core.realm.clone(),
                    to: format!("<sip:{}@{}>", user_part(&call.called), self.core.realm),
                    user: "varde".into(),
                    login: None,
                    pinned: true,
                    first_answer: None,
                })
            }
            Party::Trunk(name) => {
                let trunk = self.trunks.get(name).ok_or(Why::Unknown)?;
                let flow = trunk.flow(&self.core).ok_or(Why::Unreachable)?;
                if !trunk.is_up() && !call.emergency {
                    return Err(Why::Unreachable);
                }
                let domain = trunk.domain();
                let called = user_part(&call.called);
                Ok(Way {
                    targets: vec![Target {
                        uri: format!("sip:{called}@{domain}"),
                        flow,
                    }],
                    host: match trunk.config.login {
                        Some(_) => domain.clone(),
                        None => self.core.realm.clone(),
                    },
                    to: format!("<sip:{called}@{domain}>"),
                    user: trunk.user().to_owned(),
                    login: trunk.config.login.clone(),
                    pinned: false,
                    first_answer: Some(self.limits.first_answer),
                })
            }
        }
    }

    pub fn command(&mut self, now: Duration, command: Command) {
        self.with_leg(now, command.leg(), |leg, core| leg.command(core, now, command));
    }

    /// Takes a datagram, or a message of a stream. Nothing that it can be does more than be refused.
    pub fn receive(&mut self, now: Duration, flow: Flow, bytes: &[u8]) {
        let source = flow.remote.ip();
        let trusted = self.trunk_of(source).is_some() || self.registrar.knows(source);
        if !trusted && !self.guard.hears(now, source) {
            return;
        }
        let Ok(message) = Message::parse(bytes) else {
            if !trusted {
                self.suspicious(now, source);
            }
            return;
        };
        let place = self.core.events.len();
        let leg = if message.status().is_some() {
            self.response(now, &message)
        } else {
            self.request(now, flow, message, trusted)
        };
        if self.core.tap && leg.is_some() {
            // Before whatever it has caused.
            self.core.tapped(now, flow, bytes, leg, Direction::Received);
            if let Some(tapped) = self.core.events.pop_back() {
                self.core.events.insert(place, tapped);
            }
        }
    }

    /// Counts a failure of an address.
    pub(crate) fn suspicious(&mut self, now: Duration, source: IpAddr) {
        if self.registrar.knows(source) || self.trunk_of(source).is_some() {
            return;
        }
        if let Some(lasts) = self.guard.failed(now, source, self.limits.failures) {
            self.core
                .events
                .push_back(Event::Alarm(Alarm::SourceBlocked { source, lasts }));
        }
    }

    pub(crate) fn trunk_of(&self, source: IpAddr) -> Option<&String> {
        self.sources.get(&source.to_canonical())
    }

    fn response(&mut self, now: Duration, response: &Message) -> Option<LegId> {
        let id = self.core.client_of(response)?;
        let leg = self.core.clients.get(&id).and_then(Client::leg);
        let told = self.core.client_response(now, id, response)?;
        match told.owner {
            Owner::Leg { leg, .. } => {
                self.with_leg(now, leg, |leg, core| {
                    leg.on_response(core, now, id, &told, response);
                });
            }
            Owner::Register { trunk } => self.with_trunk(trunk, |trunk, core| {
                trunk.on_registered(core, now, Some(response));
            }),
            Owner::Probe { trunk } => {
                let status = response.status().filter(|status| *status >= 200);
                if status.is_some() {
                    self.with_trunk(trunk, |trunk, core| trunk.on_probe(core, now, status));
                }
            }
            Owner::Nobody => {}
        }
        leg
    }

    fn request(&mut self, now: Duration, flow: Flow, mut request: Message, trusted: bool) -> Option<LegId> {
        let answers = mark_source(&mut request, flow)?;
        let method = request.method()?;
        let key = server::key_of(&request, method).ok()?;
        if method == Method::Ack {
            return self.ack(now, &request);
        }
        if method == Method::Cancel {
            return self.cancel(now, answers, &request, trusted);
        }
        if self.core.served_before(now, &key) {
            return None;
        }
        if let Some(tag) = request.to_tag() {
            let leg = crate::core::tag_of(&tag).and_then(|tag| self.tags.get(&tag).copied());
            if let Some(id) = leg {
                let server = self.core.serve(&request, key, answers, Some(id));
                self.with_leg(now, id, |leg, core| {
                    leg.on_request(core, now, server, &request, flow);
                });
                return leg;
            }
            if trusted {
                self.core.refuse(now, answers, &request, 481);
            } else {
                self.suspicious(now, flow.remote.ip());
            }
            return None;
        }
        let arrived = Arrived {
            flow,
            answers,
            message: request,
            key,
        };
        self.admit(now, &arrived, trusted)
    }

    fn ack(&mut self, now: Duration, ack: &Message) -> Option<LegId> {
        let key = server::key_of(ack, Method::Invite).ok()?;
        if let Some(server) = self.core.refusal_acknowledged(now, &key) {
            return self.core.servers.get(&server)?.leg;
        }
        let tag = crate::core::tag_of(&ack.to_tag()?)?;
        let leg = *self.tags.get(&tag)?;
        self.with_leg(now, leg, |leg, core| leg.on_ack(core, now, ack));
        Some(leg)
    }

    fn cancel(&mut self, now: Duration, answers: Flow, cancel: &Message, trusted: bool) -> Option<LegId> {
        let key = server::key_of(cancel, Method::Invite).ok()?;
        let Some(server) = self
            .core
            .server_ids
            .get(&key)
            .and_then(|id| self.core.servers.get(id))
        else {
            if trusted {
                self.core.refuse(now, answers, cancel, 481);
            }
            return None;
        };
        let leg = server.leg;
        let response = self.core.response(cancel, 200).to_bytes();
        self.core.send(now, answers, response, leg);
        if let Some(id) = leg {
            self.with_leg(now, id, |leg, core| leg.on_cancel(core, now, cancel));
        }
        leg
    }

    /// Makes a leg of an INVITE that may come in.
    pub(crate) fn invited(
        &mut self,
        now: Duration,
        source: Party,
        arrived: &Arrived,
        event: impl FnOnce(LegId) -> Event,
    ) -> Option<LegId> {
        let id = self.new_leg();
        let user = match &source {
            Party::Trunk(name) => self.trunks.get(name).map_or("varde", TrunkState::user).to_owned(),
            Party::Account(_) => "varde".into(),
        };
        let server = self
            .core
            .serve(&arrived.message, arrived.key.clone(), arrived.answers, Some(id));
        let ring_until = now + self.limits.ring_for;
        let Some(leg) = Leg::incoming(&mut self.core, now, id, source, server, arrived, &user) else {
            self.core.forget_server(server);
            self.core.refuse(now, arrived.answers, &arrived.message, 400);
            return None;
        };
        self.begin(now, leg.rings_until(ring_until));
        self.core.events.push_back(event(id));
        Some(id)
    }
}

impl Command {
    /// The leg that it is for.
    pub fn leg(&self) -> LegId {
        match self {
            Self::Progress { leg, .. }
            | Self::Answer { leg, .. }
            | Self::Reject { leg, .. }
            | Self::HangUp { leg, .. }
            | Self::Offer { leg, .. }
            | Self::AnswerOffer { leg, .. }
            | Self::RefuseOffer { leg, .. } => *leg,
        }
    }
}

/// Notes in the topmost Via where a request came from (§18.2.1, RFC 3581 §4), and says where its answers go.
fn mark_source(request: &mut Message, flow: Flow) -> Option<Flow> {
    let via = request.via().ok()?;
    let (_, line) = request.headers.iter_mut().find(|(name, _)| name == "Via")?;
    let first = line.split(',').next()?.len();
    let mut marked: String = line[..first]
        .split(';')
        .filter(|part| {
            let name = part.split('=').next().unwrap_or_default().trim();
            !name.eq_ignore_ascii_case("received") && !name.eq_ignore_ascii_case("rport")
        })
        .collect::<Vec<_>>()
        .join(";");
    marked.push_str(&format!(";received={}", flow.remote.ip()));
    let mut answers = flow;
    if via.params.has("rport") {
        marked.push_str(&format!(";rport={}", flow.remote.port()));
    } else if !flow.transport.is_reliable() {
        answers.remote.set_port(via.port.unwrap_or(5060));
    }
    marked.push_str(&line[first..]);
    *line = marked;
    Some(answers)
}
