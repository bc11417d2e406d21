//! Every page as an operator sees it on 80 columns and 24 rows, in both languages.
//!
//! `VARDE_BLESS=1 cargo test -p varde-console --test screens` writes the files anew; look at the difference.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

mod support;

use std::path::Path;

use support::Console;
use varde_bus::Language;
use varde_console::event::Event;
use varde_console::terminal::Kind;

const PAGES: [(&str, &str); 24] = [
    ("overview", ""),
    ("machines", "2"),
    ("machine", "2<down><down><enter>"),
    ("start", "2s"),
    ("force-off", "2<down>f"),
    ("guest-console", "2c"),
    ("snapshot", "2<down><enter>"),
    ("snapshot-take", "2<down>t"),
    ("snapshot-roll-back", "2<down>r"),
    ("snapshot-merge", "2<down>m"),
    ("site", "3"),
    ("generation", "3<enter>"),
    ("roll-back", "3<down>r"),
    ("roll-back-confirm", "3<down>r<enter>"),
    ("media", "3m"),
    ("editor", "3e"),
    ("log", "4"),
    ("log-filter", "4/"),
    ("log-priority", "4p"),
    ("record", "5"),
    ("record-detail", "5<down><down><enter>"),
    ("help", "2?"),
    ("health-code", "H"),
    ("power", "P<down><enter>"),
];

/// Where the site has telephony.
const TELEPHONY: [(&str, &str); 8] = [
    ("telephony", "7"),
    ("telephony-line", "7<enter>"),
    ("telephony-calls", "7v"),
    ("telephony-records", "7vv"),
    ("telephony-record", "7vv<down><enter>"),
    ("telephony-numbers", "7vvv"),
    ("telephony-test", "7t35003099<enter>"),
    ("telephony-clear", "7vx"),
];

#[track_caller]
fn same(name: &str, screen: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}.txt"));
    if std::env::var_os("VARDE_BLESS").is_some() {
        std::fs::write(&path, screen).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == screen,
        "{name} is not as in {}:\n{screen}\n--- expected ---\n{golden}",
        path.display()
    );
}

#[test]
fn every_page_is_as_it_was_approved_in_both_languages() {
    for (language, code) in [(Language::Nb, "nb"), (Language::En, "en")] {
        for (name, keys) in PAGES {
            let mut console = Console::new(language);
            console.press(keys);
            same(&format!("{name}.{code}"), &console.screen());
        }
        let mut console = Console::bare(support::vt220(), 80, 24, Some(language));
        console.fake.trial = support::fixtures::trial();
        console.event(Event::Connected);
        same(&format!("trial-overview.{code}"), &console.screen());
        console.press("3");
        same(&format!("trial.{code}"), &console.screen());
        console.press("k");
        same(&format!("trial-confirm.{code}"), &console.screen());
        let mut console = Console::new(language);
        console.fake.risks = support::fixtures::trial().risks;
        console.press("3<down>r<enter>");
        same(&format!("roll-back-on-trial.{code}"), &console.screen());
        let mut console = Console::bare(support::vt220(), 80, 24, Some(language));
        console.fake.absence = varde_bus::audit::Absence {
            left: support::fixtures::NOW - 24 * 3_600_000,
            records: support::fixtures::records(),
        };
        console.event(Event::Connected);
        same(&format!("since.{code}"), &console.screen());
        for (name, keys) in TELEPHONY {
            let mut console = Console::bare(support::vt220(), 80, 24, Some(language));
            console.fake.telephony = true;
            console.event(Event::Connected);
            console.press(keys);
            same(&format!("{name}.{code}"), &console.screen());
        }
        let mut console = Console::new(language);
        console.press("Kxyz<enter>");
        same(&format!("locked.{code}"), &console.screen());
        let mut console = Console::bare(support::vt220(), 80, 24, Some(language));
        console.event(Event::Lost(support::refusal()));
        same(&format!("no-bus.{code}"), &console.screen());
    }
}

#[test]
fn norwegian_is_readable_on_a_terminal_with_ascii_alone() {
    let mut console = Console::bare(Kind::of("vt100", "C"), 80, 24, Some(Language::Nb));
    console.event(Event::Connected);
    assert!(console.screen().is_ascii(), "{}", console.screen());
    same("overview.ascii", &console.screen());
}

#[test]
fn a_large_terminal_is_used() {
    let mut console = Console::bare(support::vt220(), 132, 50, Some(Language::En));
    console.event(Event::Connected);
    console.press("2");
    same("machines.wide", &console.screen());
}

#[test]
fn the_readme_shows_the_overview_as_it_is() {
    let readme = include_str!("../../README.md");
    let golden = include_str!("golden/overview.en.txt");
    let mut block = String::new();
    for line in golden.trim_end().lines() {
        if !line.is_empty() {
            block.push_str("    ");
            block.push_str(line);
        }
        block.push('\n');
    }
    assert!(
        readme.contains(&block),
        "README.md shows another screen; put this one in its place:\n{block}"
    );
}
