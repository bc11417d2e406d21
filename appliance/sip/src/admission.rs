//! Requests that begin something: who may register, who may call, and what strangers get.
//!
//! A trunk is known by its address; everybody else has to prove an account for each registration and each call. What
//! strangers send costs a challenge at most, and nothing is kept of it.

use std::time::Duration;

use crate::agent::Agent;
use crate::api::{Alarm, Event, Flow, Incoming, LegId, Party};
use crate::challenge::Verdict;
use crate::digest::Claim;
use crate::identity;
use crate::message::{Message, Method};
use crate::reception::Arrived;
use crate::registrar::Refusal;
use crate::session;

/// Extensions that a request may require of us.
const KNOWN: [&str; 2] = ["100rel", "timer"];

impl Agent {
    pub(crate) fn admit(&mut self, now: Duration, arrived: &Arrived, trusted: bool) -> Option<LegId> {
        let Arrived {
            flow,
            answers,
            message: request,
            ..
        } = arrived;
        let (flow, answers) = (*flow, *answers);
        let source = flow.remote.ip();
        if !trusted && let Err(lasts) = self.guard.request(now, source, self.limits.strangers) {
            self.core
                .events
                .push_back(Event::Alarm(Alarm::SourceBlocked { source, lasts }));
            return None;
        }
        match request.method()? {
            Method::Register => {
                self.on_register(now, arrived);
                None
            }
            Method::Invite => self.on_invite(now, arrived),
            // Scanners look for who answers; we answer whom we know.
            _ if !trusted => {
                self.suspicious(now, source);
                None
            }
            Method::Options => {
                let response = self
                    .core
                    .response(request, 200)
                    .with("Allow", Method::ALLOWED)
                    .with("Accept", "application/sdp")
                    .with("Supported", "100rel, timer");
                self.core.send(now, answers, response.to_bytes(), None);
                None
            }
            _ => {
                let response = self.core.response(request, 405).with("Allow", Method::ALLOWED);
                self.core.send(now, answers, response.to_bytes(), None);
                None
            }
        }
    }

    /// The account that a request proves. Else it has been answered, or is to be ignored.
    fn prove(&mut self, now: Duration, arrived: &Arrived) -> Option<String> {
        let (flow, answers, request) = (arrived.flow, arrived.answers, &arrived.message);
        let Some(claim) = Claim::of(request, self.challenger.realm()) else {
            self.challenge(now, answers, request, false);
            return None;
        };
        let source = flow.remote.ip();
        let account = self.accounts.get(&claim.user);
        if account.is_some() && !self.guard.may_try(now, &claim.user, source) {
            self.core.refuse(now, answers, request, 403);
            return None;
        }
        let secret = account.map(|account| &account.secret);
        let exists = secret.is_some();
        match self.challenger.judge(now, &claim, secret, request) {
            Verdict::Proved => {
                self.guard.proved(now, &claim.user, source);
                Some(claim.user)
            }
            Verdict::Stale => {
                self.challenge(now, answers, request, true);
                None
            }
            Verdict::Wrong => {
                self.suspicious(now, source);
                if exists && let Some(lasts) = self.guard.guessed(now, &claim.user) {
                    self.core.events.push_back(Event::Alarm(Alarm::AccountGuessed {
                        account: claim.user,
                        lasts,
                    }));
                }
                // The same for an account that does not exist.
                self.core.refuse(now, answers, request, 403);
                None
            }
        }
    }

    fn challenge(&mut self, now: Duration, answers: Flow, request: &Message, stale: bool) {
        let mut response = self.core.response(request, 401);
        self.challenger.challenge(now, &mut response, stale);
        self.core.send(now, answers, response.to_bytes(), None);
    }

