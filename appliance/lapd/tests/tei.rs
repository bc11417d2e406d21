//! A bus of terminals: every one gets a TEI of its own, however many there are and whatever the line loses.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use proptest::prelude::*;
use varde_lapd::{
    Arrangement, Ces, Config, DChannel, ErrorCode, Indication, Output, Request, Side, State, TeiMessage,
    TeiMessageType,
};

/// The exchange is end 0, the terminals are those after it.
struct Bus {
    ends: Vec<End>,
    now: Duration,
    /// Whether each of the next frames is lost, once for each end that would hear it.
    losses: VecDeque<bool>,
    /// Every management message on the line.
    heard: Vec<TeiMessage>,
}

struct End {
    channel: DChannel,
    plugged: bool,
    line: VecDeque<Vec<u8>>,
    outputs: Vec<Output>,
}

impl End {
    fn new(config: Config) -> Self {
        Self {
            channel: DChannel::new(config),
            plugged: true,
            line: VecDeque::new(),
            outputs: Vec::new(),
        }
    }

    fn drain(&mut self, now: Duration) {
        while let Some(output) = self.channel.poll_output(now) {
            match output {
                Output::Frame(bytes) => self.line.push_back(bytes),
                other => self.outputs.push(other),
            }
        }
    }

    fn request(&mut self, now: Duration, ces: Ces, request: Request) {
        self.channel.request(now, ces, request).unwrap();
        self.drain(now);
    }

    fn tei(&self) -> Option<u8> {
        self.channel.tei(Ces::OWN)
    }

    fn state(&self) -> State {
        self.channel.state(Ces::OWN).unwrap()
    }
}

impl Bus {
    fn new(terminals: usize) -> Self {
        let exchange = End::new(Config::bus(Side::Network, 1));
        let seeds = (0..terminals).map(|terminal| 1000 + terminal as u64);
        let terminals = seeds.map(|seed| End::new(Config::bus(Side::User, seed)));
        Self {
            ends: std::iter::once(exchange).chain(terminals).collect(),
            now: Duration::ZERO,
            losses: VecDeque::new(),
            heard: Vec::new(),
        }
    }

    fn plug(&mut self, end: End) -> usize {
        self.ends.push(end);
        self.ends.len() - 1
    }

    fn carry(&mut self) {
        loop {
            let mut carried = false;
            for from in 0..self.ends.len() {
                let Some(frame) = self.ends[from].line.pop_front() else {
                    continue;
                };
                carried = true;
                if !self.ends[from].plugged {
                    continue;
                }
                if frame[0] >> 2 == 63 {
                    self.heard.push(TeiMessage::parse(&frame[3..]).unwrap());
                }
                // Terminals do not hear each other.
                let to = if from == 0 { 1..self.ends.len() } else { 0..1 };
                for end in self.ends[to].iter_mut().filter(|end| end.plugged) {
                    if self.losses.pop_front() != Some(true) {
                        let _ = end.channel.receive(self.now, &frame);
                        end.drain(self.now);
                    }
                }
            }
            if !carried {
                return;
            }
        }
    }

