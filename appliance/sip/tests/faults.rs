//! Whatever is lost, and whoever does what when: each leg ends once, and nothing is remembered for ever.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

mod world;

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use varde_sip::{Command, Directory, Event, LegId, TrunkTrouble, Why};
use world::{BRIDGE, World, to_account, to_trunk, trunk};

const SOON: Duration = Duration::from_millis(200);

/// What an end does with its leg, and how long after the leg has begun.
#[derive(Clone, Debug)]
enum Act {
    Progress(u16, bool),
    Answer,
    Reject,
    HangUp,
    Offer,
}

fn act() -> impl Strategy<Value = (Duration, Act)> {
    let act = prop_oneof![
        (180u16..184, any::<bool>()).prop_map(|(status, sdp)| Act::Progress(status, sdp)),
        Just(Act::Answer),
        Just(Act::Answer),
        Just(Act::Reject),
        Just(Act::HangUp),
        Just(Act::Offer),
    ];
    ((0u64..3000).prop_map(Duration::from_millis), act)
}

fn command(leg: LegId, act: &Act) -> Command {
    let sdp = || "v=0".to_owned();
    match act {
        Act::Progress(status, with) => Command::Progress {
            leg,
            status: *status,
            sdp: with.then(sdp),
        },
        Act::Answer => Command::Answer { leg, sdp: sdp() },
        Act::Reject => Command::Reject {
            leg,
            status: 486,
            cause: None,
        },
        Act::HangUp => Command::HangUp { leg, cause: None },
        Act::Offer => Command::Offer { leg, sdp: sdp() },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn each_leg_ends_once_whatever_is_lost(
        seed in any::<u64>(),
        loss in 0u64..60,
        dies_after in prop::option::of(0u64..4000),
        outward in any::<bool>(),
        of_caller in prop::collection::vec(act(), 0..4),
        of_called in prop::collection::vec(act(), 0..6),
        answers_offers in any::<bool>(),
    ) {
        let mut world = World::with_phones(&["210", "210"]);
        // The second phone is never there: its contact is silent.
        world.agents.pop();
        for agent in 0..2 {
            world.events(agent);
        }
        let start = world.now;
        let mut random = seed | 1;
        let dies = dies_after.map(|after| start + Duration::from_millis(after));
        world.loses = Box::new(move |now, _| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            dies.is_some_and(|dies| now >= dies) || random % 100 < loss
        });
        let (caller, called) = if outward { (BRIDGE, 1) } else { (1, BRIDGE) };
        let ours = if outward {
            world.call(BRIDGE, to_account("210"))
        } else {
            world.call(1, to_trunk("varde", "1"))
        };
        let mut plans: Vec<(Duration, usize, LegId, Act)> = of_caller
            .iter()
            .map(|(after, act)| (start + *after, caller, ours, act.clone()))
            .collect();
        let mut began: HashMap<(usize, LegId), usize> = HashMap::from([((caller, ours), 0)]);
        // Long enough for every time-out of a call; then the exchange hangs up whatever is left.
        for step in 0..4000u32 {
            world.run(Duration::from_millis(100));
            for agent in 0..2 {
                for event in world.events(agent) {
                    match event {
                        Event::Incoming(call) => {
                            prop_assert_eq!(agent, called);
                            began.insert((agent, call.leg), 0);
                            for (after, act) in &of_called {
                                plans.push((world.now + *after, agent, call.leg, act.clone()));
                            }
                        }
                        Event::Ended(ended) => {
                            *began.get_mut(&(agent, ended.leg)).unwrap() += 1;
                        }
                        Event::Offer { leg, .. } => {
                            prop_assert_eq!(began[&(agent, leg)], 0, "an event after the end");
                            if answers_offers {
                                world.command(agent, Command::AnswerOffer { leg, sdp: "v=0".into() });
                            }
                        }
                        Event::Progress { leg, .. } | Event::Answered { leg, .. } | Event::Confirmed { leg, .. } => {
                            prop_assert_eq!(began[&(agent, leg)], 0, "an event after the end");
                        }
                        _ => {}
                    }
                }
            }
            let now = world.now;
            let (due, later): (Vec<_>, Vec<_>) = plans.into_iter().partition(|(at, ..)| *at <= now);
            plans = later;
            for (_, agent, leg, act) in due {
                world.command(agent, command(leg, &act));
            }
            if step == 1000 {
                for ((agent, leg), _) in began.clone() {
                    world.command(agent, Command::HangUp { leg, cause: None });
                }
            }
            if step > 1000 && world.agents.iter().all(|(agent, _)| agent.load() == 0) {
                break;
            }
        }
        for ((agent, leg), ends) in began {
            prop_assert_eq!(ends, 1, "agent {}, {}", agent, leg);
        }
        for (at, (agent, _)) in world.agents.iter().enumerate() {
            prop_assert_eq!(agent.legs(), 0);
            // Registrations and probes go on; a call leaves nothing.
            prop_assert!(agent.load() <= 2, "agent {} remembers {}", at, agent.load());
        }
    }
}

