//! Every cell of Q.921 Annex B: state, event, and what must follow, from `annex_b.txt`.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use std::collections::BTreeSet;
use std::time::Duration;

use varde_lapd::{Arrangement, Ces, Config, DChannel, Indication, Output, Parameters, Request, Side, State};

const TABLE: &str = include_str!("annex_b.txt");
/// Between what leads to a situation and the event.
const A_MOMENT: Duration = Duration::from_millis(100);
/// T202 is longer than the link's timers, so that it hides none of them.
const PARAMETERS: Parameters = Parameters {
    t202: Duration::from_secs(30),
    ..Parameters::PRIMARY
};

struct Cell {
    situation: String,
    event: String,
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
        let [situations, events, next, sent, told, timer] = columns[..] else {
            panic!("not six columns: {line}");
        };
        for situation in situations.split(';').map(str::trim) {
            for event in events.split(';').map(str::trim) {
                let next = if next == "=" { &situation[..1] } else { next };
                cells.push(Cell {
                    situation: situation.into(),
                    event: event.into(),
                    expected: [next.into(), sent.into(), told.into(), timer.into()],
                });
            }
        }
    }
    cells
}

#[test]
fn every_cell_is_as_in_annex_b() {
    let mut wrong = Vec::new();
    for cell in cells() {
        let mut bench = Bench::new();
        bench.reach(&cell.situation);
        let got = bench.event(&cell.event);
        if got != cell.expected {
            let (situation, event) = (&cell.situation, &cell.event);
            wrong.push(format!(
                "{situation} | {event}\n  expected {:?}\n  got      {got:?}",
                cell.expected
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cells are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_event_is_tried_in_every_state_that_it_can_happen_in() {
    const EVENTS: [(&str, &str); 27] = [
        ("DL-ESTABLISH", "12345678"),
        ("DL-RELEASE", "12345678"),
        ("DL-DATA", "12345678"),
        ("DL-UNIT-DATA", "12345678"),
        ("MDL-ASSIGN", "123"),
        ("MDL-ERROR", "23"),
        ("MDL-REMOVE", "12345678"),
        ("PH-DEACTIVATE", "12345678"),
        ("T200", "5678"),
        ("T203", "7"),
        ("SET-BUSY", "12345678"),
        ("CLEAR-BUSY", "12345678"),
        ("SABME P1", "12345678"),
        ("DISC P1", "12345678"),
        ("UA F1", "12345678"),
        ("UA F0", "12345678"),
        ("DM F1", "12345678"),
        ("DM F0", "12345678"),
        ("FRMR", "12345678"),
        ("UI", "12345678"),
        ("XID P1", "12345678"),
        ("RR cmd P1 0", "12345678"),
        ("bad control", "12345678"),
        ("information in RR", "12345678"),
        ("short FRMR", "12345678"),
        ("long I", "12345678"),
        ("I 0 0 P1", "45678"),
    ];
    let named: BTreeSet<(String, String)> = cells()
        .into_iter()
        .map(|cell| (cell.situation[..1].to_string(), cell.event))
        .collect();
    for (event, states) in EVENTS {
        for state in states.chars() {
            let cell = (state.to_string(), event.to_string());
            assert!(named.contains(&cell), "no cell for state {state}, event {event}");
        }
    }
    for kind in ["REJ", "RNR"] {
        for state in 1..=8 {
            let found = named
                .iter()
                .any(|(s, event)| *s == state.to_string() && event.starts_with(kind));
            assert!(found, "no cell for state {state}, event {kind}");
        }
    }
}

/// A user side, and what a peer of it can do.
struct Bench {
    channel: DChannel,
    now: Duration,
    /// Of the last request for a TEI.
    ri: [u8; 2],
    sent: Vec<String>,
    told: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let config = Config {
            parameters: PARAMETERS,
            ..Config::bus(Side::User, 1)
        };
        Self {
            channel: DChannel::new(config),
            now: Duration::ZERO,
            ri: [0, 0],
            sent: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Leads the link into a situation by what a layer 3 and a peer can do.
    fn reach(&mut self, situation: &str) {
        let (state, conditions) = situation.split_at(1);
        let anew = conditions.contains('r');
        let way: &[&str] = match state {
            "1" => &[],
            "2" => &["DL-UNIT-DATA"],
            "3" => &["DL-ESTABLISH"],
            "4" => &["DL-UNIT-DATA", "MDL-ASSIGN"],
            "5" if !anew => &["DL-UNIT-DATA", "MDL-ASSIGN", "DL-ESTABLISH"],
            _ => &["DL-UNIT-DATA", "MDL-ASSIGN", "DL-ESTABLISH", "UA F1"],
        };
        for event in way {
            self.happen(event);
        }
        if conditions.contains('x') {
            self.happen("I 1 0 P0");
        }
        if conditions.contains('b') {
            self.happen("SET-BUSY");
        }
        if conditions.contains('p') {
            self.happen("RNR rsp F0 0");
        }
        let outstanding = if conditions.contains('w') {
            7
        } else {
            conditions.matches('o').count()
        };
        (0..outstanding).for_each(|_| self.happen("DL-DATA"));
        let last: &[&str] = match state {
            "5" if anew => &["DM F0"],
            "6" => &["DL-RELEASE"],
            "8" if outstanding > 0 || conditions.contains('p') => &["T200"],
            "8" => &["T203"],
            _ => &[],
        };
        for event in last {
            self.happen(event);
        }
        for condition in conditions.chars() {
            match (condition, state) {
                ('u', _) => self.happen("DL-UNIT-DATA"),
                ('q', _) => self.happen("DL-DATA"),
                ('s', "5") => self.happen("DL-RELEASE"),
                ('s', "6") => self.happen("DL-ESTABLISH"),
                // A T200 that ran out in state 7 has counted one already.
                ('l', _) => (0..if outstanding > 0 { 2 } else { 3 }).for_each(|_| self.happen("T200")),
                _ => {}
            }
        }
        let reached = self.state();
        assert_eq!(reached, state, "situation {situation}");
    }

    fn event(&mut self, event: &str) -> [String; 4] {
        self.now += A_MOMENT;
        for event in event.split('>').map(str::trim) {
            self.happen(event);
        }
        let list = |list: &[String]| {
            if list.is_empty() {
                "-".into()
            } else {
                list.join(", ")
            }
        };
        let timer = self.timer();
        [self.state(), list(&self.sent), list(&self.told), timer]
    }

    fn state(&self) -> String {
        self.channel.state(Ces::OWN).unwrap().number().to_string()
    }

    fn timer(&self) -> String {
        let Some(at) = self.channel.poll_timeout() else {
            return "-".into();
        };
        let whole = [
            ("T200", PARAMETERS.t200),
            ("T202", PARAMETERS.t202),
            ("T203", PARAMETERS.t203),
        ];
        let left = at.saturating_sub(self.now);
        for (name, time) in whole {
            if left == time {
                return name.into();
            }
            if left + A_MOMENT == time {
                return format!("{name} on");
            }
        }
        format!("{left:?}")
    }

    fn happen(&mut self, event: &str) {
        self.sent.clear();
        self.told.clear();
        let (now, channel) = (self.now, &mut self.channel);
        match event {
            "DL-ESTABLISH" => channel.request(now, Ces::OWN, Request::Establish).unwrap(),
            "DL-RELEASE" => channel.request(now, Ces::OWN, Request::Release).unwrap(),
            "DL-DATA" => channel
                .request(now, Ces::OWN, Request::Data(b"data".into()))
                .unwrap(),
            "DL-UNIT-DATA" => channel
                .request(now, Ces::OWN, Request::UnitData(b"unit".into()))
                .unwrap(),
            "SET-BUSY" => channel.set_receiver_busy(now, Ces::OWN, true).unwrap(),
            "CLEAR-BUSY" => channel.set_receiver_busy(now, Ces::OWN, false).unwrap(),
            "PH-DEACTIVATE" => channel.deactivated(now),
            // Only a TEI that is set comes without having been asked for.
            "MDL-ASSIGN" if channel.state(Ces::OWN) == Some(State::TeiUnassigned) => {
                *channel = DChannel::new(Config {
                    parameters: PARAMETERS,
                    arrangement: Arrangement::PointToPoint { tei: 64 },
                    ..Config::primary(Side::User)
                });
            }
            "MDL-ASSIGN" => {
                let [high, low] = self.ri;
                channel
                    .receive(now, &[0xfe, 0xff, 0x03, 0x0f, high, low, 2, 64 << 1 | 1])
                    .unwrap();
            }
            "MDL-REMOVE" => channel
                .receive(now, &[0xfe, 0xff, 0x03, 0x0f, 0, 0, 6, 127 << 1 | 1])
                .unwrap(),
            "MDL-ERROR" => {
                // As often as it asks, and then once more.
                for _ in 0..PARAMETERS.n202 {
                    self.sent.clear();
                    self.now = self.channel.poll_timeout().unwrap();
                    self.channel.handle_timeout(self.now);
                    self.drain();
                }
            }
            "T200" | "T203" => {
                let before = self.timer();
                assert!(
                    before.starts_with(event) || before == "T200",
                    "{event} does not run: {before}"
                );
                self.now = self.channel.poll_timeout().unwrap();
                self.channel.handle_timeout(self.now);
            }
            frame => {
                // What is wrong with a frame is told as an MDL-ERROR too, and that is what counts here.
                let _ = channel.receive(now, &bytes(frame));
            }
        }
        self.drain();
        let assigned = self.channel.state(Ces::OWN).unwrap().number() >= 4;
        assert_eq!(self.channel.tei(Ces::OWN).is_some(), assigned, "after {event}");
    }

    fn drain(&mut self) {
        while let Some(output) = self.channel.poll_output(self.now) {
            match output {
                Output::Frame(bytes) => {
                    if bytes[0] >> 2 == 63 {
                        self.ri = [bytes[4], bytes[5]];
                    }
                    self.sent.push(name(&bytes));
                }
                Output::Indication(_, indication) => self.told.push(
                    match indication {
                        Indication::Establish => "EST-IND",
                        Indication::EstablishConfirm => "EST-CONF",
                        Indication::Release => "REL-IND",
                        Indication::ReleaseConfirm => "REL-CONF",
                        Indication::Data(_) => "DATA",
                        Indication::UnitData(_) => "UNIT-DATA",
                    }
                    .into(),
                ),
                Output::Error(_, code) => self.told.push(format!("error {code:?}")),
                Output::TeiAssigned(_) | Output::TeiRemoved(_) => {}
            }
        }
    }
}

/// The control octets of Table 5/Q.921 with P/F=0, written down once more so that the crate is not asked about itself.
const U: [(&str, u8); 7] = [
    ("SABME", 0b0110_1111),
    ("DM", 0b0000_1111),
    ("UI", 0b0000_0011),
    ("DISC", 0b0100_0011),
    ("UA", 0b0110_0011),
    ("FRMR", 0b1000_0111),
    ("XID", 0b1010_1111),
];
const S: [(&str, u8); 3] = [("RR", 0b0001), ("RNR", 0b0101), ("REJ", 0b1001)];

/// A frame that the network sends to TEI 64: C/R is 1 in its commands, 0 in its responses.
fn bytes(frame: &str) -> Vec<u8> {
    const COMMAND: [u8; 2] = [0b10, 64 << 1 | 1];
    const RESPONSE: [u8; 2] = [0b00, 64 << 1 | 1];
    let with = |address: [u8; 2], rest: &[u8]| [&address, rest].concat();
    let words: Vec<&str> = frame.split(' ').collect();
    let number = |at: usize| words[at].parse::<u8>().unwrap();
    let bit = |at: usize| u8::from(words[at].ends_with('1'));
    match words[..] {
        ["UI"] => with(COMMAND, &[0x03, b'u']),
        ["FRMR"] => with(RESPONSE, &[0x87, 0, 0, 0, 0, 0]),
        ["short", "FRMR"] => with(RESPONSE, &[0x87, 0, 0, 0, 0]),
        ["bad", "control"] => with(COMMAND, &[0x0d, 0x00]),
        ["SABME", "as", "response"] => with(RESPONSE, &[0x7f]),
        ["XID", "as", "response"] => with(RESPONSE, &[0xaf]),
        ["information", "in", "RR"] => with(RESPONSE, &[0x01, 0x00, 0x00]),
        ["information", "in", "SABME"] => with(COMMAND, &[0x7f, 0x00]),
        ["long", "I"] => [&with(COMMAND, &[0, 0])[..], &[0; 261]].concat(),
        ["long", "UI"] => [&with(COMMAND, &[3])[..], &[0; 261]].concat(),
        ["I", ..] => with(COMMAND, &[number(1) << 1, number(2) << 1 | bit(3), b'i']),
        [kind, role, _, _] => {
            let code = S.iter().find(|row| row.0 == kind).unwrap().1;
            let address = if role == "cmd" { COMMAND } else { RESPONSE };
            with(address, &[code, number(3) << 1 | bit(2)])
        }
        [kind, pf] => {
            let code = U.iter().find(|row| row.0 == kind).unwrap().1;
            let address = if pf.starts_with('P') { COMMAND } else { RESPONSE };
            with(address, &[code | bit(1) << 4])
        }
        _ => panic!("no such event: {frame}"),
    }
}

/// What the user side sent, in the table's words.
fn name(bytes: &[u8]) -> String {
    if bytes[..3] == [0xfc, 0xff, 0x03] {
        let kind = [
            "",
            "REQUEST",
            "ASSIGNED",
            "DENIED",
            "CHECK-REQUEST",
            "CHECK-RESPONSE",
            "REMOVE",
            "VERIFY",
        ];
        return format!("ID-{}", kind[usize::from(bytes[6])]);
    }
    assert_eq!(bytes[0] & 0b1111_1101, 0, "SAPI 0, first octet of two");
    assert_eq!(bytes[1], 64 << 1 | 1, "TEI 64, last octet");
    let command = bytes[0] & 0b10 == 0;
    let role = if command { "cmd" } else { "rsp" };
    let letter = if command { 'P' } else { 'F' };
    let control = bytes[2];
    if control & 1 == 0 {
        assert!(command, "I frames are commands");
        return format!("I {} {} P{}", control >> 1, bytes[3] >> 1, bytes[3] & 1);
    }
    if let Some((name, _)) = S.iter().find(|row| row.1 == control) {
        return format!("{name} {role} {letter}{} {}", bytes[3] & 1, bytes[3] >> 1);
    }
    let (name, _) = U.iter().find(|row| row.1 == control & !0x10).unwrap();
    let role = if *name == "XID" {
        format!(" {role}")
    } else {
        String::new()
    };
    assert_eq!(
        command,
        ["SABME", "DISC", "UI"].contains(name),
        "{name} as {role}"
    );
    format!("{name}{role} {letter}{}", control >> 4 & 1)
}