    fn tick(&mut self) -> bool {
        let next = self
            .ends
            .iter()
            .filter(|end| end.plugged)
            .filter_map(|end| end.channel.poll_timeout())
            .min();
        let Some(next) = next else { return false };
        self.now = self.now.max(next);
        for end in self.ends.iter_mut().filter(|end| end.plugged) {
            end.channel.handle_timeout(self.now);
            end.drain(self.now);
        }
        self.carry();
        true
    }

    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        let due = |bus: &Self| {
            bus.ends
                .iter()
                .filter(|end| end.plugged)
                .filter_map(|end| end.channel.poll_timeout())
                .min()
                .is_some_and(|at| at <= until)
        };
        while due(self) {
            self.tick();
        }
        self.now = until;
    }

    fn establish(&mut self, terminal: usize) {
        let now = self.now;
        self.ends[terminal].request(now, Ces::OWN, Request::Establish);
        self.carry();
    }

    fn heard(&self, kind: TeiMessageType) -> usize {
        self.heard.iter().filter(|message| message.kind == kind).count()
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn every_terminal_gets_a_tei_of_its_own_and_a_link() {
    let mut bus = Bus::new(63);
    for terminal in 1..=63 {
        bus.establish(terminal);
    }
    let teis: BTreeSet<u8> = bus.ends[1..].iter().map(|end| end.tei().unwrap()).collect();
    assert_eq!(teis, (64..=126).collect());
    assert!(
        bus.ends[1..]
            .iter()
            .all(|end| end.state() == State::MultipleFrameEstablished)
    );
    assert_eq!(bus.ends[0].channel.links().count(), 63);
}

#[test]
fn a_bus_that_is_full_finds_out_who_has_left() {
    let mut bus = Bus::new(64);
    for terminal in 1..=63 {
        bus.establish(terminal);
    }
    let gone = bus.ends[7].tei().unwrap();
    bus.ends[7].plugged = false;
    bus.establish(64);
    assert_eq!(bus.heard(TeiMessageType::IdentityDenied), 1);
    assert_eq!(bus.ends[64].tei(), None, "a denial is not the end");
    // The check of all takes 2 s, and then T202 has run out.
    bus.wait(5 * SECOND);
    assert_eq!(bus.ends[64].tei(), Some(gone));
    assert_eq!(bus.ends[64].state(), State::MultipleFrameEstablished);
    assert!(bus.ends[0].outputs.contains(&Output::TeiRemoved(gone)));
    assert!(
        bus.ends[0]
            .outputs
            .contains(&Output::Indication(Ces(gone), Indication::Release))
    );
    let others = (1..=63).filter(|terminal| *terminal != 7);
    for terminal in others {
        assert_eq!(bus.ends[terminal].state(), State::MultipleFrameEstablished);
    }
}

#[test]
fn a_terminal_that_nobody_answers_is_told_so() {
    let mut bus = Bus::new(1);
    bus.ends[0].plugged = false;
    bus.establish(1);
    bus.wait(10 * SECOND);
    assert_eq!(bus.heard(TeiMessageType::IdentityRequest), 3, "N202");
    let numbers: BTreeSet<u16> = bus.heard.iter().map(|message| message.ri).collect();
    assert_eq!(numbers.len(), 3, "each request has a number of its own");
    assert_eq!(
        bus.ends[1].outputs,
        [Output::Indication(Ces::OWN, Indication::Release)]
    );
    assert_eq!(bus.ends[1].state(), State::TeiUnassigned);
}

/// Two terminals, the second brought from another bus with the TEI that the first has here.
fn twins() -> Bus {
    let mut elsewhere = Bus::new(0);
    let terminal = elsewhere.plug(End::new(Config::bus(Side::User, 5000)));
    elsewhere.establish(terminal);
    let mut bus = Bus::new(1);
    bus.establish(1);
    let mut twin = elsewhere.ends.pop().unwrap();
    twin.outputs.clear();
    assert_eq!(twin.tei(), bus.ends[1].tei());
    bus.plug(twin);
    bus
}

#[test]
fn two_terminals_with_one_tei_both_lose_it_and_get_others() {
    let mut bus = twins();
    let double = bus.ends[1].tei().unwrap();
    let now = bus.now;
    bus.ends[0].channel.check_terminals(now);
    bus.ends[0].drain(now);
    bus.carry();
    bus.wait(4 * SECOND);
    assert_eq!(bus.heard(TeiMessageType::IdentityRemove), 2, "said twice, §5.3.4");
    for terminal in 1..=2 {
        assert_eq!(
            bus.ends[terminal].outputs.last(),
            Some(&Output::TeiRemoved(double))
        );
        bus.establish(terminal);
        assert_eq!(bus.ends[terminal].state(), State::MultipleFrameEstablished);
    }
    assert_ne!(bus.ends[1].tei(), bus.ends[2].tei());
}

#[test]
fn two_answers_to_one_command_are_how_a_double_tei_is_found() {
    let mut bus = twins();
    let double = bus.ends[1].tei().unwrap();
    let now = bus.now;
    bus.ends[0].request(now, Ces(double), Request::Release);
    bus.carry();
    // Both terminals said UA; the second one was nobody's answer.
    assert!(
        bus.ends[0]
            .outputs
            .contains(&Output::Error(Ces(double), ErrorCode::C))
    );
    bus.wait(4 * SECOND);
    assert_eq!(bus.ends[0].channel.tei(Ces(double)), None);
    assert_eq!([bus.ends[1].tei(), bus.ends[2].tei()], [None, None]);
}

#[test]
fn a_terminal_keeps_its_tei_when_one_answer_to_a_check_is_lost() {
    let mut bus = Bus::new(1);
    bus.establish(1);
    let tei = bus.ends[1].tei();
    let now = bus.now;
    bus.ends[0].channel.check_terminals(now);
    bus.ends[0].drain(now);
    bus.losses = [true].into();
    bus.carry();
    bus.wait(4 * SECOND);
    assert_eq!(bus.heard(TeiMessageType::CheckRequest), 2);
    assert_eq!(bus.heard(TeiMessageType::CheckResponse), 1);
    assert_eq!(bus.ends[1].tei(), tei);
    assert_eq!(bus.ends[1].state(), State::MultipleFrameEstablished);
}

#[test]
fn an_answer_to_a_check_that_comes_twice_is_not_two_terminals() {
    let mut bus = Bus::new(1);
    bus.establish(1);
    let tei = bus.ends[1].tei();
    let now = bus.now;
    bus.ends[0].channel.check_terminals(now);
    bus.ends[0].drain(now);
    let request = bus.ends[0].line.pop_front().unwrap();
    bus.ends[1].channel.receive(now, &request).unwrap();
    bus.ends[1].drain(now);
    let answer = bus.ends[1].line[0].clone();
    bus.ends[1].line.push_back(answer);
    bus.carry();
    bus.wait(4 * SECOND);
    assert_eq!(bus.heard(TeiMessageType::IdentityRemove), 0);
    assert_eq!(bus.ends[1].tei(), tei);
}

#[test]
fn a_terminal_whose_exchange_was_started_anew_gets_a_new_tei() {
    let mut bus = Bus::new(2);
    bus.establish(1);
    bus.establish(2);
    bus.ends[0] = End::new(Config::bus(Side::Network, 2));
    bus.wait(11 * SECOND);
    assert_eq!(
        bus.ends[1].tei(),
        None,
        "its enquiry after T203 was answered with a removal"
    );
    bus.establish(1);
    bus.establish(2);
    assert!(
        bus.ends[1..]
            .iter()
            .all(|end| end.state() == State::MultipleFrameEstablished)
    );
    assert_ne!(bus.ends[1].tei(), bus.ends[2].tei());
}

#[test]
fn a_check_at_the_start_finds_terminals_that_are_idle() {
    let mut bus = Bus::new(2);
    let now = bus.now;
    for terminal in 1..=2 {
        bus.ends[terminal].request(
            now,
            Ces::OWN,
            Request::UnitData(b"so that it asks for a TEI".into()),
        );
        bus.carry();
        assert_eq!(bus.ends[terminal].state(), State::TeiAssigned);
    }
    bus.ends[0] = End::new(Config::bus(Side::Network, 2));
    bus.ends[0].channel.check_terminals(now);
    bus.ends[0].drain(now);
    bus.carry();
    assert_eq!([bus.ends[1].tei(), bus.ends[2].tei()], [None, None]);
    assert_eq!(bus.heard(TeiMessageType::IdentityRemove), 4);
}

#[test]
fn a_tei_that_is_in_doubt_is_verified() {
    let mut bus = Bus::new(1);
    bus.establish(1);
    let tei = bus.ends[1].tei().unwrap();
    // A UA that the terminal did not ask for.
    let stray = [0x00, tei << 1 | 1, 0x73];
    let now = bus.now;
    bus.ends[1].channel.receive(now, &stray).unwrap();
    bus.ends[1].drain(now);
    bus.carry();
    bus.wait(5 * SECOND);
    let said: Vec<_> = bus.heard[2..].iter().map(|message| message.kind).collect();
    assert_eq!(
        said,
        [
            TeiMessageType::IdentityVerify,
            TeiMessageType::CheckRequest,
            TeiMessageType::CheckResponse,
            TeiMessageType::CheckRequest,
            TeiMessageType::CheckResponse
        ]
    );
    assert_eq!(bus.ends[1].tei(), Some(tei));
    // Once more, with nobody at the other end: said twice, then given up.
    bus.ends[0].plugged = false;
    let now = bus.now;
    bus.ends[1].channel.receive(now, &stray).unwrap();
    bus.ends[1].drain(now);
    bus.carry();
    bus.wait(5 * SECOND);
    assert_eq!(bus.heard(TeiMessageType::IdentityVerify), 3);
    assert_eq!(bus.ends[1].tei(), None);
}

#[test]
fn a_terminal_with_a_fixed_tei_is_taken_as_it_comes_and_keeps_it() {
    let mut bus = Bus::new(1);
    bus.establish(1);
    let fixed = Config {
        arrangement: Arrangement::PointToPoint { tei: 5 },
        ..Config::bus(Side::User, 9)
    };
    let terminal = bus.plug(End::new(fixed));
    bus.establish(terminal);
    assert_eq!(
        bus.ends[0].channel.state(Ces(5)),
        Some(State::MultipleFrameEstablished)
    );
    let now = bus.now;
    // Remove everything: who was given a TEI loses it, who has its own does not.
    for end in &mut bus.ends[1..] {
        end.channel
            .receive(now, &[0xfe, 0xff, 0x03, 0x0f, 0, 0, 6, 0xff])
            .unwrap();
    }
    assert_eq!([bus.ends[1].tei(), bus.ends[terminal].tei()], [None, Some(5)]);
    let asked = TeiMessage::new(TeiMessageType::CheckRequest, 0, 127).encode();
    let end = &mut bus.ends[terminal];
    end.channel
        .receive(now, &[&[0xfe, 0xff, 0x03], &asked[..]].concat())
        .unwrap();
    end.drain(now);
    let answer = end.line.pop_back().unwrap();
    let answer = TeiMessage::parse(&answer[3..]).unwrap();
    assert_eq!((answer.kind, answer.ai), (TeiMessageType::CheckResponse, vec![5]));
}

#[test]
fn a_tei_that_a_terminal_wishes_is_given_if_it_is_free() {
    let mut bus = Bus::new(0);
    let asks = |bus: &mut Bus, ri, ai| {
        let message = TeiMessage::new(TeiMessageType::IdentityRequest, ri, ai).encode();
        let now = bus.now;
        bus.ends[0]
            .channel
            .receive(now, &[&[0xfc, 0xff, 0x03], &message[..]].concat())
            .unwrap();
        bus.ends[0].drain(now);
        let answer = bus.ends[0].line.pop_front().unwrap();
        let answer = TeiMessage::parse(&answer[3..]).unwrap();
        (answer.kind, answer.ri, answer.ai)
    };
    assert_eq!(
        asks(&mut bus, 1, 99),
        (TeiMessageType::IdentityAssigned, 1, vec![99])
    );
    assert_eq!(
        asks(&mut bus, 2, 99),
        (TeiMessageType::IdentityDenied, 2, vec![99])
    );
    assert_eq!(asks(&mut bus, 3, 5), (TeiMessageType::IdentityDenied, 3, vec![5]));
    assert_eq!(
        asks(&mut bus, 4, 127),
        (TeiMessageType::IdentityAssigned, 4, vec![100])
    );
}

#[test]
fn a_broadcast_reaches_every_terminal_and_needs_no_tei() {
    let mut bus = Bus::new(3);
    let now = bus.now;
    bus.ends[0].request(now, Ces::BROADCAST, Request::UnitData(b"SETUP".into()));
    bus.carry();
    for end in &bus.ends[1..] {
        let indication = Indication::UnitData(b"SETUP".into());
        assert_eq!(end.outputs, [Output::Indication(Ces::BROADCAST, indication)]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the line loses: no two terminals hold the same TEI, and those that ask again get their link.
    #[test]
    fn no_loss_makes_two_terminals_share_a_tei(
        terminals in 2..12usize,
        losses in prop::collection::vec(prop::bool::weighted(0.3), 0..200),
    ) {
        let mut bus = Bus::new(terminals);
        bus.losses = losses.into();
        for terminal in 1..=terminals {
            bus.establish(terminal);
        }
        bus.wait(60 * SECOND);
        bus.losses.clear();
        // A terminal may learn only now that its TEI is gone: layer 3 asks whenever it is told of a release.
        for _ in 0..3 {
            for terminal in 1..=terminals {
                if bus.ends[terminal].state().number() < 5 {
                    bus.establish(terminal);
                }
            }
            bus.wait(60 * SECOND);
        }
        let teis: Vec<u8> = bus.ends[1..].iter().filter_map(End::tei).collect();
        let different: BTreeSet<u8> = teis.iter().copied().collect();
        prop_assert_eq!(teis.len(), terminals);
        prop_assert_eq!(different.len(), terminals);
        for terminal in 1..=terminals {
            prop_assert_eq!(bus.ends[terminal].state(), State::MultipleFrameEstablished);
            let tei = bus.ends[terminal].tei().unwrap();
            prop_assert_eq!(bus.ends[0].channel.state(Ces(tei)), Some(State::MultipleFrameEstablished));
        }
    }
}
