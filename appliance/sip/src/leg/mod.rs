//! Legs: one side of a call each, from its first message to its one [`Event::Ended`].
//!
//! A leg that has ended for the exchange may still have something to say to its peer: a CANCEL, a BYE, the ACK of an
//! answer that crossed them. It stays until that is done, and is silent towards the exchange.

mod inside;
mod inward;
mod outward;

use std::time::Duration;

use crate::api::{Command, Ended, Event, Flow, LegId, Party, Why};
use crate::client::{Client, Owner, Told};
use crate::config::Login;
use crate::core::{Core, Due};
use crate::dialog::Dialog;
use crate::identity;
use crate::message::{Message, Method};
use crate::session::{self, Session};

pub(crate) use outward::{Target, Way};

/// What the leg and its peer have to say about media at this moment (RFC 3264: one offer at a time).
#[derive(Debug)]
enum Offer {
    None,
    /// Ours, in the request of this client.
    Ours(u64),
    /// The peer's, in the request of this server transaction; the exchange is asked.
    Theirs {
        server: u64,
        template: Message,
        request: Box<Message>,
    },
    /// Our 2xx to an INVITE of the peer, with this number, waits for its ACK; `ours` if it made an offer.
    Ack {
        server: u64,
        ours: bool,
        cseq: u32,
    },
}

/// A BYE with its cause.
#[derive(Debug)]
struct Bye(Option<u8>);

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Leg {
    pub id: LegId,
    pub party: Party,
    /// The exchange has not been told the end.
    open: bool,
    answered: bool,
    /// Our requests whose outcome matters and is not known.
    outstanding: usize,
    /// The peer's INVITE, until it is answered.
    inward: Option<inward::Inward>,
    /// Our INVITEs, until one is answered.
    outward: Option<outward::Outward>,
    dialog: Option<Dialog>,
    /// Our tags: how requests find the leg.
    pub tags: Vec<u64>,
    login: Option<Login>,
    /// The peer takes UPDATE.
    update: bool,
    local_sdp: String,
    offer: Offer,
    session: Session,
    refresh: Option<u64>,
    ring_until: Option<Duration>,
    /// It ended because nobody was there.
    pub unreachable: bool,
    /// A BYE that must wait for the ACK (§15), with its cause.
    bye_after_ack: Option<Bye>,
    due: Option<Duration>,
}

impl Leg {
    fn new(id: LegId, party: Party) -> Self {
        Self {
            id,
            party,
            open: true,
            answered: false,
            outstanding: 0,
            inward: None,
            outward: None,
            dialog: None,
            tags: Vec::new(),
            login: None,
            update: false,
            local_sdp: String::new(),
            offer: Offer::None,
            session: Session::Off,
            refresh: None,
            ring_until: None,
            unreachable: false,
            bye_after_ack: None,
            due: None,
        }
    }

    /// Whether the exchange has yet to be told the end: it counts as one of the party's legs.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Whether there is nothing left to say to anybody.
    pub fn is_over(&self) -> bool {
        !self.open && self.outstanding == 0 && self.bye_after_ack.is_none()
    }

    /// Sets the leg's next deadline, after anything that may have moved it.
    pub fn rearm(&mut self, core: &mut Core) {
        let next = if self.is_over() {
            None
        } else {
            [
                self.ring_until,
                self.session.due(),
                self.inward.as_ref().and_then(inward::Inward::due),
                self.outward.as_ref().and_then(|outward| outward.first_until),
            ]
            .into_iter()
            .flatten()
            .min()
        };
        let mut due = self.due;
        core.rearm(Due::Leg(self.id), &mut due, next);
        self.due = due;
    }

    pub fn on_due(&mut self, core: &mut Core, now: Duration) {
        let passed = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        if passed(self.ring_until) {
            self.ring_until = None;
            self.rang_out(core, now);
        }
        if passed(self.outward.as_ref().and_then(|outward| outward.first_until)) {
            self.nobody_there(core, now);
        }
        if passed(self.inward.as_ref().and_then(inward::Inward::due)) {
            self.inward_due(core, now);
        }
        if passed(self.session.due()) {
            self.session_due(core, now);
        }
    }

