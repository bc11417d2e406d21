//! The list of virtual machines, and what can be done with the one that is picked.

use serde::{Deserialize, Serialize};
use varde_bus::hypervisor::{CheckState, VmState, VmStatus};
use varde_bus::{Action, Text, Verb};

use super::{PageId, log};
use crate::canvas::{Canvas, Role};
use crate::command::Cmd;
use crate::dialog::{Confirm, Dialog, Intent, Why};
use crate::event::Effect;
use crate::format;
use crate::list;
use crate::reload;
use crate::state::State;
use crate::words::both;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachinesPage {
    /// By name, so that it stays picked when the list changes; `None` means the first.
    pub selected: Option<String>,
    /// The page of the picked machine is open.
    pub detail: bool,
    /// First line in sight there.
    pub top: usize,
    /// When its use was asked for last.
    pub asked_usage: i64,
}

/// In the order in which they are counted on the overview.
pub const STATES: [VmState; 8] = [
    VmState::Crashed,
    VmState::Blocked,
    VmState::Running,
    VmState::Starting,
    VmState::Paused,
    VmState::Stopping,
    VmState::Stopped,
    VmState::Declared,
];

pub fn role_of(state: VmState) -> Role {
    match state {
        VmState::Crashed | VmState::Blocked => Role::Bad,
        VmState::Running => Role::Good,
        VmState::Starting | VmState::Paused | VmState::Stopping => Role::Warning,
        VmState::Declared | VmState::Stopped => Role::Plain,
    }
}

/// The picked machine and its place in the list.
pub fn picked(state: &State) -> Option<(usize, &VmStatus)> {
    let vms = state.vms();
    let place = state
        .machines
        .selected
        .as_ref()
        .and_then(|name| vms.iter().position(|vm| vm.name == *name))
        .unwrap_or(0);
    vms.get(place).map(|vm| (place, vm))
}

pub fn open(state: &mut State) -> Vec<Effect> {
    if state.machines.detail && picked(state).is_none() {
        state.machines.detail = false;
    }
    reload::usage(state).into_iter().collect()
}

