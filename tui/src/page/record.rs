//! Who did what: the record that no one can change unnoticed.
//!
//! A change is recorded twice, when it begins and when it ends; here it is one row.

use serde::{Deserialize, Serialize};
use varde_bus::Text;
use varde_bus::audit::{Record, Verdict};

use crate::canvas::{Canvas, Role};
use crate::command::Cmd;
use crate::dialog::{Dialog, Kind, Viewer};
use crate::event::{Ask, Effect};
use crate::format;
use crate::list;
use crate::reload;
use crate::state::State;
use crate::words::{Words, both};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordPage {
    selected: usize,
}

/// A change, or an event that nobody asked for.
pub struct Row<'a> {
    pub record: &'a Record,
    /// The record of how it ended, where that is another one.
    end: Option<&'a Record>,
}

impl Row<'_> {
    pub fn outcome(&self) -> &str {
        &self.end.unwrap_or(self.record).outcome
    }

    pub fn role(&self) -> Role {
        match self.outcome() {
            "failed" => Role::Bad,
            "unknown" => Role::Warning,
            _ => Role::Plain,
        }
    }

    /// Such as `kari: start av journal - ferdig`.
    pub fn sentence(&self, words: Words) -> String {
        let record = self.record;
        let mut text = format!("{}: {}", record.who, what(words, &record.verb));
        if !record.subject.is_empty() {
            text.push(' ');
            text.push_str(&record.subject);
        }
        if record.outcome == "event" {
            if !record.detail.is_empty() {
                text.push_str(" - ");
                text.push_str(&record.detail);
            }
        } else {
            text.push_str(" - ");
            text.push_str(&outcome(words, self.outcome()));
        }
        text
    }
}

/// A verb of the record in words; one that is not known here is shown as it is.
fn what(words: Words, verb: &str) -> String {
    match verb {
        "vm.start" => words.verb_start(),
        "update.fetch" => words.verb_update_fetch(),
        "update.install" => words.verb_update_install(),
        "update.take-back" => words.verb_update_take_back(),
        "update.mark-read" => words.verb_update_mark_read(),
        "update.kept" => words.verb_update_kept(),
        "update.given-up" => words.verb_update_given_up(),
        "update.stays" => words.verb_update_stays(),
        "update.came-back" => words.verb_update_came_back(),
        "vm.shutdown" => words.verb_shut_down(),
        "vm.force-off" => words.verb_force_off(),
        "vm.pause" => words.verb_pause(),
        "vm.resume" => words.verb_resume(),
        "vm.console" => words.verb_console(),
        "site.apply" => words.verb_apply(),
        "site.rollback" => words.verb_roll_back(),
        varde_bus::audit::LEFT => words.verb_left(),
        "site.confirm" => words.verb_confirm(),
        "site.take-back" => words.verb_take_back(),
        "site.taken-back" => words.verb_taken_back(),
        "vm.crashed" => words.verb_crashed(),
        "vm.restarted" => words.verb_restarted(),
        "vm.blocked" => words.verb_blocked(),
        "db.restart" => words.verb_db_restart(),
        "db.skip" => words.verb_db_skip(),
        "db.hold" => words.verb_db_hold(),
        "db.cancel" => words.verb_db_cancel(),
        "phone.test" => words.verb_phone_test(),
        "phone.clear" => words.verb_phone_clear(),
        "phone.restart" => words.verb_phone_restart(),
        "phone.credential" => words.verb_phone_credential(),
        "phone.recording" => words.verb_phone_recording(),
        "host.reboot" => words.verb_reboot(),
        "host.power-off" => words.verb_power_off(),
        other => return other.to_owned(),
    }
    .to_owned()
}

fn outcome(words: Words, outcome: &str) -> String {
    match outcome {
        "begun" => words.outcome_begun(),
        "done" => words.outcome_done(),
        "failed" => words.outcome_failed(),
        "unknown" => words.outcome_unknown(),
        "event" => words.outcome_event(),
        other => return other.to_owned(),
    }
    .to_owned()
}

/// What has been recorded, as far as it is here.
pub fn rows(state: &State) -> Vec<Row<'_>> {
    joined(state.data.records.value.as_deref().unwrap_or_default())
}

/// Newest first, the ends joined to their beginnings.
pub fn joined(records: &[Record]) -> Vec<Row<'_>> {
    records
        .iter()
        .filter(|record| record.of == 0 || !records.iter().any(|other| other.sequence == record.of))
        .map(|record| Row {
            record,
            end: records
                .iter()
                .find(|other| other.of == record.sequence && record.sequence != 0),
        })
        .collect()
}