    /// Nobody answered for as long as it may ring.
    fn rang_out(&mut self, core: &mut Core, now: Duration) {
        if self.inward.is_some() {
            self.refuse(core, now, 480, Some(18));
        } else {
            self.give_up_calls(core, now, Some(102));
        }
        self.end(core, Why::NoAnswer, None);
    }

    pub fn command(&mut self, core: &mut Core, now: Duration, command: Command) {
        if !self.open {
            return;
        }
        match command {
            Command::Progress { status, sdp, .. } => self.progress(core, now, status, sdp),
            Command::Answer { sdp, .. } => self.answer(core, now, sdp),
            Command::Reject { status, cause, .. } => {
                if self.inward.is_some() {
                    self.refuse(core, now, status.clamp(300, 699), cause);
                    self.end(core, Why::Released, None);
                }
            }
            Command::HangUp { cause, .. } => {
                self.hang_up(core, now, cause);
                self.end(core, Why::Released, None);
            }
            Command::Offer { sdp, .. } => self.make_offer(core, now, sdp),
            Command::AnswerOffer { sdp, .. } => self.answer_offer(core, now, sdp),
            Command::RefuseOffer { status, .. } => self.refuse_offer(core, now, status.clamp(400, 699)),
        }
    }

    /// Ends the call towards the peer, whatever state it is in.
    fn hang_up(&mut self, core: &mut Core, now: Duration, cause: Option<u8>) {
        if self.inward.is_some() {
            self.refuse(core, now, refusal_for(cause), cause);
        } else if self.answered {
            self.bye(core, now, cause);
        } else {
            self.give_up_calls(core, now, cause);
        }
    }

    fn bye(&mut self, core: &mut Core, now: Duration, cause: Option<u8>) {
        // §15: not before the ACK of our answer.
        if matches!(self.offer, Offer::Ack { .. }) && self.bye_after_ack.is_none() {
            self.bye_after_ack = Some(Bye(cause));
            return;
        }
        if let Offer::Theirs { server, template, .. } = &self.offer {
            core.respond(now, *server, &response_of(template, 487));
            self.offer = Offer::None;
        }
        let Some(mut dialog) = self.dialog.take() else {
            return;
        };
        self.send_bye(core, now, &mut dialog, cause);
        self.dialog = Some(dialog);
    }

    fn send_bye(&mut self, core: &mut Core, now: Duration, dialog: &mut Dialog, cause: Option<u8>) {
        let mut bye = dialog.request(Method::Bye);
        if let Some(cause) = cause {
            bye.push("Reason", identity::reason(cause));
        }
        self.send(core, now, dialog.way(core), bye, 0);
    }

    /// Sends a request whose outcome the leg waits for.
    fn send(&mut self, core: &mut Core, now: Duration, flow: Flow, mut request: Message, fork: usize) -> u64 {
        request.push("User-Agent", core.product.clone());
        self.outstanding += 1;
        core.request(now, flow, request, Owner::Leg { leg: self.id, fork }, None)
    }

    /// Sends a request within the dialog.
    fn send_inside(&mut self, core: &mut Core, now: Duration, request: Message) -> Option<u64> {
        let flow = self.dialog.as_ref()?.way(core);
        Some(self.send(core, now, flow, request, 0))
    }

    /// Tells the exchange the end. Whatever comes after it is between the leg and its peer.
    fn end(&mut self, core: &mut Core, why: Why, cause: Option<u8>) {
        if !self.open {
            return;
        }
        self.open = false;
        self.unreachable = why == Why::Unreachable;
        self.ring_until = None;
        self.session = Session::Off;
        core.events.push_back(Event::Ended(Ended {
            leg: self.id,
            why,
            cause,
        }));
    }

    fn tell(&self, core: &mut Core, event: Event) {
        if self.open {
            core.events.push_back(event);
        }
    }

