//! Two ends and a line that loses and repeats frames: nothing is lost unsaid, nothing comes twice, order is kept.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;
use varde_lapd::{Ces, Config, DChannel, Indication, Output, Parameters, Request, Side, State};

/// What the line does with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Passes,
    Lost,
    Twice,
}

fn fates(most: usize) -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        6 => Just(Fate::Passes),
        3 => Just(Fate::Lost),
        1 => Just(Fate::Twice),
    ];
    prop::collection::vec(fate, 0..most)
}

struct End {
    channel: DChannel,
    /// To the other end.
    line: VecDeque<Vec<u8>>,
    received: Vec<Vec<u8>>,
    indications: Vec<Indication>,
}

impl End {
    fn new(config: Config) -> Self {
        Self {
            channel: DChannel::new(config),
            line: VecDeque::new(),
            received: Vec::new(),
            indications: Vec::new(),
        }
    }

    fn drain(&mut self, now: Duration) {
        while let Some(output) = self.channel.poll_output(now) {
            match output {
                Output::Frame(bytes) => self.line.push_back(bytes),
                Output::Indication(_, Indication::Data(data)) => self.received.push(data),
                Output::Indication(_, indication) => self.indications.push(indication),
                _ => {}
            }
        }
    }

    fn request(&mut self, now: Duration, request: Request) {
        self.channel.request(now, Ces::OWN, request).unwrap();
        self.drain(now);
    }

    fn state(&self) -> State {
        self.channel.state(Ces::OWN).unwrap()
    }
}

struct Pair {
    ends: [End; 2],
    now: Duration,
    fates: VecDeque<Fate>,
}

impl Pair {
    /// A primary rate access whose timers of the ends differ, as clocks do.
    fn new(k: u8, n200: u8, fates: Vec<Fate>) -> Self {
        let end = |side, t200| {
            End::new(Config {
                parameters: Parameters {
                    k,
                    n200,
                    t200: Duration::from_millis(t200),
                    ..Parameters::PRIMARY
                },
                ..Config::primary(side)
            })
        };
        Self {
            ends: [end(Side::Network, 1000), end(Side::User, 1010)],
            now: Duration::ZERO,
            fates: fates.into(),
        }
    }

    /// Carries frames, one from each end in turn, until both ends have nothing to say.
    fn carry(&mut self) {
        loop {
            let mut carried = false;
            for from in 0..2 {
                let Some(frame) = self.ends[from].line.pop_front() else {
                    continue;
                };
                carried = true;
                let times = match self.fates.pop_front().unwrap_or(Fate::Passes) {
                    Fate::Passes => 1,
                    Fate::Lost => 0,
                    Fate::Twice => 2,
                };
                let end = &mut self.ends[1 - from];
                for _ in 0..times {
                    end.channel.receive(self.now, &frame).unwrap();
                    end.drain(self.now);
                }
            }
            if !carried {
                return;
            }
        }
    }

    /// Lets the next timer run out, and carries what comes of it.
    fn tick(&mut self) {
        let next = self
            .ends
            .iter()
            .filter_map(|end| end.channel.poll_timeout())
            .min();
        let Some(next) = next else { return };
        self.now = self.now.max(next);
        for end in &mut self.ends {
            end.channel.handle_timeout(self.now);
            end.drain(self.now);
        }
        self.carry();
    }

    /// Until the line has been whole for so long that nothing is left to be said or repeated.
    fn settle(&mut self) {
        for _ in 0..400 {
            let idle = self.fates.is_empty()
                && self.ends.iter().all(|end| {
                    end.channel.backlog(Ces::OWN) == 0 && end.state() == State::MultipleFrameEstablished
                });
            if idle {
                return;
            }
            self.tick();
        }
    }

    fn establish(&mut self) {
        let now = self.now;
        self.ends[0].request(now, Request::Establish);
        self.carry();
        self.settle();
    }
}

fn message(from: usize, number: usize) -> Vec<u8> {
    format!("{from}:{number}").into_bytes()
}

