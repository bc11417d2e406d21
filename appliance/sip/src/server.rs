//! Server transactions: requests of others, until they know our answer (RFC 3261 §17.2, RFC 6026 §7.1).

use std::time::Duration;

use crate::api::{Flow, LegId};
use crate::core::{Core, Due};
use crate::error::Malformed;
use crate::message::{Message, Method};

/// What makes a request the same as another (§17.2.3). An ACK and a CANCEL have those of their INVITE but for the method.
pub(crate) type ServerKey = (String, Method);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Proceeding,
    /// INVITE: a refusal waits for its ACK. Anything else: the answer is kept for repetitions.
    Completed,
    /// INVITE: a 2xx waits for its ACK.
    Accepted,
    /// The ACK is here; what still comes is late.
    Confirmed,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub key: ServerKey,
    /// Where the answer goes.
    pub flow: Flow,
    pub leg: Option<LegId>,
    pub invite: bool,
    state: State,
    last: Option<Vec<u8>>,
    repeat_at: Option<Duration>,
    interval: Duration,
    give_up: Option<Duration>,
    due: Option<Duration>,
}

pub(crate) fn key_of(request: &Message, method: Method) -> Result<ServerKey, Malformed> {
    let via = request.via()?;
    let (number, _) = request.cseq()?;
    let key = format!(
        "{}|{}|{}|{number}|{}",
        via.branch().unwrap_or_default(),
        via.host,
        via.port.unwrap_or_default(),
        request.call_id()
    );
    Ok((key, method))
}

impl Core {
    /// Begins a transaction. The flow is where its answers go.
    pub fn serve(&mut self, request: &Message, key: ServerKey, flow: Flow, leg: Option<LegId>) -> u64 {
        let id = self.tokens.next();
        let server = Server {
            key: key.clone(),
            flow,
            leg,
            invite: request.method() == Some(Method::Invite),
            state: State::Proceeding,
            last: None,
            repeat_at: None,
            interval: self.timers.t1,
            give_up: None,
            due: None,
        };
        self.server_ids.insert(key, id);
        self.servers.insert(id, server);
        id
    }

    /// Answers a repeated request as before. False: it is a new one.
    pub fn served_before(&mut self, now: Duration, key: &ServerKey) -> bool {
        let Some(server) = self.server_ids.get(key).and_then(|id| self.servers.get(id)) else {
            return false;
        };
        let (flow, leg) = (server.flow, server.leg);
        if let Some(last) = server.last.clone() {
            self.send(now, flow, last, leg);
        }
        true
    }

    /// Sends a response in a transaction. A provisional one after a final one is dropped.
    pub fn respond(&mut self, now: Duration, id: u64, response: &Message) {
        let Some(mut server) = self.servers.remove(&id) else {
            return;
        };
        let status = response.status().unwrap_or_default();
        if server.state == State::Proceeding {
            let bytes = response.to_bytes();
            let reliable = server.flow.transport.is_reliable();
            self.send(now, server.flow, bytes.clone(), server.leg);
            server.last = Some(bytes);
            if status >= 200 {
                server.give_up = Some(now + self.timers.t1 * 64);
                server.state = State::Completed;
                if server.invite {
                    // A 2xx is repeated on every transport (§13.3.1.4), a refusal where it may be lost.
                    if status < 300 {
                        server.state = State::Accepted;
                        server.repeat_at = Some(now + server.interval);
                    } else if !reliable {
                        server.repeat_at = Some(now + server.interval);
                    }
                } else if reliable {
                    server.give_up = Some(now);
                }
            }
        }
        self.arm_server(id, server);
    }

    fn arm_server(&mut self, id: u64, mut server: Server) {
        let next = [server.repeat_at, server.give_up].into_iter().flatten().min();
        let mut due = server.due;
        self.rearm(Due::Server(id), &mut due, next);
        server.due = due;
        self.servers.insert(id, server);
    }

    /// The ACK of a refusal, which is of the same transaction.
    pub fn refusal_acknowledged(&mut self, now: Duration, key: &ServerKey) -> Option<u64> {
        let id = *self.server_ids.get(key)?;
        let server = self.servers.get(&id)?;
        if server.state != State::Completed {
            return None;
        }
        self.confirmed(now, id);
        Some(id)
    }

    /// The ACK of a 2xx has come: nothing is repeated any more.
    pub fn confirmed(&mut self, now: Duration, id: u64) {
        let Some(mut server) = self.servers.remove(&id) else {
            return;
        };
        server.state = State::Confirmed;
        server.last = None;
        server.repeat_at = None;
        let stays = if server.flow.transport.is_reliable() {
            Duration::ZERO
        } else {
            self.timers.t4
        };
        server.give_up = Some(now + stays);
        self.arm_server(id, server);
    }

    /// Repeats, or forgets. A server is returned if its 2xx was never acknowledged.
    pub fn server_due(&mut self, now: Duration, id: u64) -> Option<Server> {
        let mut server = self.servers.remove(&id)?;
        if server.give_up.is_some_and(|at| at <= now) {
            self.rearm(Due::Server(id), &mut server.due, None);
            self.server_ids.remove(&server.key);
            return (server.state == State::Accepted).then_some(server);
        }
        if server.repeat_at.is_some_and(|at| at <= now) {
            server.interval = (server.interval * 2).min(self.timers.t2);
            server.repeat_at = Some(now + server.interval);
            if let Some(last) = server.last.clone() {
                self.send(now, server.flow, last, server.leg);
            }
        }
        self.arm_server(id, server);
        None
    }

    /// Forgets a transaction that will have no answer.
    pub fn forget_server(&mut self, id: u64) {
        if let Some(mut server) = self.servers.remove(&id) {
            self.rearm(Due::Server(id), &mut server.due, None);
            self.server_ids.remove(&server.key);
        }
    }
}
