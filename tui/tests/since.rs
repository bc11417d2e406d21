//! What is told at the beginning of a session, and the way back from it.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

mod support;

use support::{Console, fixtures};
use varde_bus::audit::Absence;
use varde_bus::{Action, Language, Role};
use varde_console::event::{Answer, Ask, Event};

/// Away since an hour before all that the records tell.
fn back(language: Language) -> Console {
    let mut console = Console::bare(support::vt220(), 80, 24, Some(language));
    console.fake.absence = Absence {
        left: fixtures::NOW - 100 * 60_000,
        records: fixtures::records(),
    };
    console
}

#[test]
fn what_went_wrong_stands_before_what_was_changed_with_who_and_why() {
    let mut console = back(Language::En);
    console.event(Event::Connected);
    let screen = console.screen();
    let line = |text: &str| {
        let place = screen.lines().position(|line| line.contains(text));
        place.unwrap_or_else(|| panic!("{text} is not in {screen}"))
    };
    assert!(line("Since you were last here") < line("Went wrong:"));
    assert!(line("crash of journal - signal 9") < line("Changed:"));
    assert!(line("ola: start of ovelse - failed") < line("Changed:"));
    assert!(line("new generation 2 - done (Arkivet") > line("Changed:"));
    // It is told once.
    console.press("<esc>");
    console.sees("Wrong now");
    console.event(Event::Connected);
    console.misses("Since you were last here");
}

#[test]
fn one_key_shows_what_it_would_change_to_go_back_and_from_there_it_is_done() {
    let mut console = back(Language::En);
    console.event(Event::Connected);
    console.press("<enter>");
    console.sees("Roll back to generation 1: this changes");
    assert_eq!(console.fake.performed, []);
    console.press("<enter>feil<enter><down><enter>");
    assert!(
        matches!(&console.fake.performed[..], [Action::RollBackSite { generation: 1, why, .. }] if why == "feil"),
        "{:?}",
        console.fake.performed
    );
}

#[test]
fn who_may_not_roll_back_is_not_led_there() {
    let mut console = back(Language::En);
    console.state.user.role = Some(Role::Viewer);
    console.event(Event::Connected);
    console.sees("Since you were last here");
    console.press("<enter>");
    console.sees("Since you were last here");
}

#[test]
fn a_restart_is_told_though_nothing_was_recorded() {
    let mut console = back(Language::En);
    console.fake.absence.records.clear();
    console.event(Event::Connected);
    console.misses("Since you were last here");

    let mut console = back(Language::En);
    console.fake.absence.records.clear();
    console.fake.absence.left = fixtures::NOW - 24 * 3_600_000;
    console.event(Event::Connected);
    console.sees("The appliance started");
}

#[test]
fn nobody_is_interrupted_and_who_was_never_here_is_told_nothing() {
    let mut console = back(Language::En);
    console.fake.absence.left = 0;
    console.event(Event::Connected);
    console.sees("Wrong now");

    let mut console = Console::new(Language::En);
    console.press("2");
    let answer = Answer::Absence(back(Language::En).fake.absence);
    console.event(Event::Answered {
        ask: Ask::Since,
        answer: Ok(answer),
    });
    console.misses("Since you were last here");
}
