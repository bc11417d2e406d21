//! Phones and trunks: SIP legs and their audio, as the exchange sees them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::mpsc;
use varde_capture::{Frame, Packet};
use varde_dss1::Cause;
use varde_exchange::{Action, Calling, LegId, PlaceName, Setup, Signal, canonical, causes};
use varde_rtp::sdp::{self, Direction, Local};
use varde_rtp::{Endpoint, Happened, Media};
use varde_sip::{
    Command, Diversion, Ended, Event, Flow, Identity, Incoming, Outgoing, Party, Sip, Tapped, TrunkTrouble,
    Why,
};
use varde_site::{ExtensionPlace, Telephony, Text, Trunk};

use crate::directory::directory;
use crate::plan::{extension_place, trunk_place};
use crate::secrets::Secrets;
use crate::store::Rim;
use crate::{Error, Result};

/// Longer than the exchange lets anything ring.
const RINGS: Duration = Duration::from_mins(10);

/// Messages that may wait for their leg to be known.
const MOST_EARLY: usize = 64;
/// Max-Forwards of a call that SIP has not seen before.
const HOPS: u8 = 70;

/// What comes of SIP.
#[derive(Debug)]
pub enum GateEvent {
    /// Somebody calls: to be adopted under a leg of the exchange, or refused.
    Incoming(varde_sip::LegId, PlaceName, Setup),
    Says(LegId, Signal),
    /// A phone has registered, from that address, or is gone.
    Phone(PlaceName, Option<String>),
    /// A trunk is up, or down for a reason.
    Trunk(PlaceName, Option<TrunkTrouble>),
    /// What strangers try.
    Alarm(varde_sip::Alarm),
    /// A message of a leg, for the flight recorder.
    Tapped(LegId, Packet),
    Nothing,
}

/// One SIP leg.
struct GateLeg {
    sip: varde_sip::LegId,
    endpoint: Endpoint,
    incoming: bool,
    answered: bool,
    /// The description that was agreed on from ours, to be sent with progress or answer; none: the caller made no offer.
    ours: Option<String>,
    session: u64,
    version: u64,
    one_way: bool,
}

impl GateLeg {
    /// What we say next of ourselves.
    fn local(&mut self) -> Local {
        self.version += 1;
        Local {
            address: self.endpoint.local(),
            session: self.session,
            version: self.version,
            direction: Direction::SendRecv,
        }
    }

    /// Takes the peer's answer to our offer.
    fn accept(&mut self, answer: &str) -> bool {
        let local = self.local();
        let agreed = sdp::accept(&local, answer.as_bytes());
        if let Ok(agreed) = agreed {
            self.endpoint.agree(agreed);
        }
        agreed.is_ok()
    }
}

/// The SIP side of the bridge.
pub struct Gate {
    sip: Sip,
    media: Media,
    happened: mpsc::Receiver<Happened>,
    legs: BTreeMap<LegId, GateLeg>,
    by_sip: BTreeMap<varde_sip::LegId, LegId>,
    /// Legs that called, and whom nobody has adopted yet.
    offered: BTreeMap<varde_sip::LegId, GateLeg>,
    /// What is known of legs that are gone, for their records.
    rims: BTreeMap<LegId, Rim>,
    /// Messages of legs that the exchange does not know yet.
    early: Vec<(varde_sip::LegId, Packet)>,
    telephony: Telephony,
    next_session: u64,
}

