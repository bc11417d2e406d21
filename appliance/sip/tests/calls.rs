//! Calls between bridges over a network without faults: a phone is a bridge that registers.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

mod world;

use std::time::Duration;

use varde_sip::{Command, Directory, Ended, Event, Identity, LegId, Party, Why};
use world::{BRIDGE, World, account, to_account, to_trunk, trunk};

const PHONE: usize = 1;
const SOON: Duration = Duration::from_millis(200);
const SDP: &str = "v=0\r\no=answer\r\n";

fn ended(leg: LegId, why: Why, cause: Option<u8>) -> Event {
    Event::Ended(Ended { leg, why, cause })
}

fn answer(leg: LegId) -> Command {
    Command::Answer { leg, sdp: SDP.into() }
}

fn progress(leg: LegId, status: u16) -> Command {
    Command::Progress {
        leg,
        status,
        sdp: None,
    }
}

fn hang_up(leg: LegId, cause: Option<u8>) -> Command {
    Command::HangUp { leg, cause }
}

/// Nothing is left of any call, once the last repetition could have come.
fn forgets(world: &mut World) {
    world.run(Duration::from_mins(2));
    for (at, (agent, _)) in world.agents.iter().enumerate() {
        assert_eq!(agent.load(), 0, "agent {at} remembers something");
        assert_eq!(agent.legs(), 0);
    }
}

/// A call from phone to bridge that is answered: both legs.
fn answered(world: &mut World) -> (LegId, LegId) {
    let ours = world.call(PHONE, to_trunk("varde", "33440000"));
    let theirs = world.incoming(BRIDGE).leg;
    world.command(BRIDGE, answer(theirs));
    world.run(SOON);
    assert!(world.events(PHONE).contains(&Event::Answered {
        leg: ours,
        sdp: SDP.into(),
        connected: None,
    }));
    assert_eq!(
        world.events(BRIDGE),
        [Event::Confirmed {
            leg: theirs,
            sdp: None
        }]
    );
    (ours, theirs)
}

#[test]
fn a_phone_registers_with_proof_and_stays_registered() {
    let mut world = World::with_phones(&["210"]);
    assert_eq!(
        world.events(PHONE),
        [Event::TrunkUp {
            trunk: "varde".into()
        }]
    );
    let registered = |world: &mut World| {
        world
            .events(BRIDGE)
            .iter()
            .filter(
                |event| matches!(event, Event::Registered { account, contacts: 1, .. } if account == "210"),
            )
            .count()
    };
    assert_eq!(registered(&mut world), 1);
    world.run(Duration::from_hours(1));
    assert!((5..9).contains(&registered(&mut world)));
    assert_eq!(world.events(PHONE), [], "no flapping");
}

#[test]
fn a_phone_calls_is_known_by_its_account_and_hangs_up() {
    let mut world = World::with_phones(&["210"]);
    let mut call = to_trunk("varde", "33440000");
    call.asserted = Some(Identity::number("112"));
    let ours = world.call(PHONE, call);
    let incoming = world.incoming(BRIDGE);
    assert_eq!(incoming.source, Party::Account("210".into()));
    assert_eq!(incoming.called, "33440000");
    assert_eq!(incoming.asserted, None, "what a phone asserts is worth nothing");
    assert_eq!(incoming.sdp.as_deref(), Some("v=0\r\no=offer\r\n"));
    assert_eq!(incoming.hops, 69);
    let leg = incoming.leg;
    world.command(BRIDGE, answer(leg));
    world.run(SOON);
    world.events(PHONE);
    world.events(BRIDGE);
    world.command(PHONE, hang_up(ours, Some(16)));
    world.run(SOON);
    assert_eq!(world.events(PHONE), [ended(ours, Why::Released, None)]);
    assert_eq!(world.events(BRIDGE), [ended(leg, Why::HungUp, Some(16))]);
    forgets(&mut world);
}

