//! What numbers lead to.

use std::time::Duration;

use varde_dss1::Cause;
use varde_exchange::{Action, Calling, Found, Goal, Kind, Setup, Shows, Signal, Standing, Target};

use crate::rig::{Rig, START, route, site};

fn digits(digits: &str) -> Signal {
    Signal::Digits {
        digits: digits.into(),
        complete: false,
    }
}

#[test]
fn a_number_that_is_dialled_digit_by_digit_is_called_as_soon_as_it_is_complete() {
    let mut rig = Rig::new(site());
    let caller = rig.begin("pbx", Setup::default());
    assert_eq!(rig.asked(caller), [Action::MoreDigits]);
    for digit in ["2", "2", "4", "4", "5", "5", "6"] {
        rig.say(caller, digits(digit));
        assert!(rig.nobody_is_called());
    }
    rig.say(caller, digits("6"));
    assert_eq!(rig.called().2.called, "22445566");
}

#[test]
fn a_number_that_could_go_on_is_called_when_no_more_digits_come() {
    let mut rig = Rig::new(site());
    let caller = rig.begin("pbx", Setup::default());
    rig.say(caller, digits("200"));
    assert!(
        rig.nobody_is_called(),
        "200 may be the beginning of a public number"
    );
    rig.pass(Duration::from_secs(6));
    assert_eq!(&*rig.called().1, "phone-200");
}

#[test]
fn a_number_that_never_becomes_one_is_incomplete() {
    let mut rig = Rig::new(site());
    let caller = rig.begin("pbx", Setup::default());
    rig.say(caller, digits("2244"));
    rig.pass(Duration::from_secs(6));
    assert_eq!(rig.released(caller), Cause::INVALID_NUMBER_FORMAT);
    let silent = rig.begin("pbx", Setup::default());
    rig.pass(Duration::from_secs(15));
    assert_eq!(rig.released(silent), Cause::INVALID_NUMBER_FORMAT);
}

#[test]
fn numbers_in_the_plan() {
    let plan = site();
    let wall = START.parse().unwrap();
    let find = |number| plan.find(number, Kind::Inside, wall);
    assert_eq!(find("22334200"), Found::Complete(Goal::Extension(0)), "direct");
    assert_eq!(find("200"), Found::Perhaps(Goal::Extension(0)));
    assert_eq!(
        find("22330012"),
        Found::Complete(Goal::Route(1)),
        "longest prefix"
    );
    assert_eq!(find("22440012"), Found::Complete(Goal::Route(0)));
    assert_eq!(
        find("1881"),
        Found::Complete(Goal::Route(0)),
        "a service of four digits"
    );
    assert_eq!(find("112"), Found::Complete(Goal::Emergency));
    assert_eq!(find("2244001"), Found::Incomplete);
    assert_eq!(find("224400123"), Found::Nothing);
    assert_eq!(find("0046812345"), Found::Perhaps(Goal::Route(0)));
}

#[test]
fn callers_from_outside_reach_what_is_for_them() {
    let plan = site();
    let wall = START.parse().unwrap();
    let find = |number| plan.find(number, Kind::Outside, wall);
    assert_eq!(
        find("22330012"),
        Found::Complete(Goal::Route(1)),
        "a series of the line"
    );
    assert_eq!(find("22440012"), Found::Nothing);
}

#[test]
fn a_route_that_is_closed_leaves_its_numbers_to_the_next() {
    let mut plan = site();
    let mut by_day = route("815", &["two"]);
    by_day.hours.open = vec!["Thu 08:00..16:00".parse().unwrap()];
    plan.routes.push(by_day);
    let mut rig = Rig::new(plan);
    rig.call("phone-200", "200", "81500000");
    assert_eq!(&*rig.called().1, "two", "Thursday at ten");
    rig.pass(Duration::from_hours(8));
    rig.call("phone-200", "200", "81500000");
    assert_eq!(&*rig.called().1, "one");
}

#[test]
fn a_route_to_an_extension_is_a_call_for_it() {
    let mut plan = site();
    let mut to_phone = route("22339999", &[]);
    to_phone.from = Some(Kind::Outside);
    to_phone.targets = vec![Target::Extension(0)];
    plan.routes.push(to_phone);
    plan.extensions[0].forwarding.always = Some("201".into());
    let mut rig = Rig::new(plan);
    rig.call("one", "99887766", "22339999");
    assert_eq!(&*rig.called().1, "phone-201");
}

