//! Calls for help.

use std::time::Duration;

use varde_dss1::Cause;
use varde_exchange::{Action, Calling, LegId, Notice, Route, Setup, Signal, Target, Terms, Test};

use crate::rig::{Rig, route, site};

/// Takes both channels of trunk `one`; the legs of the second call, which is the younger.
fn all_busy(rig: &mut Rig) -> (LegId, LegId) {
    let mut last = None;
    for number in ["22445566", "22445577"] {
        let caller = rig.call("phone-201", "201", number);
        let (called, place, _) = rig.called();
        assert_eq!(&*place, "one");
        rig.answer(called);
        last = Some((caller, called));
    }
    last.unwrap()
}

#[test]
fn a_call_for_help_takes_the_channel_of_the_youngest_call_when_all_are_busy() {
    let mut rig = Rig::new(site());
    let (caller, called) = all_busy(&mut rig);
    rig.call("phone-200", "200", "112");
    assert!(rig.nobody_is_called(), "the channel is not free yet");
    assert_eq!(rig.released(caller), Cause::PREEMPTION);
    assert_eq!(rig.released(called), Cause::PREEMPTION);
    let (_, place, setup) = rig.called();
    assert_eq!((&*place, setup.called.as_str()), ("one", "112"));
    assert!(matches!(rig.notices[..], [Notice::Preempted { .. }]));
}

#[test]
fn a_channel_that_does_not_come_free_in_5_s_sends_the_call_for_help_elsewhere() {
    let mut rig = Rig::new(site());
    all_busy(&mut rig);
    rig.call("phone-200", "200", "112");
    rig.pass(Duration::from_secs(5));
    assert_eq!(&*rig.called().1, "two");
}

#[test]
fn a_reserved_channel_is_for_calls_for_help_alone() {
    let mut plan = site();
    plan.places.get_mut("one").unwrap().reserved = 1;
    let mut rig = Rig::new(plan);
    for expected in ["one", "two"] {
        rig.call("phone-200", "200", "22445566");
        assert_eq!(&*rig.called().1, expected);
    }
    rig.call("phone-200", "200", "113");
    assert_eq!(&*rig.called().1, "one");
    assert!(rig.notices.is_empty(), "nobody had to go");
}

#[test]
fn one_call_for_help_does_not_end_another() {
    let mut rig = Rig::new(site());
    for _ in 0..2 {
        rig.call("phone-200", "200", "112");
        let (called, place, _) = rig.called();
        assert_eq!(&*place, "one");
        rig.answer(called);
    }
    rig.call("phone-201", "201", "110");
    assert_eq!(&*rig.called().1, "two");
    assert!(rig.notices.is_empty());
}

#[test]
fn the_number_is_shown_though_it_be_secret_and_the_place_is_told() {
    let mut plan = site();
    plan.extensions[0].location = Some("The old wing".into());
    let mut rig = Rig::new(plan);
    let secret = |place: &str, number: &str| {
        let calling = Calling {
            number: number.into(),
            hidden: true,
        };
        let setup = Setup {
            called: "112".into(),
            complete: true,
            calling: Some(calling),
            ..Setup::default()
        };
        let place = String::from(place);
        move |rig: &mut Rig| {
            rig.begin(&place, setup);
            rig.called().2
        }
    };
    let setup = secret("pbx", "22330012")(&mut rig);
    let shown = Calling {
        number: "22330012".into(),
        hidden: false,
    };
    assert_eq!(setup.calling, Some(shown));
    assert_eq!(setup.emergency.as_deref(), Some("Storgata 1"));
    let setup = secret("phone-200", "200")(&mut rig);
    assert_eq!(setup.calling.unwrap().number, "22334200");
    assert_eq!(setup.emergency.as_deref(), Some("The old wing"));
}

#[test]
fn a_phone_that_the_public_network_does_not_know_shows_the_sites_number() {
    let mut plan = site();
    plan.extensions[0].public = None;
    let mut rig = Rig::new(plan);
    rig.call("phone-200", "200", "112");
    assert_eq!(rig.called().2.calling.unwrap().number, "22330001");
}

#[test]
fn every_target_is_tried_whatever_the_cause_and_those_that_are_down_last() {
    let mut rig = Rig::new(site());
    let now = rig.now;
    rig.exchange.lost_place(now, &"one".into());
    let caller = rig.call("phone-200", "200", "112");
    let (first, place, _) = rig.called();
    assert_eq!(&*place, "two");
    rig.say(first, Signal::Released(Cause::USER_BUSY));
    let (second, place, _) = rig.called();
    assert_eq!(&*place, "one");
    rig.say(second, Signal::Released(Cause::CALL_REJECTED));
    assert_eq!(rig.released(caller), Cause::CALL_REJECTED);
    assert!(
        rig.notices
            .iter()
            .any(|notice| matches!(notice, Notice::EmergencyFailed { .. }))
    );
}

