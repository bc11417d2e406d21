//! The tasks that `cargo xtask bench operator` counts come to their end, in both languages.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

mod support;

use support::tasks::TASKS;
use varde_bus::Language;

#[test]
fn what_an_operator_does_most_is_done_by_its_keys_and_not_before_the_last() {
    for language in [Language::Nb, Language::En] {
        for task in &TASKS {
            let mut console = task.console(language);
            assert!(!(task.done)(&console), "{}: done before a key", task.title);
            let keys = support::keys(task.keys);
            let (last, before) = keys.split_last().unwrap();
            for key in before {
                console.event(varde_console::event::Event::Key(*key));
            }
            assert!(
                !(task.done)(&console),
                "{}: the last key is one too many",
                task.title
            );
            console.event(varde_console::event::Event::Key(*last));
            assert!((task.done)(&console), "{}:\n{}", task.title, console.screen());
        }
    }
}