#[test]
fn a_route_rewrites_the_number() {
    let mut plan = site();
    plan.routes[0].strip = 2;
    plan.routes[0].prepend = "004722".into();
    let mut rig = Rig::new(plan);
    rig.call("phone-200", "200", "22445566");
    assert_eq!(rig.called().2.called, "004722445566");
}

#[test]
fn an_extension_on_a_line_is_called_as_the_line_knows_it() {
    let mut plan = site();
    plan.extensions[0].place = "pbx".into();
    plan.extensions[0].called_as = "12".into();
    let mut rig = Rig::new(plan);
    rig.call("one", "99887766", "22334200");
    let (_, place, setup) = rig.called();
    assert_eq!((&*place, setup.called.as_str()), ("pbx", "12"));
}

#[test]
fn callers_are_shown_as_those_who_see_them_know_them() {
    let mut rig = Rig::new(site());
    let shown = |rig: &mut Rig, place, calling, called| {
        rig.call(place, calling, called);
        rig.called().2.calling.map(|calling| calling.number)
    };
    assert_eq!(shown(&mut rig, "phone-200", "200", "201").as_deref(), Some("200"));
    assert_eq!(
        shown(&mut rig, "phone-200", "200", "22445566").as_deref(),
        Some("22334200")
    );
    assert_eq!(
        shown(&mut rig, "phone-200", "99999999", "22445566").as_deref(),
        Some("22334200"),
        "not as it says"
    );
    assert_eq!(
        shown(&mut rig, "pbx", "22330012", "22445566").as_deref(),
        Some("22330012")
    );
    assert_eq!(
        shown(&mut rig, "two", "99887766", "22334200").as_deref(),
        Some("99887766")
    );
}

#[test]
fn an_exchange_on_a_line_shows_no_number_that_is_not_its_own() {
    let mut rig = Rig::new(site());
    rig.call("pbx", "44112233", "22445566");
    let number = rig.called().2.calling.unwrap().number;
    assert_eq!(number, "22330000");
}

#[test]
fn a_line_shows_what_it_says_or_always_its_own_number_where_the_plan_says_so() {
    for (shows, said, shown) in [
        (Shows::Any, "44112233", "44112233"),
        (Shows::Fixed, "22330012", "22330000"),
    ] {
        let mut plan = site();
        plan.places.get_mut("pbx").unwrap().shows = shows;
        let mut rig = Rig::new(plan);
        rig.call("pbx", said, "22445566");
        assert_eq!(rig.called().2.calling.unwrap().number, shown);
    }
}

#[test]
fn a_hidden_number_goes_along_and_says_that_it_is_hidden() {
    let mut rig = Rig::new(site());
    let setup = Setup {
        called: "22445566".into(),
        complete: true,
        calling: Some(Calling {
            number: "22330012".into(),
            hidden: true,
        }),
        ..Setup::default()
    };
    rig.begin("pbx", setup);
    assert!(rig.called().2.calling.unwrap().hidden);
}

#[test]
fn a_place_that_is_down_is_passed_over_and_one_on_probation_comes_last() {
    let mut rig = Rig::new(site());
    let (one, now) = ("one".into(), rig.now);
    rig.exchange.lost_place(now, &one);
    rig.call("phone-200", "200", "22445566");
    assert_eq!(&*rig.called().1, "two");
    rig.exchange.answered_place(now, &one);
    assert_eq!(rig.exchange.standing("one"), Standing::Probation);
    rig.call("phone-200", "200", "22445566");
    let (leg, place, _) = rig.called();
    assert_eq!(&*place, "two");
    rig.say(leg, Signal::Released(Cause::TEMPORARY_FAILURE));
    assert_eq!(&*rig.called().1, "one", "better than nothing");
    rig.pass(Duration::from_secs(30));
    rig.call("phone-200", "200", "22445566");
    assert_eq!(&*rig.called().1, "one", "it is up again");
}

#[test]
fn calls_within_the_site_go_on_when_all_trunks_are_down() {
    let mut rig = Rig::new(site());
    let now = rig.now;
    for trunk in ["one", "two"] {
        rig.exchange.lost_place(now, &trunk.into());
    }
    let lost = rig.call("phone-200", "200", "22445566");
    assert_eq!(rig.released(lost), Cause::NETWORK_OUT_OF_ORDER);
    rig.call("pbx", "22330012", "200");
    assert_eq!(&*rig.called().1, "phone-200");
}