#[test]
fn a_phone_is_called_rings_with_early_media_rings_again_and_answers() {
    let mut world = World::with_phones(&["210"]);
    let mut call = to_account("210");
    call.calling.display = Some("Kommunehuset".into());
    call.asserted = Some(Identity::number("33440000"));
    let ours = world.call(BRIDGE, call);
    let incoming = world.incoming(PHONE);
    assert_eq!(incoming.calling.display.as_deref(), Some("Kommunehuset"));
    assert_eq!(incoming.asserted, Some(Identity::number("33440000")));
    let theirs = incoming.leg;
    world.events(BRIDGE);
    for (status, sdp) in [(183, Some(SDP.to_owned())), (180, None), (182, None)] {
        world.command(
            PHONE,
            Command::Progress {
                leg: theirs,
                status,
                sdp,
            },
        );
    }
    world.command(PHONE, answer(theirs));
    world.run(SOON);
    let events = world.events(BRIDGE);
    let told = |status: u16, sdp: Option<&str>| Event::Progress {
        leg: ours,
        status,
        sdp: sdp.map(str::to_owned),
    };
    assert_eq!(
        events[..3],
        [told(183, Some(SDP)), told(180, None), told(182, None)]
    );
    assert!(matches!(&events[3..], [Event::Answered { .. }]), "{events:?}");
    world.command(PHONE, hang_up(theirs, None));
    world.run(SOON);
    assert_eq!(world.events(BRIDGE), [ended(ours, Why::HungUp, None)]);
    forgets(&mut world);
}

#[test]
fn a_refusal_comes_with_its_cause() {
    let mut world = World::with_phones(&["210"]);
    let ours = world.call(BRIDGE, to_account("210"));
    let leg = world.incoming(PHONE).leg;
    world.command(
        PHONE,
        Command::Reject {
            leg,
            status: 486,
            cause: Some(17),
        },
    );
    world.run(SOON);
    let why = Why::Refused {
        status: 486,
        moved_to: None,
    };
    assert!(world.events(BRIDGE).contains(&ended(ours, why, Some(17))));
    forgets(&mut world);
}

#[test]
fn a_call_that_nobody_answers_ends_at_both_ends() {
    let mut world = World::with_phones(&["210"]);
    let ours = world.call(BRIDGE, to_account("210"));
    let leg = world.incoming(PHONE).leg;
    world.command(PHONE, progress(leg, 180));
    world.run(Duration::from_mins(2));
    assert!(world.events(BRIDGE).contains(&ended(ours, Why::NoAnswer, None)));
    assert_eq!(world.events(PHONE), [ended(leg, Why::Cancelled, Some(102))]);
    forgets(&mut world);
}

#[test]
fn an_answer_that_crosses_the_cancel_is_taken_back() {
    let mut world = World::with_phones(&["210"]);
    let ours = world.call(BRIDGE, to_account("210"));
    let leg = world.incoming(PHONE).leg;
    world.events(BRIDGE);
    world.command(PHONE, answer(leg));
    world.command(BRIDGE, hang_up(ours, None));
    world.run(SOON);
    assert_eq!(world.events(BRIDGE), [ended(ours, Why::Released, None)]);
    let events = world.events(PHONE);
    assert!(
        matches!(
            &events[..],
            [
                Event::Confirmed { .. },
                Event::Ended(Ended { why: Why::HungUp, .. })
            ]
        ),
        "{events:?}"
    );
    forgets(&mut world);
}

#[test]
fn who_hangs_up_before_the_ack_says_bye_after_it() {
    let mut world = World::with_phones(&["210"]);
    let ours = world.call(PHONE, to_trunk("varde", "1"));
    let leg = world.incoming(BRIDGE).leg;
    world.command(BRIDGE, answer(leg));
    world.command(BRIDGE, hang_up(leg, Some(16)));
    assert_eq!(world.events(BRIDGE), [ended(leg, Why::Released, None)]);
    world.run(SOON);
    let events = world.events(PHONE);
    assert!(
        matches!(
            &events[events.len() - 2..],
            [Event::Answered { .. }, Event::Ended(Ended { .. })]
        ),
        "{events:?}"
    );
    assert_eq!(events.last(), Some(&ended(ours, Why::HungUp, Some(16))));
    forgets(&mut world);
}

#[test]
fn all_phones_of_an_account_ring_and_the_first_answer_wins() {
    let mut world = World::with_phones(&["210", "210"]);
    let ours = world.call(BRIDGE, to_account("210"));
    let (first, second) = (world.incoming(1).leg, world.incoming(2).leg);
    world.command(1, progress(first, 180));
    world.command(2, progress(second, 180));
    world.run(SOON);
    world.command(2, answer(second));
    world.run(SOON);
    assert_eq!(world.events(1), [ended(first, Why::Cancelled, None)]);
    let events = world.events(BRIDGE);
    let answers = events
        .iter()
        .filter(|event| matches!(event, Event::Answered { .. }))
        .count();
    assert_eq!(answers, 1);
    world.command(BRIDGE, hang_up(ours, None));
    world.run(SOON);
    assert_eq!(world.events(2).last(), Some(&ended(second, Why::HungUp, None)));
    forgets(&mut world);
}

