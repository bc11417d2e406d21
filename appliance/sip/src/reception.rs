//! What comes in: which transaction, leg or newcomer a message belongs to.

use std::net::IpAddr;
use std::time::Duration;

use crate::agent::Agent;
use crate::api::{Alarm, Direction, Event, Flow, LegId, Party};
use crate::client::{Client, Owner};
use crate::leg::Leg;
use crate::message::{Message, Method};
use crate::server;
use crate::trunk::TrunkState;

/// The most requests that are answered or waited with at once. Beyond it they are lost, and come again.
const MOST_SERVERS: usize = 200_000;

/// A request that is new, with where it comes from.
pub(crate) struct Arrived {
    pub flow: Flow,
    /// Where its answers go.
    pub answers: Flow,
    pub message: Message,
    pub key: server::ServerKey,
}

impl Agent {
    /// Takes a datagram, or a message of a stream. Nothing that it can be does more than be refused.
    pub fn receive(&mut self, now: Duration, flow: Flow, bytes: &[u8]) {
        let source = flow.remote.ip();
        let trusted = self.trunk_of(&flow).is_some() || self.registrar.knows(source);
        if !trusted && !self.guard.hears(now, source) {
            return;
        }
        if flow.transport.is_reliable() {
            self.core.streams.insert((flow.transport, flow.remote));
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
        if self.registrar.knows(source) || self.sources.contains_key(&source.to_canonical()) {
            return;
        }
        if let Some(lasts) = self.guard.failed(now, source, self.limits.failures) {
            self.core
                .events
                .push_back(Event::Alarm(Alarm::SourceBlocked { source, lasts }));
        }
    }

    /// The trunk that is known by this address. The sender of a datagram is easily forged: it is believed only where the
    /// trunk speaks UDP.
    pub(crate) fn trunk_of(&self, flow: &Flow) -> Option<&String> {
        let name = self.sources.get(&flow.remote.ip().to_canonical())?;
        let trunk = self.trunks.get(name)?;
        (flow.transport.is_reliable() || !trunk.config.transport.is_reliable()).then_some(name)
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
        if self.core.servers.len() >= MOST_SERVERS {
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
