//! Trunks: where they are, whether they are there, and our registration with them.
//!
//! A trunk counts as up when it answers, and, if we register with it, as long as the registration lasts. One lost answer
//! changes nothing: it goes down after three failures in a row and comes up again after two successes; only what is not
//! known yet is believed at once. While it is in doubt it is asked more often.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::api::{Event, Flow, TrunkTrouble};
use crate::client::Owner;
use crate::config::Trunk;
use crate::core::{Core, Due, Lookup, tag_text};
use crate::digest;
use crate::message::{Address, Message, Method, user_part};

const FAILURES: u8 = 3;
const SUCCESSES: u8 = 2;
/// How often a trunk in doubt is asked, at most.
const QUICK: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(4);
const LOOKUP_EVERY: Duration = Duration::from_mins(5);
/// Waits between attempts to register double from the first to the last.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_mins(5);

pub(crate) struct TrunkState {
    pub id: u64,
    pub config: Trunk,
    pub addresses: Vec<(SocketAddr, Option<IpAddr>)>,
    at: usize,
    /// What was last told.
    told: Option<bool>,
    /// What its answers say.
    healthy: Option<bool>,
    streak: u8,
    trouble: TrunkTrouble,
    probe_at: Option<Duration>,
    lookup_at: Option<Duration>,
    registration: Option<Registration>,
    /// It is no more in the directory, and goes when it has heard so.
    leaving: bool,
    due: Option<Duration>,
}

struct Registration {
    call_id: String,
    tag: u64,
    cseq: u32,
    lasts: Duration,
    until: Option<Duration>,
    next_at: Option<Duration>,
    failures: u32,
    proofs: u8,
}

impl TrunkState {
    pub fn new(core: &mut Core, now: Duration, config: Trunk) -> Self {
        let registration = config.register.map(|lasts| Registration {
            call_id: format!("{}@{}", core.tokens.text(), core.realm),
            tag: core.tokens.next(),
            cseq: 0,
            lasts,
            until: None,
            next_at: None,
            failures: 0,
            proofs: 0,
        });
        let mut trunk = Self {
            id: core.tokens.next(),
            config,
            addresses: Vec::new(),
            at: 0,
            told: None,
            healthy: None,
            streak: 0,
            trouble: TrunkTrouble::Silent,
            probe_at: None,
            lookup_at: Some(now),
            registration,
            leaving: false,
            due: None,
        };
        trunk.rearm(core);
        trunk
    }

    /// Whether what is known of it stays true with another configuration.
    pub fn is_same_peer(&self, other: &Trunk) -> bool {
        let own = &self.config;
        own.host == other.host
            && own.port == other.port
            && own.transport == other.transport
            && own.domain == other.domain
            && own.login == other.login
            && own.register == other.register
    }

    /// Takes another configuration of the same peer.
    pub fn take(&mut self, core: &mut Core, now: Duration, config: Trunk) {
        if config.probe != self.config.probe {
            self.probe_at = config.probe.map(|_| now);
            if config.probe.is_none() {
                self.healthy = Some(true);
                self.streak = 0;
            }
        }
        self.config = config;
        self.tell(core);
        self.rearm(core);
    }

    pub fn is_up(&self) -> bool {
        self.told == Some(true)
    }

    pub fn is_gone(&self) -> bool {
        self.leaving && self.due.is_none() && self.registration.is_none()
    }

    /// The host of addresses at this trunk.
    pub fn domain(&self) -> String {
        match &self.config.domain {
            Some(domain) => domain.clone(),
            None => self.authority(),
        }
    }

