//! The bridge's SIP side without IO: bytes and time in, bytes and events out.
//!
//! The rim calls [`Agent::receive`] with what comes, [`Agent::handle_timeout`] when [`Agent::poll_timeout`] says so, and
//! drains [`Agent::poll_send`], [`Agent::poll_lookup`] and [`Agent::poll_event`] after each. Time counts from any start.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::api::{Alarm, Command, Event, Flow, LegId, Outgoing, Party, Why};
use crate::challenge::Challenger;
use crate::client::{Client, Owner};
use crate::config::{Account, Directory, Limits, Setup};
use crate::core::{Core, Due, Local, Lookup, Tokens};
use crate::guard::Guard;
use crate::leg::{Leg, Target, Way};
use crate::message::user_part;
use crate::registrar::Registrar;
use crate::trunk::TrunkState;

pub struct Agent {
    pub(crate) core: Core,
    pub(crate) legs: HashMap<LegId, Leg>,
    pub(crate) tags: HashMap<u64, LegId>,
    last_leg: u64,
    pub(crate) open: HashMap<Party, usize>,
    pub(crate) open_in_all: usize,
    pub(crate) guard: Guard,
    pub(crate) challenger: Challenger,
    pub(crate) registrar: Registrar,
    pub(crate) accounts: HashMap<String, Account>,
    pub(crate) trunks: HashMap<String, TrunkState>,
    leaving: Vec<TrunkState>,
    pub(crate) sources: HashMap<IpAddr, String>,
    pub(crate) limits: Limits,
    emergency: HashSet<String>,
    /// Whose limit was told, and who has not ended a leg since.
    alarmed: HashSet<Party>,
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
                streams: HashSet::new(),
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
            alarmed: HashSet::new(),
        }
    }

    /// Takes a directory in place of the one before. Legs go on; so do trunks that are at the same place with the same
    /// login, whatever else of them changes.
    pub fn configure(&mut self, now: Duration, directory: Directory) {
        self.limits = directory.limits;
        self.challenger.digests = directory.digests;
        self.emergency = directory.emergency.into_iter().collect();
        let before = std::mem::take(&mut self.accounts);
        self.accounts = directory
            .accounts
            .into_iter()
            .map(|account| (account.name.clone(), account))
            .collect();
        // Whoever had the secret before has to prove itself with the new one.
        let accounts = &self.accounts;
        let is_same = |name: &str| {
            let secret = |accounts: &HashMap<String, Account>| {
                accounts.get(name).map(|account| account.secret.clone())
            };
            accounts.contains_key(name) && secret(&before) == secret(accounts)
        };
        self.registrar.keep_accounts(&mut self.core, is_same);
        self.guard.keep_accounts(is_same);
        let mut before = std::mem::take(&mut self.trunks);
        for config in directory.trunks {
            let state = match before.remove(&config.name) {
                Some(mut same) if same.is_same_peer(&config) => {
                    same.take(&mut self.core, now, config);
                    same
                }
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
        self.core.streams.remove(&(flow.transport, flow.remote));
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
    pub(crate) fn with_leg(&mut self, now: Duration, id: LegId, act: impl FnOnce(&mut Leg, &mut Core)) {
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
            self.alarmed.remove(&leg.party);
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

    pub(crate) fn with_trunk(&mut self, id: u64, act: impl FnOnce(&mut TrunkState, &mut Core)) {
        let current = self.trunks.values_mut().find(|trunk| trunk.id == id);
        let leaving = self.leaving.iter_mut().find(|trunk| trunk.id == id);
        if let Some(trunk) = current.or(leaving) {
            act(trunk, &mut self.core);
        }
        self.leaving.retain(|trunk| !trunk.is_gone());
    }

    pub(crate) fn new_leg(&mut self) -> LegId {
        self.last_leg += 1;
        LegId(self.last_leg)
    }

    pub(crate) fn begin(&mut self, now: Duration, mut leg: Leg) {
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
        if !fits && most.is_some() && self.alarmed.insert(party.clone()) {
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