#[test]
fn the_best_reason_is_told_when_all_phones_refuse() {
    let mut world = World::with_phones(&["210", "210"]);
    let ours = world.call(BRIDGE, to_account("210"));
    let (first, second) = (world.incoming(1).leg, world.incoming(2).leg);
    for (phone, leg, status) in [(1, first, 503), (2, second, 486)] {
        world.command(
            phone,
            Command::Reject {
                leg,
                status,
                cause: None,
            },
        );
        world.run(SOON);
    }
    let why = Why::Refused {
        status: 486,
        moved_to: None,
    };
    assert!(world.events(BRIDGE).contains(&ended(ours, why, None)));
    forgets(&mut world);
}

#[test]
fn hold_and_back_by_both_ends() {
    let mut world = World::with_phones(&["210"]);
    let (ours, theirs) = answered(&mut world);
    let offer = |leg: LegId, sdp: &str| Command::Offer { leg, sdp: sdp.into() };
    for (by, of, own, other) in [(PHONE, BRIDGE, ours, theirs), (BRIDGE, PHONE, theirs, ours)] {
        world.command(by, offer(own, "hold"));
        world.run(SOON);
        assert_eq!(
            world.events(of),
            [Event::Offer {
                leg: other,
                sdp: Some("hold".into())
            }]
        );
        world.command(
            of,
            Command::AnswerOffer {
                leg: other,
                sdp: "held".into(),
            },
        );
        world.run(SOON);
        assert_eq!(
            world.events(by),
            [Event::OfferAnswered {
                leg: own,
                sdp: Some("held".into())
            }]
        );
        assert_eq!(
            world.events(of),
            [Event::Confirmed {
                leg: other,
                sdp: None
            }]
        );
    }
    world.command(PHONE, offer(ours, "odd"));
    world.run(SOON);
    world.command(
        BRIDGE,
        Command::RefuseOffer {
            leg: theirs,
            status: 488,
        },
    );
    world.run(SOON);
    let refused = |leg: LegId, status: u16| [Event::OfferRefused { leg, status }];
    assert_eq!(world.events(PHONE), refused(ours, 488));
    // Both at once: both are refused, and the call goes on.
    world.events(BRIDGE);
    world.command(PHONE, offer(ours, "a"));
    world.command(BRIDGE, offer(theirs, "b"));
    world.run(SOON);
    assert_eq!(world.events(PHONE), refused(ours, 491));
    assert_eq!(world.events(BRIDGE), refused(theirs, 491));
    world.command(PHONE, hang_up(ours, None));
    world.run(SOON);
    forgets(&mut world);
}

#[test]
fn a_long_call_is_refreshed_and_a_dead_peer_is_found() {
    let mut world = World::with_phones(&["210"]);
    let (ours, theirs) = answered(&mut world);
    let before = world.sent;
    world.run(Duration::from_hours(3));
    assert_eq!(world.events(PHONE), []);
    let over = |event: &Event| matches!(event, Event::Ended(_));
    assert!(!world.events(BRIDGE).iter().any(over));
    assert!(world.sent > before + 10, "the session was refreshed");
    world.loses = Box::new(|_, _| true);
    world.run(Duration::from_hours(1));
    assert!(world.events(PHONE).contains(&ended(ours, Why::Dead, None)));
    assert!(world.events(BRIDGE).contains(&ended(theirs, Why::Dead, None)));
}

#[test]
fn a_reload_leaves_calls_alone() {
    let mut world = World::with_phones(&["210"]);
    let (ours, theirs) = answered(&mut world);
    world.configure(BRIDGE, Directory::default());
    world.configure(PHONE, Directory::default());
    world.run(Duration::from_mins(1));
    assert_eq!(
        world.events(BRIDGE),
        [Event::Unregistered {
            account: "210".into(),
            contacts: 0
        }]
    );
    let offer = Command::Offer {
        leg: ours,
        sdp: "hold".into(),
    };
    world.command(PHONE, offer);
    world.run(SOON);
    assert_eq!(
        world.events(BRIDGE),
        [Event::Offer {
            leg: theirs,
            sdp: Some("hold".into())
        }]
    );
    world.command(BRIDGE, hang_up(theirs, None));
    world.run(SOON);
    let refused = Event::OfferRefused {
        leg: ours,
        status: 487,
    };
    assert_eq!(world.events(PHONE), [refused, ended(ours, Why::HungUp, None)]);
    forgets(&mut world);
}