#[test]
fn a_target_that_says_nothing_is_left_a_line_sooner_than_a_trunk_and_the_last_one_is_waited_for() {
    let mut rig = Rig::new(site());
    let caller = rig.call("phone-200", "200", "112");
    let (first, ..) = rig.called();
    rig.pass(Terms::default().emergency_response);
    rig.released(first);
    let (last, place, _) = rig.called();
    assert_eq!(&*place, "two");
    rig.pass(Terms::default().emergency_ringing);
    assert_eq!(rig.asked(last), [], "nobody else could be tried");
    rig.answer(last);
    assert!(matches!(rig.asked(caller).last(), Some(Action::Answer { .. })));
    let mut plan = site();
    plan.emergency.places.reverse();
    let mut rig = Rig::new(plan);
    rig.call("phone-200", "200", "112");
    assert_eq!(&*rig.called().1, "two");
    rig.pass(Terms::default().emergency_response);
    assert!(rig.nobody_is_called(), "a trunk has longer");
    rig.pass(Duration::from_secs(5));
    assert_eq!(&*rig.called().1, "one");
}

/// A channel that is blocked counts as free here, and the other end of a trunk may have fewer than we think.
#[test]
fn a_target_that_turns_out_to_have_no_channel_gets_one_from_another_call() {
    let mut rig = Rig::new(site());
    let other = rig.call("phone-201", "201", "22445566");
    let (its, place, _) = rig.called();
    assert_eq!(&*place, "one");
    rig.answer(its);
    rig.call("phone-200", "200", "112");
    let (first, place, _) = rig.called();
    assert_eq!(&*place, "one");
    rig.say(first, Signal::Released(Cause::NO_CIRCUIT_AVAILABLE));
    assert!(rig.nobody_is_called(), "the channel is not free yet");
    assert_eq!(rig.released(other), Cause::PREEMPTION);
    assert!(rig.nobody_is_called(), "nor is it yet");
    assert_eq!(rig.released(its), Cause::PREEMPTION);
    let (second, place, _) = rig.called();
    assert_eq!(&*place, "one");
    rig.say(second, Signal::Released(Cause::NO_CIRCUIT_AVAILABLE));
    assert_eq!(&*rig.called().1, "two", "tried once more, and no longer");
}

#[test]
fn a_call_for_help_with_the_code_for_an_outside_line_is_one() {
    let mut plan = site();
    plan.routes.push(Route {
        strip: 1,
        ..route("0", &["two"])
    });
    let mut rig = Rig::new(plan);
    rig.call("phone-200", "200", "0112");
    let (_, place, setup) = rig.called();
    assert_eq!((&*place, setup.called.as_str()), ("one", "112"));
    assert!(setup.emergency.is_some());
    let caller = rig.begin("pbx", Setup::default());
    for digit in ["0", "1", "1", "3"] {
        assert!(rig.nobody_is_called());
        rig.say(
            caller,
            Signal::Digits {
                digits: digit.into(),
                complete: false,
            },
        );
    }
    assert_eq!(rig.called().2.called, "113");
}

#[test]
fn neither_overload_nor_barring_nor_limits_stop_a_call_for_help() {
    let mut plan = site();
    plan.most_calls = 0;
    plan.most_a_second = 0;
    plan.extensions[0].barring.barred = vec![String::new()];
    let mut rig = Rig::new(plan);
    rig.exchange.set_pressed(true);
    let shed = rig.call("phone-200", "200", "22445566");
    assert_eq!(rig.released(shed), Cause::SWITCHING_EQUIPMENT_CONGESTION);
    rig.call("phone-200", "200", "112");
    assert_eq!(rig.called().2.called, "112");
}

#[test]
fn a_call_for_help_is_begun_at_its_last_digit_even_if_other_numbers_begin_so() {
    let mut plan = site();
    plan.extensions[0].number = "1123".into();
    let mut rig = Rig::new(plan);
    let caller = rig.begin("pbx", Setup::default());
    for digit in ["1", "1"] {
        let digits = digit.into();
        rig.say(
            caller,
            Signal::Digits {
                digits,
                complete: false,
            },
        );
    }
    assert!(rig.nobody_is_called());
    rig.say(
        caller,
        Signal::Digits {
            digits: "2".into(),
            complete: false,
        },
    );
    assert_eq!(rig.called().2.called, "112");
}

#[test]
fn nobody_forwards_calls_to_those_who_help() {
    let mut plan = site();
    plan.extensions[0].forwarding.always = Some("112".into());
    let mut rig = Rig::new(plan);
    let caller = rig.call("pbx", "22330012", "200");
    assert!(rig.nobody_is_called());
    assert!(matches!(rig.asked(caller).last(), Some(Action::Release(_))));
}

/// A call that the site makes itself: from a place of its own, to see whether a target would take a call for help.
#[test]
fn a_test_goes_over_the_target_that_it_is_for_takes_what_is_reserved_and_ends_nobodys_call() {
    let mut plan = site();
    plan.places.get_mut("one").unwrap().reserved = 1;
    let mut rig = Rig::new(plan);
    let test = |rig: &mut Rig| {
        rig.begin(
            "phone-201",
            Setup {
                called: "22330099".into(),
                complete: true,
                test: Some(Test {
                    to: Some(Target::Place("one".into())),
                    emergency: true,
                }),
                ..Setup::default()
            },
        )
    };
    rig.call("phone-200", "200", "22445566");
    rig.called();
    test(&mut rig);
    let (_, place, setup) = rig.called();
    assert_eq!((&*place, setup.called.as_str()), ("one", "22330099"));
    assert_eq!(setup.emergency.as_deref(), Some("Storgata 1"));
    let second = test(&mut rig);
    assert_eq!(rig.released(second), Cause::NO_CIRCUIT_AVAILABLE);
    assert!(rig.notices.is_empty());
    assert!(rig.records[0].test);
}