fn probed() -> World {
    let mut world = World::new(2);
    let mut to_other = trunk("t", 1, None);
    to_other.probe = Some(Duration::from_secs(30));
    let trunks = vec![to_other];
    world.configure(
        0,
        Directory {
            trunks,
            ..Directory::default()
        },
    );
    let trunks = vec![trunk("t", 0, None)];
    world.configure(
        1,
        Directory {
            trunks,
            ..Directory::default()
        },
    );
    world.run(SOON);
    assert_eq!(world.events(0), [Event::TrunkUp { trunk: "t".into() }]);
    world
}

#[test]
fn a_lost_probe_or_two_change_nothing_and_an_outage_is_told_once() {
    let mut world = probed();
    let start = world.now;
    // Six seconds without an answer: one probe and its repetitions.
    world.loses = Box::new(move |now, _| (25..36).contains(&now.saturating_sub(start).as_secs()));
    world.run(Duration::from_mins(5));
    assert_eq!(world.events(0), []);
    world.loses = Box::new(|_, by| by == 1);
    world.run(Duration::from_mins(5));
    let why = TrunkTrouble::Silent;
    assert_eq!(
        world.events(0),
        [Event::TrunkDown {
            trunk: "t".into(),
            why
        }]
    );
    world.loses = Box::new(|_, _| false);
    world.run(Duration::from_secs(20));
    assert_eq!(world.events(0), [Event::TrunkUp { trunk: "t".into() }]);
}

#[test]
fn a_trunk_that_gets_other_limits_stays_up() {
    let mut world = probed();
    let mut other = trunk("t", 1, None);
    other.probe = Some(Duration::from_mins(1));
    other.max_legs = 1;
    let trunks = vec![other];
    world.configure(
        0,
        Directory {
            trunks,
            ..Directory::default()
        },
    );
    let first = world.call(0, to_trunk("t", "1"));
    world.incoming(1);
    let second = world.call(0, to_trunk("t", "2"));
    let ended: Vec<LegId> = world
        .events(0)
        .into_iter()
        .filter_map(|event| match event {
            Event::TrunkUp { .. } | Event::TrunkDown { .. } => panic!("{event:?}"),
            Event::Ended(ended) => Some(ended.leg),
            _ => None,
        })
        .collect();
    assert_eq!(ended, [second], "the new limit holds, and {first} goes on");
}

#[test]
fn a_trunk_that_answers_nothing_is_unreachable_within_seconds_and_then_down() {
    let mut world = probed();
    world.loses = Box::new(|_, by| by == 1);
    let start = world.now;
    world.call(0, to_trunk("t", "1"));
    world.run(Duration::from_secs(40));
    let log: Vec<_> = world.log.iter().filter(|(_, by, _)| *by == 0).collect();
    assert!(
        matches!(&log[0], (at, _, Event::Ended(ended)) if ended.why == Why::Unreachable && at.saturating_sub(start) < Duration::from_secs(5)),
        "{log:?}"
    );
    assert!(matches!(&log[1], (_, _, Event::TrunkDown { .. })), "{log:?}");
    world.events(0);
    let call = |emergency| varde_sip::Outgoing {
        emergency,
        ..to_trunk("t", "113")
    };
    world.call(0, call(false));
    assert!(matches!(&world.events(0)[..], [Event::Ended(ended)] if ended.why == Why::Unreachable));
    world.call(0, call(true));
    assert_eq!(world.events(0), [], "an emergency call is tried all the same");
}

#[test]
fn a_phone_that_lost_its_registration_by_a_restart_of_the_bridge_gets_it_back() {
    let mut world = World::with_phones(&["210"]);
    world.agents[BRIDGE].0 =
        varde_sip::Agent::new(&world::setup(BRIDGE, false), &[world::address(BRIDGE)], [9; 32]);
    let accounts = vec![world::account("210")];
    world.configure(
        BRIDGE,
        Directory {
            accounts,
            ..Directory::default()
        },
    );
    world.events(BRIDGE);
    world.run(Duration::from_mins(10));
    assert!(matches!(
        world.events(BRIDGE)[..],
        [Event::Registered { contacts: 1, .. }, ..]
    ));
}