impl Gate {
    /// Listens where the site says. A certificate that cannot be used takes TLS away and nothing else: the trouble is given
    /// with what listens.
    pub async fn start(telephony: &Telephony, secrets: &Secrets) -> Result<(Self, Option<Text>)> {
        let address = telephony
            .listen
            .first()
            .map_or(IpAddr::from([127, 0, 0, 1]), |listen| listen.address.into());
        let config = varde_rtp::Config {
            address,
            ports: telephony.rtp_ports.0..=telephony.rtp_ports.1,
        };
        let (media, happened) = Media::start(&config).map_err(Error::Media)?;
        let certified = match crate::directory::tls(telephony, secrets) {
            Ok(tls) => listen(telephony, secrets, tls).await,
            Err(error) => Err(error),
        };
        let mut listens = telephony.listen.iter();
        let others = listens.any(|listen| listen.transport != varde_site::Transport::Tls);
        let (sip, trouble) = match certified {
            Ok(sip) => (sip, None),
            Err(error @ (Error::File { .. } | Error::Sip(varde_sip::Error::Certificate(_)))) if others => {
                (listen(telephony, secrets, None).await?, Some(without_tls(&error)))
            }
            Err(error) => return Err(error),
        };
        let gate = Self {
            sip,
            media,
            happened,
            legs: BTreeMap::new(),
            by_sip: BTreeMap::new(),
            offered: BTreeMap::new(),
            rims: BTreeMap::new(),
            early: Vec::new(),
            telephony: telephony.clone(),
            // Seconds since 1970: no session of before our start has it.
            next_session: u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(1) << 16,
        };
        Ok((gate, trouble))
    }

    /// Who may register and which trunks there are, from now on. Where is listened stays as it is.
    pub fn follow(&mut self, telephony: &Telephony, secrets: &Secrets) {
        self.telephony = telephony.clone();
        self.sip.configure(directory(telephony, secrets));
    }

    /// Where is listened, and from where media go: what a reload does not change.
    pub fn fits(&self, telephony: &Telephony) -> bool {
        let what = |telephony: &Telephony| {
            let Telephony {
                listen,
                rtp_ports,
                domain,
                ..
            } = telephony;
            (listen.clone(), *rtp_ports, domain.clone())
        };
        what(&self.telephony) == what(telephony)
    }

    /// Stops listening: afterwards the addresses and ports are free.
    pub async fn close(self) {
        self.sip.close().await;
    }

    pub fn is_idle(&self) -> bool {
        self.legs.is_empty() && self.offered.is_empty()
    }

    pub fn trunk_is_up(&self, name: &str) -> bool {
        self.sip.trunk_is_up(name)
    }

    /// What happens next. May be dropped before it is done.
    pub async fn next(&mut self) -> GateEvent {
        tokio::select! {
            event = self.sip.event() => self.event(event),
            Some(happened) = self.happened.recv() => self.happened(&happened),
        }
    }

    fn happened(&mut self, happened: &Happened) -> GateEvent {
        let of = |leg: &&mut GateLeg| leg.endpoint.id() == happened.endpoint;
        if let varde_rtp::Event::Noticed(notice) = happened.event
            && let Some(leg) = self.legs.values_mut().find(of)
        {
            leg.one_way = matches!(notice, varde_rtp::Notice::Missing { .. });
        }
        GateEvent::Nothing
    }

    fn event(&mut self, event: Event) -> GateEvent {
        match event {
            Event::Incoming(incoming) => self.incoming(&incoming),
            Event::Progress { leg, status, sdp } => self.progress(leg, status, sdp.as_deref()),
            Event::Answered { leg, sdp, connected } => self.answered(leg, &sdp, connected),
            Event::Confirmed { leg, sdp } => {
                if let Some(answer) = sdp
                    && let Some(leg) = self.leg(leg)
                {
                    leg.accept(&answer);
                }
                GateEvent::Nothing
            }
            Event::Offer { leg, sdp } => {
                self.offer(leg, sdp.as_deref());
                GateEvent::Nothing
            }
            Event::Tapped(tapped) => self.tapped(*tapped),
            Event::Ended(ended) => self.ended(&ended),
            Event::Registered { account, flow, .. } => self.phone(&account, Some(flow.remote.to_string())),
            Event::Unregistered { account, contacts: 0 } => self.phone(&account, None),
            // Nothing is offered from here; and a phone may be there by another contact.
            Event::OfferAnswered { .. } | Event::OfferRefused { .. } | Event::Unregistered { .. } => {
                GateEvent::Nothing
            }
            Event::TrunkUp { trunk } => GateEvent::Trunk(trunk_place(&trunk), None),
            Event::TrunkDown { trunk, why } => {
                eprintln!("trunk {trunk}: {why}");
                GateEvent::Trunk(trunk_place(&trunk), Some(why))
            }
            Event::Alarm(alarm) => GateEvent::Alarm(alarm),
        }
    }

