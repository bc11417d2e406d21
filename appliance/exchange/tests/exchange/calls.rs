//! Set-up, progress, answer, release; fail-over and forwarding.

use std::time::Duration;

use varde_dss1::Cause;
use varde_exchange::{Action, EndedBy, Forwarding, Phase, Setup, Signal};

use crate::rig::{Rig, site};

#[test]
fn a_call_is_set_up_talked_and_ended_by_its_caller() {
    let mut rig = Rig::new(site());
    let caller = rig.call("pbx", "22330012", "200");
    let (called, place, setup) = rig.called();
    assert_eq!((&*place, setup.called.as_str()), ("phone-200", "200"));
    rig.say(called, Signal::Proceeding);
    rig.say(called, Signal::Alerting { in_band: false });
    assert_eq!(rig.exchange.calls().next().unwrap().phase, Phase::Ringing);
    rig.answer(called);
    assert_eq!(
        rig.asked(caller),
        [
            Action::Alerting { in_band: false },
            Action::Answer { connected: None }
        ]
    );
    assert_eq!(rig.joins, [(caller, called)]);
    rig.pass(Duration::from_mins(1));
    rig.say(caller, Signal::Disconnected(Cause::NORMAL_CALL_CLEARING));
    assert_eq!(rig.released(caller), Cause::NORMAL_CALL_CLEARING);
    assert!(rig.records.is_empty(), "the other side is still there");
    assert_eq!(rig.released(called), Cause::NORMAL_CALL_CLEARING);
    assert!(rig.is_idle());
    let record = &rig.records[0];
    assert_eq!(record.ended_by, EndedBy::Caller);
    assert_eq!((record.caller_cause, record.called_cause), (16, Some(16)));
    let talked = record.ended.duration_since(record.answered.unwrap());
    assert_eq!(talked.as_secs(), 60);
}

#[test]
fn who_is_busy_says_so_to_the_caller() {
    let mut rig = Rig::new(site());
    let caller = rig.call("pbx", "22330012", "200");
    let (called, ..) = rig.called();
    rig.say(called, Signal::Released(Cause::USER_BUSY));
    assert_eq!(rig.released(caller), Cause::USER_BUSY);
    assert!(rig.is_idle());
    assert_eq!(rig.records[0].ended_by, EndedBy::Called);
    assert_eq!(rig.records[0].attempts[0].cause, Some(17));
}

#[test]
fn what_is_to_be_heard_before_an_answer_is_heard() {
    let mut rig = Rig::new(site());
    let caller = rig.call("pbx", "22330012", "22445566");
    let (called, ..) = rig.called();
    rig.say(called, Signal::Progress);
    rig.say(called, Signal::Alerting { in_band: true });
    assert_eq!(rig.joins, [(caller, called)], "once");
    assert_eq!(
        rig.asked(caller),
        [Action::Progress, Action::Alerting { in_band: true }],
        "180 after 183 is passed on"
    );
}

#[test]
fn trouble_on_a_trunk_makes_the_next_one_try() {
    let mut rig = Rig::new(site());
    let caller = rig.call("phone-200", "200", "22445566");
    let (first, place, _) = rig.called();
    assert_eq!(&*place, "one");
    rig.say(first, Signal::Released(Cause::TEMPORARY_FAILURE));
    let (second, place, _) = rig.called();
    assert_eq!(&*place, "two");
    rig.answer(second);
    assert!(rig.asked(caller).contains(&Action::Answer { connected: None }));
    rig.say(second, Signal::Released(Cause::NORMAL_CALL_CLEARING));
    rig.released(caller);
    let tried: Vec<_> = rig.records[0]
        .attempts
        .iter()
        .map(|attempt| (attempt.place.as_str(), attempt.cause))
        .collect();
    assert_eq!(tried, [("one", Some(41)), ("two", None)]);
}

#[test]
fn an_answer_of_whom_was_called_is_final() {
    let mut rig = Rig::new(site());
    let caller = rig.call("phone-200", "200", "22445566");
    let (first, ..) = rig.called();
    rig.say(first, Signal::Released(Cause::UNALLOCATED_NUMBER));
    assert!(rig.nobody_is_called());
    assert_eq!(rig.released(caller), Cause::UNALLOCATED_NUMBER);
}

#[test]
fn a_trunk_that_says_nothing_for_20_s_is_left_for_the_next() {
    let mut rig = Rig::new(site());
    rig.call("phone-200", "200", "22445566");
    let (first, ..) = rig.called();
    rig.pass(Duration::from_secs(19));
    assert!(rig.nobody_is_called());
    rig.pass(Duration::from_secs(1));
    assert!(
        rig.asked(first)
            .contains(&Action::Release(Cause::RECOVERY_ON_TIMER_EXPIRY))
    );
    assert_eq!(&*rig.called().1, "two");
    rig.answer(first);
    assert!(rig.joins.is_empty(), "an answer that comes too late");
}

