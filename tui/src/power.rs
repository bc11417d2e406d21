//! Restart and power-off of the appliance: what runs is shown first.

use varde_bus::dbrestart::DatabaseState;
use varde_bus::hypervisor::VmState;
use varde_bus::{Action, Text, Verb};

use crate::dialog::{Confirm, Dialog, Intent, Pick, Picked, Why};
use crate::event::Effect;
use crate::state::State;
use crate::words::both;

/// The menu, for those who may.
pub fn open(state: &mut State) -> Vec<Effect> {
    if state.allowed(Verb::PowerOff) {
        state.dialogs.push(Dialog::Pick(Pick::new(
            both(|words| words.power_title().to_owned()),
            vec![
                (both(|words| words.reboot().to_owned()), Picked::Reboot),
                (both(|words| words.power_off().to_owned()), Picked::PowerOff),
            ],
            0,
        )));
    }
    Vec::new()
}

pub fn confirm(state: &mut State, off: bool) -> Vec<Effect> {
    let running: Vec<&str> = state
        .vms()
        .iter()
        .filter(|vm| {
            !matches!(
                vm.state,
                VmState::Declared | VmState::Stopped | VmState::Crashed | VmState::Blocked
            )
        })
        .map(|vm| vm.name.as_str())
        .collect();
    let affected = if state.data.vms.value.is_none() {
        both(|words| words.power_unknown().to_owned())
    } else if running.is_empty() {
        both(|words| words.power_nothing().to_owned())
    } else {
        let names = running.join(", ");
        both(|words| words.power_affects(running.len(), &names))
    };
    let mut body = vec![affected];
    body.extend(databases(state));
    let why = String::new();
    let confirm = if off {
        Confirm::new(
            both(|words| words.power_off().to_owned()),
            with(body, both(|words| words.power_off_body().to_owned())),
            both(|words| words.answer_no().to_owned()),
            both(|words| words.power_off_yes().to_owned()),
            Intent::Act(Action::PowerOff { why }),
            Why::Must,
        )
    } else {
        Confirm::new(
            both(|words| words.reboot().to_owned()),
            with(body, both(|words| words.reboot_body().to_owned())),
            both(|words| words.answer_no().to_owned()),
            both(|words| words.reboot_yes().to_owned()),
            Intent::Act(Action::Reboot { why }),
            Why::Must,
        )
    };
    state.dialogs.push(Dialog::Confirm(confirm));
    Vec::new()
}

fn with(mut body: Vec<Text>, last: Text) -> Vec<Text> {
    body.push(last);
    body
}

/// Whose clients lose their gate, and whose restart is cut off in the middle.
fn databases(state: &State) -> Vec<Text> {
    let names = |wanted: fn(DatabaseState) -> bool| {
        let databases = state.databases().iter().filter(|database| wanted(database.state));
        databases
            .map(|database| database.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let gates = names(|_| true);
    let runs = names(|state| state == DatabaseState::Running);
    let mut told = Vec::new();
    if !gates.is_empty() {
        told.push(both(|words| words.power_gates(&gates)));
    }
    if !runs.is_empty() {
        told.push(both(|words| words.power_runs(&runs)));
    }
    told
}
