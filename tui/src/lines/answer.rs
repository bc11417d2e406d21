//! What is asked, and what a line that answers it comes to: the keys that the screen would have had.

use super::offers::{self, Menu};
use super::{Lines, show};
use crate::dialog::Dialog;
use crate::event::Event;
use crate::keys;
use crate::on::on;
use crate::state::State;
use crate::terminal::Key;

/// More rows than any list has.
const ROWS: usize = 1000;

/// What kind of answer the prompt waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Password,
    /// Something of the page's list.
    Page,
    /// The reason for what is about to be done.
    Why,
    /// No or yes.
    Confirm,
    /// One of so many.
    Pick(usize),
    Text,
    /// On, or back.
    Read {
        leads_on: bool,
    },
    File,
}

pub fn asked(state: &State) -> Asked {
    if state.lock.is_some() {
        return Asked::Password;
    }
    match state.dialogs.last() {
        None => Asked::Page,
        Some(Dialog::Confirm(confirm)) if confirm.takes_text() => Asked::Why,
        Some(Dialog::Confirm(_)) => Asked::Confirm,
        Some(Dialog::Prompt(_)) => Asked::Text,
        Some(Dialog::Pick(pick)) => Asked::Pick(pick.items.len()),
        Some(Dialog::Viewer(viewer)) => Asked::Read {
            leads_on: viewer.leads_on(),
        },
        Some(Dialog::Editor(_)) => Asked::File,
    }
}

/// The events of an answer; what is no answer is complained of when the question is put again.
pub fn of(lines: &mut Lines, state: &State, line: &str) -> Vec<Event> {
    let asked = asked(state);
    let word = line.trim();
    if asked != Asked::File {
        // Whatever comes of it, the question is put again.
        lines.shown = None;
    }
    let keys = match (asked, word) {
        (Asked::File, _) => return file(lines, state, line),
        (Asked::Password, _) => written(line),
        (Asked::Page, _) => return page(lines, state, word),
        (_, ".") | (Asked::Confirm | Asked::Pick(_) | Asked::Read { .. }, "0") => Some(vec![Key::Esc]),
        (Asked::Why, _) => written(line),
        (Asked::Text, _) => written(line).map(|keys| [vec![Key::Ctrl('u')], keys].concat()),
        (Asked::Confirm | Asked::Read { leads_on: true }, "1") => Some(vec![Key::Enter]),
        (Asked::Confirm, "2") => Some(vec![Key::Down, Key::Enter]),
        (Asked::Pick(count), _) => number(word, count).map(|place| {
            let mut keys = vec![Key::Up; count];
            keys.extend(vec![Key::Down; place]);
            keys.push(Key::Enter);
            keys
        }),
        (Asked::Read { .. }, "") => Some(vec![Key::PageDown]),
        (Asked::Confirm, "") => Some(Vec::new()),
        (Asked::Confirm | Asked::Read { .. }, _) => None,
    };
    match keys {
        Some(keys) => keys.into_iter().map(Event::Key).collect(),
        None => not_understood(lines, state, word),
    }
}

#[allow(clippy::unnecessary_wraps, reason = "beside answers that can be none")]
fn written(line: &str) -> Option<Vec<Key>> {
    Some(line.chars().map(Key::Char).chain([Key::Enter]).collect())
}

fn not_understood(lines: &mut Lines, state: &State, word: &str) -> Vec<Event> {
    if !word.is_empty() {
        lines.complaint = Some(state.words().lines_not_understood(word));
    }
    Vec::new()
}

/// A number of the list, as a place in it.
fn number(word: &str, count: usize) -> Option<usize> {
    let number: usize = word.parse().ok()?;
    (1..=count).contains(&number).then(|| number - 1)
}

fn page(lines: &mut Lines, state: &State, word: &str) -> Vec<Event> {
    let menu = lines.menu;
    if word == "0" {
        lines.menu = match menu {
            Menu::Page => Menu::Console,
            Menu::Console => Menu::Page,
        };
        return Vec::new();
    }
    let offered = offers::offers(state, menu);
    let key = match (word, word.strip_prefix('=')) {
        ("+", _) => Some(Key::Down),
        ("-", _) => Some(Key::Up),
        (_, Some(text)) => return row(lines, state, text.trim()),
        _ => match number(word, offered.len()) {
            Some(place) => offered[place].keys.first().copied(),
            None => offers::key(state, word),
        },
    };
    match key {
        Some(key) => {
            lines.menu = Menu::Page;
            vec![Event::Key(key)]
        }
        None => not_understood(lines, state, word),
    }
}

/// The keys that lead to the first row with this text, tried out on a copy of all that is known.
fn row(lines: &mut Lines, state: &State, text: &str) -> Vec<Event> {
    let mut copy = state.clone();
    let step = |copy: &mut State, key: Key| {
        let before = show::picked(copy);
        if let Some(event) = keys::resolve(copy, Event::Key(key)) {
            let now = copy.now;
            // What it would ask the services is asked when it is done.
            let _ = on(copy, now, event);
        }
        show::picked(copy) != before
    };
    let mut left = ROWS;
    while left > 0 && step(&mut copy, Key::Up) {
        left -= 1;
    }
    let mut found = Vec::new();
    let mut downs = 0;
    loop {
        found.extend(show::picked(&copy).map(|row| (downs, row.to_lowercase())));
        if left == 0 || !step(&mut copy, Key::Down) {
            break;
        }
        downs += 1;
        left -= 1;
    }
    let wanted = text.to_lowercase();
    // A name is what it is, however many others have it in them.
    let named = |row: &str| row.trim_start_matches([' ', '>']).split_whitespace().next() == Some(&wanted);
    let place = found.iter().find(|(_, row)| named(row));
    let place = place.or_else(|| found.iter().find(|(_, row)| row.contains(&wanted)));
    let Some((downs, _)) = place else {
        lines.complaint = Some(state.words().lines_no_row(text));
        return Vec::new();
    };
    let ups = found.len().saturating_sub(1);
    let mut keys = vec![Key::Up; ups];
    keys.extend(vec![Key::Down; *downs]);
    keys.into_iter().map(Event::Key).collect()
}

/// A line of a file, or its end.
fn file(lines: &mut Lines, state: &State, line: &str) -> Vec<Event> {
    match line.trim() {
        ".." => {
            lines.file.clear();
            lines.shown = None;
            vec![Event::Key(Key::Esc)]
        }
        "." => {
            lines.shown = None;
            let text = std::mem::take(&mut lines.file).join("\n");
            let before = match state.dialogs.last() {
                Some(Dialog::Editor(editor)) => editor.text().lines().count(),
                _ => 0,
            };
            let mut events = vec![Event::Key(Key::Ctrl('k')); before + 1];
            events.push(Event::Paste(text));
            events.push(Event::Key(Key::Ctrl('d')));
            events
        }
        _ => {
            lines.file.push(line.to_owned());
            Vec::new()
        }
    }
}
