//! No call hangs: all orders of what legs can say, up to a depth, and then silence.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use proptest::prelude::*;
use varde_dss1::Cause;
use varde_exchange::{
    Action, CallId, Command, Exchange, LegId, Moment, Phase, PlaceName, Plan, Setup, Signal, Terms,
};

use crate::rig::{START, site};

/// A site in which everything that can go on after a failure does.
fn plan() -> Plan {
    let mut plan = site();
    plan.places.get_mut("one").unwrap().channels = Some(1);
    let forwarding = &mut plan.extensions[0].forwarding;
    forwarding.busy = Some("201".into());
    forwarding.no_answer = Some((Duration::from_secs(15), "22445566".into()));
    plan.extensions[1].forwarding.busy = Some("200".into());
    plan
}

/// The exchange, and what its legs have lived through.
#[derive(Clone)]
struct World {
    exchange: Exchange,
    now: Moment,
    callers: BTreeSet<LegId>,
    live: BTreeSet<LegId>,
    releasing: BTreeSet<LegId>,
    over: BTreeSet<LegId>,
    begun: usize,
    records: usize,
}

#[derive(Clone, Debug)]
enum Event {
    Incoming(&'static str, &'static str, bool),
    Say(LegId, Signal),
    Time,
    Clear,
}

const CALLS: [(&str, &str, bool); 4] = [
    ("phone-201", "22445566", true),
    ("two", "22334200", true),
    ("pbx", "", false),
    ("phone-200", "112", true),
];

impl World {
    fn new() -> Self {
        Self {
            exchange: Exchange::new(plan(), Terms::default(), 0),
            now: Moment {
                clock: Duration::from_secs(1000),
                wall: START.parse().unwrap(),
            },
            callers: BTreeSet::new(),
            live: BTreeSet::new(),
            releasing: BTreeSet::new(),
            over: BTreeSet::new(),
            begun: 0,
            records: 0,
        }
    }

    fn events(&self, most_calls: usize) -> Vec<Event> {
        let mut events = vec![Event::Time];
        if self.begun < most_calls {
            events.extend(CALLS.map(|(place, called, complete)| Event::Incoming(place, called, complete)));
        }
        if self.exchange.calls().next().is_some() {
            events.push(Event::Clear);
        }
        for leg in self.live.iter().chain(&self.releasing) {
            let mut says = vec![
                Signal::Disconnected(Cause::NORMAL_CALL_CLEARING),
                Signal::Released(Cause::USER_BUSY),
                Signal::Released(Cause::NETWORK_OUT_OF_ORDER),
            ];
            if self.callers.contains(leg) {
                for (digits, complete) in [("200", false), ("112", false), ("", true)] {
                    let digits = digits.into();
                    says.push(Signal::Digits { digits, complete });
                }
            } else {
                says.extend([
                    Signal::Proceeding,
                    Signal::Alerting { in_band: false },
                    Signal::Progress,
                    Signal::Answered { connected: None },
                ]);
            }
            events.extend(says.into_iter().map(|signal| Event::Say(*leg, signal)));
        }
        events
    }

    fn step(&mut self, event: &Event) {
        match event {
            Event::Incoming(place, called, complete) => {
                let place: PlaceName = (*place).into();
                let setup = Setup {
                    called: (*called).into(),
                    complete: *complete,
                    ..Setup::default()
                };
                let leg = self.exchange.incoming(self.now, &place, setup).unwrap();
                self.callers.insert(leg);
                self.live.insert(leg);
                self.begun += 1;
            }
            Event::Say(leg, signal) => {
                if matches!(signal, Signal::Released(_)) {
                    self.live.remove(leg);
                    self.releasing.remove(leg);
                    self.over.insert(*leg);
                }
                self.exchange.signal(self.now, *leg, signal.clone());
            }
            Event::Time => {
                if let Some(at) = self.exchange.poll_timeout() {
                    self.now.clock = self.now.clock.max(at);
                    self.exchange.handle_timeout(self.now);
                }
            }
            Event::Clear => {
                let oldest: Option<CallId> = self.exchange.calls().map(|call| call.call).next();
                if let Some(oldest) = oldest {
                    self.exchange.clear(self.now, oldest);
                }
            }
        }
        self.collect();
    }

