//! Databases, their next restarts, and what became of the last ones. The page is there where the site has any.

use serde::{Deserialize, Serialize};
use varde_bus::dbrestart::{DatabaseState, DatabaseStatus, InUse, PlannedRun, RunRecord};
use varde_bus::{Action, Text, Verb};

use crate::canvas::{Canvas, Role};
use crate::command::Cmd;
use crate::dialog::{Confirm, Dialog, Intent, Why};
use crate::event::{Ask, Effect};
use crate::format;
use crate::list;
use crate::state::State;
use crate::words::{Words, both};

/// Runs to come and runs of the past that are shown.
pub const RUNS: u32 = 10;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DatabasesPage {
    /// By name, so that it stays picked when the list changes; `None` means the first.
    pub selected: Option<String>,
    /// Of the picked database.
    pub planned: Vec<PlannedRun>,
    pub runs: Vec<RunRecord>,
}

pub fn role_of(state: DatabaseState) -> Role {
    match state {
        DatabaseState::Down | DatabaseState::Blocked => Role::Bad,
        DatabaseState::Ready => Role::Good,
        DatabaseState::Running | DatabaseState::Hold => Role::Warning,
    }
}

fn picked(state: &State) -> Option<(usize, &DatabaseStatus)> {
    let all = state.databases();
    let place = state
        .database
        .selected
        .as_ref()
        .and_then(|name| all.iter().position(|database| database.name == *name))
        .unwrap_or(0);
    all.get(place).map(|database| (place, database))
}

/// What the page shows of the picked database besides its state.
pub fn open(state: &mut State) -> Vec<Effect> {
    let Some((_, database)) = picked(state) else {
        return Vec::new();
    };
    let name = database.name.clone();
    vec![
        Effect::Ask(Ask::PlannedRuns(name.clone())),
        Effect::Ask(Ask::Runs(name)),
    ]
}

/// A database came into another state.
pub fn changed(state: &mut State, database: DatabaseStatus) -> Vec<Effect> {
    let all = state.data.databases.value.get_or_insert_default();
    let ended = if let Some(known) = all.iter_mut().find(|known| known.name == database.name) {
        let ended = known.state == DatabaseState::Running && database.state != DatabaseState::Running;
        *known = database;
        ended
    } else {
        all.push(database);
        true
    };
    if ended { open(state) } else { Vec::new() }
}

pub fn command(state: &mut State, cmd: &Cmd) -> Vec<Effect> {
    let Some((mut place, database)) = picked(state).map(|(place, database)| (place, database.clone())) else {
        return Vec::new();
    };
    match cmd {
        Cmd::RestartDatabase => ask(state, Verb::RestartDatabase, restart(&database)),
        Cmd::SkipDatabase => ask(state, Verb::SkipDatabase, skip(&database)),
        Cmd::HoldDatabase => ask(state, Verb::HoldDatabase, hold(&database)),
        Cmd::CancelDatabase => ask(state, Verb::CancelDatabase, cancel(&database)),
        cmd => {
            let count = state.databases().len();
            if list::step(&mut place, count, cmd, count) {
                state.database.selected = state.databases().get(place).map(|database| database.name.clone());
                return open(state);
            }
        }
    }
    Vec::new()
}

fn ask(state: &mut State, verb: Verb, confirm: Confirm) {
    if state.allowed(verb) {
        state.dialogs.push(Dialog::Confirm(confirm));
    }
}

fn confirm(title: Text, body: Text, yes: Text, action: Action) -> Confirm {
    let no = both(|words| words.answer_no().to_owned());
    Confirm::new(title, vec![body], no, yes, Intent::Act(action), Why::May)
}

fn restart(database: &DatabaseStatus) -> Confirm {
    let name = &database.name;
    let body = both(|words| words.db_restart_body(database.expected));
    // Who restarts it by hand is told what that costs those who are inside.
    let limit = &database.limit;
    let body = Text::new(
        format!("{} {}", body.nb, limit.nb).trim_end().to_owned(),
        format!("{} {}", body.en, limit.en).trim_end().to_owned(),
    );
    confirm(
        both(|words| words.db_restart_title(name)),
        body,
        both(|words| words.db_restart_yes(name)),
        Action::RestartDatabase {
            database: name.clone(),
            at: 0,
            why: String::new(),
        },
    )
}

fn skip(database: &DatabaseStatus) -> Confirm {
    let name = &database.name;
    confirm(
        both(|words| words.db_skip_title(name)),
        both(|words| words.db_skip_body().to_owned()),
        both(|words| words.db_skip_yes().to_owned()),
        Action::SkipDatabase {
            database: name.clone(),
            why: String::new(),
        },
    )
}

