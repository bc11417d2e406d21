//! What an operator's ten most usual tasks cost: keys, and bytes on the line each way, as JSON; beside them the same frames by
//! ratatui's crossterm backend.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

#[path = "../tests/support/mod.rs"]
mod support;

use serde_json::{Value, json};
use support::peer::Peer;
use support::tasks::{TASKS, Task};
use varde_bus::Language;
use varde_console::event::Event;
use varde_console::terminal::Key;

/// What a terminal sends for a key: a VT220's arrows are three bytes.
fn typed(key: Key) -> usize {
    match key {
        Key::Up | Key::Down | Key::Left | Key::Right => 3,
        Key::Char(character) => character.len_utf8(),
        _ => 1,
    }
}

fn measured(task: &Task, language: Language) -> Value {
    let mut console = task.console(language);
    let mut peer = Peer::new();
    peer.paint(&console.state);
    console.paints.clear();
    let keys = support::keys(task.keys);
    let mut peer_shown = 0;
    for key in &keys {
        console.event(Event::Key(*key));
        peer_shown += peer.paint(&console.state);
    }
    assert!((task.done)(&console), "{} is not done", task.title);
    json!({
        "keys": keys.len(),
        "typed": keys.iter().copied().map(typed).sum::<usize>(),
        "shown": console.paints.iter().sum::<usize>(),
        "shown_crossterm": peer_shown,
    })
}

fn main() {
    let tasks: Vec<Value> = TASKS
        .iter()
        .map(|task| {
            json!({
                "title": task.title,
                "command": task.command.len() + 1,
                "nb": measured(task, Language::Nb),
                "en": measured(task, Language::En),
            })
        })
        .collect();
    println!("{}", json!({ "tasks": tasks }));
}
