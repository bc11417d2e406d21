//! Client transactions: our requests, until somebody answers or nobody will (RFC 3261 §17.1, RFC 6026 §7.2).

use std::time::Duration;

use crate::api::{Flow, LegId};
use crate::core::{Core, Due};
use crate::message::{Message, Method};

/// Who waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A leg; `fork` says which of its calls.
    Leg {
        leg: LegId,
        fork: usize,
    },
    Register {
        trunk: u64,
    },
    Probe {
        trunk: u64,
    },
    /// Nobody: it is repeated until it is answered.
    Nobody,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Calling,
    Proceeding,
    /// An INVITE was answered with 2xx; a repeated one gets its ACK again.
    Accepted,
    /// An INVITE was refused; so does a repeated refusal.
    Completed,
}

/// Whether an INVITE is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cancel {
    No,
    /// As soon as there is a provisional response (§9.1).
    Wanted,
    /// By the transaction of this id.
    Sent(u64),
}

#[derive(Debug)]
pub(crate) struct Client {
    pub method: Method,
    pub flow: Flow,
    /// It is within a dialog.
    inside: bool,
    /// What was sent. Empty once it is of no more use.
    pub request: Message,
    bytes: Vec<u8>,
    pub owner: Owner,
    state: State,
    cancel: Cancel,
    ack: Option<(Option<String>, Vec<u8>)>,
    repeat_at: Option<Duration>,
    interval: Duration,
    give_up: Option<Duration>,
    due: Option<Duration>,
}

/// What a response means to the owner of its request.
#[derive(Debug)]
pub(crate) struct Told {
    pub owner: Owner,
    pub method: Method,
    pub flow: Flow,
    pub is_final: bool,
    /// False for another 2xx of the same INVITE.
    pub first: bool,
    /// The request, if it is refused with a status that asks for another one.
    pub request: Option<Message>,
}

/// Statuses that ask for the same request with more in it.
const ASKS_AGAIN: [u16; 4] = [401, 407, 422, 423];

impl Core {
    /// Sends a request and repeats it as its transport needs. `within` is how long an answer is waited for, if not 64 T1.
    pub fn request(
        &mut self,
        now: Duration,
        flow: Flow,
        mut request: Message,
        owner: Owner,
        within: Option<Duration>,
    ) -> u64 {
        let id = self.tokens.next();
        let via = format!(
            "SIP/2.0/{} {};branch=z9hG4bK{id:016x};rport",
            flow.transport.name(),
            self.sent_by(&flow)
        );
        request.headers.insert(0, ("Via".into(), via));
        let bytes = request.to_bytes();
        let method = request.method().unwrap_or(Method::Other);
        let mut client = Client {
            method,
            flow,
            inside: request.to_tag().is_some(),
            request,
            bytes: Vec::new(),
            owner,
            state: State::Calling,
            cancel: Cancel::No,
            ack: None,
            repeat_at: None,
            interval: self.timers.t1,
            give_up: Some(now + within.unwrap_or(self.timers.t1 * 64)),
            due: None,
        };
        if !flow.transport.is_reliable() {
            client.repeat_at = Some(now + client.interval);
            client.bytes.clone_from(&bytes);
        }
        self.send(now, flow, bytes, client.leg());
        self.arm_client(id, client);
        id
    }

    fn arm_client(&mut self, id: u64, mut client: Client) {
        let next = [client.repeat_at, client.give_up].into_iter().flatten().min();
        let mut due = client.due;
        self.rearm(Due::Client(id), &mut due, next);
        client.due = due;
        self.clients.insert(id, client);
    }

    /// The transaction that a response belongs to.
    pub fn client_of(&self, response: &Message) -> Option<u64> {
        let via = response.via().ok()?;
        let id = crate::core::tag_of(via.branch()?.strip_prefix("z9hG4bK")?)?;
        let (_, method) = response.cseq().ok()?;
        let client = self.clients.get(&id)?;
        if response.call_id() != client.call_id() {
            return None;
        }
        match (client.method, method, client.cancel) {
            (Method::Invite, Method::Cancel, Cancel::Sent(twin)) => Some(twin),
            (own, theirs, _) => (own == theirs).then_some(id),
        }
    }

