//! Calls that we make, until one is answered or all have failed.
//!
//! Each contact of an account is called at once, in a dialog of its own: the first answer wins, the others are cancelled.

use std::time::Duration;

use crate::api::{Event, Flow, LegId, Outgoing, Why};
use crate::client::Told;
use crate::config::Login;
use crate::core::{Core, tag_text};
use crate::dialog::Dialog;
use crate::identity;
use crate::message::{Message, Method};
use crate::session;

use super::{Leg, Offer, capabilities, inward::allows_update};

/// The most early dialogs of one call: proxies fork.
const MOST_EARLY: usize = 8;
/// How often a call is tried again with what its refusal asks for.
const MOST_TRIES: u8 = 4;

/// Where one call of a leg goes.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub uri: String,
    pub flow: Flow,
}

/// What stays the same over the calls of a leg.
#[derive(Debug)]
pub(crate) struct Way {
    pub targets: Vec<Target>,
    /// The host of From, To and the identities.
    pub host: String,
    /// To, without a tag.
    pub to: String,
    /// The user of our Contact.
    pub user: String,
    pub login: Option<Login>,
    pub pinned: bool,
    pub first_answer: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Outward {
    forks: Vec<Fork>,
    invite: Message,
    /// The fork whose early media is passed on.
    early_media: Option<usize>,
    pub first_until: Option<Duration>,
    /// We wait for nothing but the ends of what was given up.
    given_up: bool,
}

#[derive(Debug)]
struct Fork {
    client: u64,
    flow: Flow,
    dialog: Dialog,
    early: Vec<Early>,
    sdp: Option<String>,
    tries: u8,
    min_session: Option<u32>,
    failed: Option<Failure>,
}

#[derive(Debug)]
struct Early {
    dialog: Dialog,
    rseq: Option<u32>,
}

#[derive(Clone, Debug)]
struct Failure {
    status: u16,
    heard: bool,
    cause: Option<u8>,
    moved_to: Option<String>,
}

impl Outward {
    pub fn has(&self, client: u64, fork: usize) -> bool {
        self.forks.get(fork).is_some_and(|fork| fork.client == client)
    }
}

impl Leg {
    pub fn outgoing(core: &mut Core, now: Duration, id: LegId, call: Outgoing, way: Way) -> Self {
        let mut leg = Self::new(id, call.to.clone());
        leg.login.clone_from(&way.login);
        leg.ring_until = Some(now + call.ring_for);
        let mut invite = Message::request(Method::Invite, "");
        invite.push("Max-Forwards", call.hops.to_string());
        identity::add(&call, &way.host, &mut invite);
        capabilities(&mut invite);
        let invite = invite.with_body("application/sdp", call.sdp.clone());
        let from = identity::from(&call, &way.host);
        let mut outward = Outward {
            forks: Vec::new(),
            invite,
            early_media: None,
            first_until: way.first_answer.map(|within| now + within),
            given_up: false,
        };
        for (number, target) in way.targets.into_iter().enumerate() {
            let tag = core.tokens.next();
            leg.tags.push(tag);
            let dialog = Dialog {
                call_id: format!("{}@{}", core.tokens.text(), core.realm),
                local: format!("{from};tag={}", tag_text(tag)),
                remote: way.to.clone(),
                remote_tag: None,
                target: target.uri,
                route: Vec::new(),
                cseq: 0,
                remote_cseq: 0,
                flow: target.flow,
                pinned: way.pinned,
                contact: core.contact(&target.flow, &way.user),
            };
            let mut fork = Fork {
                client: 0,
                flow: target.flow,
                dialog,
                early: Vec::new(),
                sdp: None,
                tries: 0,
                min_session: None,
                failed: None,
            };
            leg.call(core, now, &outward.invite, &mut fork, number, None);
            outward.forks.push(fork);
        }
        leg.local_sdp = call.sdp;
        leg.outward = Some(outward);
        leg
    }

