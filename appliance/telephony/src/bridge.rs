//! The bridge: the exchange in the middle, lines, SIP and test calls around it, on one task.
//!
//! A turn takes what has come (a frame, an order, a moment), gives it to whom it is for, and then does what the exchange
//! asks for until nobody asks for anything.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use varde_capture::{Direction, Frame, Packet, Recorder};
use varde_dss1::Cause;
use varde_exchange::{
    Action, CallId, Command, Exchange, LegId, Moment, Notice, PlaceName, Record, Setup, Signal, Terms, Test,
};
use varde_line::Received;
use varde_rtp::tone::Tone;
use varde_site::{Telephony, Text};

use crate::gate::{Gate, GateEvent, microseconds};
use crate::kept::Kept;
use crate::line::LineEvent;
use crate::lines::Lines;
use crate::plan::{self, TEST};
use crate::secrets::{Of, Secrets};
use crate::sound::Sound;
use crate::store::{Reader, Rim, Store, Stored};
use crate::testcall::TestCalls;
use crate::{Result, emergency, words};

/// What others want of the bridge: done on its task, between two turns.
pub type Order = Box<dyn FnOnce(&mut Bridge) + Send>;

/// Time for what has no moment of its own.
const LOOK: Duration = Duration::from_secs(1);
/// The same where no telephony is declared: there is nothing to see.
const SELDOM: Duration = Duration::from_mins(1);
/// How soon it is tried again to listen to SIP.
const RETRY: Duration = Duration::from_secs(10);
/// Bytes of signalling that are kept for those who ask why a call failed.
const RECORDED: usize = 8 << 20;
/// A machine that is as late as this has more to do than it can: calls go on, new ones are turned away.
const PRESSED: Duration = Duration::from_millis(500);
/// How much of what was said is kept for operators to read, and for how long.
const MOST_SAID: usize = 10;
const SAID_FOR: Duration = Duration::from_hours(1);

/// Where a leg is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Home {
    Line(String),
    Sip,
    Test,
}

/// What of the site is in use.
#[derive(Clone, Debug, Default)]
pub struct InUse {
    pub telephony: Option<Telephony>,
    pub generation: u64,
}

/// What has changed since clients were last told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is one signal")]
pub struct Changed {
    pub status: bool,
    pub lines: bool,
    pub trunks: bool,
    pub extensions: bool,
    pub calls: bool,
    pub records: bool,
}

/// Something that operators should know.
#[derive(Debug)]
struct Said {
    /// By the clock of the bridge.
    at: Duration,
    /// Of what strangers try: as often as they like, so that it makes room for anything else.
    of_strangers: bool,
    text: Text,
}

pub struct Bridge {
    started: Instant,
    pub(crate) exchange: Exchange,
    pub(crate) lines: Lines,
    pub(crate) gate: Option<Gate>,
    /// Why there is none, or it is not the one that is declared.
    pub(crate) gate_trouble: Option<Text>,
    pub(crate) secrets: Secrets,
    homes: BTreeMap<LegId, Home>,
    sound: Sound,
    /// Where phones are that have registered.
    pub(crate) contacts: BTreeMap<PlaceName, String>,
    /// Since when trunks are as they are.
    trunks_since: BTreeMap<PlaceName, i64>,
    /// Why trunks are down.
    pub(crate) trunk_troubles: BTreeMap<PlaceName, varde_sip::TrunkTrouble>,
    begun: i64,
    /// B channels that legs have had.
    channels: BTreeMap<LegId, u8>,
    tests: TestCalls,
    pub(crate) emergency: emergency::Tests,
    pub(crate) store: Store,
    pub(crate) in_use: InUse,
    pub(crate) shed: u64,
    /// Why the active generation cannot be followed.
    pub(crate) unreadable: Option<Text>,
    /// What operators should know, newest last.
    said: Vec<Said>,
    pub(crate) changed: Changed,
    recorder: Recorder,
}

impl Bridge {
    /// Opens the records below a folder; nothing is declared yet.
    pub fn new(folder: &Path) -> Result<Self> {
        let (store, first) = Store::open(folder)?;
        Ok(Self {
            started: Instant::now(),
            exchange: Exchange::new(plan::nothing(), Terms::default(), first),
            lines: Lines::default(),
            gate: None,
            gate_trouble: None,
            secrets: Secrets::open(folder),
            homes: BTreeMap::new(),
            sound: Sound::default(),
            contacts: BTreeMap::new(),
            trunks_since: BTreeMap::new(),
            trunk_troubles: BTreeMap::new(),
            begun: Timestamp::now().as_millisecond(),
            channels: BTreeMap::new(),
            tests: TestCalls::default(),
            emergency: emergency::Tests::open(folder),
            store,
            in_use: InUse::default(),
            shed: 0,
            unreadable: None,
            said: Vec::new(),
            changed: Changed::default(),
            recorder: Recorder::new(RECORDED),
        })
    }

