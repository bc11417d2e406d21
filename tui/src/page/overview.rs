//! The overview: what is wrong first, then what runs, the appliance, the last events, and whose site this is.

use serde::{Deserialize, Serialize};
use varde_bus::host::Severity;
use varde_bus::hypervisor::{VmState, VmStatus};

use super::{PageId, access, machines, record, rehearsals, site, snapshots};
use crate::canvas::{Canvas, Role};
use crate::command::Cmd;
use crate::event::Effect;
use crate::format;
use crate::reload;
use crate::state::{Bus, State};
use crate::update;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverviewPage {
    /// Which of the machines in trouble is picked.
    selected: usize,
}

/// Machines that are down or did not come up, in the order of the list.
pub fn troubled(state: &State) -> Vec<&VmStatus> {
    state
        .vms()
        .iter()
        .filter(|vm| matches!(vm.state, VmState::Crashed | VmState::Blocked))
        .collect()
}

pub fn open(state: &mut State) -> Vec<Effect> {
    reload::host(state).into_iter().collect()
}

pub fn command(state: &mut State, cmd: &Cmd) -> Vec<Effect> {
    let names: Vec<String> = troubled(state).iter().map(|vm| vm.name.clone()).collect();
    if crate::list::step(&mut state.overview.selected, names.len(), cmd, 1) {
        return Vec::new();
    }
    if *cmd == Cmd::Open {
        let mut effects = super::open(state, PageId::Machines);
        if let Some(name) = names.into_iter().nth(state.overview.selected) {
            state.machines.selected = Some(name);
            effects.extend(machines::command(state, &Cmd::Open));
        }
        return effects;
    }
    Vec::new()
}

pub fn draw(state: &State, mut canvas: Canvas) {
    let height = canvas.height();
    // The last row says whose site this is, the rows before it the last events; trouble may take all but six.
    let row = wrong(state, &mut canvas, height.saturating_sub(7).max(3));
    let row = running(state, &mut canvas, row + 1);
    let row = host(state, &mut canvas, row + 1);
    events(state, &mut canvas, row + 1, height.saturating_sub(2));
    source(state, &mut canvas, height.saturating_sub(1));
}

fn wrong(state: &State, canvas: &mut Canvas, limit: u16) -> u16 {
    let words = state.words();
    let mut lines: Vec<(Role, String)> = Vec::new();
    match &state.data.bus {
        Bus::Down(failure) => lines.push((Role::Bad, words.bus_down(state.say(&failure.text)))),
        Bus::Connecting => lines.push((Role::Plain, words.bus_connecting().to_owned())),
        Bus::Up => {
            for (service, failure) in [
                (words.service_hypervisor(), &state.data.vms.trouble),
                (words.service_host(), &state.data.host.trouble),
                (words.service_site(), &state.data.site.trouble),
                (words.service_audit(), &state.data.records.trouble),
            ] {
                if let Some(failure) = failure {
                    lines.push((Role::Bad, words.service_down(service, state.say(&failure.text))));
                }
            }
        }
    }
    if let Some(site) = state
        .data
        .site
        .value
        .as_ref()
        .filter(|site| !site.problem.is_empty())
    {
        lines.push((Role::Bad, state.say(&site.problem).to_owned()));
    }
    if let Some(site) = state
        .data
        .site
        .value
        .as_ref()
        .filter(|site| !site.taken_back.is_empty())
    {
        lines.push((Role::Warning, state.say(&site.taken_back).to_owned()));
    }
    if let Some(trial) = state.trial() {
        let line = site::trial_line(state, trial);
        lines.insert(0, (Role::Warning, words.on_trial_overview(line)));
    }
    let problems = state.data.host.value.iter().flat_map(|host| &host.problems);
    for problem in problems {
        let role = match problem.severity {
            Severity::Critical => Role::Bad,
            Severity::Warning => Role::Warning,
            Severity::Notice => Role::Plain,
        };
        lines.push((
            role,
            format!("{}. {}", state.say(&problem.text), state.say(&problem.remedy)),
        ));
    }
    lines.extend(
        snapshots::problems(state)
            .into_iter()
            .chain(rehearsals::problems(state))
            .chain(access::problems(state))
            .chain(update::problems(state))
            .map(|text| (Role::Warning, text)),
    );
    if state.has_telephony() {
        if let Some(failure) = &state.data.telephony.trouble {
            let line = words.service_down(words.service_telephony(), state.say(&failure.text));
            lines.push((Role::Bad, line));
        }
        let status = state.data.telephony.value.iter();
        for trouble in status.flat_map(|status| &status.troubles) {
            lines.push((Role::Bad, words.phone_overview(state.say(trouble))));
        }
    }
    let troubled = troubled(state);
    if lines.is_empty() && troubled.is_empty() {
        let all_loaded = state.data.vms.value.is_some() && state.data.host.value.is_some();
        let (role, text) = if all_loaded {
            (Role::Good, words.nothing_wrong())
        } else {
            (Role::Plain, words.loading())
        };
        canvas.text(1, 0, role, text);
        return 1;
    }
    canvas.text(1, 0, Role::Heading, words.wrong_now());
    let mut row = 1;
    let selected = state.overview.selected.min(troubled.len().saturating_sub(1));
    for (place, vm) in troubled.iter().enumerate() {
        if row + 1 >= limit && place + 1 < troubled.len() {
            canvas.text(3, row, Role::Bad, &words.and_more(troubled.len() - place));
            row += 1;
            break;
        }
        let picked = place == selected;
        canvas.text(1, row, Role::Plain, if picked { ">" } else { " " });
        let x = canvas.text(3, row, if picked { Role::Picked } else { Role::Plain }, &vm.name);
        let since = format::moment(vm.since, state.now, state.zone(), state.language());
        let x = canvas.text(x + 1, row, Role::Bad, words.vm_state(vm.state));
        let x = canvas.text(x + 1, row, Role::Plain, &since);
        let reason = state.say(&vm.reason);
        let room = canvas.width().saturating_sub(x + 2);
        if canvas.columns(reason) <= room {
            canvas.text(x + 2, row, Role::Plain, reason);
            row += 1;
        } else {
            row = canvas.wrapped(5, row + 1, Role::Plain, reason);
        }
    }
    if !troubled.is_empty() {
        row = cost(state, canvas, row);
    }
    for (role, line) in lines {
        row = canvas.wrapped(1, row, role, &line);
    }
    row
}