    fn tapped(&mut self, tapped: Tapped) -> GateEvent {
        let Some(packet) = packet(tapped.direction, tapped.flow, tapped.bytes) else {
            return GateEvent::Nothing;
        };
        if let Some(leg) = self.by_sip.get(&tapped.leg) {
            return GateEvent::Tapped(*leg, packet);
        }
        // Before the exchange has heard of it, or after it has gone: the former is told when it is adopted.
        if self.early.len() >= MOST_EARLY {
            self.early.remove(0);
        }
        self.early.push((tapped.leg, packet));
        GateEvent::Nothing
    }

    fn leg(&mut self, sip: varde_sip::LegId) -> Option<&mut GateLeg> {
        let leg = self.by_sip.get(&sip)?;
        self.legs.get_mut(leg)
    }

    fn phone(&self, account: &str, there: Option<String>) -> GateEvent {
        match self.number_of(account) {
            Some(number) => GateEvent::Phone(extension_place(&number), there),
            None => GateEvent::Nothing,
        }
    }

    fn number_of(&self, account: &str) -> Option<String> {
        let its = |place: &ExtensionPlace| matches!(place, ExtensionPlace::Account(name) if name == account);
        let mut extensions = self.telephony.extensions.iter();
        extensions
            .find(|one| its(&one.place))
            .map(|one| one.number.clone())
    }

    fn trunk(&self, name: &str) -> Option<&Trunk> {
        self.telephony.trunks.iter().find(|trunk| trunk.name == name)
    }

    /// The number of a session description that nobody has had.
    fn session(&mut self) -> u64 {
        self.next_session += 1;
        self.next_session
    }

    fn incoming(&mut self, incoming: &Incoming) -> GateEvent {
        let refused = |status, cause: Cause| Command::Reject {
            leg: incoming.leg,
            status,
            cause: Some(cause.value()),
        };
        let country = &self.telephony.country;
        let form = |number: &str| canonical(number, country);
        let (place, calling) = match &incoming.source {
            Party::Account(name) => {
                let Some(number) = self.number_of(name) else {
                    self.sip.command(refused(403, Cause::CALL_REJECTED));
                    return GateEvent::Nothing;
                };
                (extension_place(&number), number)
            }
            Party::Trunk(name) => {
                let trusted = self.trunk(name).is_some_and(|trunk| trunk.trusted);
                let identity = incoming.asserted.as_ref().filter(|_| trusted);
                let number = &identity.unwrap_or(&incoming.calling).number;
                (trunk_place(name), form(number))
            }
        };
        let setup = Setup {
            called: form(&incoming.called),
            complete: true,
            calling: (!calling.is_empty()).then_some(Calling {
                number: calling,
                hidden: incoming.private,
            }),
            diverted: incoming
                .diversions
                .first()
                .map(|diversion| form(&diversion.number)),
            hops: Some(incoming.hops),
            ..Setup::default()
        };
        let endpoint = match self.media.open() {
            Ok(endpoint) => endpoint,
            Err(error) => {
                eprintln!("a call is refused: {error}");
                self.sip.command(refused(503, Cause::RESOURCE_UNAVAILABLE));
                return GateEvent::Nothing;
            }
        };
        let session = self.session();
        let mut leg = new_leg(incoming.leg, endpoint, true, session);
        if let Some(offer) = &incoming.sdp {
            match sdp::answer(&leg.local(), offer.as_bytes()) {
                Ok((answer, agreed)) => {
                    leg.endpoint.agree(agreed);
                    leg.ours = Some(answer);
                }
                Err(error) => {
                    eprintln!("a call is refused: {error}");
                    self.sip.command(refused(488, Cause::BEARER_NOT_IMPLEMENTED));
                    return GateEvent::Nothing;
                }
            }
        }
        self.offered.insert(incoming.leg, leg);
        GateEvent::Incoming(incoming.leg, place, setup)
    }

