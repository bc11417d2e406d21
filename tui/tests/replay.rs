//! A recording played again ends on the same screen, and holds no secrets.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

mod support;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use support::Console;
use varde_bus::Language;
use varde_console::draw::draw;
use varde_console::event::Event;
use varde_console::recorder::{Recorder, replay};
use varde_console::state::State;

fn screen(state: &State) -> String {
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    terminal.draw(|frame| draw(state, frame)).unwrap();
    terminal.backend().to_string()
}

fn recorded(keys: &[&str]) -> (Console, String) {
    let directory = tempfile::tempdir().unwrap();
    let mut console = Console::bare(support::vt220(), 80, 24, Some(Language::Nb));
    let recorder = Recorder::new(Some(directory.path().to_owned())).unwrap();
    let file = recorder.file();
    console.recorder = Some(recorder);
    console.event(Event::Connected);
    for keys in keys {
        console.press(keys);
    }
    let recording = std::fs::read_to_string(file).unwrap();
    (console, recording)
}

#[test]
fn a_replay_ends_on_the_same_screen() {
    for keys in [
        &["2<down>fgrunn<enter><down><enter>"][..],
        &["3<down>r<enter>"],
        &["4/line 7<enter><pageup>"],
        &["5<down><enter>"],
        &["Kfeil<enter>rik"],
    ] {
        let (console, recording) = recorded(keys);
        let again = replay(&recording).unwrap();
        assert_eq!(screen(&again), screen(&console.state), "{keys:?}");
    }
}

#[test]
fn passwords_and_hashes_are_not_in_the_recording() {
    let (mut console, _) = recorded(&[]);
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::new(Some(directory.path().to_owned())).unwrap();
    let file = recorder.file();
    console.recorder = Some(recorder);
    console.press("Kriktig<enter>3e<ctrl-k>");
    console.press("hemmelig");
    console.event(Event::Paste(
        "password = \"$y$j9T$saltsalt$hashhashhash\"\n".into(),
    ));
    console.press("<ctrl-d>");
    let recording = std::fs::read_to_string(file).unwrap();
    for secret in ["riktig", "hemmelig", "hashhash", "saltsalt"] {
        assert!(!recording.contains(secret), "{secret}");
    }
    assert!(recording.contains("***"));
}

#[test]
fn a_long_session_keeps_two_files_that_replay_by_themselves() {
    let directory = tempfile::tempdir().unwrap();
    let mut console = Console::bare(support::vt220(), 80, 24, Some(Language::Nb));
    console.recorder = Recorder::new(Some(directory.path().to_owned()));
    console.event(Event::Connected);
    for _ in 0..400 {
        console.event(Event::Connected);
    }
    console.press("2<down>");
    let files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(files.len(), 2);
    let size: u64 = files
        .iter()
        .map(|file| file.as_ref().unwrap().metadata().unwrap().len())
        .sum();
    assert!(size < 700_000, "{size}");
    let recording = std::fs::read_to_string(directory.path().join("console.jsonl")).unwrap();
    assert_eq!(screen(&replay(&recording).unwrap()), screen(&console.state));
}