    /// Takes a response of [`Core::client_of`], and says what its owner is to know.
    pub fn client_response(&mut self, now: Duration, id: u64, response: &Message) -> Option<Told> {
        let mut client = self.clients.remove(&id)?;
        let status = response.status().unwrap_or_default();
        let invite = client.method == Method::Invite;
        let mut told = Told {
            owner: client.owner,
            method: client.method,
            flow: client.flow,
            is_final: status >= 200,
            first: true,
            request: None,
        };
        match (client.state, status / 100) {
            (State::Calling | State::Proceeding, 1) => {
                client.state = State::Proceeding;
                if invite {
                    client.repeat_at = None;
                    // From now on it is the owner who gives up, unless it has. Within a dialog nobody rings: there the
                    // final response must follow.
                    if client.inside {
                        client.give_up = Some(now + self.timers.t1 * 64);
                    } else if client.cancel == Cancel::No {
                        client.give_up = None;
                    }
                } else {
                    client.interval = self.timers.t2;
                }
                if client.cancel == Cancel::Wanted {
                    self.send_cancel(now, &mut client);
                }
            }
            (State::Calling | State::Proceeding, class) => {
                if !invite {
                    self.rearm(Due::Client(id), &mut client.due, None);
                    told.request = ASKS_AGAIN.contains(&status).then_some(client.request);
                    return Some(told);
                }
                client.repeat_at = None;
                client.bytes = Vec::new();
                client.give_up = Some(now + self.timers.t1 * 64);
                if class == 2 {
                    client.state = State::Accepted;
                } else {
                    client.state = State::Completed;
                    let ack = ack_of_refusal(&client.request, response);
                    self.send(now, client.flow, ack.clone(), client.leg());
                    client.ack = Some((response.to_tag(), ack));
                    if client.flow.transport.is_reliable() {
                        client.give_up = Some(now);
                    }
                    if ASKS_AGAIN.contains(&status) {
                        told.request = Some(client.request.clone());
                    }
                    client.shrink();
                }
            }
            (State::Completed, 3..) | (State::Accepted, 2) => {
                let same = client.ack.clone().filter(|(tag, _)| *tag == response.to_tag());
                if let Some((_, ack)) = same {
                    self.send(now, client.flow, ack, client.leg());
                    self.arm_client(id, client);
                    return None;
                }
                told.first = false;
                let accepted = client.state == State::Accepted;
                self.arm_client(id, client);
                return accepted.then_some(told);
            }
            _ => {
                self.arm_client(id, client);
                return None;
            }
        }
        self.arm_client(id, client);
        Some(told)
    }

    /// The ACK of a 2xx: sent, and again for each repetition of it.
    pub fn acknowledge(&mut self, now: Duration, id: u64, flow: Flow, mut ack: Message, tag: Option<String>) {
        let branch = self.tokens.next();
        let via = format!(
            "SIP/2.0/{} {};branch=z9hG4bK{branch:016x};rport",
            flow.transport.name(),
            self.sent_by(&flow)
        );
        ack.headers.insert(0, ("Via".into(), via));
        let bytes = ack.to_bytes();
        let mut leg = None;
        if let Some(client) = self.clients.get_mut(&id) {
            leg = client.leg();
            client.flow = flow;
            if client.ack.is_none() {
                client.ack = Some((tag, bytes.clone()));
                client.shrink();
            }
        }
        self.send(now, flow, bytes, leg);
    }

    /// Gives an INVITE up: CANCEL when that is allowed, and no answer is waited for longer than 64 T1.
    pub fn cancel(&mut self, now: Duration, id: u64, reason: Option<String>) {
        let Some(mut client) = self.clients.remove(&id) else {
            return;
        };
        if matches!(client.state, State::Calling | State::Proceeding) && client.cancel == Cancel::No {
            client.cancel = Cancel::Wanted;
            client.repeat_at = None;
            client.give_up = Some(now + self.timers.t1 * 64);
            if let Some(reason) = reason {
                client.request.push("Reason", reason);
            }
            if client.state == State::Proceeding {
                self.send_cancel(now, &mut client);
            }
        }
        self.arm_client(id, client);
    }

