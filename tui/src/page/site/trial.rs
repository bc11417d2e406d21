//! A generation on trial: its countdown, what works with it so far, and the two ways to end it.

use varde_bus::site::{Probe, ProbeState, TrialStatus};
use varde_bus::{Action, Text};

use crate::canvas::{Canvas, Role};
use crate::dialog::{Confirm, Dialog, Intent, Why};
use crate::state::State;
use crate::words::{Words, both};

/// Probes that are shown, those that are not good first.
const SHOWN: usize = 6;

/// What is on trial, and how long for.
pub fn line(state: &State, trial: &TrialStatus) -> String {
    let left = format!("{}:{:02}", trial.left / 60, trial.left % 60);
    state
        .words()
        .on_trial(trial.generation, &trial.who, trial.before, left)
}

/// The worst first.
fn probes(trial: &TrialStatus) -> Vec<&Probe> {
    let mut probes: Vec<&Probe> = trial.probes.iter().collect();
    probes.sort_by_key(|probe| match probe.state {
        ProbeState::Bad => 0,
        ProbeState::Unknown => 1,
        ProbeState::Waiting => 2,
        ProbeState::Good => 3,
    });
    probes
}

/// Rows that it takes on the page: two for the line, one for the keys, the probes, and an empty one.
pub fn rows(state: &State) -> u16 {
    let Some(trial) = state.trial() else { return 0 };
    u16::try_from(trial.probes.len().min(SHOWN)).unwrap_or(0) + 4
}

pub fn draw(state: &State, mut canvas: Canvas) {
    let Some(trial) = state.trial() else { return };
    let (words, width) = (state.words(), canvas.width());
    canvas
        .part(0, 0, width, 2)
        .wrapped(1, 0, Role::Warning, &line(state, trial));
    canvas.cell(1, 2, width.saturating_sub(2), Role::Plain, words.on_trial_keys());
    for (row, probe) in (3..).zip(probes(trial).into_iter().take(SHOWN)) {
        let (role, state_name) = match probe.state {
            ProbeState::Good => (Role::Good, words.probe_good()),
            ProbeState::Waiting => (Role::Warning, words.probe_waiting()),
            ProbeState::Bad => (Role::Bad, words.probe_bad()),
            ProbeState::Unknown => (Role::Warning, words.probe_unknown()),
        };
        canvas.cell(3, row, 9, role, state_name);
        let text = format!("{}: {}", state.say(&probe.what), state.say(&probe.found));
        canvas.cell(12, row, width.saturating_sub(13), Role::Plain, &text);
    }
}

pub fn confirm(state: &mut State) {
    let Some(trial) = state.trial().cloned() else {
        return;
    };
    let number = trial.generation;
    let poor = |name: fn(&Text) -> &str| {
        let poor = trial
            .probes
            .iter()
            .filter(|probe| probe.state != ProbeState::Good);
        poor.map(|probe| name(&probe.what)).collect::<Vec<_>>().join(", ")
    };
    let (nb, en) = (poor(|what| &what.nb), poor(|what| &what.en));
    let looked = if nb.is_empty() {
        both(|words| words.confirm_good().to_owned())
    } else {
        Text::new(
            Words(varde_bus::Language::Nb).confirm_not_good(nb),
            Words(varde_bus::Language::En).confirm_not_good(en),
        )
    };
    state.dialogs.push(Dialog::Confirm(Confirm::new(
        both(|words| words.confirm_title(number)),
        vec![looked, both(|words| words.confirm_body().to_owned())],
        both(|words| words.confirm_no().to_owned()),
        both(|words| words.confirm_yes().to_owned()),
        Intent::Act(Action::ConfirmSite {
            generation: number,
            why: String::new(),
        }),
        Why::Not,
    )));
}

pub fn take_back(state: &mut State) {
    let Some(trial) = state.trial() else { return };
    let (number, before) = (trial.generation, trial.before);
    state.dialogs.push(Dialog::Confirm(Confirm::new(
        both(|words| words.take_back_title(number)),
        vec![both(|words| words.take_back_body(before))],
        both(|words| words.confirm_no().to_owned()),
        both(|words| words.take_back_yes().to_owned()),
        Intent::Act(Action::TakeBackSite { why: String::new() }),
        Why::May,
    )));
}