    /// The exchange has taken a call under this leg.
    ///
    /// Gives what was recorded of it before.
    pub fn adopt(&mut self, sip: varde_sip::LegId, leg: LegId) -> Vec<Packet> {
        if let Some(offered) = self.offered.remove(&sip) {
            self.by_sip.insert(sip, leg);
            self.legs.insert(leg, offered);
        }
        let early = std::mem::take(&mut self.early);
        let its = early.into_iter().filter(|(of, _)| *of == sip);
        its.map(|(_, packet)| packet).collect()
    }

    pub fn refuse(&mut self, sip: varde_sip::LegId, cause: Cause) {
        self.offered.remove(&sip);
        self.sip.command(Command::Reject {
            leg: sip,
            status: causes::status(cause),
            cause: Some(cause.value()),
        });
    }

    fn progress(&mut self, sip: varde_sip::LegId, status: u16, sdp: Option<&str>) -> GateEvent {
        let Some(id) = self.by_sip.get(&sip).copied() else {
            return GateEvent::Nothing;
        };
        let early = match (sdp, self.leg(sip)) {
            (Some(sdp), Some(leg)) => leg.accept(sdp),
            _ => false,
        };
        let signal = match status {
            180 => Signal::Alerting { in_band: early },
            _ if early => Signal::Progress,
            _ => Signal::Proceeding,
        };
        GateEvent::Says(id, signal)
    }

    fn answered(&mut self, sip: varde_sip::LegId, sdp: &str, connected: Option<Identity>) -> GateEvent {
        let Some(id) = self.by_sip.get(&sip).copied() else {
            return GateEvent::Nothing;
        };
        let country = self.telephony.country.clone();
        let Some(leg) = self.leg(sip) else {
            return GateEvent::Nothing;
        };
        leg.answered = true;
        if !leg.accept(sdp) {
            return GateEvent::Says(id, Signal::Disconnected(Cause::BEARER_NOT_IMPLEMENTED));
        }
        let connected = connected.map(|identity| canonical(&identity.number, &country));
        GateEvent::Says(id, Signal::Answered { connected })
    }

    /// Other media in a call: hold, for one.
    fn offer(&mut self, sip: varde_sip::LegId, sdp: Option<&str>) {
        let Some(leg) = self.leg(sip) else {
            return;
        };
        let local = leg.local();
        let command = match sdp.map(|offer| sdp::answer(&local, offer.as_bytes())) {
            None => Command::AnswerOffer {
                leg: sip,
                sdp: sdp::offer(&local),
            },
            Some(Ok((answer, agreed))) => {
                leg.endpoint.agree(agreed);
                Command::AnswerOffer {
                    leg: sip,
                    sdp: answer,
                }
            }
            Some(Err(_)) => Command::RefuseOffer {
                leg: sip,
                status: 488,
            },
        };
        self.sip.command(command);
    }

    fn ended(&mut self, ended: &Ended) -> GateEvent {
        self.offered.remove(&ended.leg);
        let Some(id) = self.by_sip.remove(&ended.leg) else {
            return GateEvent::Nothing;
        };
        let status = match ended.why {
            Why::Refused { status, .. } => status,
            _ => 0,
        };
        if let Some(leg) = self.legs.remove(&id) {
            let statistics = leg.endpoint.statistics();
            let rim = Rim {
                channel: 0,
                status,
                packets: statistics.received,
                lost: statistics.lost,
                jitter: u32::try_from(statistics.jitter.as_millis()).unwrap_or(u32::MAX),
                one_way: leg.one_way,
            };
            self.rims.insert(id, rim);
        }
        let given = ended.cause.and_then(Cause::new);
        let cause = match &ended.why {
            Why::Refused { status, .. } => causes::cause(*status, given),
            Why::HungUp | Why::Cancelled | Why::Released => given.unwrap_or(Cause::NORMAL_CALL_CLEARING),
            Why::NoAnswer => Cause::NO_ANSWER,
            Why::Unreachable => Cause::NETWORK_OUT_OF_ORDER,
            Why::NotRegistered => Cause::SUBSCRIBER_ABSENT,
            Why::Unknown => Cause::NO_ROUTE_TO_DESTINATION,
            Why::Limit => Cause::NO_CIRCUIT_AVAILABLE,
            Why::Dead => Cause::TEMPORARY_FAILURE,
        };
        GateEvent::Says(id, Signal::Released(cause))
    }

