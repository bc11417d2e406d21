//! Every cell of Q.931's call control: state, event, and what must follow, from `annex_a.txt`.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use std::collections::BTreeSet;
use std::time::Duration;

use varde_dss1::{
    BearerCapability, CallId, CallReference, Cause, ChannelIdentification, ChannelState, Config, Element,
    Elements, Indication, Interface, Location, Message, MessageType, Number, Output, Parameters, Progress,
    ProgressDescription, Received, Request, RequestError, RestartClass, State, Timer,
};
use varde_lapd::{Ces, Indication as LinkIndication, Request as LinkRequest, Side};

const TABLE: &str = include_str!("annex_a.txt");
/// Between what leads to a situation and the event.
const A_MOMENT: Duration = Duration::from_millis(100);
/// The value of the call reference of a call that comes.
const THEIRS: u16 = 77;

struct Cell {
    situation: String,
    event: String,
    /// Next state, messages sent, what the application is told, timers.
    expected: [String; 4],
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for line in TABLE.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [situations, events, next, sent, told, timers] = columns[..] else {
            panic!("not six columns: {line}");
        };
        for situation in situations.split(';').map(str::trim) {
            for event in events.split(';').map(str::trim) {
                cells.push(Cell {
                    situation: situation.into(),
                    event: event.into(),
                    expected: [next.into(), sent.into(), told.into(), timers.into()],
                });
            }
        }
    }
    cells
}

fn side(situation: &str) -> Side {
    if situation.starts_with('U') {
        Side::User
    } else {
        Side::Network
    }
}

