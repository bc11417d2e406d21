//! What stands on the screen, as lines of text.

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::answer::{Asked, asked as asked_for};
use super::offers::{Menu, has_rows, letter, offers};
use crate::canvas::Canvas;
use crate::dialog::{self, Confirm, Dialog, Why};
use crate::state::State;
use crate::{lock, page};

/// One less than a terminal has: some begin a new line after the last column.
const WIDTH: u16 = 79;
/// A screenful at least, whatever the terminal says of itself.
const LEAST: u16 = 20;

/// What is asked, with what has to be known for the answer.
pub fn asked(state: &State, menu: Menu) -> Vec<String> {
    let words = state.words();
    let mut lines = match state.dialogs.last() {
        _ if state.lock.is_some() => drawn(state, |canvas| {
            if let Some(locked) = &state.lock {
                lock::draw(state, locked, canvas);
            }
        }),
        Some(Dialog::Confirm(confirm)) => question(state, confirm),
        Some(Dialog::Pick(pick)) => {
            let mut lines = vec![state.say(pick.title()).to_owned()];
            lines.extend(numbered(
                pick.items.iter().map(|(text, _)| state.say(text).to_owned()),
            ));
            lines.push(words.lines_back().to_owned());
            lines
        }
        Some(dialog @ Dialog::Prompt(_)) => {
            let mut lines = drawn(state, |canvas| dialog::draw(state, dialog, canvas));
            lines.push(words.lines_dot().to_owned());
            lines
        }
        Some(dialog @ Dialog::Viewer(viewer)) => {
            let mut lines = drawn(state, |canvas| dialog::draw(state, dialog, canvas));
            if viewer.leads_on() {
                lines.push(words.lines_go_on().to_owned());
            }
            lines.push(words.lines_more().to_owned());
            lines
        }
        Some(Dialog::Editor(editor)) => {
            let mut lines: Vec<String> = editor.text().lines().map(str::to_owned).collect();
            lines.push(words.lines_file_how().to_owned());
            lines
        }
        None => {
            let mut lines = vec![format!("== {} ==", state.page.title(words))];
            lines.extend(drawn(state, |canvas| page::draw(state, canvas)));
            lines.push(String::new());
            lines.extend(choices(state, menu));
            lines
        }
    };
    lines = lines.iter().flat_map(|line| paragraph(state, line)).collect();
    // Rows that nothing stands on make no line each.
    lines.dedup_by(|later, earlier| later.is_empty() && earlier.is_empty());
    lines
}

/// What the line that is typed begins with.
pub fn prompt(state: &State) -> &'static str {
    let words = state.words();
    match asked_for(state) {
        Asked::Password => words.lines_password(),
        Asked::Why => words.lines_why(),
        Asked::Text => words.lines_text(),
        Asked::File => words.lines_file(),
        Asked::Page | Asked::Confirm | Asked::Pick(_) | Asked::Read { .. } => words.lines_choice(),
    }
}

/// The row on which the page's keys act.
pub fn picked(state: &State) -> Option<String> {
    let rows = drawn(state, |canvas| page::draw(state, canvas));
    rows.into_iter().find(|row| row.trim_start().starts_with('>'))
}

/// Text in lines that fit; a line that does is left as it is.
pub fn paragraph(state: &State, text: &str) -> Vec<String> {
    let shown = crate::charset::shown(text, state.display.characters);
    if shown.chars().count() <= usize::from(WIDTH) {
        return vec![shown.trim_end().to_owned()];
    }
    crate::canvas::wrap(&shown, usize::from(WIDTH))
}

fn question(state: &State, confirm: &Confirm) -> Vec<String> {
    let words = state.words();
    let mut lines = Vec::new();
    let asks = asked_for(state) == Asked::Why;
    // What was said before the reason was asked for need not be said twice.
    if asks || confirm.why == Why::Not {
        lines.push(state.say(&confirm.title).to_owned());
        lines.extend(confirm.body.iter().map(|text| state.say(text).to_owned()));
    }
    if asks {
        lines.push(confirm.label(words).to_owned());
        lines.push(words.lines_dot().to_owned());
    } else {
        lines.extend(numbered(
            [&confirm.no, &confirm.yes].map(|text| state.say(text).to_owned()),
        ));
    }
    lines
}

fn choices(state: &State, menu: Menu) -> Vec<String> {
    let words = state.words();
    let mut lines = Vec::new();
    if menu == Menu::Page && has_rows(state) {
        lines.push(words.lines_rows().to_owned());
    }
    lines.extend(numbered(offers(state, menu).into_iter().map(|binding| {
        let letter = letter(binding).unwrap_or(' ');
        format!("{letter}  {}", (binding.does)(words))
    })));
    lines.push(match menu {
        Menu::Page => words.lines_others().to_owned(),
        Menu::Console => words.lines_back().to_owned(),
    });
    lines
}

fn numbered(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    let lines = (1..).zip(texts);
    lines
        .map(|(number, text)| format!("{number:>2}  {text}"))
        .collect()
}

/// What would be painted on a screen, without the rows that nothing stands on at its end.
fn drawn(state: &State, paint: impl FnOnce(Canvas<'_, '_>)) -> Vec<String> {
    let height = state.page_rows().max(LEAST);
    let Ok(mut terminal) = Terminal::new(TestBackend::new(WIDTH, height));
    let Ok(_) = terminal.draw(|frame| paint(Canvas::new(frame, state.display)));
    let buffer = terminal.backend().buffer();
    let rows = buffer.content.chunks(usize::from(WIDTH));
    let mut lines: Vec<String> = rows
        .map(|row| {
            row.iter()
                .map(ratatui::buffer::Cell::symbol)
                .collect::<String>()
                .trim_end()
                .to_owned()
        })
        .collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}
