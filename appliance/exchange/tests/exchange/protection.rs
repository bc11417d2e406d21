//! Overload, barring, fraud.

use std::time::Duration;

use varde_dss1::Cause;
use varde_exchange::{Limit, Notice, Plan, Route, Signal};

use crate::rig::{Rig, route, site};

#[test]
fn new_calls_are_shed_with_cause_42_and_those_that_are_go_on() {
    let mut plan = site();
    plan.most_calls = 1;
    let mut rig = Rig::new(plan);
    rig.call("phone-200", "200", "201");
    let (called, ..) = rig.called();
    for _ in 0..3 {
        let shed = rig.call("pbx", "22330012", "200");
        assert_eq!(rig.released(shed), Cause::SWITCHING_EQUIPMENT_CONGESTION);
    }
    rig.answer(called);
    assert_eq!(rig.joins.len(), 1);
    let count = |what| rig.notices.iter().filter(|notice| **notice == what).count();
    assert_eq!((count(Notice::Overload), count(Notice::Shed)), (1, 3));
}

#[test]
fn calls_that_come_faster_than_the_rate_are_shed_until_a_second_has_passed() {
    let mut plan = site();
    plan.most_a_second = 2;
    let mut rig = Rig::new(plan);
    let begun = |rig: &mut Rig| {
        let leg = rig.call("pbx", "22330012", "200");
        let begun = !rig.nobody_is_called();
        rig.say(leg, Signal::Released(Cause::NORMAL_CALL_CLEARING));
        rig.actions.clear();
        begun
    };
    assert_eq!((0..4).filter(|_| begun(&mut rig)).count(), 2);
    rig.pass(Duration::from_secs(1));
    assert!(begun(&mut rig));
}

#[test]
fn a_barred_number_is_refused_to_who_calls_it_and_to_who_forwards_there() {
    let mut plan = site();
    plan.extensions[0].barring.barred = vec!["8".into()];
    plan.extensions[0].barring.allowed = vec!["815".into()];
    plan.extensions[0].forwarding.busy = Some("82900000".into());
    let mut rig = Rig::new(plan);
    let caller = rig.call("phone-200", "200", "82900000");
    assert_eq!(rig.released(caller), Cause::CALL_REJECTED);
    let caller = rig.call("phone-201", "201", "200");
    let (called, ..) = rig.called();
    rig.say(called, Signal::Released(Cause::USER_BUSY));
    assert_eq!(rig.released(caller), Cause::CALL_REJECTED);
    rig.call("phone-200", "200", "81500000");
    assert_eq!(rig.called().2.called, "81500000", "the longest prefix decides");
}

/// 9 for an outside line, and then abroad.
fn with_a_code() -> Plan {
    let mut plan = site();
    plan.routes.push(Route {
        strip: 1,
        digits: Some(14),
        ..route("9", &["two"])
    });
    plan
}

#[test]
fn a_code_in_front_opens_nothing_that_is_barred_and_closes_nothing_that_is_allowed() {
    let mut plan = with_a_code();
    plan.extensions[0].barring.barred = vec!["00".into()];
    plan.extensions[1].barring.barred = vec![String::new()];
    plan.extensions[1].barring.allowed = vec!["90046".into()];
    let mut rig = Rig::new(plan);
    let caller = rig.call("phone-200", "200", "90046812345678");
    assert_eq!(rig.released(caller), Cause::CALL_REJECTED);
    rig.call("phone-201", "201", "90046812345678");
    assert_eq!(rig.called().2.called, "0046812345678");
}

#[test]
fn a_code_in_front_is_no_way_round_the_limit_against_fraud() {
    let mut plan = with_a_code();
    plan.limits = vec![Limit {
        prefixes: vec!["00".into()],
        concurrent: 1,
        calls: 10,
        window: Duration::from_hours(1),
    }];
    let mut rig = Rig::new(plan);
    rig.call("phone-200", "200", "0046812345678");
    let second = rig.call("phone-200", "200", "90046812345678");
    assert_eq!(rig.released(second), Cause::CALL_REJECTED);
}

#[test]
fn an_account_that_calls_abroad_too_often_is_stopped_and_it_is_said() {
    let mut plan = site();
    plan.limits = vec![Limit {
        prefixes: vec!["00".into()],
        concurrent: 1,
        calls: 10,
        window: Duration::from_hours(24),
    }];
    let mut rig = Rig::new(plan);
    let first = rig.call("phone-200", "200", "0046812345678");
    let second = rig.call("phone-200", "200", "0046812345678");
    assert_eq!(rig.released(second), Cause::CALL_REJECTED);
    assert!(matches!(&rig.notices[..], [Notice::Limit { account, .. }] if &**account == "200"));
    rig.called();
    rig.call("phone-201", "201", "0046812345678");
    rig.called();
    rig.say(first, Signal::Released(Cause::NORMAL_CALL_CLEARING));
    rig.exchange.poll_command();
    assert_eq!(rig.exchange.calls().count(), 2);
}

#[test]
fn a_call_from_outside_goes_outside_only_if_an_extension_sends_it_there() {
    let mut plan = site();
    plan.extensions[0].forwarding.always = Some("99887766".into());
    let mut rig = Rig::new(plan);
    let through = rig.call("two", "44332211", "22445566");
    assert_eq!(rig.released(through), Cause::UNALLOCATED_NUMBER);
    rig.call("two", "44332211", "22334200");
    let (_, place, setup) = rig.called();
    assert_eq!((&*place, setup.called.as_str()), ("one", "99887766"));
    assert_eq!(setup.diverted.as_deref(), Some("22334200"));
}

#[test]
fn an_extension_has_no_more_calls_than_it_may_and_is_busy_to_others() {
    let mut plan = site();
    plan.extensions[0].most_calls = 1;
    let mut rig = Rig::new(plan);
    rig.call("pbx", "22330012", "200");
    rig.called();
    let second = rig.call("pbx", "22330013", "200");
    assert_eq!(rig.released(second), Cause::USER_BUSY);
    let own = rig.call("phone-200", "200", "201");
    assert_eq!(rig.released(own), Cause::NO_CIRCUIT_AVAILABLE);
    rig.call("phone-200", "200", "112");
    assert_eq!(rig.called().2.called, "112");
}

#[test]
fn a_trunk_has_no_more_calls_than_it_may_but_for_help() {
    let mut plan = site();
    plan.places.get_mut("two").unwrap().most_calls = Some(1);
    plan.routes[0].targets.remove(0);
    plan.emergency.places.remove(0);
    let mut rig = Rig::new(plan);
    rig.call("phone-200", "200", "22445566");
    rig.called();
    let second = rig.call("phone-201", "201", "22445566");
    assert_eq!(rig.released(second), Cause::NO_CIRCUIT_AVAILABLE);
    rig.call("phone-201", "201", "112");
    assert_eq!(&*rig.called().1, "two");
}

#[test]
fn a_channel_that_is_reserved_is_not_for_calls_that_come_either() {
    let mut plan = site();
    plan.places.get_mut("pbx").unwrap().reserved = 1;
    let mut rig = Rig::new(plan);
    rig.call("pbx", "22330012", "200");
    rig.called();
    let second = rig.call("pbx", "22330013", "201");
    assert_eq!(rig.released(second), Cause::NO_CIRCUIT_AVAILABLE);
    rig.call("pbx", "22330013", "112");
    assert_eq!(rig.called().2.called, "112");
}
