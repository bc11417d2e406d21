//! Calls that somebody makes to us, until they are answered or refused.

use std::collections::VecDeque;
use std::time::Duration;

use crate::api::{Event, LegId, Party, Why};
use crate::core::{Core, tag_text};
use crate::dialog::Dialog;
use crate::identity;
use crate::message::{Message, Method};
use crate::reception::Arrived;
use crate::session;

use super::{Bye, Leg, Offer, capabilities, response_of};

/// A provisional response is repeated once a minute, for proxies on the way that would lose patience (§13.3.1.1).
const AGAIN: Duration = Duration::from_mins(1);
/// The most provisional responses that wait for the PRACK of one before.
const MOST_WAITING: usize = 8;

#[derive(Debug)]
pub(super) struct Inward {
    pub server: u64,
    /// What every response to the INVITE begins with.
    template: Message,
    invite: Message,
    /// Provisional responses are acknowledged (RFC 3262).
    reliable: bool,
    rseq: u32,
    unacknowledged: Option<Unacknowledged>,
    waiting: VecDeque<(u16, Option<String>)>,
    /// The answer waits until the early media is acknowledged (RFC 3262 §5).
    answer: Option<String>,
    last: Option<(u16, Option<String>)>,
    again_at: Duration,
}

#[derive(Debug)]
struct Unacknowledged {
    rseq: u32,
    response: Message,
    has_sdp: bool,
    repeat_at: Duration,
    interval: Duration,
    give_up: Duration,
}

impl Inward {
    pub fn due(&self) -> Option<Duration> {
        let again = self.last.is_some().then_some(self.again_at);
        let repeat = self.unacknowledged.as_ref().map(|waiting| waiting.repeat_at);
        [again, repeat].into_iter().flatten().min()
    }
}

impl Leg {
    /// Takes a call. None: it has no Contact.
    pub fn incoming(
        core: &mut Core,
        now: Duration,
        id: LegId,
        party: Party,
        server: u64,
        arrived: &Arrived,
        user: &str,
    ) -> Option<Self> {
        let (invite, flow) = (&arrived.message, arrived.flow);
        let tag = core.tokens.next();
        let pinned = matches!(party, Party::Account(_));
        let dialog = Dialog::called(core, invite, flow, tag, pinned, user)?;
        let mut template = Message::response(invite, 100, "Trying");
        for route in invite.all("Record-Route") {
            template.push("Record-Route", route);
        }
        core.respond(
            now,
            server,
            &response_of(&Message::response(invite, 100, "Trying"), 100),
        );
        template.set("To", format!("{};tag={}", invite.header("To")?, tag_text(tag)));
        template.push("Contact", dialog.contact.clone());
        template.push("Server", core.product.clone());
        let mut leg = Self::new(id, party);
        leg.tags.push(tag);
        leg.update = allows_update(invite);
        leg.inward = Some(Inward {
            server,
            template,
            invite: invite.clone(),
            reliable: invite.has_token("Supported", "100rel") || invite.has_token("Require", "100rel"),
            // §3: between 1 and 2**31 - 1 at first.
            rseq: u32::try_from(core.tokens.next() >> 34).unwrap_or(1),
            unacknowledged: None,
            waiting: VecDeque::new(),
            answer: None,
            last: None,
            again_at: now + AGAIN,
        });
        leg.dialog = Some(dialog);
        Some(leg)
    }

    /// For how long it may ring.
    pub fn rings_until(mut self, at: Duration) -> Self {
        self.ring_until = Some(at);
        self
    }

    pub(super) fn progress(&mut self, core: &mut Core, now: Duration, status: u16, sdp: Option<String>) {
        let status = status.clamp(101, 199);
        let Some(inward) = &mut self.inward else { return };
        if inward.answer.is_some() {
            return;
        }
        inward.last = Some((status, sdp.clone()));
        inward.again_at = now + AGAIN;
        if inward.unacknowledged.is_some() {
            if inward.waiting.len() < MOST_WAITING {
                inward.waiting.push_back((status, sdp));
            }
            return;
        }
        self.send_progress(core, now, status, sdp);
    }

    fn send_progress(&mut self, core: &mut Core, now: Duration, status: u16, sdp: Option<String>) {
        let t1 = core.timers.t1;
        let Some(inward) = &mut self.inward else { return };
        let mut response = response_of(&inward.template, status);
        let has_sdp = sdp.is_some();
        if inward.reliable {
            inward.rseq += 1;
            response.push("Require", "100rel");
            response.push("RSeq", inward.rseq.to_string());
        }
        capabilities(&mut response);
        if let Some(sdp) = sdp {
            response = response.with_body("application/sdp", sdp);
        }
        if inward.reliable {
            inward.unacknowledged = Some(Unacknowledged {
                rseq: inward.rseq,
                response: response.clone(),
                has_sdp,
                repeat_at: now + t1,
                interval: t1,
                give_up: now + t1 * 64,
            });
        }
        core.respond(now, inward.server, &response);
    }