    /// Does what the exchange asks of a leg; gives what that leg says to it at once.
    pub fn act(&mut self, leg: LegId, action: Action) -> Option<Signal> {
        if let Action::Call { place, setup } = action {
            return self.call(leg, &place, &setup).err().map(Signal::Released);
        }
        let Some(held) = self.legs.get_mut(&leg) else {
            return match action {
                Action::Release(cause) => Some(Signal::Released(cause)),
                _ => None,
            };
        };
        let sip = held.sip;
        let command = match action {
            Action::Alerting { in_band } => Command::Progress {
                leg: sip,
                status: 180,
                sdp: held.ours.clone().filter(|_| in_band),
            },
            Action::Progress => Command::Progress {
                leg: sip,
                status: 183,
                sdp: held.ours.clone(),
            },
            Action::Answer { .. } => {
                held.answered = true;
                let ours = held.ours.clone();
                let sdp = ours.unwrap_or_else(|| sdp::offer(&held.local()));
                Command::Answer { leg: sip, sdp }
            }
            Action::Release(cause) if held.incoming && !held.answered => Command::Reject {
                leg: sip,
                status: causes::status(cause),
                cause: Some(cause.value()),
            },
            Action::Release(cause) => Command::HangUp {
                leg: sip,
                cause: Some(cause.value()),
            },
            // SIP has no overlap here, and 100 goes by itself.
            Action::Call { .. } | Action::MoreDigits | Action::Proceeding => return None,
        };
        self.sip.command(command);
        None
    }

    fn call(&mut self, leg: LegId, place: &str, setup: &Setup) -> std::result::Result<(), Cause> {
        let (to, trunk) = match place.split_once(' ') {
            Some(("trunk", name)) => (Party::Trunk(name.into()), self.trunk(name).cloned()),
            Some(("extension", number)) => {
                let mut extensions = self.telephony.extensions.iter();
                let extension = extensions.find(|one| one.number == number);
                let Some(ExtensionPlace::Account(account)) = extension.map(|one| &one.place) else {
                    return Err(Cause::NO_ROUTE_TO_DESTINATION);
                };
                (Party::Account(account.clone()), None)
            }
            _ => return Err(Cause::NO_ROUTE_TO_DESTINATION),
        };
        let endpoint = self.media.open().map_err(|error| {
            eprintln!("a call cannot be made: {error}");
            Cause::RESOURCE_UNAVAILABLE
        })?;
        let country = self.telephony.country.clone();
        let form = |number: &str| match &trunk {
            Some(trunk) if trunk.e164 => e164(number, &country),
            _ => number.to_owned(),
        };
        let hidden = setup.calling.as_ref().is_some_and(|calling| calling.hidden);
        let calling = setup.calling.as_ref().map(|calling| form(&calling.number));
        let calling = Identity::number(calling.unwrap_or_default());
        let trusted = trunk.as_ref().is_some_and(|trunk| trunk.trusted);
        let mut extra = Vec::new();
        if let Some(location) = &setup.emergency {
            extra.push((String::from("Priority"), String::from("emergency")));
            let line: String = location.chars().filter(|one| !one.is_control()).collect();
            extra.push((String::from("Subject"), line));
        }
        let session = self.session();
        let offered = Local {
            address: endpoint.local(),
            session,
            version: 1,
            direction: Direction::SendRecv,
        };
        let outgoing = Outgoing {
            to,
            called: form(&setup.called),
            asserted: (trusted && !calling.number.is_empty()).then(|| calling.clone()),
            calling,
            private: hidden,
            diversions: setup
                .diverted
                .iter()
                .map(|number| Diversion {
                    number: form(number),
                    reason: "unknown".into(),
                })
                .collect(),
            sdp: sdp::offer(&offered),
            emergency: setup.emergency.is_some(),
            extra,
            hops: setup.hops.unwrap_or(HOPS),
            ring_for: RINGS,
        };
        let sip = self.sip.call(outgoing);
        let mut held = new_leg(sip, endpoint, false, session);
        held.version = offered.version;
        self.by_sip.insert(sip, leg);
        self.legs.insert(leg, held);
        Ok(())
    }