#[test]
fn a_trunk_that_leaves_the_directory_takes_its_registration_back() {
    let mut world = World::with_phones(&["210"]);
    world.events(BRIDGE);
    world.configure(PHONE, Directory::default());
    world.run(SOON);
    assert_eq!(
        world.events(BRIDGE),
        [Event::Unregistered {
            account: "210".into(),
            contacts: 0
        }]
    );
    forgets(&mut world);
}

#[test]
fn an_account_has_no_more_legs_than_it_may_but_for_an_emergency() {
    let mut world = World::with_phones(&["210"]);
    let mut few = account("210");
    few.max_legs = 1;
    world.configure(
        BRIDGE,
        Directory {
            accounts: vec![few],
            emergency: vec!["113".into()],
            ..Directory::default()
        },
    );
    world.call(PHONE, to_trunk("varde", "1"));
    assert!(!world.incoming(BRIDGE).emergency);
    let second = world.call(PHONE, to_trunk("varde", "2"));
    world.run(SOON);
    world.call(PHONE, to_trunk("varde", "3"));
    world.run(SOON);
    let why = Why::Refused {
        status: 403,
        moved_to: None,
    };
    assert!(world.events(PHONE).contains(&ended(second, why, None)));
    assert!(matches!(
        world.events(BRIDGE)[..],
        [Event::Alarm(varde_sip::Alarm::LegLimit { .. })]
    ));
    world.call(PHONE, to_trunk("varde", "113"));
    assert!(world.incoming(BRIDGE).emergency);
}

#[test]
fn a_withheld_number_is_seen_only_by_those_who_may() {
    let mut world = World::new(2);
    for (agent, other) in [(0, 1), (1, 0)] {
        let trunks = vec![trunk("t", other, None)];
        world.configure(
            agent,
            Directory {
                trunks,
                ..Directory::default()
            },
        );
    }
    world.run(SOON);
    let mut call = to_trunk("t", "112");
    call.private = true;
    call.asserted = Some(Identity::number("+4733440210"));
    world.call(0, call);
    let incoming = world.incoming(1);
    assert!(incoming.private);
    assert_eq!(incoming.calling.number, "anonymous");
    assert_eq!(incoming.asserted, Some(Identity::number("+4733440210")));
}

#[test]
fn what_cannot_be_called_is_said_at_once() {
    let mut world = World::with_phones(&["210"]);
    world.configure(
        BRIDGE,
        Directory {
            accounts: vec![account("210"), account("212")],
            ..Directory::default()
        },
    );
    for (call, why) in [
        (to_account("212"), Why::NotRegistered),
        (to_account("999"), Why::Unknown),
        (to_trunk("999", "1"), Why::Unknown),
    ] {
        let leg = world.call(BRIDGE, call);
        assert_eq!(world.events(BRIDGE).last(), Some(&ended(leg, why, None)));
    }
}

#[test]
fn the_recorder_gets_every_message_of_a_leg_in_order_and_no_proof() {
    let mut world = World::with_phones(&["210"]);
    world.agents[BRIDGE].0 =
        varde_sip::Agent::new(&world::setup(BRIDGE, true), &[world::address(BRIDGE)], [9; 32]);
    world.configure(
        BRIDGE,
        Directory {
            accounts: vec![account("210")],
            ..Directory::default()
        },
    );
    world.events(BRIDGE);
    let ours = world.call(PHONE, to_trunk("varde", "1"));
    let leg = world.incoming(BRIDGE).leg;
    world.command(BRIDGE, answer(leg));
    world.run(SOON);
    world.command(PHONE, hang_up(ours, None));
    world.run(SOON);
    let lines: Vec<String> = world
        .taps
        .iter()
        .map(|tapped| {
            assert_eq!(tapped.leg, leg);
            let text = String::from_utf8_lossy(&tapped.bytes);
            assert!(!text.contains("response="), "{text}");
            text.lines().next().unwrap().to_owned()
        })
        .collect();
    let starts: Vec<&str> = lines
        .iter()
        .map(|line| line.split(" sip:").next().unwrap())
        .collect();
    assert_eq!(
        starts,
        [
            "INVITE",
            "SIP/2.0 100 Trying",
            "SIP/2.0 200 OK",
            "ACK",
            "BYE",
            "SIP/2.0 200 OK"
        ]
    );
}
