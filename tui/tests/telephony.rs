//! The page of telephony: there where the site has any, what it shows, and what an operator can do on it.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

mod support;

use support::{Console, telephony};
use varde_bus::telephony::TelephonyStatus;
use varde_bus::{Action, Language, Role};
use varde_console::event::{Answer, Ask, Event};

fn answered(status: TelephonyStatus) -> Event {
    Event::Answered {
        ask: Ask::Telephony,
        answer: Ok(Answer::Telephony(status)),
    }
}

fn with_telephony(language: Language) -> Console {
    let mut console = Console::new(language);
    console.fake.telephony = true;
    console.event(answered(telephony::status(true)));
    console
}

#[test]
fn a_site_without_telephony_has_no_such_page() {
    let mut console = Console::new(Language::En);
    console.misses("Telephony");
    console.press("7");
    console.misses("Telephony");
    let mut console = with_telephony(Language::En);
    console.sees("7 Telephony");
    console.sees("Telephony: The line bylinje is down");
    console.misses("Databases");
    console.press("<backtab>");
    console.sees("Calls now: 2 of 120");
}

#[test]
fn the_page_follows_what_the_service_says_is_new_and_asks_for_no_more() {
    let mut console = with_telephony(Language::En);
    console.press("7");
    let asked = |console: &mut Console, what: &str| {
        let before = console.events.len();
        console.event(Event::TelephonyChanged(what.into()));
        let asked: Vec<Ask> = console.events[before..]
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Answered { ask, .. } => Some(ask.clone()),
                _ => None,
            })
            .collect();
        asked
    };
    assert_eq!(asked(&mut console, "lines"), [Ask::Lines]);
    assert_eq!(asked(&mut console, "status"), [Ask::Telephony]);
    assert_eq!(asked(&mut console, "calls"), []);
    console.press("v");
    assert_eq!(asked(&mut console, "calls"), [Ask::Calls]);
    console.press("1");
    assert_eq!(asked(&mut console, "calls"), []);
    assert_eq!(asked(&mut console, "status"), [Ask::Telephony]);
}

#[test]
fn what_is_picked_among_past_calls_stays_picked_when_others_end() {
    let mut console = with_telephony(Language::En);
    console.press("7vv<down>");
    let mut records = telephony::records();
    let newest = varde_bus::telephony::CallRecord {
        id: 41,
        ..records[0].clone()
    };
    records.insert(0, newest);
    console.event(Event::Answered {
        ask: Ask::CallRecords,
        answer: Ok(Answer::CallRecords(records)),
    });
    console.press("<enter>");
    console.sees("Call 39");
}

#[test]
fn a_test_call_is_asked_for_and_its_number_is_what_was_written() {
    let mut console = with_telephony(Language::En);
    console.press("7t");
    console.sees("The number to be called");
    console.press("35003099<enter>");
    console.sees("Call 35003099?");
    console.press("ny trunk<down><down><enter>");
    let test = Action::TestCall {
        number: "35003099".into(),
        target: String::new(),
        why: "ny trunk".into(),
    };
    assert_eq!(console.fake.performed, [test]);
    console.press("t<enter>");
    console.misses("Call ?");
    console.press("e<down><down><enter>");
    let emergency = Action::TestEmergency { why: String::new() };
    assert_eq!(console.fake.performed[1..], [emergency]);
}

#[test]
fn calls_are_cleared_and_lines_restarted_only_with_a_reason() {
    let mut console = with_telephony(Language::En);
    console.press("7v<down>x");
    console.sees("Clear call 43?");
    console.press("<down><down><enter>");
    assert_eq!(console.fake.performed, [], "no reason was given");
    console.press("henger<down><down><enter>");
    console.press("vvvx");
    console.sees("Restart the channels of sentral?");
    console.sees("there are 2 now");
    console.press("feil<down><down><enter>");
    assert_eq!(
        console.fake.performed,
        [
            Action::ClearCall {
                call: 43,
                why: "henger".into()
            },
            Action::RestartChannel {
                line: "sentral".into(),
                channel: 0,
                why: "feil".into()
            },
        ]
    );
    // A trunk has no channels.
    console.press("<down><down>x");
    console.misses("Restart the channels");
}

#[test]
fn a_viewer_may_look_and_not_touch() {
    let mut console = with_telephony(Language::En);
    console.state.user.role = Some(Role::Viewer);
    for keys in ["7t", "7e", "7x"] {
        console.press(keys);
        console.sees("varde-operator");
    }
}

#[test]
fn no_size_of_the_screen_breaks_the_page() {
    for (columns, rows) in [(1, 1), (20, 5), (40, 10), (80, 24), (200, 60)] {
        let mut console = with_telephony(Language::Nb);
        console.press("7");
        for _ in 0..4 {
            console.press("v<down>");
            console.event(Event::Size { columns, rows });
        }
    }
}