fn hold(database: &DatabaseStatus) -> Confirm {
    let name = &database.name;
    let hold = database.state != DatabaseState::Hold;
    let say = |words: Words| {
        if hold {
            (
                words.db_hold_title(name),
                words.db_hold_body(),
                words.db_hold_yes(),
            )
        } else {
            (
                words.db_unhold_title(name),
                words.db_unhold_body(),
                words.db_unhold_yes(),
            )
        }
    };
    confirm(
        both(|words| say(words).0),
        both(|words| say(words).1.to_owned()),
        both(|words| say(words).2.to_owned()),
        Action::HoldDatabase {
            database: name.clone(),
            hold,
            why: String::new(),
        },
    )
}

fn cancel(database: &DatabaseStatus) -> Confirm {
    let name = &database.name;
    confirm(
        both(|words| words.db_cancel_title(name)),
        both(|words| words.db_cancel_body().to_owned()),
        both(|words| words.db_cancel_yes().to_owned()),
        Action::CancelDatabase {
            database: name.clone(),
            why: String::new(),
        },
    )
}

pub fn draw(state: &State, mut canvas: Canvas) {
    let words = state.words();
    let mut row = 0;
    if let Some(failure) = &state.data.databases.trouble {
        let text = words.service_down(words.service_dbrestart(), state.say(&failure.text));
        row = canvas.wrapped(1, 0, Role::Bad, &text);
    }
    let Some((selected, database)) = picked(state) else {
        let none = match state.data.databases.value {
            Some(_) => words.no_databases().to_owned(),
            None => state.waiting(),
        };
        canvas.wrapped(1, row, Role::Plain, &none);
        return;
    };
    row = draw_list(state, &mut canvas, row, selected);
    row = draw_picked(state, &mut canvas, row + 1, database);
    draw_runs(state, &mut canvas, row + 1);
}

const NAME: u16 = 17;
const STATE: u16 = 20;
const NEXT: u16 = 14;
const STALL: u16 = 16;

fn draw_list(state: &State, canvas: &mut Canvas, top: u16, selected: usize) -> u16 {
    let (words, language) = (state.words(), state.language());
    let mut x = 3;
    for (title, width) in [
        (words.column_name(), NAME),
        (words.column_state(), STATE),
        (words.column_next(), NEXT),
        (words.column_stall(), STALL),
    ] {
        canvas.cell(x, top, width - 1, Role::Heading, title);
        x += width;
    }
    // A third of the page; the rest belongs to the one that is picked.
    let room = usize::from(canvas.height() / 3).max(1);
    let first = list::top(selected, state.databases().len(), room);
    let mut row = top + 1;
    for (place, database) in state.databases().iter().enumerate().skip(first).take(room) {
        let is_picked = place == selected;
        canvas.text(1, row, Role::Plain, if is_picked { ">" } else { " " });
        let next = if database.next == 0 {
            String::new()
        } else {
            format::moment(database.next, state.now, state.zone(), language)
        };
        let now = match database.step.as_str() {
            "" => words.database_state(database.state).to_owned(),
            step => format!(
                "{}: {}",
                words.database_state(database.state),
                words.database_step(step)
            ),
        };
        let mut x = 3;
        for (role, text, width) in [
            (
                if is_picked { Role::Picked } else { Role::Plain },
                &database.name,
                NAME,
            ),
            (role_of(database.state), &now, STATE),
            (Role::Plain, &next, NEXT),
            (
                Role::Plain,
                &format!("{}/{} ms", database.expected, database.stall_budget),
                STALL,
            ),
        ] {
            canvas.cell(x, row, width - 1, role, text);
            x += width;
        }
        row += 1;
    }
    row
}

fn used(state: &State, found: &InUse) -> String {
    let since = format::moment(found.since, state.now, state.zone(), state.language());
    let what = state.say(&found.title);
    state.words().in_use(&found.whose, what, since, &found.doing)
}

