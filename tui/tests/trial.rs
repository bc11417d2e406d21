//! A generation on trial, from its question to its end.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

mod support;

use support::{Console, fixtures};
use varde_bus::site::TrialStatus;
use varde_bus::{Action, Language, Role};
use varde_console::event::Event;

/// With a generation on trial.
fn on_trial() -> Console {
    let mut console = Console::bare(support::vt220(), 80, 24, Some(Language::En));
    console.fake.trial = fixtures::trial();
    console.event(Event::Connected);
    console
}

#[test]
fn what_could_lock_operators_out_is_tried_out_and_that_is_said_before() {
    let mut console = Console::new(Language::En);
    console.fake.risks = fixtures::trial().risks;
    console.press("3<down>r<enter>");
    console.sees("zones and networks");
    console.sees("back in 5 min unless it is confirmed");
    console.press("<enter><down><enter>");
    assert!(
        matches!(
            console.fake.performed[..],
            [Action::RollBackSite {
                generation: 1,
                within: 300,
                ..
            }]
        ),
        "{:?}",
        console.fake.performed
    );
}

#[test]
fn a_trial_is_counted_down_with_what_is_wrong_first() {
    let mut console = on_trial();
    console.sees("On trial: generation 2 (kari)");
    console.press("3");
    console.sees("4:32");
    let screen = console.screen();
    let line = |text: &str| screen.lines().position(|line| line.contains(text)).unwrap();
    assert!(
        line("there is no bridge br-drift") < line("br-klinikk: configured"),
        "{screen}"
    );
    console.fake.trial.left = 12;
    console.pass(6_000);
    console.sees("0:12");
}

#[test]
fn a_trial_is_confirmed_only_after_a_yes_that_names_what_is_wrong() {
    let mut console = on_trial();
    console.press("3k");
    console.sees("Not as it should be, or not known: drift.");
    console.press("<enter>");
    assert_eq!(console.fake.performed, []);
    console.press("k<down><enter>");
    assert_eq!(
        console.fake.performed,
        [Action::ConfirmSite {
            generation: 2,
            why: String::new()
        }]
    );
}

#[test]
fn a_trial_is_taken_back_with_a_reason() {
    let mut console = on_trial();
    console.press("3tfeil adresse<enter><down><enter>");
    assert_eq!(
        console.fake.performed,
        [Action::TakeBackSite {
            why: "feil adresse".into()
        }]
    );
}

#[test]
fn the_end_of_a_trial_is_seen_when_a_signal_tells_of_it() {
    let mut console = on_trial();
    console.press("3");
    console.fake.trial = TrialStatus::default();
    console.event(Event::Activated(1));
    console.misses("On trial");
    // Its keys say nothing any more.
    console.press("k");
    assert_eq!(console.state.dialogs.len(), 0);
}

#[test]
fn who_may_not_confirm_is_told_so() {
    let mut console = on_trial();
    console.state.user.role = Some(Role::Operator);
    console.press("3k");
    console.sees("varde-admin");
    assert_eq!(console.state.dialogs.len(), 0);
}

#[test]
fn the_keys_of_a_trial_cannot_be_pasted_into_an_answer() {
    let mut console = on_trial();
    for key in ["3", "k", "<enter>", "t", "x", "<enter>", "<enter>"] {
        console.press(key);
    }
    assert_eq!(console.fake.performed, []);
}

#[test]
fn what_was_taken_back_stands_on_the_overview() {
    let mut console = Console::new(Language::En);
    let mut site = fixtures::site();
    site.taken_back = varde_bus::Text::new("Generasjon 2 ble tatt tilbake", "Generation 2 was taken back");
    console.event(Event::Answered {
        ask: varde_console::event::Ask::Site,
        answer: Ok(varde_console::event::Answer::Site(site)),
    });
    console.sees("Generation 2 was taken back");
}