    /// Repeats what is not acknowledged, and what proxies want to hear.
    pub(super) fn inward_due(&mut self, core: &mut Core, now: Duration) {
        let Some(inward) = &mut self.inward else { return };
        if let Some(waiting) = &mut inward.unacknowledged {
            if waiting.give_up <= now {
                self.refuse(core, now, 504, Some(102));
                self.end(core, Why::Dead, None);
                return;
            }
            if waiting.repeat_at <= now {
                waiting.interval *= 2;
                waiting.repeat_at = now + waiting.interval;
                let response = waiting.response.clone();
                core.respond(now, inward.server, &response);
            }
        }
        let Some(inward) = &mut self.inward else { return };
        if inward.again_at <= now {
            inward.again_at = now + AGAIN;
            if let (None, Some((status, sdp))) = (&inward.unacknowledged, inward.last.clone()) {
                self.send_progress(core, now, status, sdp);
            }
        }
    }

    pub(super) fn answer(&mut self, core: &mut Core, now: Duration, sdp: String) {
        let Some(inward) = &mut self.inward else { return };
        if inward
            .unacknowledged
            .as_ref()
            .is_some_and(|waiting| waiting.has_sdp)
        {
            inward.answer = Some(sdp);
            return;
        }
        let Some(inward) = self.inward.take() else { return };
        let mut response = response_of(&inward.template, 200);
        capabilities(&mut response);
        self.session = session::agree(&core.timers, now, &inward.invite, &mut response);
        let response = response.with_body("application/sdp", sdp.clone());
        core.respond(now, inward.server, &response);
        self.local_sdp = sdp;
        self.answered = true;
        self.ring_until = None;
        self.offer = Offer::Ack {
            server: inward.server,
            ours: inward.invite.body.is_empty(),
            cseq: inward.invite.cseq().map_or(0, |(number, _)| number),
        };
    }

    /// Refuses the call; the transaction repeats it until it is acknowledged.
    pub(super) fn refuse(&mut self, core: &mut Core, now: Duration, status: u16, cause: Option<u8>) {
        let Some(inward) = self.inward.take() else { return };
        let mut response = response_of(&inward.template, status);
        response.remove("Contact");
        response.remove("Record-Route");
        if let Some(cause) = cause {
            response.push("Reason", identity::reason(cause));
        }
        core.respond(now, inward.server, &response);
    }

    /// The caller gives up. CANCEL itself is answered already.
    pub fn on_cancel(&mut self, core: &mut Core, now: Duration, cancel: &Message) {
        // §9.2: too late if it is answered.
        if self.inward.is_some() {
            self.refuse(core, now, 487, None);
            self.end(core, Why::Cancelled, cancel.q850());
        }
    }

    /// RFC 3262 §3: the status to answer a PRACK with.
    pub(super) fn on_prack(&mut self, prack: &Message) -> u16 {
        // §3: one may come after the answer.
        let Some(inward) = &mut self.inward else {
            return if self.answered { 200 } else { 481 };
        };
        let invite = inward.invite.cseq().map_or(0, |(number, _)| number);
        let named = identity::rack(prack);
        if inward
            .unacknowledged
            .as_ref()
            .is_none_or(|waiting| named != Some((waiting.rseq, invite)))
        {
            return 481;
        }
        inward.unacknowledged = None;
        200
    }

    /// What a PRACK was waited for with.
    pub(super) fn after_prack(&mut self, core: &mut Core, now: Duration) {
        let Some(inward) = &mut self.inward else { return };
        if let Some((status, sdp)) = inward.waiting.pop_front() {
            self.send_progress(core, now, status, sdp);
        } else if let Some(sdp) = inward.answer.take() {
            self.answer(core, now, sdp);
        }
    }

    /// The ACK of our 2xx.
    pub fn on_ack(&mut self, core: &mut Core, now: Duration, ack: &Message) {
        let Offer::Ack { server, ours, cseq } = self.offer else {
            return;
        };
        if ack.cseq().map(|(number, _)| number) != Ok(cseq) {
            return;
        }
        core.confirmed(now, server);
        self.offer = Offer::None;
        if let Some(Bye(cause)) = self.bye_after_ack.take() {
            self.bye(core, now, cause);
            return;
        }
        let sdp = if ours { ack.sdp() } else { None };
        let leg = self.id;
        self.tell(core, Event::Confirmed { leg, sdp });
    }
}

pub(super) fn allows_update(message: &Message) -> bool {
    message.has_token("Allow", Method::Update.name())
}