/// The number in a situation.
fn number(situation: &str) -> u8 {
    let digits: String = situation.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// The states that have another number on each side.
fn named_state(name: &str, side: Side) -> u8 {
    let (user, network) = match name {
        "ack" => (2, 25),
        "proc" => (3, 9),
        "alert" => (4, 7),
        "over" => (25, 2),
        "proc'" => (9, 3),
        "disc" => (11, 12),
        "disc'" => (12, 11),
        "rel" => (19, 19),
        "0" => (0, 0),
        state => (number(state), number(state)),
    };
    match side {
        Side::User => user,
        Side::Network => network,
    }
}

#[test]
fn every_cell_is_as_in_the_table() {
    let mut wrong = Vec::new();
    for cell in cells() {
        let mut bench = Bench::new(side(&cell.situation));
        bench.reach(&cell.situation);
        let before = bench.timers();
        let got = bench.event(&cell.event);
        let [next, sent, told, timers] = &cell.expected;
        let next = if next == "=" {
            number(&cell.situation)
        } else {
            named_state(next, bench.side)
        };
        let sent = sent.replace('=', &next.to_string());
        let timers = if timers == "=" { &before } else { timers };
        let expected = [next.to_string(), sent, told.clone(), timers.clone()];
        if got != expected {
            let (situation, event) = (&cell.situation, &cell.event);
            wrong.push(format!(
                "{situation} | {event}\n  expected {expected:?}\n  got      {got:?}"
            ));
        }
        bench.check_channels();
    }
    assert!(
        wrong.is_empty(),
        "{} cells are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_event_is_tried_in_every_state() {
    const REQUESTS: [&str; 12] = [
        "setup-acknowledge",
        "proceeding",
        "alerting",
        "progress",
        "connect",
        "accept",
        "information",
        "notify",
        "facility",
        "enquire",
        "clear",
        "ignore",
    ];
    let named: BTreeSet<(String, String)> = cells()
        .into_iter()
        .map(|cell| (cell.situation, cell.event))
        .collect();
    let mut missing = Vec::new();
    let mut count = 0;
    for side in ["U", "N"] {
        for state in [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 19, 25] {
            let situation = format!("{side}{state}");
            // SEGMENT is a part of a message, not one.
            let messages = MessageType::ALL
                .iter()
                .filter(|kind| **kind != MessageType::Segment);
            let mut events: Vec<String> = messages.map(|kind| kind.name().to_string()).collect();
            events.extend(REQUESTS.map(String::from));
            events
                .extend(["unknown", "link lost", "link reset", "restart", "STATUS 101 0"].map(String::from));
            let mut bench = Bench::new(self::side(&situation));
            bench.reach(&situation);
            events.extend(
                bench
                    .timers()
                    .split_whitespace()
                    .filter(|timer| *timer != "-")
                    .map(String::from),
            );
            for event in events {
                // What a STATUS does depends on the state that it reports.
                let found = if event == "STATUS" {
                    named
                        .iter()
                        .any(|(s, e)| *s == situation && e.starts_with("STATUS ") && !e.ends_with(" 0"))
                } else {
                    named.contains(&(situation.clone(), event.clone()))
                };
                count += 1;
                if !found {
                    missing.push(format!("{situation} | {event}"));
                }
            }
        }
    }
    assert!(
        missing.is_empty(),
        "{} of {count} cells:\n{}",
        missing.len(),
        missing.join("\n")
    );
}

/// One interface, and what its application and its peer can do with one call.
struct Bench {
    interface: Interface,
    side: Side,
    now: Duration,
    call: Option<CallId>,
    /// The call's reference, as the peer writes it.
    reference: CallReference,
    sent: Vec<String>,
    told: Vec<String>,
}

impl Bench {
    fn new(side: Side) -> Self {
        let config = Config {
            channels: vec![1, 2, 3],
            parameters: Parameters {
                // Shorter than T309, so that it can run out while the data link is lost.
                check: Duration::from_mins(1),
                ..Parameters::STANDARD
            },
            ..Config::primary(side)
        };
        let mut bench = Self {
            interface: Interface::new(config),
            side,
            now: Duration::ZERO,
            call: None,
            reference: CallReference::Call {
                value: THEIRS,
                from_origin: true,
            },
            sent: Vec::new(),
            told: Vec::new(),
        };
        bench
            .interface
            .receive(bench.now, Ces::OWN, LinkIndication::EstablishConfirm);
        bench.take();
        let restarted = Message {
            reference: CallReference::Global { from_origin: false },
            kind: MessageType::RestartAcknowledge,
            elements: [Element::Restart(RestartClass::Interface)].into(),
        };
        bench.deliver(&restarted);
        bench.sent.clear();
        bench
    }

    /// Leads the call into a situation by what an application and a peer can do.
    fn reach(&mut self, situation: &str) {
        let outgoing: &[&str] = &["setup"];
        let incoming: &[&str] = &["SETUP"];
        let user = self.side == Side::User;
        let (start, way): (&[&str], &[&str]) = match number(situation) {
            0 => return,
            1 if user => (outgoing, &[]),
            2 if user => (outgoing, &["SETUP ACKNOWLEDGE"]),
            3 if user => (outgoing, &["CALL PROCEEDING"]),
            4 if user => (outgoing, &["ALERTING"]),
            6 if user => (incoming, &[]),
            7 if user => (incoming, &["alerting"]),
            8 if user => (incoming, &["connect"]),
            9 if user => (incoming, &["proceeding"]),
            10 if user => (outgoing, &["CONNECT"]),
            11 if user => (outgoing, &["CALL PROCEEDING", "clear"]),
            25 if user => (incoming, &["setup-acknowledge"]),
            1 => (incoming, &[]),
            2 => (incoming, &["setup-acknowledge"]),
            3 => (incoming, &["proceeding"]),
            4 => (incoming, &["proceeding", "alerting"]),
            6 => (outgoing, &[]),
            7 => (outgoing, &["ALERTING"]),
            8 => (outgoing, &["CONNECT"]),
            9 => (outgoing, &["CALL PROCEEDING"]),
            10 => (outgoing, &["CONNECT", "accept"]),
            12 if !user && situation.ends_with('t') => (outgoing, &["CALL PROCEEDING", "clear with tones"]),
            12 if !user => (outgoing, &["CALL PROCEEDING", "clear"]),
            11 | 12 if situation.ends_with("bare") => (outgoing, &["CALL PROCEEDING", "DISCONNECT bare"]),
            11 | 12 if situation.ends_with("faulty") => (outgoing, &["CALL PROCEEDING", "DISCONNECT faulty"]),
            11 | 12 => (outgoing, &["CALL PROCEEDING", "DISCONNECT"]),
            19 => (outgoing, &["CALL PROCEEDING", "clear", "T305"]),
            25 => (outgoing, &["SETUP ACKNOWLEDGE"]),
            _ => panic!("no way to {situation}"),
        };
        for event in start.iter().chain(way) {
            self.event(event);
        }
        let last = match situation.chars().last().unwrap() {
            'r' => match number(situation) {
                1 | 6 => "T303",
                19 => "T308",
                _ => "T302",
            },
            'p' => "PROGRESS",
            'e' | 'f' if !situation.ends_with("bare") => "enquire",
            'l' => "link lost",
            _ => "",
        };
        if !last.is_empty() {
            self.event(last);
        }
        if situation.ends_with('f') {
            self.event("T322");
        }
        assert_eq!(self.state(), number(situation), "situation {situation}");
    }

    fn state(&self) -> u8 {
        let state = self.call.and_then(|call| self.interface.state(call));
        state.map_or(0, State::number)
    }

    fn timers(&self) -> String {
        let timers = self.call.into_iter().flat_map(|call| self.interface.timers(call));
        let mut names: Vec<String> = timers.map(|(timer, _)| format!("{timer:?}")).collect();
        names.sort();
        joined(&names, " ")
    }

    /// Makes an event happen, and gives next state, messages sent, what the application is told, timers.
    fn event(&mut self, event: &str) -> [String; 4] {
        self.now += A_MOMENT;
        self.sent.clear();
        self.told.clear();
        match event {
            "link lost" => self.link(LinkIndication::Release),
            "link back" => self.link(LinkIndication::EstablishConfirm),
            "link reset" => self.link(LinkIndication::Establish),
            "restart" => self.restart(),
            "setup" => {
                let elements = [Element::BearerCapability(BearerCapability::speech())];
                self.call = Some(self.interface.call(self.now, elements.into()).unwrap());
            }
            timer if timer.starts_with("T3") || timer == "Check" => self.run_out(timer),
            message
                if message.starts_with(|first: char| first.is_ascii_uppercase()) || message == "unknown" =>
            {
                self.message(message);
            }
            request => self.request(request),
        }
        self.take();
        [
            self.state().to_string(),
            joined(&self.sent, ", "),
            joined(&self.told, ", "),
            self.timers(),
        ]
    }

    fn link(&mut self, indication: LinkIndication) {
        self.interface.receive(self.now, Ces::OWN, indication);
    }

    fn run_out(&mut self, name: &str) {
        let call = self.call.unwrap();
        let running: Vec<(Timer, Duration)> = self.interface.timers(call).collect();
        let timer = running.iter().find(|(timer, _)| format!("{timer:?}") == name);
        let (_, at) = timer.unwrap_or_else(|| panic!("{name} does not run: {running:?}"));
        self.now = *at;
        self.interface.handle_timeout(self.now);
    }

    fn restart(&mut self) {
        // All of them: a call may not know its channel yet.
        let message = Message {
            reference: CallReference::Global { from_origin: true },
            kind: MessageType::Restart,
            elements: [Element::Restart(RestartClass::Interface)].into(),
        };
        self.deliver(&message);
    }

    fn request(&mut self, name: &str) {
        let (request, element) = match name {
            "setup-acknowledge" => (Request::SetupAcknowledge, None),
            "proceeding" => (Request::Proceeding, None),
            "alerting" => (Request::Alerting, None),
            "progress" => (Request::Progress, Some(in_band())),
            "connect" => (Request::Connect, None),
            "accept" => (Request::Accept, None),
            "information" => (
                Request::Information,
                Some(Element::CalledNumber(Number::dialled("5"))),
            ),
            "notify" => (Request::Notify, Some(Element::Notification(0))),
            "facility" => (Request::Facility, Some(Element::Facility(vec![0x91]))),
            "enquire" => (Request::Enquire, None),
            "clear" => (
                Request::Clear,
                Some(Cause::NORMAL_CALL_CLEARING.at(Location::USER)),
            ),
            "clear with tones" => (Request::Clear, Some(in_band())),
            "ignore" => (Request::Ignore, None),
            _ => panic!("no such event: {name}"),
        };
        let elements = Elements::from(Vec::from_iter(element));
        match self
            .interface
            .request(self.now, self.call.unwrap(), request, elements)
        {
            Ok(()) => {}
            Err(RequestError::State { .. }) => self.told.push("refused".into()),
            Err(error) => panic!("{name}: {error}"),
        }
    }

    /// A message of the peer: its name, and a variant of it.
    fn message(&mut self, event: &str) {
        let known = MessageType::ALL.iter().filter(|kind| {
            let rest = event.strip_prefix(kind.name());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        });
        let kind = known.max_by_key(|kind| kind.name().len()).copied();
        let variant = kind.map_or("", |kind| event[kind.name().len()..].trim());
        let kind_octet = kind.map_or(0x55, |kind| kind as u8);
        let kind = kind.unwrap_or(MessageType::Notify);
        let busy = Cause::USER_BUSY.at(Location::USER);
        let own_channel = self.call.and_then(|call| self.interface.channel(call));
        let channel = |channel| Element::Channel(ChannelIdentification::one(true, channel, true));
        let mut elements: Vec<Element> = match kind {
            MessageType::Setup => vec![Element::BearerCapability(BearerCapability::speech()), channel(2)],
            MessageType::Disconnect
            | MessageType::Release
            | MessageType::ReleaseComplete
            | MessageType::HoldReject
            | MessageType::RetrieveReject
            | MessageType::SuspendReject
            | MessageType::ResumeReject => vec![busy],
            MessageType::SetupAcknowledge
            | MessageType::CallProceeding
            | MessageType::Alerting
            | MessageType::Connect => own_channel.map(channel).into_iter().collect(),
            MessageType::ResumeAcknowledge => vec![channel(1)],
            MessageType::Progress => vec![in_band()],
            MessageType::Notify => vec![Element::Notification(0)],
            MessageType::Facility => vec![Element::Facility(vec![0x91])],
            MessageType::Information => vec![Element::CalledNumber(Number::dialled("5"))],
            MessageType::Restart | MessageType::RestartAcknowledge => {
                vec![Element::Restart(RestartClass::Interface)]
            }
            _ => Vec::new(),
        };
        if kind == MessageType::Status && variant != "bare" {
            let (cause, state) = variant.split_once(' ').unwrap();
            let cause = Cause::new(cause.parse().unwrap()).unwrap();
            elements = vec![
                cause.at(Location::USER),
                Element::CallState(state.parse().unwrap()),
            ];
        }
        let mut reference = self.reference;
        let mut tail: &[u8] = &[];
        match variant {
            // None of the three.
            "bad" => elements = vec![channel(9)],
            "complete" => elements.push(Element::SendingComplete),
            "bare" => elements.clear(),
            // The first mandatory element without contents.
            "faulty" => {
                elements.clear();
                tail = match kind {
                    MessageType::Setup => &[0x04, 0, 0x18, 3, 0xa9, 0x83, 0x82],
                    MessageType::Notify => &[0x27, 0],
                    MessageType::Information => &[0x70, 0],
                    _ => &[0x08, 0],
                };
            }
            "unknown" if !event.starts_with("unknown") => tail = &[0x3a, 1, 0],
            "unknown-needed" => tail = &[0x02, 1, 0],
            "from nobody" => {
                reference = CallReference::Call {
                    value: THEIRS,
                    from_origin: false,
                };
            }
            _ => {}
        }
        let message = Message {
            reference,
            kind,
            elements: elements.into(),
        };
        let mut bytes = message.encode(2);
        bytes[4] = kind_octet;
        bytes.extend_from_slice(tail);
        self.interface
            .receive(self.now, Ces::OWN, LinkIndication::Data(bytes));
    }

    fn deliver(&mut self, message: &Message) {
        let data = LinkIndication::Data(message.encode(2));
        self.interface.receive(self.now, Ces::OWN, data);
        self.take();
    }

    fn take(&mut self) {
        while let Some(output) = self.interface.poll_output() {
            match output {
                Output::Link(_, LinkRequest::Data(bytes)) => {
                    let message = Received::parse(&bytes).unwrap();
                    if message.kind == Ok(MessageType::Setup)
                        && let CallReference::Call { value, .. } = message.reference
                    {
                        self.reference = CallReference::Call {
                            value,
                            from_origin: false,
                        };
                    }
                    self.sent.push(written(&message));
                }
                Output::Call(call, indication, elements) => {
                    self.call = Some(call);
                    self.told.push(match (indication, elements.cause()) {
                        (
                            Indication::Disconnect | Indication::Clearing | Indication::Released,
                            Some(cause),
                        ) => {
                            format!("{indication:?} {}", cause.value())
                        }
                        _ => format!("{indication:?}"),
                    });
                }
                _ => {}
            }
        }
    }

    /// A call that is over holds no channel, one that is not holds at most one.
    fn check_channels(&self) {
        let busy = self
            .interface
            .channels()
            .filter(|(_, state)| matches!(state, ChannelState::Busy(_)))
            .count();
        assert_eq!(busy, usize::from(self.state() != 0));
    }
}

fn in_band() -> Element {
    Element::Progress(Progress {
        location: Location::PRIVATE_LOCAL,
        description: ProgressDescription::IN_BAND,
    })
}

/// A message as the table writes it: name, cause, call state.
fn written(message: &Received) -> String {
    let mut text = message.kind.unwrap().name().to_string();
    if let Some(cause) = message.elements.cause() {
        text += &format!(" {}", cause.value());
    }
    if let Some(state) = message.elements.call_state() {
        text += &format!(" {state}");
    }
    text
}

fn joined(parts: &[String], separator: &str) -> String {
    if parts.is_empty() {
        "-".into()
    } else {
        parts.join(separator)
    }
}