#[test]
fn a_call_that_nobody_answers_is_released_with_cause_19() {
    let mut rig = Rig::new(site());
    let caller = rig.call("pbx", "22330012", "200");
    let (called, ..) = rig.called();
    rig.say(called, Signal::Alerting { in_band: false });
    rig.pass(Duration::from_mins(3));
    assert_eq!(rig.released(called), Cause::NO_ANSWER);
    assert_eq!(rig.released(caller), Cause::NO_ANSWER);
    assert!(rig.is_idle());
}

fn forwarding(change: impl FnOnce(&mut Forwarding)) -> Rig {
    let mut plan = site();
    change(&mut plan.extensions[0].forwarding);
    Rig::new(plan)
}

#[test]
fn calls_are_forwarded_always_or_when_busy_unanswered_or_out_of_reach() {
    let to = || Some(String::from("201"));
    let after = Duration::from_secs(15);
    let mut rig = forwarding(|forwarding| forwarding.always = to());
    rig.call("pbx", "22330012", "200");
    assert_eq!(&*rig.called().1, "phone-201");

    let mut rig = forwarding(|forwarding| forwarding.busy = to());
    rig.call("pbx", "22330012", "200");
    let (called, ..) = rig.called();
    rig.say(called, Signal::Released(Cause::USER_BUSY));
    let (_, place, setup) = rig.called();
    assert_eq!(&*place, "phone-201");
    assert_eq!(setup.diverted.as_deref(), Some("22334200"));

    let mut rig = forwarding(|forwarding| forwarding.no_answer = Some((after, "201".into())));
    rig.call("pbx", "22330012", "200");
    let (called, ..) = rig.called();
    rig.say(called, Signal::Alerting { in_band: false });
    rig.pass(after);
    assert_eq!(&*rig.called().1, "phone-201");

    let mut rig = forwarding(|forwarding| forwarding.no_answer = Some((after, "201".into())));
    let now = rig.now;
    rig.exchange.lost_place(now, &"phone-200".into());
    rig.call("pbx", "22330012", "200");
    assert_eq!(&*rig.called().1, "phone-201");
}

#[test]
fn two_extensions_that_forward_to_each_other_end_the_call_with_cause_25() {
    let mut plan = site();
    plan.extensions[0].forwarding.always = Some("201".into());
    plan.extensions[1].forwarding.always = Some("200".into());
    let mut rig = Rig::new(plan);
    let caller = rig.call("pbx", "22330012", "200");
    assert_eq!(rig.released(caller), Cause::EXCHANGE_ROUTING_ERROR);
    assert_eq!(rig.records[0].forwarded, ["200", "201", "200", "201", "200"]);
}

#[test]
fn a_new_plan_leaves_calls_as_they_are() {
    let mut rig = Rig::new(site());
    let talking = rig.call("phone-200", "200", "22445566");
    let (trunk, ..) = rig.called();
    rig.answer(trunk);
    let trying = rig.call("phone-201", "201", "22445577");
    let (first, ..) = rig.called();
    let mut empty = site();
    empty.routes.clear();
    empty.places.remove("two");
    rig.exchange.set_plan(empty);
    rig.say(first, Signal::Released(Cause::TEMPORARY_FAILURE));
    assert_eq!(&*rig.called().1, "two", "by the plan that it began with");
    assert!(
        rig.asked(talking)
            .iter()
            .all(|action| !matches!(action, Action::Release(_)))
    );
    let late = rig.call("phone-200", "200", "22445588");
    assert_eq!(rig.released(late), Cause::UNALLOCATED_NUMBER, "by the new one");
    assert_eq!(rig.exchange.calls().count(), 2);
    rig.say(trying, Signal::Released(Cause::NORMAL_CALL_CLEARING));
}

#[test]
fn an_operator_can_end_a_call() {
    let mut rig = Rig::new(site());
    let caller = rig.call("pbx", "22330012", "200");
    let (called, ..) = rig.called();
    rig.answer(called);
    let (id, now) = (rig.exchange.calls().next().unwrap().call, rig.now);
    assert!(rig.exchange.clear(now, id));
    rig.collect();
    rig.released(caller);
    rig.released(called);
    assert!(rig.is_idle());
    assert!(!rig.exchange.clear(now, id));
}

#[test]
fn a_leg_that_never_says_that_it_is_released_is_given_up() {
    let mut rig = Rig::new(site());
    let caller = rig.begin(
        "pbx",
        Setup {
            called: "999".into(),
            complete: true,
            ..Setup::default()
        },
    );
    assert!(matches!(rig.asked(caller).last(), Some(Action::Release(_))));
    rig.pass(Duration::from_secs(90));
    assert!(rig.is_idle());
    assert_eq!(rig.records.len(), 1);
}
