//! The journal, newest at the bottom; older lines come when the top is passed.

use serde::{Deserialize, Serialize};
use varde_bus::host::{LogLine, LogQuery};
use varde_bus::{Failure, Text};

use crate::canvas::{Canvas, Role};
use crate::command::Cmd;
use crate::dialog::{Dialog, Kind, Pick, Picked, Prompt, Viewer, Wanted};
use crate::event::{Ask, Effect};
use crate::format;
use crate::list;
use crate::state::State;
use crate::words::both;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// The filter; `before` and `count` are filled in for each question.
    pub query: LogQuery,
    /// Oldest first.
    lines: Vec<LogLine>,
    selected: usize,
    /// There is nothing older.
    whole: bool,
    /// A question is under way.
    pub asked: bool,
    /// When the last answer came.
    pub at: i64,
    pub trouble: Option<Failure>,
}

/// Lines a question, and lines that are kept.
const COUNT: u32 = 100;
const KEPT: usize = 5_000;

impl Default for LogPage {
    fn default() -> Self {
        Self {
            query: LogQuery {
                priority: 6,
                this_boot: true,
                ..LogQuery::default()
            },
            lines: Vec::new(),
            selected: 0,
            whole: false,
            asked: false,
            at: 0,
            trouble: None,
        }
    }
}

impl LogPage {
    /// The newest line is picked, so that new ones may push the others up.
    pub fn follows(&self) -> bool {
        self.selected + 1 >= self.lines.len()
    }
}

pub fn open(state: &mut State) -> Vec<Effect> {
    newer(state)
}

/// With another filter everything begins anew.
pub fn restart(state: &mut State) -> Vec<Effect> {
    let query = state.log.query.clone();
    state.log = LogPage {
        query,
        ..LogPage::default()
    };
    newer(state)
}

/// The newest lines.
pub fn newer(state: &mut State) -> Vec<Effect> {
    ask(state, String::new())
}

fn older(state: &mut State) -> Vec<Effect> {
    match state.log.lines.first() {
        Some(first) if !state.log.whole && state.log.lines.len() < KEPT => {
            let before = first.cursor.clone();
            ask(state, before)
        }
        _ => Vec::new(),
    }
}

fn ask(state: &mut State, before: String) -> Vec<Effect> {
    if state.log.asked {
        return Vec::new();
    }
    state.log.asked = true;
    vec![Effect::Ask(Ask::Log(LogQuery {
        before,
        count: COUNT,
        ..state.log.query.clone()
    }))]
}

/// Lines of an earlier filter are dropped.
pub fn answered(state: &mut State, query: &LogQuery, answer: Result<Vec<LogLine>, Failure>) -> Vec<Effect> {
    let now = state.now;
    let same = LogQuery {
        before: String::new(),
        count: 0,
        ..query.clone()
    };
    if same != state.log.query {
        return Vec::new();
    }
    let log = &mut state.log;
    log.asked = false;
    log.at = now;
    let mut lines = match answer {
        Ok(lines) => lines,
        Err(failure) => {
            log.trouble = Some(failure);
            return Vec::new();
        }
    };
    log.trouble = None;
    let all = lines.len() < COUNT as usize;
    lines.reverse();
    if !query.before.is_empty() {
        log.whole |= all;
        log.selected += lines.len();
        lines.append(&mut log.lines);
        log.lines = lines;
        return Vec::new();
    }
    let follows = log.follows();
    let known = log.lines.last().map(|line| line.cursor.clone());
    let new = known.and_then(|cursor| lines.iter().position(|line| line.cursor == cursor));
    if let Some(place) = new {
        log.lines.extend(lines.drain(place + 1..));
    } else {
        // More came than one answer holds, or nothing was known yet.
        log.whole = all;
        log.lines = lines;
        log.selected = 0;
    }
    if log.lines.len() > KEPT {
        let surplus = log.lines.len() - KEPT;
        log.lines.drain(..surplus);
        log.selected = log.selected.saturating_sub(surplus);
        log.whole = false;
    }
    if follows || new.is_none() {
        log.selected = log.lines.len().saturating_sub(1);
    }
    Vec::new()
}

