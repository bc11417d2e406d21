//! Since you were last here: what changed and what went wrong, once at the beginning of a session.
//!
//! The record of changes knows when an account last left. Nothing is shown to somebody who was never here, or where
//! nothing happened. Enter leads to the way back from the last change of the site, which shows first what it would change.

use varde_bus::audit::{Absence, LEFT};
use varde_bus::{Text, Verb};

use crate::dialog::{Dialog, Kind, Next, Viewer};
use crate::event::{Ask, Effect};
use crate::format;
use crate::page::record::{self, Row};
use crate::page::{self, PageId};
use crate::state::State;
use crate::words::{Words, both};

/// Events that nobody asked for and that somebody has to see.
const WRONG: [&str; 5] = [
    "vm.crashed",
    "vm.restarted",
    "vm.blocked",
    "audit.damaged",
    "site.taken-back",
];
/// What says nothing of the state of things.
const IDLE: [&str; 2] = [LEFT, "vm.console"];

/// Asks once in a session.
pub fn ask(state: &mut State) -> Vec<Effect> {
    if std::mem::replace(&mut state.greeted, true) {
        return Vec::new();
    }
    vec![Effect::Ask(Ask::Since)]
}

fn is_wrong(row: &Row) -> bool {
    WRONG.contains(&row.record.verb.as_str()) || matches!(row.outcome(), "failed" | "unknown")
}

pub fn answered(state: &mut State, absence: &Absence) {
    // Whoever has begun with something else is not interrupted.
    let idle = state.page == PageId::Overview && state.dialogs.is_empty() && state.lock.is_none();
    if absence.left == 0 || !idle || state.attached.is_some() {
        return;
    }
    let rows: Vec<Row> = record::joined(&absence.records)
        .into_iter()
        .filter(|row| !IDLE.contains(&row.record.verb.as_str()))
        .collect();
    let restarted = state.data.boot > absence.left;
    if rows.is_empty() && !restarted {
        return;
    }
    let mut lines = Vec::new();
    if restarted {
        let when = format::stamp(state.data.boot, state.zone());
        lines.push(both(|words| words.since_restarted(&when)));
        lines.push(Text::default());
    }
    let (wrong, changes): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| is_wrong(row));
    for (title, rows) in [
        (Words::since_wrong as fn(Words) -> &'static str, wrong),
        (Words::since_changes, changes),
    ] {
        if rows.is_empty() {
            continue;
        }
        lines.push(both(|words| title(words).to_owned()));
        lines.extend(rows.into_iter().map(|row| told(state, row)));
        lines.push(Text::default());
    }
    let site = rows
        .iter()
        .any(|row| row.record.verb.starts_with("site.") && matches!(row.outcome(), "done" | "event"));
    let undo = site && state.may(Verb::RollBackSite);
    if undo {
        lines.push(both(|words| words.since_undo().to_owned()));
    }
    let when = format::stamp(absence.left, state.zone());
    let mut viewer = Viewer::new(both(|words| words.since_title(&when)), lines, Kind::Prose);
    if undo {
        viewer = viewer.then(Next::Undo);
    }
    state.dialogs.push(Dialog::Viewer(viewer));
}

/// When, who, what, how it ended, and why.
fn told(state: &State, row: &Row) -> Text {
    let when = format::stamp(row.record.when, state.zone());
    both(|words| {
        let mut line = format!("{when}  {}", row.sentence(words));
        if !row.record.why.is_empty() {
            line.push_str(&format!(" ({})", row.record.why));
        }
        line
    })
}

/// On to page Site, and to what the way back would change.
pub fn undo(state: &mut State) -> Vec<Effect> {
    let history = state.data.history.value.as_deref().unwrap_or_default();
    let before = history
        .iter()
        .find(|generation| generation.active)
        .map_or(0, |generation| generation.parent);
    if before == 0 {
        state.tell(false, both(|words| words.nothing_before().to_owned()));
        return Vec::new();
    }
    let mut effects = page::open(state, PageId::Site);
    effects.push(Effect::Ask(Ask::Diff { from: 0, to: before }));
    effects
}
