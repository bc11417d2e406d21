//! Snapshots of the picked machine: what there is of them, and what can be done with the last one. What cannot be undone
//! is priced by the service before it is asked for.

use varde_bus::snapshot::{Deed, Price, Snapshot, SnapshotState};
use varde_bus::{Action, Text, Verb};

use super::PageId;
use super::machines::picked;
use crate::canvas::Role;
use crate::command::Cmd;
use crate::dialog::{Confirm, Dialog, Intent, Why};
use crate::event::{Ask, Effect};
use crate::format;
use crate::state::State;
use crate::words::{Words, both};

/// A disk that is full within this is a problem now: milliseconds.
const SOON: i64 = 3 * 24 * 3_600_000;

/// Those of a machine, the oldest first.
pub fn of<'a>(state: &'a State, vm: &'a str) -> impl DoubleEndedIterator<Item = &'a Snapshot> {
    let all = state.data.snapshots.value.as_deref().unwrap_or_default();
    all.iter()
        .filter(move |snapshot| snapshot.machines.iter().any(|machine| machine == vm))
}

/// For the page of a machine: texts and their roles.
pub fn lines(state: &State, vm: &str) -> Vec<(Role, String)> {
    let (words, language) = (state.words(), state.language());
    let moment = |when| format::moment(when, state.now, state.zone(), language);
    let bytes = |count| format::bytes(count, language);
    let mut lines = Vec::new();
    for snapshot in of(state, vm) {
        let mut text = words.snapshot_taken(&snapshot.id, moment(snapshot.taken), &snapshot.by);
        let others: Vec<&str> = snapshot
            .machines
            .iter()
            .map(String::as_str)
            .filter(|machine| *machine != vm)
            .collect();
        if !others.is_empty() {
            text = format!("{text} {}", words.snapshot_with(others.join(", ")));
        }
        if !snapshot.why.is_empty() {
            text = format!("{text} - {}", snapshot.why);
        }
        lines.push((Role::Plain, text));
        let mut about = words.snapshot_written(bytes(snapshot.used), bytes(snapshot.budget));
        if let Some(word) = word(snapshot.state, words) {
            about = format!("{about}; {word}");
        } else {
            about = format!("{about}; {}", words.snapshot_expires(moment(snapshot.expires)));
        }
        lines.push((Role::Plain, about));
        let progress = snapshot.progress;
        if snapshot.state == SnapshotState::Merging && progress.total > 0 {
            let text = words.snapshot_progress(
                bytes(progress.done),
                bytes(progress.total),
                bytes(progress.rate),
                progress.left,
            );
            lines.push((Role::Plain, text));
        }
        if !snapshot.problem.is_empty() {
            lines.push((Role::Warning, state.say(&snapshot.problem).to_owned()));
        }
    }
    lines
}

fn word(state: SnapshotState, words: Words) -> Option<&'static str> {
    match state {
        SnapshotState::Kept => None,
        SnapshotState::Quiet => Some(words.snapshot_quiet()),
        SnapshotState::Merging => Some(words.snapshot_merging()),
        SnapshotState::Halted => Some(words.snapshot_halted()),
    }
}

/// What is wrong with snapshots and with the disk that they lie on, for the overview.
pub fn problems(state: &State) -> Vec<String> {
    let words = state.words();
    let all = state.data.snapshots.value.iter().flatten();
    let mut problems: Vec<String> = all
        .filter(|snapshot| !snapshot.problem.is_empty())
        .map(|snapshot| words.snapshot_problem(&snapshot.id, state.say(&snapshot.problem)))
        .collect();
    let full_at = state.data.storage.full_at;
    if full_at > 0 && full_at < state.now.saturating_add(SOON) {
        let when = format::moment(full_at, state.now, state.zone(), state.language());
        problems.push(words.data_full_at(when));
    }
    problems
}

