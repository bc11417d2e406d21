//! The page of databases: there where the site has any, and what an operator can do on it.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

mod support;

use support::{Console, fixtures};
use varde_bus::dbrestart::DatabaseState;
use varde_bus::{Action, Language, Text};
use varde_console::event::Event;

fn with_a_database(language: Language) -> Console {
    let mut console = Console::new(language);
    let database = fixtures::database("journal", DatabaseState::Ready);
    console.event(Event::DatabaseChanged(database));
    console
}

#[test]
fn a_site_without_databases_has_no_such_page() {
    let mut console = Console::new(Language::En);
    console.misses("Databases");
    console.press("6");
    console.misses("Databases");
    console.press("<backtab>");
    console.sees("Every change");
}

#[test]
fn the_page_tells_the_next_run_and_what_became_of_the_last_ones() {
    let mut console = with_a_database(Language::En);
    console.press("6");
    for text in [
        "journal",
        "ready",
        "03:29",
        "142/250 ms",
        "Pasientjournal",
        "10.20.0.1:5432",
        "Sun 03:45",
        "put off: In use: lonn@10.20.0.31",
        "restarted: stall 151 ms (expected 142), 9 (7.5) waited, 0 broken",
        "At the next restart:",
        "<=100 ############ 3",
    ] {
        console.sees(text);
    }
    let mut console = with_a_database(Language::Nb);
    console.press("6");
    console.sees("startet på nytt: stans 151 ms");
}

#[test]
fn a_run_that_waits_says_whose_session_stands_in_the_way() {
    let mut console = with_a_database(Language::En);
    console.press("6");
    let mut database = fixtures::database("journal", DatabaseState::Running);
    database.step = "look".into();
    database.uses = vec![fixtures::payroll()];
    console.event(Event::DatabaseChanged(database));
    console.sees("restart: waiting");
    console.sees("In use: lonn@10.20.0.31");
    console.sees("transaction since 02:02");
}

#[test]
fn a_restart_is_asked_for_with_a_reason_and_a_hold_is_lifted() {
    let mut console = with_a_database(Language::En);
    console.press("6s");
    console.sees("Restart journal?");
    console.press("minne<down><down><enter>");
    let restart = Action::RestartDatabase {
        database: "journal".into(),
        at: 0,
        why: "minne".into(),
    };
    assert_eq!(console.fake.performed, [restart]);
    console.event(Event::DatabaseChanged(fixtures::database(
        "journal",
        DatabaseState::Hold,
    )));
    console.press("o");
    console.sees("Let restarts of journal go on?");
}

#[test]
fn a_server_whose_protocol_is_not_known_says_what_a_restart_costs_on_the_page_and_before_the_restart() {
    let mut console = with_a_database(Language::En);
    let mut database = fixtures::database("journal", DatabaseState::Ready);
    database.engine = "tcp".into();
    database.limit = Text::new("Økter som er inne, brytes", "Sessions that are inside are cut");
    console.event(Event::DatabaseChanged(database));
    console.press("6");
    console.sees("Sessions that are inside are cut");
    console.press("s");
    console.sees("Restart journal?");
    console.sees("are inside are cut");
}

#[test]
fn no_size_of_the_screen_breaks_the_page() {
    for (columns, rows) in [(1, 1), (20, 5), (40, 10), (80, 24), (200, 60)] {
        let mut console = with_a_database(Language::Nb);
        console.press("6");
        console.event(Event::Size { columns, rows });
    }
}

#[test]
fn whose_database_a_restart_of_the_host_takes_away_is_said_before() {
    let mut console = with_a_database(Language::En);
    console.press("P<enter>");
    console.sees("Clients cannot reach these databases meanwhile: journal.");
    console.misses("would be cut off");
    console.press("<esc>");
    let running = fixtures::database("journal", DatabaseState::Running);
    console.event(Event::DatabaseChanged(running));
    console.press("P<down><enter>");
    console.sees("would be cut off: journal.");
    console.sees("No, leave it");
}