proptest! {
    /// As long as N200 is not used up, layer 3 sees no loss of the line at all. A frame that comes twice is a frame
    /// out of sequence, never a message twice.
    #[test]
    fn what_is_sent_arrives_once_and_in_order(
        k in prop_oneof![Just(1u8), Just(7), Just(127)],
        // Which end sends, or none: then the line is carried, or time passes.
        story in prop::collection::vec(0..4usize, 1..60),
        fates in fates(80),
    ) {
        let mut pair = Pair::new(k, 250, Vec::new());
        pair.establish();
        pair.fates = fates.into();
        let mut sent = [0, 0];
        for step in story {
            match step {
                from @ (0 | 1) => {
                    let now = pair.now;
                    pair.ends[from].request(now, Request::Data(message(from, sent[from])));
                    sent[from] += 1;
                }
                2 => pair.carry(),
                _ => pair.tick(),
            }
        }
        pair.settle();
        for (from, count) in sent.into_iter().enumerate() {
            let expected: Vec<_> = (0..count).map(|number| message(from, number)).collect();
            prop_assert_eq!(&pair.ends[1 - from].received, &expected);
        }
        prop_assert_eq!(&pair.ends[0].indications, &[Indication::EstablishConfirm]);
        prop_assert_eq!(&pair.ends[1].indications, &[Indication::Establish]);
    }

    /// With the N200 of Q.921 a link can be lost. Then it comes back when layer 3 asks for it, what arrives is still in
    /// order and never twice, and what is missing was said: the sender was told of a new or a released link.
    #[test]
    fn what_is_missing_was_said_and_the_link_comes_back(
        story in prop::collection::vec(0..4usize, 1..40),
        fates in prop::collection::vec(prop_oneof![1 => Just(Fate::Passes), 3 => Just(Fate::Lost)], 0..60),
    ) {
        let mut pair = Pair::new(7, 3, Vec::new());
        pair.establish();
        let told = |pair: &Pair, end: usize| pair.ends[end].indications.len();
        let before = [told(&pair, 0), told(&pair, 1)];
        pair.fates = fates.into();
        let mut sent = [0, 0];
        for step in story {
            match step {
                from @ (0 | 1) if pair.ends[from].state().is_established() => {
                    let now = pair.now;
                    pair.ends[from].request(now, Request::Data(message(from, sent[from])));
                    sent[from] += 1;
                }
                2 => pair.carry(),
                _ => pair.tick(),
            }
        }
        pair.settle();
        for from in 0..2 {
            let numbers: Vec<usize> = pair.ends[1 - from]
                .received
                .iter()
                .map(|data| String::from_utf8_lossy(data).split_once(':').unwrap().1.parse().unwrap())
                .collect();
            prop_assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
            let missing = numbers.len() < sent[from];
            prop_assert!(!missing || told(&pair, from) > before[from], "{numbers:?} of {}, unsaid", sent[from]);
        }
        pair.fates.clear();
        let now = pair.now;
        pair.ends[0].request(now, Request::Establish);
        pair.carry();
        pair.settle();
        for end in &pair.ends {
            prop_assert_eq!(end.state(), State::MultipleFrameEstablished);
        }
    }
}

#[test]
fn a_line_that_is_gone_is_told_and_the_link_returns_with_it() {
    let mut pair = Pair::new(7, 3, Vec::new());
    pair.establish();
    pair.fates = vec![Fate::Lost; 1000].into();
    // T203, then N200 enquiries, then N200 attempts to set the link up anew, on both ends.
    for _ in 0..40 {
        pair.tick();
    }
    for end in &pair.ends {
        assert_eq!(end.indications.last(), Some(&Indication::Release));
        assert_eq!(end.state(), State::TeiAssigned);
        assert_eq!(end.channel.poll_timeout(), None);
    }
    pair.fates.clear();
    let now = pair.now;
    pair.ends[1].request(now, Request::Establish);
    pair.carry();
    for end in &pair.ends {
        assert_eq!(end.state(), State::MultipleFrameEstablished);
    }
    assert_eq!(
        pair.ends[1].indications.last(),
        Some(&Indication::EstablishConfirm)
    );
    assert_eq!(pair.ends[0].indications.last(), Some(&Indication::Establish));
}

#[test]
fn an_answer_carries_the_acknowledgement() {
    let mut pair = Pair::new(7, 3, Vec::new());
    pair.establish();
    let now = pair.now;
    pair.ends[0].request(now, Request::Data(b"question".into()));
    let question = pair.ends[0].line.pop_front().unwrap();
    let end = &mut pair.ends[1];
    end.channel.receive(now, &question).unwrap();
    let data = end.channel.poll_output(now);
    assert_eq!(
        data,
        Some(Output::Indication(Ces::OWN, Indication::Data(b"question".into())))
    );
    end.channel
        .request(now, Ces::OWN, Request::Data(b"answer".into()))
        .unwrap();
    end.drain(now);
    // One I frame with N(R)=1, and no RR beside it.
    assert_eq!(end.line, [[&[0x00, 0x01, 0x00, 0x02][..], b"answer"].concat()]);
}

#[test]
fn both_ends_establish_at_once() {
    let mut pair = Pair::new(7, 3, Vec::new());
    for end in &mut pair.ends {
        end.request(Duration::ZERO, Request::Establish);
    }
    pair.carry();
    for end in &pair.ends {
        assert_eq!(end.indications, [Indication::EstablishConfirm]);
    }
}

#[test]
fn a_thousand_messages_go_through_a_full_window_and_a_busy_receiver() {
    let mut pair = Pair::new(7, 3, Vec::new());
    pair.establish();
    for number in 0..1000 {
        let now = pair.now;
        pair.ends[0].request(now, Request::Data(message(0, number)));
        if number % 100 == 50 {
            pair.ends[1]
                .channel
                .set_receiver_busy(now, Ces::OWN, true)
                .unwrap();
        }
        if number % 100 == 70 {
            // Longer than N200 enquiries would take, were they not answered.
            for _ in 0..10 {
                pair.tick();
            }
            pair.ends[1]
                .channel
                .set_receiver_busy(pair.now, Ces::OWN, false)
                .unwrap();
        }
        let now = pair.now;
        pair.ends[1].drain(now);
        pair.carry();
    }
    pair.settle();
    let expected: Vec<_> = (0..1000).map(|number| message(0, number)).collect();
    assert_eq!(pair.ends[1].received, expected);
    assert_eq!(pair.ends[0].indications, [Indication::EstablishConfirm]);
}