/// `None`: it is no command of snapshots.
pub fn command(state: &mut State, cmd: &Cmd) -> Option<Vec<Effect>> {
    let verb = match cmd {
        Cmd::TakeSnapshot => Verb::TakeSnapshot,
        Cmd::RollBackSnapshot => Verb::RollBackSnapshot,
        Cmd::MergeSnapshot | Cmd::MergeQuietly => Verb::MergeSnapshot,
        Cmd::CancelMerge => Verb::CancelMerge,
        _ => return None,
    };
    let Some(vm) = picked(state).map(|(_, vm)| vm.name.clone()) else {
        return Some(Vec::new());
    };
    if !state.allowed(verb) {
        return Some(Vec::new());
    }
    if *cmd == Cmd::TakeSnapshot {
        state.dialogs.push(Dialog::Confirm(take(&vm)));
        return Some(Vec::new());
    }
    let Some(id) = of(state, &vm).next_back().map(|snapshot| snapshot.id.clone()) else {
        state.tell(false, both(|words| words.no_snapshot(&vm)));
        return Some(Vec::new());
    };
    let price = |deed| {
        vec![Effect::Ask(Ask::Price {
            snapshot: id.clone(),
            deed,
        })]
    };
    let dialog = match cmd {
        Cmd::RollBackSnapshot => return Some(price(Deed::RollBack)),
        Cmd::MergeSnapshot => return Some(price(Deed::Merge)),
        Cmd::MergeQuietly => quietly(&id),
        _ => cancel(&id),
    };
    state.dialogs.push(Dialog::Confirm(dialog));
    Some(Vec::new())
}

fn not_now() -> Text {
    both(|words| words.answer_no().to_owned())
}

fn take(vm: &str) -> Confirm {
    Confirm::new(
        both(|words| words.take_title(vm)),
        vec![
            both(|words| words.take_body().to_owned()),
            both(|words| words.take_until().to_owned()),
        ],
        not_now(),
        both(|words| words.take_yes(vm)),
        Intent::Act(Action::TakeSnapshot {
            vms: vec![vm.to_owned()],
            keep: 0,
            budget: 0,
            why: String::new(),
        }),
        Why::May,
    )
}

fn quietly(id: &str) -> Confirm {
    Confirm::new(
        both(|words| words.quiet_title(id)),
        vec![both(|words| words.quiet_body().to_owned())],
        not_now(),
        both(|words| words.quiet_yes(id)),
        Intent::Act(Action::MergeSnapshot {
            snapshot: id.to_owned(),
            quiet: true,
            why: String::new(),
        }),
        Why::Not,
    )
}

fn cancel(id: &str) -> Confirm {
    Confirm::new(
        both(|words| words.cancel_merge_title(id)),
        vec![both(|words| words.cancel_merge_body().to_owned())],
        not_now(),
        both(|words| words.cancel_merge_yes().to_owned()),
        Intent::Act(Action::CancelMerge {
            snapshot: id.to_owned(),
            why: String::new(),
        }),
        Why::Not,
    )
}

/// The price has come: it stands in the question.
pub fn priced(state: &mut State, id: &str, deed: Deed, price: &Price) {
    let snapshots = state.data.snapshots.value.iter().flatten();
    let Some(snapshot) = snapshots.into_iter().find(|snapshot| snapshot.id == id).cloned() else {
        return;
    };
    // The page may have been left meanwhile.
    if state.page != PageId::Machines || !state.dialogs.is_empty() {
        return;
    }
    if !price.possible {
        state.tell(false, both(|words| words.price_impossible(id)));
        return;
    }
    let body = tag(state, price);
    let dialog = match deed {
        Deed::RollBack => {
            let machines = snapshot.machines.join(", ");
            Confirm::new(
                both(|words| words.roll_back_vm_title(&machines, id)),
                body,
                not_now(),
                both(|words| words.roll_back_vm_yes(id)),
                Intent::Act(Action::RollBackSnapshot {
                    snapshot: id.to_owned(),
                    why: String::new(),
                }),
                Why::Must,
            )
        }
        Deed::Merge => Confirm::new(
            both(|words| words.merge_title(id)),
            body,
            not_now(),
            both(|words| words.merge_yes(id)),
            Intent::Act(Action::MergeSnapshot {
                snapshot: id.to_owned(),
                quiet: false,
                why: String::new(),
            }),
            Why::Not,
        ),
    };
    state.dialogs.push(Dialog::Confirm(dialog));
}

fn tag(state: &State, price: &Price) -> Vec<Text> {
    let moment = |when, words: Words| format::moment(when, state.now, state.zone(), words.0);
    let mut body = vec![price.text.clone()];
    body.push(both(|words| {
        let mut sentences = Vec::new();
        if price.lost > 0 {
            let bytes = format::bytes(price.lost, words.0);
            sentences.push(words.price_lost(bytes, moment(price.lost_since, words)));
        }
        sentences.push(words.price_seconds(price.seconds));
        sentences.push(match price.undo_until {
            0 => words.price_never().to_owned(),
            until => words.price_until(moment(until, words)),
        });
        sentences.join(" ")
    }));
    body
}