    fn on_register(&mut self, now: Duration, arrived: &Arrived) {
        let (flow, answers, request) = (arrived.flow, arrived.answers, &arrived.message);
        let Some(user) = self.prove(now, arrived) else {
            return;
        };
        let Some(account) = self.accounts.get(&user) else {
            return;
        };
        // Nobody registers for another.
        if request.to().map(|to| to.uri.user).ok().as_ref() != Some(&user) {
            self.core.refuse(now, answers, request, 403);
            return;
        }
        let server = self.core.serve(request, arrived.key.clone(), answers, None);
        let result = self
            .registrar
            .register(&mut self.core, now, account, &self.limits, request, flow);
        let response = match result {
            Ok(contacts) => {
                let mut response = self.core.response(request, 200);
                for contact in contacts {
                    response.push("Contact", contact);
                }
                response
            }
            Err(Refusal::TooBrief(least)) => self
                .core
                .response(request, 423)
                .with("Min-Expires", least.to_string()),
            Err(Refusal::OutOfOrder) => self.core.response(request, 500),
            Err(Refusal::Malformed) => self.core.response(request, 400),
        };
        self.core.respond(now, server, &response);
    }

    fn on_invite(&mut self, now: Duration, arrived: &Arrived) -> Option<LegId> {
        let request = &arrived.message;
        let source = match self.trunk_of(&arrived.flow) {
            Some(trunk) => Party::Trunk(trunk.clone()),
            None => Party::Account(self.prove(now, arrived)?),
        };
        let unknown: Vec<&str> = request
            .values("Require")
            .filter(|token| !KNOWN.iter().any(|known| known.eq_ignore_ascii_case(token)))
            .collect();
        if !unknown.is_empty() {
            let unknown = unknown.join(", ");
            let response = self.core.response(request, 420).with("Unsupported", unknown);
            return self.refused(now, arrived, &response);
        }
        if let Some(least) = session::too_short(&self.core.timers, request) {
            let response = self.core.response(request, 422).with("Min-SE", least.to_string());
            return self.refused(now, arrived, &response);
        }
        let hops: u8 = request
            .header("Max-Forwards")
            .map_or(Some(70), |hops| hops.trim().parse().ok())
            .unwrap_or(0);
        let sdp = request.sdp();
        let bad = if hops == 0 {
            Some(483)
        } else if sdp.is_none() && !request.body.is_empty() {
            Some(415)
        } else {
            None
        };
        if let Some(status) = bad {
            let response = self.core.response(request, status);
            return self.refused(now, arrived, &response);
        }
        let registered_as = match &source {
            Party::Trunk(name) => self
                .trunks
                .get(name)
                .and_then(|trunk| trunk.config.login.as_ref())
                .map(|login| login.user.clone()),
            Party::Account(_) => None,
        };
        let called = identity::called(request, registered_as.as_deref());
        let emergency = self.is_emergency(&called);
        if !self.has_room(&source, emergency) {
            let status = match source {
                Party::Account(_) if self.open_in_all < self.limits.max_legs => 403,
                _ => 503,
            };
            let mut response = self.core.response(request, status);
            if status == 503 {
                response.push("Retry-After", "5");
            }
            return self.refused(now, arrived, &response);
        }
        let incoming = Incoming {
            leg: LegId(0),
            source: source.clone(),
            called,
            calling: identity::calling(request),
            asserted: match source {
                Party::Trunk(_) => identity::asserted(request),
                Party::Account(_) => None,
            },
            private: identity::is_private(request),
            diversions: identity::diversions(request),
            sdp,
            emergency,
            hops: hops - 1,
        };
        self.invited(now, source, arrived, |leg| {
            Event::Incoming(Box::new(Incoming { leg, ..incoming }))
        })
    }

    /// Refuses an INVITE in a transaction, so that its ACK is expected and a lost refusal repeated.
    fn refused(&mut self, now: Duration, arrived: &Arrived, response: &Message) -> Option<LegId> {
        let server = self
            .core
            .serve(&arrived.message, arrived.key.clone(), arrived.answers, None);
        self.core.respond(now, server, response);
        None
    }
}