pub fn command(state: &mut State, cmd: &Cmd) -> Vec<Effect> {
    let page = usize::from(rows(state.page_rows()));
    let count = state.log.lines.len();
    let before = state.log.selected;
    if list::step(&mut state.log.selected, count, cmd, page) {
        let up = matches!(cmd, Cmd::Up | Cmd::PageUp | Cmd::First);
        if up && state.log.selected == 0 && (before < page || *cmd == Cmd::First) {
            return older(state);
        }
        return Vec::new();
    }
    match cmd {
        Cmd::Open => {
            if let Some(line) = state.log.lines.get(state.log.selected) {
                let title = Text::same(format!(
                    "{} {}",
                    format::stamp(line.when, state.zone()),
                    line.unit
                ));
                let lines = vec![Text::same(line.message.clone())];
                state
                    .dialogs
                    .push(Dialog::Viewer(Viewer::new(title, lines, Kind::Prose)));
            }
        }
        Cmd::FilterText => by_text(state),
        Cmd::FilterUnit => by_unit(state),
        Cmd::FilterPriority => {
            let items = (0..=7)
                .map(|priority| {
                    (
                        both(|words| words.priority_and_worse(priority, words.priority(priority))),
                        Picked::Priority(priority),
                    )
                })
                .collect();
            let title = both(|words| words.filter_priority_title().to_owned());
            let selected = usize::from(state.log.query.priority);
            state
                .dialogs
                .push(Dialog::Pick(Pick::new(title, items, selected)));
        }
        Cmd::ThisBoot => {
            state.log.query.this_boot = !state.log.query.this_boot;
            return restart(state);
        }
        Cmd::ClearFilter => {
            state.log.query = LogPage::default().query;
            return restart(state);
        }
        _ => {}
    }
    Vec::new()
}

fn by_text(state: &mut State) {
    state.dialogs.push(Dialog::Prompt(Prompt::new(
        both(|words| words.filter_text_title().to_owned()),
        both(|words| words.filter_text_hint().to_owned()),
        state.log.query.text.clone(),
        Wanted::LogText,
    )));
}

fn by_unit(state: &mut State) {
    state.dialogs.push(Dialog::Prompt(Prompt::new(
        both(|words| words.filter_unit_title().to_owned()),
        both(|words| words.filter_unit_hint().to_owned()),
        state.log.query.unit.clone(),
        Wanted::LogUnit,
    )));
}

/// Rows of lines: without the filter's row and an empty one.
fn rows(height: u16) -> u16 {
    height.saturating_sub(2)
}

pub fn draw(state: &State, mut canvas: Canvas) {
    let words = state.words();
    let log = &state.log;
    let mut filter = vec![words.priority_and_worse(log.query.priority, words.priority(log.query.priority))];
    if !log.query.unit.is_empty() {
        filter.push(words.filter_unit(&log.query.unit));
    }
    if !log.query.text.is_empty() {
        filter.push(words.filter_text(&log.query.text));
    }
    let boots = if log.query.this_boot {
        words.filter_this_boot()
    } else {
        words.filter_all_boots()
    };
    filter.push(boots.to_owned());
    let width = canvas.width().saturating_sub(2);
    canvas.cell(1, 0, width, Role::Heading, &filter.join(", "));
    if let Some(failure) = &log.trouble {
        let text = words.service_down(words.service_host(), state.say(&failure.text));
        canvas.cell(1, 1, width, Role::Bad, &text);
    }
    if log.lines.is_empty() {
        let text = match log.at {
            0 => state.waiting(),
            _ if log.trouble.is_some() => String::new(),
            _ => words.no_lines().to_owned(),
        };
        canvas.wrapped(1, 2, Role::Plain, &text);
        return;
    }
    let room = usize::from(rows(canvas.height()));
    let selected = log.selected.min(log.lines.len() - 1);
    let top = list::top_from_end(selected, log.lines.len(), room);
    for (y, (place, line)) in (2u16..).zip(log.lines.iter().enumerate().skip(top).take(room)) {
        let picked = place == selected;
        let role = match line.priority {
            0..=3 => Role::Bad,
            4 => Role::Warning,
            _ => Role::Plain,
        };
        canvas.text(0, y, Role::Plain, if picked { ">" } else { " " });
        let stamp = format::stamp(line.when, state.zone());
        canvas.text(1, y, if picked { Role::Picked } else { Role::Quiet }, &stamp);
        let unit = line.unit.strip_suffix(".service").unwrap_or(&line.unit);
        let from = format!("{unit}: {}", line.message);
        let room = canvas.width().saturating_sub(17);
        canvas.cell(16, y, room, role, &from);
    }
}