    /// Whatever is asked of a leg is asked of one that is there: called once, released once, nothing after.
    fn collect(&mut self) {
        while let Some(command) = self.exchange.poll_command() {
            match command {
                Command::Leg(leg, Action::Call { .. }) => {
                    let known = self.live.contains(&leg) || self.over.contains(&leg);
                    assert!(!known && self.live.insert(leg), "leg {leg} is called twice");
                }
                Command::Leg(leg, Action::Release(_)) => {
                    assert!(self.live.remove(&leg), "leg {leg} is released, and is not there");
                    self.releasing.insert(leg);
                }
                Command::Leg(leg, action) => {
                    assert!(
                        self.live.contains(&leg),
                        "leg {leg} is asked {action:?}, and is not there"
                    );
                    assert!(self.callers.contains(&leg), "{action:?} is for callers");
                }
                Command::Join(one, other) => {
                    assert!(self.live.contains(&one) && self.live.contains(&other));
                }
                Command::Record(_) => self.records += 1,
                Command::Notice(_) => {}
            }
        }
        for call in self.exchange.calls() {
            let there = call.legs.iter().filter(|leg| self.live.contains(leg)).count();
            assert!(there <= 2, "call {} rings at two places at once", call.call);
        }
    }

    /// Nothing is said any more but that legs are released, if they say even that; callers who talk hang up. Then
    /// there is no call, and each has its record.
    fn ends(mut self, politely: bool) {
        for _ in 0..200 {
            let talking: Vec<LegId> = self
                .exchange
                .calls()
                .filter(|call| call.phase == Phase::Talking)
                .filter_map(|call| call.legs.first().copied())
                .collect();
            for leg in talking {
                self.step(&Event::Say(leg, Signal::Released(Cause::NORMAL_CALL_CLEARING)));
            }
            if politely {
                for leg in self.releasing.clone() {
                    self.step(&Event::Say(leg, Signal::Released(Cause::NORMAL_CALL_CLEARING)));
                }
            }
            if self.exchange.calls().next().is_none() {
                break;
            }
            assert!(
                self.exchange.poll_timeout().is_some(),
                "a call that waits for nothing"
            );
            self.step(&Event::Time);
        }
        assert_eq!(self.exchange.calls().count(), 0, "calls that hang");
        assert_eq!(self.exchange.legs().count(), 0, "legs that hang");
        assert_eq!(self.records, self.begun, "each call has its record");
        assert!(self.live.is_empty(), "legs that nobody released: {:?}", self.live);
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        format!("{:?}{:?}", self.exchange, self.releasing).hash(&mut hasher);
        hasher.finish()
    }
}

fn walk(most_calls: usize, depth: usize) -> usize {
    let mut seen = HashSet::new();
    let mut edge = vec![World::new()];
    for _ in 0..depth {
        let mut next = Vec::new();
        for world in &edge {
            for event in world.events(most_calls) {
                let mut after = world.clone();
                after.step(&event);
                if seen.insert(after.fingerprint()) {
                    after.clone().ends(true);
                    after.clone().ends(false);
                    next.push(after);
                }
            }
        }
        edge = next;
    }
    seen.len()
}

#[test]
fn one_call_ends_whatever_its_legs_say_in_whatever_order() {
    let states = walk(1, 6);
    assert!(states > 500, "{states} states are not all there are");
}

#[test]
fn two_calls_that_meet_on_a_trunk_end_too() {
    let states = walk(2, 4);
    assert!(states > 500, "{states} states are not all there are");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Deeper, and more calls at once, but not all orders.
    #[test]
    fn many_calls_end_whatever_happens(choices in proptest::collection::vec(any::<u16>(), 1..120)) {
        let mut world = World::new();
        for choice in choices {
            let events = world.events(12);
            let event = events[usize::from(choice) % events.len()].clone();
            world.step(&event);
        }
        world.clone().ends(true);
        world.ends(false);
    }
}