    fn call(
        &mut self,
        core: &mut Core,
        now: Duration,
        base: &Message,
        fork: &mut Fork,
        number: usize,
        proof: Option<(&'static str, String)>,
    ) {
        fork.tries += 1;
        let mut invite = fork.dialog.request(Method::Invite);
        invite.remove("Max-Forwards");
        invite.headers.extend(base.headers.iter().cloned());
        session::ask(&core.timers, &mut invite, fork.min_session);
        if let Some((name, value)) = proof {
            invite.push(name, value);
        }
        invite.body.clone_from(&base.body);
        fork.client = self.send(core, now, fork.flow, invite, number);
    }

    /// Cancels every call of ours that has no answer yet.
    pub(super) fn give_up_calls(&mut self, core: &mut Core, now: Duration, cause: Option<u8>) {
        let Some(outward) = &mut self.outward else { return };
        outward.given_up = true;
        outward.first_until = None;
        for fork in outward.forks.iter().filter(|fork| fork.failed.is_none()) {
            core.cancel(now, fork.client, cause.map(identity::reason));
        }
    }

    /// Nothing at all has come back in time.
    pub(super) fn nobody_there(&mut self, core: &mut Core, now: Duration) {
        self.give_up_calls(core, now, None);
        self.end(core, Why::Unreachable, None);
    }

    pub(super) fn on_call_response(
        &mut self,
        core: &mut Core,
        now: Duration,
        (id, number): (u64, usize),
        told: &Told,
        response: &Message,
    ) {
        let Some(mut outward) = self.outward.take() else {
            return;
        };
        outward.first_until = None;
        let status = response.status().unwrap_or_default();
        match status {
            100 => {}
            101..200 => self.on_provisional(core, now, &mut outward, number, status, response),
            200..300 => {
                self.on_answer(core, now, outward, (id, number), told.flow, response);
                return;
            }
            _ => self.on_refusal(core, now, &mut outward, number, told, response),
        }
        self.outward = Some(outward);
        self.all_failed(core);
    }

    fn on_provisional(
        &mut self,
        core: &mut Core,
        now: Duration,
        outward: &mut Outward,
        number: usize,
        status: u16,
        response: &Message,
    ) {
        if outward.given_up {
            return;
        }
        let fork = &mut outward.forks[number];
        let reliable = response.has_token("Require", "100rel");
        if reliable && let Some(tag) = response.to_tag() {
            let rseq: Option<u32> = response.header("RSeq").and_then(|rseq| rseq.trim().parse().ok());
            let known = fork
                .early
                .iter()
                .position(|early| early.dialog.remote_tag.as_deref() == Some(&tag));
            let at = match known {
                Some(at) => at,
                None if fork.early.len() < MOST_EARLY => {
                    let dialog = fork.dialog.confirmed_by(response);
                    fork.early.push(Early { dialog, rseq: None });
                    fork.early.len() - 1
                }
                None => return,
            };
            let early = &mut fork.early[at];
            // §4: in order, each once; a repeated one has its PRACK under way.
            match (early.rseq, rseq) {
                (_, None) => return,
                (Some(last), Some(rseq)) if rseq != last + 1 => return,
                (_, Some(rseq)) => {
                    early.rseq = Some(rseq);
                    let invite = fork.dialog.cseq;
                    early.dialog.cseq = early.dialog.cseq.max(fork.dialog.cseq);
                    let mut prack = early.dialog.request(Method::Prack);
                    prack.push("RAck", format!("{rseq} {invite} INVITE"));
                    let way = early.dialog.way(core);
                    self.send(core, now, way, prack, number);
                }
            }
        }
        let mut sdp = response.sdp();
        if let Some(sdp) = &sdp {
            fork.sdp = Some(sdp.clone());
        }
        // Two sources of early media would be a muddle: the first keeps it.
        if sdp.is_some() && *outward.early_media.get_or_insert(number) != number {
            sdp = None;
        }
        let leg = self.id;
        self.tell(core, Event::Progress { leg, status, sdp });
    }

    fn on_answer(
        &mut self,
        core: &mut Core,
        now: Duration,
        mut outward: Outward,
        (id, number): (u64, usize),
        flow: Flow,
        response: &Message,
    ) {
        let fork = &mut outward.forks[number];
        let mut dialog = fork.dialog.confirmed_by(response);
        let cseq = response.cseq().map_or(dialog.cseq, |(number, _)| number);
        let early = fork
            .early
            .iter()
            .find(|early| early.dialog.remote_tag == dialog.remote_tag);
        dialog.cseq = early.map_or(dialog.cseq, |early| early.dialog.cseq.max(dialog.cseq));
        dialog.flow = flow;
        let ack = dialog.numbered(Method::Ack, cseq);
        let way = dialog.way(core);
        core.acknowledge(now, id, way, ack, dialog.remote_tag.clone());
        fork.failed = Some(Failure {
            status: 200,
            heard: true,
            cause: None,
            moved_to: None,
        });
        if outward.given_up || self.answered || !self.open {
            // It crossed our giving up (§15), or came second.
            self.send_bye(core, now, &mut dialog, None);
            self.outward = Some(outward);
            return;
        }
        let sdp = response.sdp().or_else(|| fork.sdp.take());
        for other in outward.forks.iter().filter(|fork| fork.failed.is_none()) {
            // RFC 3326 §2: so that the other phones show no missed call.
            core.cancel(
                now,
                other.client,
                Some("SIP;cause=200;text=\"Call completed elsewhere\"".into()),
            );
        }
        outward.given_up = true;
        self.outward = Some(outward);
        self.answered = true;
        self.ring_until = None;
        self.update = allows_update(response);
        self.session = session::agreed(&core.timers, now, response);
        self.dialog = Some(dialog);
        let Some(sdp) = sdp else {
            self.bye(core, now, Some(127));
            self.end(
                core,
                Why::Refused {
                    status: 488,
                    moved_to: None,
                },
                None,
            );
            return;
        };
        let connected = match self.party {
            crate::api::Party::Trunk(_) => identity::asserted(response),
            crate::api::Party::Account(_) => None,
        };
        let leg = self.id;
        self.tell(core, Event::Answered { leg, sdp, connected });
    }

    fn on_refusal(
        &mut self,
        core: &mut Core,
        now: Duration,
        outward: &mut Outward,
        number: usize,
        told: &Told,
        response: &Message,
    ) {
        let status = response.status().unwrap_or_default();
        let fork = &mut outward.forks[number];
        if !outward.given_up && fork.tries < MOST_TRIES {
            let proved = told.request.as_ref().is_some_and(|request| {
                request.header("Authorization").is_some() || request.header("Proxy-Authorization").is_some()
            });
            match status {
                401 | 407 if !proved || is_stale(response) => {
                    if let Some(login) = &self.login {
                        let cnonce = core.tokens.text();
                        let uri = fork.dialog.target.clone();
                        let proof = crate::digest::answer(
                            response,
                            &login.user,
                            &login.secret,
                            Method::Invite.name(),
                            &uri,
                            &cnonce,
                        );
                        if proof.is_some() {
                            self.call(core, now, &outward.invite, fork, number, proof);
                            return;
                        }
                    }
                }
                422 => {
                    if let Some((least, _)) = response.seconds("Min-SE")
                        && fork.min_session.is_none_or(|known| known < least)
                    {
                        fork.min_session = Some(least);
                        self.call(core, now, &outward.invite, fork, number, None);
                        return;
                    }
                }
                _ => {}
            }
        }
        fork.failed = Some(Failure {
            status,
            heard: true,
            cause: response.q850(),
            moved_to: identity::moved_to(response),
        });
        // §16.7: 6xx ends it everywhere.
        if status >= 600 && !outward.given_up {
            for fork in outward.forks.iter().filter(|fork| fork.failed.is_none()) {
                core.cancel(now, fork.client, None);
            }
        }
    }

    pub(super) fn on_call_silence(&mut self, core: &mut Core, _now: Duration, number: usize) {
        if let Some(fork) = self
            .outward
            .as_mut()
            .and_then(|outward| outward.forks.get_mut(number))
        {
            fork.failed = Some(Failure {
                status: 408,
                heard: false,
                cause: None,
                moved_to: None,
            });
        }
        self.all_failed(core);
    }

    /// Ends the leg when the last call has failed, for the best of the reasons (§16.7).
    fn all_failed(&mut self, core: &mut Core) {
        let Some(outward) = &self.outward else { return };
        if !self.open || self.answered || outward.forks.iter().any(|fork| fork.failed.is_none()) {
            return;
        }
        let best = outward
            .forks
            .iter()
            .filter_map(|fork| fork.failed.clone())
            .min_by_key(|failure| match failure.status {
                _ if !failure.heard => 10_000,
                status @ 600.. => status - 600,
                // What another phone could do nothing about is worth less than what its user has done.
                status @ (401 | 407 | 408 | 415 | 420 | 481 | 487 | 503) => status + 1000,
                status => status,
            });
        let Some(best) = best else { return };
        let why = if best.heard {
            Why::Refused {
                status: best.status,
                moved_to: best.moved_to,
            }
        } else {
            Why::Unreachable
        };
        self.end(core, why, best.cause);
    }

    /// The early dialog of a call of ours that a request belongs to.
    pub(super) fn early_dialog(&mut self, request: &Message) -> Option<&mut Dialog> {
        self.outward
            .as_mut()?
            .forks
            .iter_mut()
            .flat_map(|fork| &mut fork.early)
            .map(|early| &mut early.dialog)
            .find(|dialog| dialog.owns(request))
    }

    pub(super) fn has_no_offer(&self) -> bool {
        matches!(self.offer, Offer::None)
    }
}

pub(super) fn is_stale(response: &Message) -> bool {
    response
        .all("WWW-Authenticate")
        .chain(response.all("Proxy-Authenticate"))
        .any(|value| {
            value
                .to_ascii_lowercase()
                .replace([' ', '"'], "")
                .contains("stale=true")
        })
}