    fn authority(&self) -> String {
        let host = &self.config.host;
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.clone()
        };
        if self.config.port == 5060 {
            host
        } else {
            format!("{host}:{}", self.config.port)
        }
    }

    /// The address that calls go to now.
    pub fn flow(&self, core: &Core) -> Option<Flow> {
        let (remote, from) = self.addresses.get(self.at)?;
        core.flow_to(self.config.transport, *remote, *from)
    }

    /// The user of our Contact.
    pub fn user(&self) -> &str {
        self.config.login.as_ref().map_or("varde", |login| &login.user)
    }

    fn rearm(&mut self, core: &mut Core) {
        let (next_at, until) = self.registration.as_ref().map_or((None, None), |registration| {
            (registration.next_at, registration.until)
        });
        let next = [self.probe_at, self.lookup_at, next_at, until]
            .into_iter()
            .flatten()
            .min();
        let mut due = self.due;
        core.rearm(Due::Trunk(self.id), &mut due, next);
        self.due = due;
    }

    /// What the rim found for its name.
    pub fn found(&mut self, core: &mut Core, now: Duration, addresses: Vec<(SocketAddr, Option<IpAddr>)>) {
        if addresses.is_empty() {
            // What was known may still be right.
            if self.addresses.is_empty() {
                self.fail(core, now, TrunkTrouble::NoAddress);
                self.lookup_at = Some(now + QUICK * 3);
            }
        } else if addresses != self.addresses {
            let first = self.addresses.is_empty();
            self.addresses = addresses;
            self.at = 0;
            if self.flow(core).is_none() {
                self.fail(core, now, TrunkTrouble::NoListener);
            } else if first {
                if self.config.probe.is_some() {
                    self.probe_at = Some(now);
                } else {
                    self.healthy = Some(true);
                }
                if let Some(registration) = &mut self.registration {
                    registration.next_at = Some(now);
                }
                self.tell(core);
            }
        }
        self.rearm(core);
    }

    pub fn on_due(&mut self, core: &mut Core, now: Duration) {
        let passed = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        if passed(self.lookup_at) {
            let numeric = self.config.host.parse::<IpAddr>().is_ok();
            self.lookup_at = (!numeric).then_some(now + LOOKUP_EVERY);
            core.lookups.push_back(Lookup {
                trunk: self.config.name.clone(),
                host: self.config.host.clone(),
                port: self.config.port,
            });
        }
        if passed(self.probe_at) {
            self.probe(core, now);
        }
        if let Some(registration) = &mut self.registration
            && passed(registration.until)
        {
            registration.until = None;
            self.trouble = TrunkTrouble::Silent;
            self.tell(core);
        }
        if passed(
            self.registration
                .as_ref()
                .and_then(|registration| registration.next_at),
        ) {
            self.register(core, now, None);
        }
        self.rearm(core);
    }

    fn probe(&mut self, core: &mut Core, now: Duration) {
        self.probe_at = None;
        let Some(flow) = self.flow(core) else { return };
        let domain = self.domain();
        let request = Message::request(Method::Options, format!("sip:{domain}"))
            .with("Max-Forwards", "70")
            .with(
                "From",
                format!("<sip:varde@{}>;tag={}", core.realm, core.tokens.text()),
            )
            .with("To", format!("<sip:{domain}>"))
            .with("Call-ID", format!("{}@{}", core.tokens.text(), core.realm))
            .with("CSeq", "1 OPTIONS")
            .with("Contact", core.contact(&flow, self.user()))
            .with("User-Agent", core.product.clone());
        core.request(
            now,
            flow,
            request,
            Owner::Probe { trunk: self.id },
            Some(ANSWER_WITHIN),
        );
    }

    /// A call has found nobody: ask at once.
    pub fn suspect(&mut self, core: &mut Core, now: Duration) {
        if self.config.probe.is_some() && self.probe_at.is_some() {
            self.probe_at = Some(now);
            self.rearm(core);
        }
    }

    pub fn on_probe(&mut self, core: &mut Core, now: Duration, status: Option<u16>) {
        if self.leaving {
            return;
        }
        match status {
            None => self.fail(core, now, TrunkTrouble::Silent),
            // Whoever refuses OPTIONS is there. A proxy that reaches nobody, or is closed, says so.
            Some(status @ (408 | 480 | 500 | 502 | 503 | 504)) => {
                self.fail(core, now, TrunkTrouble::Refuses(status));
            }
            Some(_) => self.succeed(core, now),
        }
        self.rearm(core);
    }

    fn succeed(&mut self, core: &mut Core, now: Duration) {
        if self.healthy == Some(true) {
            self.streak = 0;
        } else {
            self.streak += 1;
            if self.healthy.is_none() || self.streak >= SUCCESSES {
                self.healthy = Some(true);
                self.streak = 0;
            }
        }
        self.ask_again(now);
        self.tell(core);
    }

    fn fail(&mut self, core: &mut Core, now: Duration, trouble: TrunkTrouble) {
        self.trouble = trouble;
        if self.healthy == Some(false) {
            self.streak = 0;
        } else {
            self.streak += 1;
            if self.healthy.is_none() || self.streak >= FAILURES {
                self.healthy = Some(false);
                self.streak = 0;
            }
        }
        // Another address of the same name may answer.
        if self.healthy == Some(false) && !self.addresses.is_empty() {
            self.at = (self.at + 1) % self.addresses.len();
        }
        self.ask_again(now);
        self.tell(core);
    }

    fn ask_again(&mut self, now: Duration) {
        let Some(every) = self.config.probe else { return };
        let doubt = self.healthy != Some(true) || self.streak > 0;
        self.probe_at = Some(now + if doubt { every.min(QUICK) } else { every });
    }

    /// Tells a change, if there is one.
    fn tell(&mut self, core: &mut Core) {
        let registered = self
            .registration
            .as_ref()
            .map(|registration| (registration.until.is_some(), registration.failures > 0));
        let up = match (self.healthy, registered) {
            (Some(false), _) => Some(false),
            (Some(true), None | Some((true, _))) => Some(true),
            // The first attempt is under way.
            (_, Some((false, false))) if self.told.is_none() => None,
            (_, Some((false, _))) => Some(false),
            (None, _) => None,
        };
        if up.is_none() || up == self.told || self.leaving {
            return;
        }
        self.told = up;
        let trunk = self.config.name.clone();
        core.events.push_back(if up == Some(true) {
            Event::TrunkUp { trunk }
        } else {
            Event::TrunkDown {
                trunk,
                why: self.trouble.clone(),
            }
        });
    }

    fn register(&mut self, core: &mut Core, now: Duration, proof: Option<(&'static str, String)>) {
        let Some(flow) = self.flow(core) else { return };
        let domain = self.domain();
        let user = user_part(self.user());
        let contact = core.contact(&flow, self.user());
        let leaving = self.leaving;
        let Some(registration) = &mut self.registration else {
            return;
        };
        registration.next_at = None;
        registration.cseq += 1;
        registration.proofs = if proof.is_some() {
            registration.proofs + 1
        } else {
            0
        };
        let lasts = if leaving {
            Duration::ZERO
        } else {
            registration.lasts
        };
        let mut request = Message::request(Method::Register, format!("sip:{domain}"))
            .with("Max-Forwards", "70")
            .with(
                "From",
                format!("<sip:{user}@{domain}>;tag={}", tag_text(registration.tag)),
            )
            .with("To", format!("<sip:{user}@{domain}>"))
            .with("Call-ID", registration.call_id.clone())
            .with("CSeq", format!("{} REGISTER", registration.cseq))
            .with("Contact", contact)
            .with("Expires", lasts.as_secs().to_string())
            .with("User-Agent", core.product.clone());
        if let Some((name, value)) = proof {
            request.push(name, value);
        }
        core.request(now, flow, request, Owner::Register { trunk: self.id }, None);
    }

    pub fn on_registered(&mut self, core: &mut Core, now: Duration, response: Option<&Message>) {
        let status = response.and_then(Message::status);
        if status.is_some_and(|status| status < 200) {
            return;
        }
        let (Some(login), Some(registration)) = (self.config.login.clone(), &mut self.registration) else {
            return;
        };
        match (status, response) {
            (Some(401 | 407), Some(challenge)) if registration.proofs < 2 => {
                let cnonce = core.tokens.text();
                let uri = format!("sip:{}", self.domain());
                let proof = digest::answer(
                    challenge,
                    &login.user,
                    &login.secret,
                    Method::Register.name(),
                    &uri,
                    &cnonce,
                );
                if proof.is_some() {
                    self.register(core, now, proof);
                    return;
                }
                self.not_registered(core, now, status);
            }
            (Some(423), Some(response)) if registration.failures < 3 => {
                registration.failures += 1;
                if let Some((least, _)) = response.seconds("Min-Expires") {
                    registration.lasts = registration.lasts.max(Duration::from_secs(least.into()));
                }
                self.register(core, now, None);
                return;
            }
            (Some(200..300), Some(response)) if !self.leaving => {
                let lasts = granted(response, &login.user).unwrap_or(registration.lasts);
                let lasts = lasts.clamp(
                    Duration::from_secs(10),
                    registration.lasts.max(Duration::from_secs(10)),
                );
                registration.until = Some(now + lasts);
                // Early enough to be tried again.
                registration.next_at =
                    Some(now + lasts.saturating_sub((lasts / 4).min(Duration::from_mins(1))));
                registration.failures = 0;
                if self.config.probe.is_none() {
                    self.healthy = Some(true);
                }
                self.tell(core);
            }
            _ if self.leaving => {
                if let Some(registration) = &mut self.registration {
                    registration.until = None;
                    registration.next_at = None;
                }
                self.registration = None;
            }
            _ => self.not_registered(core, now, status),
        }
        self.rearm(core);
    }

    fn not_registered(&mut self, core: &mut Core, now: Duration, status: Option<u16>) {
        let jitter = core.tokens.next() % 1000;
        let Some(registration) = &mut self.registration else {
            return;
        };
        let wait = (FIRST_WAIT * 2u32.saturating_pow(registration.failures.min(8))).min(LONGEST_WAIT);
        registration.failures += 1;
        registration.next_at = Some(now + wait + Duration::from_millis(jitter));
        self.trouble = match status {
            Some(status) => {
                // It has said no: what it granted before is worth nothing.
                registration.until = None;
                TrunkTrouble::RegistrationRefused(status)
            }
            None => TrunkTrouble::Silent,
        };
        if status.is_none() && !self.addresses.is_empty() && registration.until.is_none() {
            self.at = (self.at + 1) % self.addresses.len();
        }
        self.tell(core);
    }

    /// It is no more in the directory: take the registration back.
    pub fn leave(&mut self, core: &mut Core, now: Duration) {
        self.leaving = true;
        self.probe_at = None;
        self.lookup_at = None;
        let registered = self
            .registration
            .as_ref()
            .is_some_and(|registration| registration.until.is_some());
        if let Some(registration) = &mut self.registration {
            registration.until = None;
            registration.next_at = None;
        }
        if registered {
            self.register(core, now, None);
        } else {
            self.registration = None;
        }
        self.rearm(core);
    }
}

/// How long a 2xx grants our contact.
fn granted(response: &Message, user: &str) -> Option<Duration> {
    let own = response
        .values("Contact")
        .filter_map(|value| Address::parse(value).ok())
        .filter(|contact| contact.uri.user == user)
        .find_map(|contact| contact.params.get("expires")?.trim().parse::<u32>().ok());
    let seconds = own.or_else(|| response.seconds("Expires").map(|(seconds, _)| seconds))?;
    Some(Duration::from_secs(seconds.into()))
}