pub fn command(state: &mut State, cmd: &Cmd) -> Vec<Effect> {
    if let Some(effects) = super::snapshots::command(state, cmd) {
        return effects;
    }
    let Some((mut place, vm)) = picked(state).map(|(place, vm)| (place, vm.clone())) else {
        state.machines.detail = false;
        return Vec::new();
    };
    match cmd {
        Cmd::Open if !state.machines.detail => {
            state.machines.selected = Some(vm.name);
            state.machines.detail = true;
            state.machines.top = 0;
            return reload::usage(state).into_iter().collect();
        }
        Cmd::Back => state.machines.detail = false,
        Cmd::Start => ask(state, Verb::StartVm, start(&vm)),
        Cmd::ShutDown => ask(state, Verb::ShutDownVm, shut_down(&vm)),
        Cmd::ForceOff => ask(state, Verb::ForceOffVm, force_off(&vm)),
        Cmd::Pause if vm.state == VmState::Paused => ask(state, Verb::ResumeVm, resume(&vm)),
        Cmd::Pause => ask(state, Verb::PauseVm, pause(&vm)),
        Cmd::Console => ask(state, Verb::EnterVmConsole, console(&vm)),
        Cmd::UnitLog => {
            state.log.query.unit = format!("varde-vm@{}.service", vm.name);
            state.log.query.text.clear();
            state.page = PageId::Log;
            return log::restart(state);
        }
        cmd if state.machines.detail => {
            let lines = super::machine::lines(state, &vm).len();
            let room = usize::from(state.page_rows()).saturating_sub(1).max(1);
            let lowest = lines.saturating_sub(room);
            list::step(&mut state.machines.top, lowest + 1, cmd, room);
        }
        cmd => {
            let page = usize::from(rows(state.page_rows()));
            if list::step(&mut place, state.vms().len(), cmd, page) {
                state.machines.selected = state.vms().get(place).map(|vm| vm.name.clone());
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

fn not_now() -> Text {
    both(|words| words.answer_no().to_owned())
}

fn start(vm: &VmStatus) -> Confirm {
    Confirm::new(
        both(|words| words.start_title(&vm.name)),
        vec![both(|words| words.start_body(&vm.title))],
        not_now(),
        both(|words| words.start_yes(&vm.name)),
        Intent::Act(Action::StartVm {
            vm: vm.name.clone(),
            why: String::new(),
        }),
        Why::Not,
    )
}

fn shut_down(vm: &VmStatus) -> Confirm {
    Confirm::new(
        both(|words| words.shut_down_title(&vm.name)),
        vec![
            both(|words| words.shut_down_body().to_owned()),
            both(|words| words.shut_down_affects(&vm.title, &vm.group)),
        ],
        not_now(),
        both(|words| words.shut_down_yes(&vm.name)),
        Intent::Act(Action::ShutDownVm {
            vm: vm.name.clone(),
            why: String::new(),
        }),
        Why::May,
    )
}

fn force_off(vm: &VmStatus) -> Confirm {
    Confirm::new(
        both(|words| words.force_off_title(&vm.name)),
        vec![
            both(|words| words.force_off_body().to_owned()),
            both(|words| words.shut_down_affects(&vm.title, &vm.group)),
        ],
        not_now(),
        both(|words| words.force_off_yes(&vm.name)),
        Intent::Act(Action::ForceOffVm {
            vm: vm.name.clone(),
            why: String::new(),
        }),
        Why::Must,
    )
}

fn pause(vm: &VmStatus) -> Confirm {
    Confirm::new(
        both(|words| words.pause_title(&vm.name)),
        vec![
            both(|words| words.pause_body().to_owned()),
            both(|words| words.shut_down_affects(&vm.title, &vm.group)),
        ],
        not_now(),
        both(|words| words.pause_yes(&vm.name)),
        Intent::Act(Action::PauseVm {
            vm: vm.name.clone(),
            why: String::new(),
        }),
        Why::Not,
    )
}

fn resume(vm: &VmStatus) -> Confirm {
    Confirm::new(
        both(|words| words.resume_title(&vm.name)),
        vec![both(|words| words.resume_body().to_owned())],
        not_now(),
        both(|words| words.resume_yes(&vm.name)),
        Intent::Act(Action::ResumeVm {
            vm: vm.name.clone(),
            why: String::new(),
        }),
        Why::Not,
    )
}

fn console(vm: &VmStatus) -> Confirm {
    Confirm::new(
        both(|words| words.console_title(&vm.name)),
        vec![both(|words| words.console_body().to_owned())],
        not_now(),
        both(|words| words.console_yes(&vm.name)),
        Intent::Attach(vm.name.clone()),
        Why::Not,
    )
}

/// Rows of the list: without its heading, an empty row and the row of the reason.
fn rows(height: u16) -> u16 {
    height.saturating_sub(3)
}

const NAME: u16 = 15;
const STATE: u16 = 13;
const SINCE: u16 = 13;
const CHECKS: u16 = 8;
const CPUS: u16 = 5;
const MEMORY: u16 = 8;

pub fn draw(state: &State, mut canvas: Canvas) {
    let words = state.words();
    if let Some(failure) = &state.data.vms.trouble {
        let text = words.service_down(words.service_hypervisor(), state.say(&failure.text));
        let row = canvas.wrapped(1, 0, Role::Bad, &text);
        let (width, height) = (canvas.width(), canvas.height());
        return draw_list(state, canvas.part(0, row, width, height.saturating_sub(row)));
    }
    if state.vms().is_empty() {
        let text = if state.data.vms.value.is_some() {
            words.no_machines().to_owned()
        } else {
            state.waiting()
        };
        canvas.wrapped(1, 0, Role::Plain, &text);
        return;
    }
    draw_list(state, canvas);
}

fn draw_list(state: &State, mut canvas: Canvas) {
    let (words, language) = (state.words(), state.language());
    let Some((selected, picked)) = picked(state) else {
        return;
    };
    let wide = canvas.width() >= 110;
    let mut x = 3;
    let mut columns = vec![
        (words.column_name(), NAME),
        (words.column_state(), STATE),
        (words.column_since(), SINCE),
        (words.column_checks(), CHECKS),
        (words.column_cpus(), CPUS),
        (words.column_memory(), MEMORY),
    ];
    if wide {
        columns.extend([
            (words.column_group(), 14),
            (words.column_zone(), 13),
            (words.column_address(), 16),
        ]);
    }
    for (title, width) in &columns {
        canvas.cell(x, 0, width - 1, Role::Heading, title);
        x += width;
    }
    canvas.text(x, 0, Role::Heading, words.column_title());
    let room = usize::from(rows(canvas.height()));
    let top = list::top(selected, state.vms().len(), room);
    for (y, (place, vm)) in (1u16..).zip(state.vms().iter().enumerate().skip(top).take(room)) {
        let is_picked = place == selected;
        canvas.text(1, y, Role::Plain, if is_picked { ">" } else { " " });
        let name_role = if is_picked { Role::Picked } else { Role::Plain };
        let since = format::moment(vm.since, state.now, state.zone(), language);
        let mut texts = vec![
            (name_role, vm.name.clone()),
            (role_of(vm.state), words.vm_state(vm.state).to_owned()),
            (Role::Plain, if vm.since > 0 { since } else { String::new() }),
            (Role::Plain, checks(vm)),
            (Role::Plain, vm.cpus.to_string()),
            (Role::Plain, format::bytes(vm.memory, language)),
        ];
        if wide {
            texts.extend([
                (Role::Plain, vm.group.clone()),
                (Role::Plain, vm.zone.clone()),
                (Role::Plain, vm.address.clone()),
            ]);
        }
        let mut x = 3;
        for ((role, text), (_, width)) in texts.iter().zip(&columns) {
            canvas.cell(x, y, width - 1, *role, text);
            x += width;
        }
        let rest = canvas.width().saturating_sub(x + 1);
        canvas.cell(x, y, rest, Role::Plain, &vm.title);
    }
    let reason = state.say(&picked.reason);
    if !reason.is_empty() {
        let row = canvas.height().saturating_sub(1);
        let width = canvas.width().saturating_sub(1);
        canvas.cell(1, row, width, Role::Plain, &format!("{}: {reason}", picked.name));
    }
}

/// Passed of all, such as `1/2`.
fn checks(vm: &VmStatus) -> String {
    if vm.checks.is_empty() || matches!(vm.state, VmState::Declared | VmState::Stopped) {
        return String::from("-");
    }
    let passed = vm
        .checks
        .iter()
        .filter(|check| check.state == CheckState::Passed)
        .count();
    format!("{passed}/{}", vm.checks.len())
}