fn draw_picked(state: &State, canvas: &mut Canvas, top: u16, database: &DatabaseStatus) -> u16 {
    let words = state.words();
    let mut row = top;
    canvas.cell(
        1,
        row,
        canvas.width().saturating_sub(2),
        Role::Heading,
        &database.title,
    );
    row += 1;
    let about = words.database_about(&database.gate, &database.server, &database.address);
    row = canvas.wrapped(1, row, Role::Plain, &about);
    if !database.limit.is_empty() {
        row = canvas.wrapped(1, row, Role::Warning, state.say(&database.limit));
    }
    if !database.reason.is_empty() {
        row = canvas.wrapped(1, row, role_of(database.state), state.say(&database.reason));
    }
    if let Some(found) = database.uses.first() {
        row = canvas.wrapped(1, row, Role::Warning, &used(state, found));
    } else if !database.obstacle.is_empty() {
        let text = words.next_will_not(state.say(&database.obstacle));
        row = canvas.wrapped(1, row, Role::Warning, &text);
    }
    let following: Vec<String> = state
        .database
        .planned
        .iter()
        .filter(|run| run.obstacle.is_empty())
        .take(4)
        .map(|run| format::moment(run.at, state.now, state.zone(), state.language()))
        .collect();
    if !following.is_empty() {
        row = canvas.wrapped(1, row, Role::Plain, &words.next_runs(following.join(", ")));
    }
    if !database.quietest.is_empty() {
        let delays = format::tenth(database.quietest_delays, state.language());
        let mut text = words.quietest(&database.quietest, delays);
        if database.next_delays >= 0.0 {
            let there = format::tenth(database.next_delays, state.language());
            text = format!("{text} {}", words.at_the_next(there));
        }
        row = canvas.wrapped(1, row, Role::Plain, &text);
    }
    row
}

fn draw_runs(state: &State, canvas: &mut Canvas, top: u16) {
    let (words, language) = (state.words(), state.language());
    let mut row = top;
    let height = canvas.height();
    let width = canvas.width().saturating_sub(2);
    if let Some(last) = state.database.runs.iter().find(|run| run.delayed > 0) {
        let picture = picture(last);
        if row + 2 < height {
            canvas.cell(1, row, width, Role::Plain, &words.stall_picture(picture));
            row += 1;
        }
    }
    for run in &state.database.runs {
        if row >= height {
            break;
        }
        let when = format::moment(run.started, state.now, state.zone(), language);
        let role = match run.outcome.as_str() {
            "restarted" | "not_needed" | "cancelled" => Role::Plain,
            "put_off" | "fell_back" | "missed" => Role::Warning,
            _ => Role::Bad,
        };
        let what = match run.outcome.as_str() {
            "restarted" | "fell_back" => words.run_went(
                run.longest,
                run.expected,
                waited(state, run),
                run.failed + run.sessions_cut,
                format::kroner(run.avoided / 100, language),
            ),
            _ => run
                .uses
                .first()
                .map_or_else(|| state.say(&run.reason).to_owned(), |found| used(state, found)),
        };
        let text = format!("{when} {}: {what}", words.run_outcome(&run.outcome));
        canvas.cell(1, row, width, role, &text);
        row += 1;
    }
}

/// How many waited, and how many were expected to where that is known: `9 (7.5)`.
fn waited(state: &State, run: &RunRecord) -> String {
    if run.expected_delayed < 0.0 {
        return run.delayed.to_string();
    }
    let expected = format::tenth(run.expected_delayed, state.language());
    format!("{} ({expected})", run.delayed)
}

/// How many clients waited how long, such as `<=50 #####  <=100 ##`.
fn picture(run: &RunRecord) -> String {
    const LONGEST: u32 = 12;
    let most = run.histogram.iter().copied().max().unwrap_or(1).max(1);
    let ends = run.histogram_ends.iter().map(|end| format!("<={end}"));
    let over = run.histogram_ends.last().map(|end| format!(">{end}"));
    ends.chain(over)
        .zip(&run.histogram)
        .filter(|(_, count)| **count > 0)
        .map(|(end, count)| {
            let length = (count * LONGEST).div_ceil(most);
            format!(
                "{end} {} {count}",
                "#".repeat(usize::try_from(length).unwrap_or(1))
            )
        })
        .collect::<Vec<_>>()
        .join("  ")
}

#[cfg(test)]
mod tests {
    use super::picture;
    use varde_bus::dbrestart::RunRecord;

    #[test]
    fn the_picture_of_a_stall_is_to_scale() {
        let run = RunRecord {
            planned: 0,
            started: 0,
            ended: 0,
            who: String::new(),
            why: String::new(),
            outcome: "restarted".into(),
            reason: varde_bus::Text::default(),
            uses: vec![],
            expected: 0,
            longest: 120,
            held: 120,
            restart: 90,
            failed_pauses: 0,
            delayed: 18,
            expected_delayed: -1.0,
            failed: 0,
            sessions_cut: 0,
            histogram: vec![0, 6, 12, 0],
            histogram_ends: vec![10, 50, 100],
            cut: vec![],
            reasons: vec![],
            trouble: vec![],
            avoided: 0,
        };
        assert_eq!(picture(&run), "<=50 ###### 6  <=100 ############ 12");
    }
}