    /// A response to one of our requests.
    pub fn on_response(&mut self, core: &mut Core, now: Duration, id: u64, told: &Told, response: &Message) {
        if told.is_final && told.first {
            self.outstanding = self.outstanding.saturating_sub(1);
        }
        let Owner::Leg { fork, .. } = told.owner else {
            return;
        };
        if told.method == Method::Invite && self.outward.as_ref().is_some_and(|outward| outward.has(id, fork))
        {
            self.on_call_response(core, now, (id, fork), told, response);
            return;
        }
        if told.is_final {
            self.on_inside_response(core, now, id, told, response);
        }
    }

    /// A request of ours that nobody answered, or that could not be sent.
    pub fn on_silence(&mut self, core: &mut Core, now: Duration, id: u64, client: &Client) {
        self.outstanding = self.outstanding.saturating_sub(1);
        let Owner::Leg { fork, .. } = client.owner else {
            return;
        };
        if client.method == Method::Invite
            && self.outward.as_ref().is_some_and(|outward| outward.has(id, fork))
        {
            self.on_call_silence(core, now, fork);
        } else if client.method == Method::Bye {
            // Nobody is left to tell.
        } else if self.answered {
            self.lost(core, now);
        }
    }

    /// The peer has gone without a word.
    fn lost(&mut self, core: &mut Core, now: Duration) {
        if self.open {
            if matches!(self.offer, Offer::Ack { .. }) {
                self.offer = Offer::None;
            }
            self.bye(core, now, Some(102));
            self.end(core, Why::Dead, None);
        }
    }

    /// Our answer was never acknowledged.
    pub fn on_no_ack(&mut self, core: &mut Core, now: Duration, id: u64) {
        if !matches!(self.offer, Offer::Ack { server, .. } if server == id) {
            return;
        }
        self.offer = Offer::None;
        let cause = self.bye_after_ack.take().and_then(|bye| bye.0).or(Some(102));
        self.bye(core, now, cause);
        self.end(core, Why::Dead, None);
    }

    /// Refreshes the session, asks whether the peer is there, or finds that it is not.
    fn session_due(&mut self, core: &mut Core, now: Duration) {
        match self.session {
            Session::Off => {}
            Session::Expect(_) => self.lost(core, now),
            Session::Refresh(_) | Session::Ask(_) if !matches!(self.offer, Offer::None) => {
                // One thing at a time. Whatever is under way shows whether the peer is there.
                self.session = self.session.later(now + core.timers.t4);
            }
            Session::Refresh(_) => {
                let Some(dialog) = &mut self.dialog else { return };
                let method = if self.update {
                    Method::Update
                } else {
                    Method::Invite
                };
                let mut request = dialog.request(method);
                session::ask(&core.timers, &mut request, None);
                capabilities(&mut request);
                if method == Method::Invite {
                    request = request.with_body("application/sdp", self.local_sdp.clone());
                }
                let client = self.send_inside(core, now, request);
                self.refresh = client;
                if let (Method::Invite, Some(client)) = (method, client) {
                    self.offer = Offer::Ours(client);
                }
                self.session = Session::Off;
            }
            Session::Ask(_) => {
                let Some(dialog) = &mut self.dialog else { return };
                let request = dialog.request(Method::Options);
                self.refresh = self.send_inside(core, now, request);
                self.session = Session::Off;
            }
        }
    }
}

impl Session {
    fn later(self, at: Duration) -> Self {
        match self {
            Self::Refresh(_) => Self::Refresh(at),
            Self::Ask(_) => Self::Ask(at),
            other => other,
        }
    }
}

/// What requests and answers that make or change a session say of us.
fn capabilities(message: &mut Message) {
    message.push("Allow", Method::ALLOWED);
    message.push("Supported", "100rel, timer");
}

/// A response made of what was copied from its request.
fn response_of(template: &Message, status: u16) -> Message {
    let mut response = template.clone();
    response.start = crate::message::Start::Response {
        status,
        phrase: crate::message::phrase(status).into(),
    };
    response
}

/// The status that refuses a call for a cause, when only the cause is known (RFC 3398 §8.2.6.1).
fn refusal_for(cause: Option<u8>) -> u16 {
    match cause {
        Some(1..=3) => 404,
        Some(17) => 486,
        Some(21) => 403,
        Some(27 | 38) => 502,
        Some(34 | 41 | 42) => 503,
        _ => 480,
    }
}
