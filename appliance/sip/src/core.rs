//! What legs, trunks and the registrar share: the way out, random tokens, timers, and the transactions.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::api::{Direction, Event, Flow, LegId, Tapped, Transport};
use crate::client::Client;
use crate::config::Timers;
use crate::digest::without_proofs;
use crate::message::{Message, Method};
use crate::server::{Server, ServerKey};

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    Client(u64),
    Server(u64),
    Leg(LegId),
    Trunk(u64),
    Contacts,
}

/// A listener as peers see it.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    pub transport: Transport,
    pub bound: SocketAddr,
    pub host: String,
}

/// What the rim must look up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    pub trunk: String,
    pub host: String,
    pub port: u16,
}

/// Where tokens come from: a secret and a counter, hashed. Nobody can guess the next one.
pub(crate) struct Tokens {
    key: [u8; 32],
    count: u64,
    left: Vec<u64>,
}

impl Tokens {
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            key,
            count: 0,
            left: Vec::new(),
        }
    }

    pub fn next(&mut self) -> u64 {
        if let Some(token) = self.left.pop() {
            return token;
        }
        self.count += 1;
        let digest = Sha256::new()
            .chain_update(self.key)
            .chain_update(self.count.to_le_bytes())
            .finalize();
        self.left = digest
            .chunks_exact(8)
            .map(|chunk| chunk.iter().fold(0, |token, byte| token << 8 | u64::from(*byte)))
            .collect();
        self.left.pop().unwrap_or(self.count)
    }

    pub fn text(&mut self) -> String {
        tag_text(self.next())
    }
}

/// A tag of ours as text.
pub(crate) fn tag_text(tag: u64) -> String {
    format!("{tag:016x}")
}

/// A tag that could be ours.
pub(crate) fn tag_of(text: &str) -> Option<u64> {
    (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok())?
}

pub(crate) struct Core {
    pub timers: Timers,
    pub product: String,
    pub realm: String,
    pub locals: Vec<Local>,
    pub tokens: Tokens,
    pub clients: HashMap<u64, Client>,
    pub servers: HashMap<u64, Server>,
    pub server_ids: HashMap<ServerKey, u64>,
    pub deadlines: BTreeSet<(Duration, Due)>,
    pub sends: VecDeque<(Flow, Vec<u8>)>,
    pub events: VecDeque<Event>,
    pub lookups: VecDeque<Lookup>,
    pub tap: bool,
    /// Connections that something has come on, and that have not ended.
    pub streams: HashSet<(Transport, SocketAddr)>,
}

impl Core {
    /// Moves a deadline. `old` is where it was.
    pub fn rearm(&mut self, due: Due, old: &mut Option<Duration>, new: Option<Duration>) {
        if *old == new {
            return;
        }
        if let Some(old) = old.take() {
            self.deadlines.remove(&(old, due));
        }
        if let Some(new) = new {
            self.deadlines.insert((new, due));
        }
        *old = new;
    }

    /// Sends bytes of a leg's message, or of nobody's.
    pub fn send(&mut self, now: Duration, flow: Flow, bytes: Vec<u8>, leg: Option<LegId>) {
        self.tapped(now, flow, &bytes, leg, Direction::Sent);
        self.sends.push_back((flow, bytes));
    }

    /// Hands a leg's message to the flight recorder.
    pub fn tapped(
        &mut self,
        at: Duration,
        flow: Flow,
        bytes: &[u8],
        leg: Option<LegId>,
        direction: Direction,
    ) {
        let (true, Some(leg)) = (self.tap, leg) else {
            return;
        };
        self.events.push_back(Event::Tapped(Box::new(Tapped {
            leg,
            direction,
            at,
            flow,
            bytes: without_proofs(bytes),
        })));
    }

    /// The listener that messages of this flow come from and go to.
    pub fn local(&self, flow: &Flow) -> Option<&Local> {
        self.locals
            .iter()
            .find(|local| local.transport == flow.transport && local.bound == flow.local)
    }

    /// The flow to an address: from the listener that has the address the host would send from, if there is one.
    pub fn flow_to(&self, transport: Transport, remote: SocketAddr, from: Option<IpAddr>) -> Option<Flow> {
        let fits = |local: &&Local| local.transport == transport && local.bound.is_ipv4() == remote.is_ipv4();
        let exact = self
            .locals
            .iter()
            .filter(fits)
            .find(|local| Some(local.bound.ip()) == from);
        exact.or_else(|| self.locals.iter().find(fits)).map(|local| Flow {
            transport,
            local: local.bound,
            remote,
        })
    }

    /// `host:port` of ours on this flow, as peers see it.
    pub fn sent_by(&self, flow: &Flow) -> String {
        match self.local(flow) {
            Some(local) if local.host.contains(':') => format!("[{}]:{}", local.host, local.bound.port()),
            Some(local) => format!("{}:{}", local.host, local.bound.port()),
            None => flow.local.to_string(),
        }
    }

    /// Our Contact on this flow. `user` is there for trunks that we register with.
    pub fn contact(&self, flow: &Flow, user: &str) -> String {
        let transport = match flow.transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
        };
        let user = crate::message::user_part(user);
        format!("<sip:{user}@{}{transport}>", self.sent_by(flow))
    }

    /// A request's answer that needs no memory of the request.
    pub fn refuse(&mut self, now: Duration, flow: Flow, request: &Message, status: u16) {
        if request.method() == Some(Method::Ack) {
            return;
        }
        let response = self.response(request, status);
        self.send(now, flow, response.to_bytes(), None);
    }

    /// A response with the tag that §8.2.6.2 wants, for requests outside of a leg.
    pub fn response(&mut self, request: &Message, status: u16) -> Message {
        let mut response = Message::response(request, status, crate::message::phrase(status));
        if status > 100
            && request.to_tag().is_none()
            && let Some((_, to)) = response.headers.iter_mut().find(|(name, _)| name == "To")
        {
            to.push_str(";tag=");
            to.push_str(&self.tokens.text());
        }
        response.push("Server", self.product.clone());
        response
    }
}