    fn clock(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn now(&self) -> Moment {
        Moment {
            clock: self.clock(),
            wall: Timestamp::now(),
        }
    }

    /// Listens to SIP as the site declares. What is listened to already is kept: only a restart of the service changes
    /// addresses and ports while there are calls.
    pub async fn listen(&mut self) {
        let telephony = self.in_use.telephony.clone();
        let fits = |gate: &Gate| telephony.as_ref().is_some_and(|telephony| gate.fits(telephony));
        if let Some(gate) = &self.gate
            && !fits(gate)
        {
            if !gate.is_idle() {
                self.gate_trouble = Some(Text::new(
                    "SIP lytter fortsatt som før: adresser og porter byttes når samtalene over SIP er over",
                    "SIP is listened to as before: addresses and ports change when the calls over SIP are over",
                ));
                return;
            }
            if let Some(gate) = self.gate.take() {
                gate.close().await;
            }
            // Phones are known by those that listen: they register anew.
            for phone in std::mem::take(&mut self.contacts).into_keys() {
                self.exchange.lost_place(self.now(), &phone);
            }
            self.changed.extensions = true;
        }
        self.gate_trouble = None;
        let (None, Some(telephony)) = (&self.gate, telephony) else {
            return;
        };
        match Gate::start(&telephony, &self.secrets).await {
            Ok((gate, trouble)) => {
                if let Some(trouble) = &trouble {
                    eprintln!("{}", trouble.en);
                }
                self.gate = Some(gate);
                self.gate_trouble = trouble;
            }
            Err(error) => {
                eprintln!("{}", error.text().en);
                self.gate_trouble = Some(error.text());
            }
        }
        self.changed.status = true;
    }

    /// Whether [`Bridge::listen`] would change something.
    fn should_listen(&self) -> bool {
        match (&self.gate, &self.in_use.telephony) {
            (Some(gate), Some(telephony)) => !gate.fits(telephony) && gate.is_idle(),
            (Some(gate), None) => gate.is_idle(),
            (None, telephony) => telephony.is_some(),
        }
    }

    /// Takes what the site declares into use. Calls that there are go on as they are.
    pub fn follow(&mut self, telephony: Option<Telephony>, zone: &TimeZone, generation: u64) {
        let now = self.now();
        let plan = match &telephony {
            Some(telephony) => plan::plan(telephony, zone.clone()),
            None => plan::nothing(),
        };
        self.unreadable = None;
        self.exchange.set_plan(plan);
        self.lines
            .follow(telephony.as_ref(), now.clock, now.wall.as_millisecond());
        self.emergency.follow(telephony.as_ref(), zone);
        if let (Some(gate), Some(telephony)) = (&mut self.gate, &telephony)
            && gate.fits(telephony)
        {
            gate.follow(telephony, &self.secrets);
        }
        self.in_use = InUse {
            telephony,
            generation,
        };
        self.changed = Changed {
            status: true,
            lines: true,
            trunks: true,
            extensions: true,
            ..self.changed
        };
        self.work();
    }

    /// The active generation cannot be read: telephony stays as it is, and operators see why. At a start it is as it was
    /// kept.
    pub fn cannot_follow(&mut self, why: &str, kept: Option<Kept>) {
        if let (0, Some(kept)) = (self.in_use.generation, kept) {
            let zone = TimeZone::get(&kept.zone).unwrap_or(TimeZone::UTC);
            self.follow(kept.telephony, &zone, kept.generation);
        }
        self.unreadable = Some(Text::new(
            format!(
                "Den aktive generasjonen kan ikke leses: {why}. Telefonien er som før. Rull tilbake stedet"
            ),
            format!(
                "The active generation cannot be read: {why}. Telephony is as before. Roll the site back"
            ),
        ));
        self.changed.status = true;
    }

    /// Runs until nobody can give orders any more.
    pub async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut ticks = interval(Duration::from_millis(20));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut listened = None;
        self.work();
        loop {
            // What cannot be listened to is tried again now and then.
            let since = listened.map_or(Duration::MAX, |at| self.clock().saturating_sub(at));
            if self.should_listen() && since >= RETRY {
                listened = Some(self.clock());
                self.listen().await;
            }
            let look = if self.declared().is_some() { LOOK } else { SELDOM };
            let due = self.started + self.poll_timeout().min(self.clock() + look);
            let mut late = None;
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => order(&mut self),
                    None => return,
                },
                (name, received) = poll_fn(|context| self.lines.poll_receive(context)) => {
                    self.line_received(&name, received);
                }
                event = next(&mut self.gate) => self.gate_says(event),
                _ = ticks.tick(), if self.sound.is_busy() => self.tick(),
                () = sleep_until(due) => late = Some(due.elapsed()),
            }
            if let Some(late) = late {
                // Whoever is called on time has time for more.
                self.exchange.set_pressed(late > PRESSED);
            }
            if !self.sound.is_busy() {
                // Nobody listened to what was missed.
                ticks.reset();
            }
            self.timeouts();
            self.work();
        }
    }

    fn line_received(&mut self, name: &str, received: varde_line::Result<Received>) {
        let now = self.clock();
        match received {
            Ok(received) => {
                if let Some(end) = self.lines.end_mut(name) {
                    end.receive(now, received);
                }
            }
            Err(error) => eprintln!("line {name}: {error}"),
        }
    }

    fn poll_timeout(&self) -> Duration {
        let exchange = self.exchange.poll_timeout().into_iter();
        let times = exchange
            .chain(self.lines.poll_timeout())
            .chain(self.tests.poll_timeout());
        times.min().unwrap_or(Duration::MAX)
    }

    fn timeouts(&mut self) {
        let now = self.now();
        for (_, end) in self.lines.ends() {
            end.handle_timeout(now.clock);
        }
        if self.exchange.poll_timeout().is_some_and(|at| at <= now.clock) {
            self.exchange.handle_timeout(now);
        }
        for (leg, cause) in self.tests.due(now.clock) {
            self.exchange.signal(now, leg, Signal::Released(cause));
        }
        if self.emergency.is_due(now.wall) {
            self.test_emergency();
        }
        self.lines.tidy(now.clock, now.wall.as_millisecond());
    }

    /// Does what is asked for until nobody asks for anything.
    pub(crate) fn work(&mut self) {
        loop {
            let now = self.now();
            let mut events: Vec<(String, LineEvent)> = Vec::new();
            for (name, end) in self.lines.ends() {
                let of_line = end.settle(now.clock);
                events.extend(of_line.into_iter().map(|event| (name.clone(), event)));
            }
            let mut quiet = events.is_empty();
            for (name, event) in events {
                self.line_says(now, &name, event);
            }
            while let Some(command) = self.exchange.poll_command() {
                quiet = false;
                self.obey(now, command);
            }
            if quiet {
                return;
            }
        }
    }

    fn line_says(&mut self, now: Moment, name: &str, event: LineEvent) {
        match event {
            LineEvent::Incoming(call, setup) => {
                let Some(end) = self.lines.end_mut(name) else {
                    return;
                };
                match self.exchange.incoming(now, &end.place, setup) {
                    Ok(leg) => {
                        end.adopt(call, leg);
                        self.homes.insert(leg, Home::Line(name.into()));
                        self.note_channel(leg);
                    }
                    // A line that is declared no longer takes no new calls.
                    Err(_) => end.refuse(now.clock, call, Cause::SERVICE_NOT_AVAILABLE),
                }
                self.changed.calls = true;
            }
            LineEvent::Says(leg, signal) => {
                self.note_channel(leg);
                self.exchange.signal(now, leg, signal);
                self.changed.calls = true;
            }
            LineEvent::Audio { leg, time, octets } => self.heard(leg, time, &octets),
            LineEvent::Frame { leg, sent, bytes } => {
                let network = self
                    .lines
                    .end(name)
                    .is_some_and(crate::line::LineEnd::gives_tones);
                let packet = Packet {
                    at: microseconds(),
                    direction: if sent { Direction::Out } else { Direction::In },
                    frame: Frame::Lapd {
                        line: name.into(),
                        network,
                        bytes,
                    },
                };
                note(&self.exchange, &mut self.recorder, leg, packet);
            }
            LineEvent::Usable(usable) => {
                if let Some(held) = self.lines.get_mut(name) {
                    held.since = now.wall.as_millisecond();
                }
                let place = plan::line_place(name);
                if usable {
                    self.exchange.answered_place(now, &place);
                } else {
                    self.exchange.lost_place(now, &place);
                }
                self.changed.lines = true;
                self.changed.status = true;
            }
            LineEvent::Note(what) => eprintln!("line {name}: {what}"),
        }
    }

    fn gate_says(&mut self, event: GateEvent) {
        let now = self.now();
        match event {
            GateEvent::Incoming(sip, place, setup) => {
                let taken = self.exchange.incoming(now, &place, setup);
                if let Some(gate) = &mut self.gate {
                    match taken {
                        Ok(leg) => {
                            self.homes.insert(leg, Home::Sip);
                            for packet in gate.adopt(sip, leg) {
                                note(&self.exchange, &mut self.recorder, leg, packet);
                            }
                        }
                        Err(_) => gate.refuse(sip, Cause::SERVICE_NOT_AVAILABLE),
                    }
                }
                self.changed.calls = true;
            }
            GateEvent::Says(leg, signal) => {
                self.exchange.signal(now, leg, signal);
                self.changed.calls = true;
            }
            GateEvent::Phone(place, contact) => {
                if let Some(contact) = contact {
                    self.exchange.found_place(&place);
                    self.contacts.insert(place, contact);
                } else {
                    self.exchange.lost_place(now, &place);
                    self.contacts.remove(&place);
                }
                self.changed.extensions = true;
            }
            GateEvent::Trunk(place, trouble) => {
                if let Some(trouble) = trouble {
                    self.exchange.lost_place(now, &place);
                    self.trunk_troubles.insert(place.clone(), trouble);
                } else {
                    self.exchange.answered_place(now, &place);
                    self.trunk_troubles.remove(&place);
                }
                self.trunks_since.insert(place, now.wall.as_millisecond());
                self.changed.trunks = true;
                self.changed.status = true;
            }
            GateEvent::Alarm(alarm) => self.say(words::alarm(&alarm), true),
            GateEvent::Tapped(leg, packet) => note(&self.exchange, &mut self.recorder, leg, packet),
            GateEvent::Nothing => {}
        }
    }

    /// What a channel is to be played every 20 ms.
    fn tick(&mut self) {
        let mut echoes = Vec::new();
        self.sound.tick(|leg, octets| match self.homes.get(&leg) {
            Some(Home::Line(name)) => {
                if let Some(end) = self.lines.end_mut(name) {
                    end.play(leg, octets);
                }
            }
            Some(Home::Test) => {
                self.tests.hear(leg, octets);
                echoes.push((leg, octets.to_vec()));
            }
            Some(Home::Sip) | None => {}
        });
        // Whoever was called by a test hears an echo.
        for (leg, octets) in echoes {
            self.sound.echoed(leg, &octets);
        }
    }

    /// Audio from a line.
    fn heard(&mut self, leg: LegId, time: u32, octets: &[u8]) {
        let Some(to) = self.sound.heard(leg, time, octets) else {
            return;
        };
        let whom = match self.homes.get(&to) {
            Some(Home::Test) => {
                self.tests.hear(to, octets);
                leg
            }
            _ => to,
        };
        if let Some(Home::Line(name)) = self.homes.get(&whom)
            && let Some(end) = self.lines.end_mut(name)
        {
            end.play(whom, octets);
        }
    }

    fn join(&mut self, one: LegId, other: LegId) {
        let gate = self.gate.as_ref();
        let endpoint = |leg| gate.and_then(|gate| gate.endpoint(leg));
        self.sound.join([one, other], [endpoint(one), endpoint(other)]);
    }

    fn note_channel(&mut self, leg: LegId) {
        if let Some(Home::Line(name)) = self.homes.get(&leg)
            && let Some(channel) = self.lines.end(name).and_then(|end| end.channel_of(leg))
        {
            self.channels.insert(leg, channel.number());
        }
    }

    /// The B channel that a leg has, or had; 0 for none.
    pub(crate) fn channel(&self, leg: LegId) -> u8 {
        self.channels.get(&leg).copied().unwrap_or(0)
    }

    fn obey(&mut self, now: Moment, command: Command) {
        match command {
            Command::Leg(leg, action) => self.ask(now, leg, action),
            Command::Join(one, other) => self.join(one, other),
            Command::Record(record) => self.ended(*record),
            Command::Notice(notice) => self.notice(&notice),
        }
    }

    fn ask(&mut self, now: Moment, leg: LegId, action: Action) {
        if let Action::Call { place, .. } = &action {
            let home = match place.split_once(' ') {
                Some(("line", name)) => Home::Line(name.into()),
                Some(_) => Home::Sip,
                None => Home::Test,
            };
            self.homes.insert(leg, home);
        }
        if let Action::Release(_) = action {
            self.sound.part(leg);
        }
        self.changed.calls = true;
        let gone = Some(Signal::Released(Cause::NETWORK_OUT_OF_ORDER));
        let says = match self.homes.get(&leg) {
            Some(Home::Line(name)) => match self.lines.end_mut(name) {
                Some(end) => {
                    let rings = action == (Action::Alerting { in_band: false }) && end.gives_tones();
                    end.act(now.clock, leg, action);
                    if rings {
                        self.sound.play(leg, Tone::Ringing);
                    }
                    self.note_channel(leg);
                    None
                }
                None => gone,
            },
            Some(Home::Sip) => match &mut self.gate {
                Some(gate) => gate.act(leg, action),
                None => gone,
            },
            Some(Home::Test) | None => self.tests.act(now.clock, leg, &action),
        };
        if let Some(signal) = says {
            self.exchange.signal(now, leg, signal);
        }
    }

    fn ended(&mut self, record: Record) {
        let caller = record.legs.first().copied();
        let called = record.legs.get(1..).and_then(<[LegId]>::last).copied();
        let mut stored = Stored {
            caller: self.rim(caller),
            called: self.rim(called),
            record,
        };
        if let Some(heard) = caller.and_then(|leg| self.tests.end(leg)) {
            stored.called.one_way = !heard;
        }
        if self.emergency.ended(&stored.record) && !self.emergency.last.passed {
            eprintln!("the test of the emergency route failed");
        }
        for leg in &stored.record.legs {
            self.homes.remove(leg);
            self.channels.remove(leg);
            self.sound.part(*leg);
            if let Some(gate) = &mut self.gate {
                gate.rim(*leg);
            }
        }
        self.recorder.end(stored.record.call);
        self.store.put(stored);
        self.changed.records = true;
        self.changed.calls = true;
        self.changed.status = true;
    }

    /// What is known of one side of a call that is over.
    fn rim(&mut self, leg: Option<LegId>) -> Rim {
        let Some(leg) = leg else {
            return Rim::default();
        };
        let of_gate = self.gate.as_mut().and_then(|gate| gate.rim(leg));
        of_gate.unwrap_or_else(|| Rim {
            channel: self.channel(leg),
            ..Rim::default()
        })
    }

    fn notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Shed => {
                self.shed += 1;
                self.changed.status = true;
                return;
            }
            // A phone that is switched off is nobody's trouble.
            Notice::Place { place, .. } if place.starts_with("extension ") => {
                self.changed.extensions = true;
                return;
            }
            // Its state tells it as long as it is so.
            Notice::Place { .. } => {
                self.changed.lines = true;
                self.changed.trunks = true;
                self.changed.status = true;
                eprintln!("{}", words::notice(notice).en);
                return;
            }
            _ => {}
        }
        self.say(words::notice(notice), false);
    }

    fn say(&mut self, text: Text, of_strangers: bool) {
        eprintln!("{}", text.en);
        let at = self.clock();
        self.said.push(Said {
            at,
            of_strangers,
            text,
        });
        if self.said.len() > MOST_SAID {
            let least = self.said.iter().position(|said| said.of_strangers);
            self.said.remove(least.unwrap_or(0));
        }
        self.changed.status = true;
    }

    /// What was said within the last hour, newest first: of what strangers try, or of all else.
    pub(crate) fn said_lately(&self, of_strangers: bool) -> impl Iterator<Item = &Text> {
        let now = self.clock();
        let lately =
            move |said: &&Said| said.of_strangers == of_strangers && now.saturating_sub(said.at) < SAID_FOR;
        self.said.iter().rev().filter(lately).map(|said| &said.text)
    }

    /// Whether a number calls for help.
    pub fn is_for_help(&self, number: &str) -> bool {
        self.exchange.plan().is_for_help(number)
    }

    /// Calls a number as the site does; the number of the call. Nobody who helps is called with a tone.
    pub fn test_call(&mut self, number: &str, test: Test, within: Duration) -> Option<u64> {
        if self.is_for_help(number) {
            return None;
        }
        let now = self.now();
        let setup = Setup {
            called: number.into(),
            complete: true,
            test: Some(test),
            ..Setup::default()
        };
        let leg = self.exchange.incoming(now, &TEST.into(), setup).ok()?;
        self.homes.insert(leg, Home::Test);
        self.tests.begin(leg, now.clock, within);
        let call = self.exchange.calls().find(|call| call.legs.contains(&leg))?.call;
        self.work();
        Some(call.number())
    }

    /// Begins the test of the emergency route: a call over each target. Their numbers.
    pub fn test_emergency(&mut self) -> Vec<u64> {
        let (Some(number), Some(telephony)) = (self.emergency.number.clone(), self.in_use.telephony.clone())
        else {
            return Vec::new();
        };
        let now = Timestamp::now();
        let within = self.emergency.within;
        let targets = self.emergency.targets.clone();
        let call = |name: &String| {
            let test = Test {
                to: Some(plan::target(&telephony, name)?),
                emergency: true,
            };
            self.test_call(&number, test, within)
        };
        let calls: Vec<Option<u64>> = targets.iter().map(call).collect();
        self.emergency.begun(now, &calls);
        calls.into_iter().flatten().collect()
    }

    /// What reads the records.
    pub fn reader(&self) -> Reader {
        self.store.reader()
    }

    /// Whether SIP is listened to.
    pub fn listens(&self) -> bool {
        self.gate.is_some()
    }

    /// Whether every channel of a line is free.
    pub fn is_at_rest(&self, line: &str) -> bool {
        self.lines.end(line).is_some_and(|end| {
            end.channels()
                .all(|(_, state, _)| state == varde_dss1::ChannelState::Idle)
        })
    }

    /// The lines that there are, those among them that go when their calls end.
    pub fn line_names(&self) -> Vec<String> {
        self.lines.iter().map(|held| held.declared.name.clone()).collect()
    }

    /// An operator ends a call; false if there is none of that number.
    pub fn clear(&mut self, call: u64) -> bool {
        let now = self.now();
        let cleared = self.exchange.clear(now, CallId::numbered(call));
        self.work();
        cleared
    }

    /// The signalling of a call as a file, if it is kept.
    pub fn recording(&self, call: u64) -> Option<Vec<u8>> {
        self.recorder.file(call)
    }

    /// Whether the signalling of a call is kept.
    pub fn has_recording(&self, call: u64) -> bool {
        self.recorder.has(call)
    }

    /// What is declared.
    pub fn declared(&self) -> Option<&Telephony> {
        self.in_use.telephony.as_ref()
    }

    /// Since when a trunk is as it is.
    pub(crate) fn since(&self, trunk: &PlaceName) -> i64 {
        self.trunks_since.get(trunk).copied().unwrap_or(self.begun)
    }

    /// What clients should read again since this was asked last.
    pub fn take_changed(&mut self) -> Changed {
        std::mem::take(&mut self.changed)
    }

    /// Keeps a secret and has it used.
    pub fn set_secret(&mut self, of: Of<'_>, secret: &str) -> Result<()> {
        self.secrets.set(of, secret)?;
        if let (Some(gate), Some(telephony)) = (&mut self.gate, &self.in_use.telephony) {
            gate.follow(telephony, &self.secrets);
        }
        self.changed.trunks = true;
        self.changed.extensions = true;
        Ok(())
    }

    /// Brings a channel of a line, or all for 0, to rest at both ends. False if there is no such channel.
    pub fn restart(&mut self, line: &str, channel: u8) -> bool {
        let now = self.clock();
        let restarted = self
            .lines
            .end_mut(line)
            .is_some_and(|end| end.restart(now, channel));
        self.changed.lines = true;
        self.work();
        restarted
    }

    /// Ends every call: the service goes down.
    pub fn close(&mut self) {
        let now = self.now();
        self.exchange.clear_all(now);
        self.work();
    }
}

/// Keeps a frame or message of a leg with its call.
fn note(exchange: &Exchange, recorder: &mut Recorder, leg: LegId, packet: Packet) {
    if let Some(call) = exchange.call_of_leg(leg) {
        recorder.note(call.number(), packet);
    }
}

/// What happens next at the gate; nothing ever, if there is none.
async fn next(gate: &mut Option<Gate>) -> GateEvent {
    match gate {
        Some(gate) => gate.next().await,
        None => std::future::pending().await,
    }
}
