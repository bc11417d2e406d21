//! Updates by keys: the menu has what can be done, and the overview says how the last one went until that is read.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

mod support;

use support::{Console, fixtures};
use varde_bus::update::UpdateStatus;
use varde_bus::{Action, Language};
use varde_console::event::Event;

fn console(status: UpdateStatus) -> Console {
    let mut console = Console::new(Language::En);
    console.fake.update = status;
    console.event(Event::UpdateChanged);
    console
}

#[test]
fn the_overview_says_why_a_version_came_back_until_somebody_has_read_it() {
    let mut console = console(fixtures::came_back());
    console.sees("version 0.2.0 was taken back");
    console.sees("journal is not up.");
    console.press("U<enter>");
    console.sees("varde-vm@journal: no such disk");
    console.press("q");
    console.press("U<down><enter>");
    let read = Action::MarkUpdateRead { why: String::new() };
    assert_eq!(console.fake.performed, [read]);
    console.fake.update.unread = false;
    console.event(Event::UpdateChanged);
    console.misses("was taken back");
}

#[test]
fn a_version_is_written_only_with_a_reason_and_waits_for_a_restart() {
    let mut console = console(UpdateStatus {
        unread: false,
        ..fixtures::came_back()
    });
    console.press("U<down><enter>");
    console.sees("Its signature is checked first");
    for c in "patches".chars() {
        console.press(&c.to_string());
    }
    console.press("<enter><down><enter>");
    let install = Action::InstallUpdate {
        fetched: false,
        even_so: false,
        why: "patches".into(),
    };
    assert_eq!(console.fake.performed, [install]);
    console.fake.update.pending = "0.3.0".into();
    console.event(Event::UpdateChanged);
    console.sees("Version 0.3.0 is written: the next restart tries it");
    console.press("U");
    console.sees("Call off version 0.3.0");
}

#[test]
fn the_newest_is_fetched_with_a_reason_and_then_written() {
    let mut console = console(UpdateStatus {
        version: "0.1.0".into(),
        declared: true,
        source: "https://updates.example.no/varde".into(),
        ..UpdateStatus::default()
    });
    console.press("U<down><enter>");
    console.sees("https://updates.example.no/varde");
    for c in "patches".chars() {
        console.press(&c.to_string());
    }
    console.press("<enter><down><enter>");
    assert_eq!(
        console.fake.performed,
        [Action::FetchUpdate {
            why: "patches".into()
        }]
    );
    console.fake.update.fetched = "0.3.0".into();
    console.fake.update.fetched_size = 900 << 20;
    console.fake.update.fetched_have = 300 << 20;
    console.press("U<enter>");
    console.sees("Of version 0.3.0, 300 of 900 MiB are fetched");
    console.press("q");
    console.fake.update.fetched_when = 1_700_000_000_000;
    console.press("U<down><enter>");
    console.sees("Write version 0.3.0, which was fetched?");
}

#[test]
fn without_a_stick_or_a_key_nothing_can_be_written_and_the_page_says_why() {
    let mut console = console(UpdateStatus {
        version: "0.1.0".into(),
        ..UpdateStatus::default()
    });
    console.press("U");
    console.misses("Write the version");
    console.misses("Go back");
    console.press("<enter>");
    console.sees("does not say who may release");
    console.press("q");
    console.fake.update.declared = true;
    console.press("U<enter>");
    console.sees("There is no stick labelled VARDE");
}