/// What it costs that something is down. It does not run along: the screen stays still.
fn cost(state: &State, canvas: &mut Canvas, row: u16) -> u16 {
    let Some(site) = state
        .data
        .site
        .value
        .as_ref()
        .filter(|site| site.downtime_cost > 0)
    else {
        return row;
    };
    let counties = site.counties.len().max(1);
    let each = format::kroner(site.downtime_cost, state.language());
    let all = format::kroner(
        site.downtime_cost.saturating_mul(counties as u64),
        state.language(),
    );
    canvas.wrapped(
        1,
        row,
        Role::Warning,
        &state.words().downtime_cost(each, counties, all),
    )
}

fn running(state: &State, canvas: &mut Canvas, row: u16) -> u16 {
    let words = state.words();
    let vms = state.vms();
    let x = canvas.text(1, row, Role::Heading, words.page_machines());
    if vms.is_empty() {
        let text = if state.data.vms.value.is_some() {
            words.no_machines()
        } else {
            words.loading()
        };
        canvas.text(x + 2, row, Role::Plain, text);
        return row + 1;
    }
    let mut counts: Vec<String> = Vec::new();
    for kind in machines::STATES {
        let count = vms.iter().filter(|vm| vm.state == kind).count();
        if count > 0 {
            counts.push(format!("{count} {}", words.vm_state(kind)));
        }
    }
    canvas.text(x + 2, row, Role::Plain, &counts.join(", "));
    let up: Vec<&str> = vms
        .iter()
        .filter(|vm| matches!(vm.state, VmState::Running | VmState::Starting | VmState::Paused))
        .map(|vm| vm.name.as_str())
        .collect();
    if up.is_empty() {
        return row + 1;
    }
    let width = canvas.width();
    let text = words.up(up.join(", "));
    let mut part = canvas.part(0, row + 1, width, 3);
    row + 1 + part.wrapped(1, 0, Role::Plain, &text).min(3)
}

fn host(state: &State, canvas: &mut Canvas, row: u16) -> u16 {
    let (words, language) = (state.words(), state.language());
    let x = canvas.text(1, row, Role::Heading, words.appliance());
    let Some(host) = &state.data.host.value else {
        canvas.text(x + 2, row, Role::Plain, words.loading());
        return row + 1;
    };
    let up = format::moment(state.data.boot, state.now, state.zone(), language);
    let accelerator = if host.accelerator == "kvm" {
        words.accelerated()
    } else {
        words.emulated()
    };
    let about = words.host_about(&host.version, &host.kernel, up);
    canvas.text(x + 2, row, Role::Plain, &about);
    let load = words.host_load(format::tenth(host.load, language), host.cpus, accelerator);
    let memory = words.host_memory(
        format::bytes(host.memory_available, language),
        format::bytes(host.memory_total, language),
    );
    let data = words.host_data(
        format::bytes(host.data_available, language),
        format::bytes(host.data_total, language),
    );
    canvas.wrapped(1, row + 1, Role::Plain, &format!("{load} {memory} {data}"))
}

fn events(state: &State, canvas: &mut Canvas, row: u16, last: u16) {
    let words = state.words();
    if row + 1 >= last {
        return;
    }
    canvas.text(1, row, Role::Heading, words.last_events());
    let rows = record::rows(state);
    if rows.is_empty() {
        let text = if state.data.records.value.is_some() {
            words.no_events()
        } else {
            words.loading()
        };
        canvas.text(1, row + 1, Role::Plain, text);
    }
    for (y, entry) in (row + 1..last).zip(&rows) {
        let when = format::moment(entry.record.when, state.now, state.zone(), state.language());
        let line = format!("{when:<12} {}", entry.sentence(words));
        let width = canvas.width().saturating_sub(1);
        canvas.cell(1, y, width, entry.role(), &line);
    }
}

fn source(state: &State, canvas: &mut Canvas, row: u16) {
    let words = state.words();
    let Some(site) = &state.data.site.value else {
        return;
    };
    let source = match site.source.as_str() {
        "credential" => words.source_credential(),
        "installed" => words.source_installed(),
        "media" => words.source_media(),
        "demo" => words.source_demo(),
        _ => words.source_applied(),
    };
    let line = words.site_line(&site.title, site.generation, source);
    let width = canvas.width().saturating_sub(1);
    canvas.cell(1, row, width, Role::Quiet, &line);
}
