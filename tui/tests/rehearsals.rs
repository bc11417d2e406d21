//! The page of rehearsals by keys: begun, read, promoted with the price said first, and discarded.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

mod support;

use support::{Console, fixtures};
use varde_bus::rehearsal::{Rehearsal, RehearsalState};
use varde_bus::{Action, Language, Role};
use varde_console::event::{Answer, Ask, Event};

fn told(console: &mut Console, rehearsals: Vec<Rehearsal>) {
    console.event(Event::Answered {
        ask: Ask::Rehearsals,
        answer: Ok(Answer::Rehearsals(fixtures::recipes(), rehearsals)),
    });
}

fn console(rehearsals: Vec<Rehearsal>) -> Console {
    let mut console = Console::new(Language::En);
    told(&mut console, rehearsals.clone());
    console.press("8");
    // Going there asks anew, and the double of the service has none.
    told(&mut console, rehearsals);
    console
}

#[test]
fn the_page_is_there_where_the_site_has_recipes_and_nowhere_else() {
    let mut console = Console::new(Language::En);
    console.press("8");
    console.misses("Rehearsals");
    told(&mut console, Vec::new());
    console.sees("8 ");
}

#[test]
fn a_rehearsal_is_begun_by_keys_and_says_first_what_it_takes() {
    let mut console = console(Vec::new());
    console.sees("mer-minne");
    console.sees("journal: 1 steps, 1 checks, 512 MiB of memory");
    console.press("s");
    console.sees("Rehearse Mer minne til PostgreSQL?");
    console.sees("leads nowhere");
    console.press("<enter><down><enter>");
    let action = Action::Rehearse {
        recipe: "mer-minne".into(),
        why: String::new(),
    };
    assert_eq!(console.fake.performed, [action]);
}

#[test]
fn one_that_failed_says_why_in_both_languages_and_cannot_be_promoted() {
    let mut console = console(vec![fixtures::rehearsal(RehearsalState::Failed)]);
    console.press("<down>");
    console.sees("did not go well: ended with 1");
    console.sees("FAILED check journal: SHOW work_mem");
    console.sees("2 of 4 steps and checks; the clones have written 34 MiB");
    console.press("p");
    console.sees("it has to have passed first");
    console.press("L");
    console.sees("gikk ikke bra: sluttet med 1");
    console.press("x<down><enter>");
    let action = Action::DiscardRehearsal {
        rehearsal: "r1".into(),
        why: String::new(),
    };
    assert_eq!(console.fake.performed, [action]);
}

#[test]
fn a_promotion_says_its_price_and_needs_a_reason_and_an_admin() {
    let mut console = console(vec![fixtures::rehearsal(RehearsalState::Passed)]);
    console.press("<down>p");
    console.sees("If a check fails within 120 s, journal is rolled back by itself.");
    console.press("<enter><down><enter>");
    console.sees("Say why first.");
    console.press("it went well<enter><down><enter>");
    let action = Action::Promote {
        rehearsal: "r1".into(),
        why: "it went well".into(),
    };
    assert_eq!(console.fake.performed, [action]);

    let mut console = self::console(vec![fixtures::rehearsal(RehearsalState::Passed)]);
    console.state.user.role = Some(Role::Operator);
    console.press("<down>p");
    console.sees("varde-admin");
    assert_eq!(console.state.dialogs, []);
}

#[test]
fn what_was_taken_back_stands_on_the_overview_and_one_that_is_watched_can_be_taken_back() {
    let mut console = console(vec![fixtures::rehearsal(RehearsalState::TakenBack)]);
    console.press("1");
    console.sees("r1 mer-minne: taken back");
    let watching = Rehearsal {
        watched_until: fixtures::NOW + 60_000,
        ..fixtures::rehearsal(RehearsalState::Watching)
    };
    let mut console = self::console(vec![watching]);
    console.press("<down>");
    console.sees("watched until 02:15");
    console.press("t");
    console.sees("Take r1 back?");
}