    /// §9.1: the same Via as the INVITE.
    fn send_cancel(&mut self, now: Duration, client: &mut Client) {
        let id = self.tokens.next();
        client.cancel = Cancel::Sent(id);
        let mut cancel = Message::request(Method::Cancel, client.request.uri());
        for (name, value) in &client.request.headers {
            match name.as_ref() {
                "Via" | "From" | "To" | "Call-ID" | "Route" | "Max-Forwards" | "Reason" => {
                    cancel.push(name.clone(), value.clone());
                }
                "CSeq" => cancel.push("CSeq", value.replace("INVITE", "CANCEL")),
                _ => {}
            }
        }
        let bytes = cancel.to_bytes();
        let mut twin = Client {
            method: Method::Cancel,
            flow: client.flow,
            inside: client.inside,
            request: cancel,
            bytes: Vec::new(),
            owner: Owner::Nobody,
            state: State::Calling,
            cancel: Cancel::No,
            ack: None,
            repeat_at: None,
            interval: self.timers.t1,
            give_up: Some(now + self.timers.t1 * 64),
            due: None,
        };
        if !client.flow.transport.is_reliable() {
            twin.repeat_at = Some(now + self.timers.t1);
            twin.bytes.clone_from(&bytes);
        }
        self.send(now, client.flow, bytes, client.leg());
        self.arm_client(id, twin);
    }

    /// Repeats, or gives up. Then the client is returned: its owner is to be told.
    pub fn client_due(&mut self, now: Duration, id: u64) -> Option<Client> {
        let mut client = self.clients.remove(&id)?;
        if client.give_up.is_some_and(|at| at <= now) {
            let waited = matches!(client.state, State::Calling | State::Proceeding);
            self.rearm(Due::Client(id), &mut client.due, None);
            return waited.then_some(client);
        }
        if client.repeat_at.is_some_and(|at| at <= now) {
            // §17.1.2.1: T2 is the most, except for INVITE.
            client.interval *= 2;
            if client.method != Method::Invite {
                client.interval = client.interval.min(self.timers.t2);
            }
            client.repeat_at = Some(now + client.interval);
            let bytes = client.bytes.clone();
            self.send(now, client.flow, bytes, client.leg());
        }
        self.arm_client(id, client);
        None
    }

    /// Takes every client that waits on this flow: it is gone.
    pub fn clients_on(&mut self, flow: &Flow) -> Vec<(u64, Client)> {
        let ids: Vec<u64> = self
            .clients
            .iter()
            .filter(|(_, client)| {
                client.flow.transport == flow.transport
                    && client.flow.remote == flow.remote
                    && matches!(client.state, State::Calling)
            })
            .map(|(id, _)| *id)
            .collect();
        ids.into_iter()
            .filter_map(|id| {
                let mut client = self.clients.remove(&id)?;
                self.rearm(Due::Client(id), &mut client.due, None);
                Some((id, client))
            })
            .collect()
    }
}

impl Client {
    pub fn leg(&self) -> Option<LegId> {
        match self.owner {
            Owner::Leg { leg, .. } => Some(leg),
            _ => None,
        }
    }

    /// Keeps of the request what finds its responses.
    fn shrink(&mut self) {
        self.request.headers.retain(|(name, _)| name == "Call-ID");
        self.request.headers.shrink_to_fit();
        self.request.body = Vec::new();
    }

    fn call_id(&self) -> &str {
        self.request.call_id()
    }
}

/// §17.1.1.3.
fn ack_of_refusal(invite: &Message, response: &Message) -> Vec<u8> {
    let mut ack = Message::request(Method::Ack, invite.uri());
    for (name, value) in &invite.headers {
        match name.as_ref() {
            "Via" | "From" | "Call-ID" | "Route" | "Max-Forwards" => ack.push(name.clone(), value.clone()),
            "CSeq" => ack.push("CSeq", value.replace("INVITE", "ACK")),
            _ => {}
        }
    }
    ack.push("To", response.header("To").unwrap_or_default());
    ack.to_bytes()
}
