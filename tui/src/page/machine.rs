//! One virtual machine: its state and why, its checks, its disks, and what it uses.

use varde_bus::hypervisor::{CheckState, VmStatus};

use super::machines::{picked, role_of};
use super::snapshots;
use crate::canvas::{Canvas, Role};
use crate::format;
use crate::state::State;

/// A line of the page: pieces with their roles; a long one wraps under its label.
pub struct Line {
    label: String,
    role: Role,
    text: String,
}

const LABEL: u16 = 17;

pub fn lines(state: &State, vm: &VmStatus) -> Vec<Line> {
    let (words, language) = (state.words(), state.language());
    let mut lines = Vec::new();
    let mut line = |label: &str, role: Role, text: String| {
        lines.push(Line {
            label: label.to_owned(),
            role,
            text,
        });
    };
    let since = format::moment(vm.since, state.now, state.zone(), language);
    let status = if vm.since > 0 {
        words.since(words.vm_state(vm.state), since)
    } else {
        words.vm_state(vm.state).to_owned()
    };
    line(words.column_state(), role_of(vm.state), status);
    if !vm.reason.is_empty() {
        line(words.why(), Role::Plain, state.say(&vm.reason).to_owned());
    }
    line(words.column_group(), Role::Plain, vm.group.clone());
    let address = if vm.address.is_empty() {
        words.no_address().to_owned()
    } else {
        vm.address.clone()
    };
    line(
        words.column_zone(),
        Role::Plain,
        format!("{}, {address}", vm.zone),
    );
    line(
        words.size(),
        Role::Plain,
        words.cpus_and_memory(vm.cpus, format::bytes(vm.memory, language)),
    );
    let autostart = if vm.autostart { words.yes() } else { words.no() };
    line(words.autostart(), Role::Plain, autostart.to_owned());
    if vm.pid > 0 {
        line(words.process(), Role::Plain, vm.pid.to_string());
    }
    let usage = state
        .data
        .usage
        .as_ref()
        .filter(|usage| usage.vm == vm.name && vm.pid > 0);
    if let Some(usage) = usage {
        let busy = usage
            .percent
            .map_or_else(|| String::from("-"), |percent| format!("{percent} %"));
        line(
            words.uses(),
            Role::Plain,
            words.usage(
                busy,
                format::bytes(usage.usage.memory, language),
                format::bytes(usage.usage.read, language),
                format::bytes(usage.usage.written, language),
            ),
        );
    }
    for (place, check) in vm.checks.iter().enumerate() {
        let (role, word) = match check.state {
            CheckState::Passed => (Role::Good, words.check_passed()),
            CheckState::Waiting => (Role::Warning, words.check_waiting()),
            CheckState::Failed => (Role::Bad, words.check_failed()),
        };
        let detail = state.say(&check.detail);
        let text = if detail.is_empty() {
            format!("{}: {word}", check.name)
        } else {
            format!("{}: {word} - {detail}", check.name)
        };
        line(if place == 0 { words.column_checks() } else { "" }, role, text);
    }
    for (place, disk) in vm.disks.iter().enumerate() {
        let image = if disk.image.is_empty() {
            words.no_image().to_owned()
        } else {
            words.on_image(&disk.image)
        };
        let text = words.disk(
            &disk.name,
            format::bytes(disk.size, language),
            format::bytes(disk.used, language),
            image,
        );
        line(if place == 0 { words.disks() } else { "" }, Role::Plain, text);
    }
    for (place, (role, text)) in snapshots::lines(state, &vm.name).into_iter().enumerate() {
        line(if place == 0 { words.snapshots() } else { "" }, role, text);
    }
    lines
}

pub fn draw(state: &State, mut canvas: Canvas) {
    let Some((_, vm)) = picked(state) else {
        canvas.text(1, 0, Role::Plain, state.words().no_machines());
        return;
    };
    let x = canvas.text(1, 0, Role::Picked, &vm.name);
    canvas.text(x + 2, 0, Role::Heading, &vm.title);
    let (width, height) = (canvas.width(), canvas.height());
    let mut part = canvas.part(1, 2, width.saturating_sub(2), height.saturating_sub(2));
    let mut row = 0;
    for line in lines(state, vm).iter().skip(state.machines.top) {
        if row >= part.height() {
            break;
        }
        part.cell(0, row, LABEL - 1, Role::Quiet, &line.label);
        row = part.wrapped(LABEL, row, line.role, &line.text).max(row + 1);
    }
}
