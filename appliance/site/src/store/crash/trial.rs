//! The same for trials: whatever is left after a power cut, an unconfirmed generation has its note beside it.

use super::*;
use crate::{TakenBack, Terms, Text, Trial};

fn terms() -> Terms {
    Terms {
        within: 300,
        boot: "0b17".to_owned(),
        until: 400_000,
    }
}

fn trial() -> Trial {
    Trial {
        generation: 2,
        before: 1,
        terms: terms(),
    }
}

fn taken_back() -> TakenBack {
    TakenBack {
        generation: 2,
        before: 1,
        when: 5,
        recorded: false,
        reason: Text::same("restart"),
    }
}

/// What counts, and whether that is on trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Old,
    Tried,
    New,
}

fn state(root: &Path) -> State {
    let store = Store::open(root);
    let on_trial = store.trial().unwrap();
    match active(root) {
        Some(text) if text == A => State::Old,
        Some(text) if text == b() && on_trial.is_none() => State::New,
        Some(text) if text == b() => {
            let generation = on_trial.map(|trial| trial.generation);
            assert_eq!(generation, store.active_number().unwrap());
            State::Tried
        }
        other => panic!("neither old nor new: {other:?}"),
    }
}

fn try_out(changes: &mut Changes<Recorder>) -> Result<(), StoreError> {
    changes.prepare()?;
    changes.try_out(&b(), &origin(), 2, &terms()).map(drop)
}

fn take_back(changes: &mut Changes<Recorder>) -> Result<(), StoreError> {
    changes.activate(1)?;
    changes.end_trial(&taken_back())
}

/// The change, whether the new generation is on trial before it, the states that a power cut may leave, and the end.
type Case = (&'static str, bool, Change, &'static [State], State);

const CASES: [Case; 3] = [
    (
        "try out",
        false,
        try_out,
        &[State::Old, State::Tried],
        State::Tried,
    ),
    (
        "confirm",
        true,
        Changes::close_trial,
        &[State::Tried, State::New],
        State::New,
    ),
    (
        "take back",
        true,
        take_back,
        &[State::Tried, State::Old],
        State::Old,
    ),
];

fn prepared_for(on_trial: bool) -> TempDir {
    let root = prepared(&[A.into()]);
    if on_trial {
        let mut writer = Store::open(root.path()).writer().unwrap();
        writer.try_out(&b(), &origin(), 2, &terms()).unwrap();
    }
    root
}

#[test]
fn a_power_cut_at_any_step_never_leaves_an_unconfirmed_generation_without_its_note() {
    for (name, on_trial, change, may_be, end) in CASES {
        let root = prepared_for(on_trial);
        let before = read(root.path());
        let mut changes = changes(root.path(), None);
        change(&mut changes).unwrap();
        let steps = changes.steps.steps;
        let mut seen = BTreeSet::new();
        for count in 0..=steps.len() {
            for disk in survivors(root.path(), &before, &steps, count) {
                let after = write(&disk);
                let found = state(after.path());
                assert!(
                    may_be.contains(&found),
                    "{name}: {found:?} after step {count} of {steps:?}"
                );
                if count == steps.len() {
                    assert_eq!(found, end, "{name}: done but not kept");
                }
                seen.insert(found);
                // Whoever finds the note goes back, and nothing is left of the trial.
                let store = Store::open(after.path());
                if let Some(trial) = store.trial().unwrap() {
                    let mut writer = store.writer().unwrap();
                    writer.go_back(&trial).unwrap();
                    writer.end_trial(&taken_back()).unwrap();
                    assert_eq!(state(after.path()), State::Old, "{name} after step {count}");
                    assert_eq!(store.trial().unwrap(), None);
                    assert_eq!(store.taken_back().unwrap(), Some(taken_back()));
                }
            }
        }
        assert_eq!(seen.len(), may_be.len(), "{name}: {seen:?}");
    }
}

#[test]
fn a_step_that_fails_leaves_no_unconfirmed_generation_without_its_note() {
    for (name, on_trial, change, may_be, end) in CASES {
        let steps = {
            let root = prepared_for(on_trial);
            let mut changes = changes(root.path(), None);
            change(&mut changes).unwrap();
            changes.steps.count
        };
        for step in 0..steps {
            let root = prepared_for(on_trial);
            change(&mut changes(root.path(), Some(step))).unwrap_err();
            let found = state(root.path());
            assert!(
                may_be.contains(&found),
                "{name}: {found:?} after step {step} failed"
            );
            // Where it was not done, it can be done again.
            if found != end {
                change(&mut changes(root.path(), None)).unwrap();
            }
            assert_eq!(state(root.path()), end, "{name}: step {step}");
        }
    }
}

#[test]
fn what_was_taken_back_is_told_until_something_is_made_active() {
    let root = prepared_for(true);
    let store = Store::open(root.path());
    let mut writer = store.writer().unwrap();
    writer.go_back(&trial()).unwrap();
    writer.end_trial(&taken_back()).unwrap();
    assert_eq!(store.taken_back().unwrap(), Some(taken_back()));
    writer.note_recorded(&taken_back()).unwrap();
    assert!(store.taken_back().unwrap().unwrap().recorded);
    writer.commit(&b(), &origin(), 6).unwrap();
    assert_eq!(store.taken_back().unwrap(), None);
}

#[test]
fn nothing_is_tried_out_without_a_whole_generation_to_go_back_to() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path());
    let mut writer = store.writer().unwrap();
    let nothing = writer.try_out(A, &origin(), 1, &terms()).unwrap_err();
    assert!(matches!(nothing, StoreError::NothingBefore), "{nothing}");
    writer.commit(A, &origin(), 1).unwrap();
    let record = store.record(1).unwrap();
    fs::write(
        root.path().join(OBJECTS).join(format!("{}.toml", record.hash)),
        "else",
    )
    .unwrap();
    writer.try_out(&b(), &origin(), 2, &terms()).unwrap_err();
    assert_eq!(
        (store.active_number().unwrap(), store.trial().unwrap()),
        (Some(1), None)
    );
}