    /// The endpoint of a leg's audio.
    pub fn endpoint(&self, leg: LegId) -> Option<&Endpoint> {
        self.legs.get(&leg).map(|leg| &leg.endpoint)
    }

    /// What is known of a leg that is gone. Known once.
    pub fn rim(&mut self, leg: LegId) -> Option<Rim> {
        self.rims.remove(&leg)
    }

    /// Whose audio goes one way only.
    pub fn is_one_way(&self, leg: LegId) -> bool {
        self.legs.get(&leg).is_some_and(|leg| leg.one_way)
    }
}

/// Listens to SIP; without a certificate, not by TLS.
async fn listen(telephony: &Telephony, secrets: &Secrets, tls: Option<varde_sip::Tls>) -> Result<Sip> {
    let listeners = telephony.listen.iter().map(|listen| varde_sip::Listener {
        transport: transport(listen.transport),
        address: SocketAddr::from((listen.address, listen.port)),
        advertised: None,
    });
    let possible =
        |listener: &varde_sip::Listener| tls.is_some() || listener.transport != varde_sip::Transport::Tls;
    let setup = varde_sip::Setup {
        listeners: listeners.filter(possible).collect(),
        tls,
        realm: telephony.domain.clone(),
        product: "Varde".into(),
        tap: true,
        timers: varde_sip::Timers::default(),
    };
    let started = Sip::start(setup, directory(telephony, secrets)).await;
    started.map_err(Error::Sip)
}

fn without_tls(error: &Error) -> Text {
    let why = error.text();
    Text::new(
        format!(
            "SIP lytter uten TLS. {}. Rett det, og start telefonitjenesten på nytt",
            why.nb
        ),
        format!(
            "SIP is listened to without TLS. {}. Mend it, and restart the telephony service",
            why.en
        ),
    )
}

fn new_leg(sip: varde_sip::LegId, endpoint: Endpoint, incoming: bool, session: u64) -> GateLeg {
    GateLeg {
        sip,
        endpoint,
        incoming,
        answered: false,
        ours: None,
        session,
        version: 0,
        one_way: false,
    }
}

/// A number of the exchange's form with `+` and country code; short ones stay as they are.
fn e164(number: &str, country: &str) -> String {
    match number.strip_prefix("00") {
        Some(abroad) => format!("+{abroad}"),
        None if number.len() >= 8 && number.bytes().all(|octet| octet.is_ascii_digit()) => {
            format!("+{country}{number}")
        }
        None => number.into(),
    }
}

/// A message as the flight recorder keeps it; it knows IPv4 alone, as does the site.
fn packet(direction: varde_sip::Direction, flow: Flow, bytes: Vec<u8>) -> Option<Packet> {
    let (SocketAddr::V4(local), SocketAddr::V4(remote)) = (flow.local, flow.remote) else {
        return None;
    };
    Some(Packet {
        at: microseconds(),
        direction: match direction {
            varde_sip::Direction::Received => varde_capture::Direction::In,
            varde_sip::Direction::Sent => varde_capture::Direction::Out,
        },
        frame: Frame::Sip { local, remote, bytes },
    })
}

/// Now, since 1970.
pub(crate) fn microseconds() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or(0)
}

pub(crate) fn transport(transport: varde_site::Transport) -> varde_sip::Transport {
    match transport {
        varde_site::Transport::Udp => varde_sip::Transport::Udp,
        varde_site::Transport::Tcp => varde_sip::Transport::Tcp,
        varde_site::Transport::Tls => varde_sip::Transport::Tls,
    }
}