pub fn open(state: &mut State) -> Vec<Effect> {
    if state.data.records.value.is_none() {
        return reload::records(state).into_iter().collect();
    }
    Vec::new()
}

pub fn command(state: &mut State, cmd: &Cmd) -> Vec<Effect> {
    let count = rows(state).len();
    let page = usize::from(room(state.page_rows()));
    if list::step(&mut state.record.selected, count, cmd, page) {
        return Vec::new();
    }
    match cmd {
        Cmd::Open => {
            let viewer = rows(state)
                .get(state.record.selected)
                .map(|row| detail(state, row));
            state.dialogs.extend(viewer.map(Dialog::Viewer));
            Vec::new()
        }
        Cmd::Verify => {
            state.tell(true, both(|words| words.verifying().to_owned()));
            vec![Effect::Ask(Ask::Verify)]
        }
        _ => Vec::new(),
    }
}

/// A new record came in: what is picked stays picked.
pub fn recorded(state: &mut State, record: Record) {
    let ends = record.of != 0;
    let Some(records) = &mut state.data.records.value else {
        return;
    };
    if records.iter().any(|known| known.sequence == record.sequence) {
        return;
    }
    records.insert(0, record);
    records.truncate(reload::RECORDS as usize);
    if !ends && state.record.selected > 0 {
        state.record.selected += 1;
    }
}

pub fn verified(state: &mut State, verdict: &Verdict) {
    if verdict.faults.is_empty() {
        state.tell(true, both(|words| words.chain_whole(verdict.records)));
        return;
    }
    let lines = verdict.faults.clone();
    let title = both(|words| words.chain_broken(verdict.faults.len()));
    state
        .dialogs
        .push(Dialog::Viewer(Viewer::new(title, lines, Kind::Prose)));
}

fn detail(state: &State, row: &Row) -> Viewer {
    let zone = state.zone();
    let mut lines = Vec::new();
    for record in std::iter::once(row.record).chain(row.end) {
        let mut line = |label: fn(Words) -> &'static str, value: &str| {
            if !value.is_empty() {
                lines.push(both(|words| format!("{}: {value}", label(words))));
            }
        };
        line(Words::column_number, &record.sequence.to_string());
        line(Words::column_when, &format::stamp(record.when, zone));
        line(Words::column_who, &record.who);
        line(Words::column_what, &format!("{} {}", record.verb, record.subject));
        line(Words::why, &record.why);
        lines.push(both(|words| {
            format!("{}: {}", words.column_outcome(), outcome(words, &record.outcome))
        }));
        if !record.detail.is_empty() {
            lines.push(Text::same(record.detail.clone()));
        }
        lines.push(Text::default());
    }
    Viewer::new(
        both(|words| words.record_title(row.record.sequence)),
        lines,
        Kind::Prose,
    )
}

fn room(height: u16) -> u16 {
    height.saturating_sub(2)
}

pub fn draw(state: &State, mut canvas: Canvas) {
    let (words, language) = (state.words(), state.language());
    let width = canvas.width();
    if let Some(failure) = &state.data.records.trouble {
        let text = words.service_down(words.service_audit(), state.say(&failure.text));
        canvas.cell(1, 0, width.saturating_sub(2), Role::Bad, &text);
    } else {
        canvas.text(1, 0, Role::Heading, words.record_heading());
    }
    let rows = rows(state);
    if rows.is_empty() {
        let text = if state.data.records.value.is_some() {
            words.no_events().to_owned()
        } else {
            state.waiting()
        };
        canvas.wrapped(1, 2, Role::Plain, &text);
        return;
    }
    let selected = state.record.selected.min(rows.len() - 1);
    let fit = usize::from(room(canvas.height()));
    let top = list::top(selected, rows.len(), fit);
    for (y, (place, row)) in (2u16..).zip(rows.iter().enumerate().skip(top).take(fit)) {
        let picked = place == selected;
        canvas.text(1, y, Role::Plain, if picked { ">" } else { " " });
        let when = format::moment(row.record.when, state.now, state.zone(), language);
        canvas.cell(3, y, 17, if picked { Role::Picked } else { Role::Quiet }, &when);
        let mut sentence = row.sentence(words);
        if !row.record.why.is_empty() {
            sentence.push_str(" (");
            sentence.push_str(&row.record.why);
            sentence.push(')');
        }
        canvas.cell(21, y, width.saturating_sub(22), row.role(), &sentence);
    }
}
