//! `varde vm`: virtual machines.

use serde_json::json;
use varde_bus::hypervisor::{CheckState, VmState, VmStatus};
use varde_bus::{Action, Failure, Language, Text};

use crate::args::{Change, VmVerb};
use crate::error::Error;
use crate::host::{bytes, moment};
use crate::output::Output;
use crate::table::table;
use crate::wait::{Aim, Waiter};
use crate::{Context, attach};

pub async fn run(context: &Context, verb: VmVerb) -> Result<(), Error> {
    match verb {
        VmVerb::List => list(context).await,
        VmVerb::Show { vm } => show(context, &vm).await,
        VmVerb::Start(change) => {
            self::change(context, change, Aim::Up, |vm, why| Action::StartVm { vm, why }).await
        }
        VmVerb::Stop(change) => {
            self::change(context, change, Aim::Off, |vm, why| Action::ShutDownVm {
                vm,
                why,
            })
            .await
        }
        VmVerb::Kill { vm, why } => act(context, &Action::ForceOffVm { vm, why }).await,
        VmVerb::Pause(change) => {
            self::change(context, change, Aim::Paused, |vm, why| Action::PauseVm {
                vm,
                why,
            })
            .await
        }
        VmVerb::Resume(change) => {
            self::change(context, change, Aim::Up, |vm, why| Action::ResumeVm { vm, why }).await
        }
        VmVerb::Console { vm } => attach::run(context, &vm).await,
        VmVerb::Scrollback { vm } => scrollback(context, &vm).await,
    }
}

async fn act(context: &Context, action: &Action) -> Result<(), Error> {
    let done = context.client.perform(action).await?;
    context.output.done(&done)
}

/// Asks for a change and, if wanted, waits until the machine has come to where it should be.
async fn change(
    context: &Context,
    change: Change,
    aim: Aim,
    action: impl FnOnce(String, String) -> Action,
) -> Result<(), Error> {
    let Change { vm, why, wait } = change;
    let Some(seconds) = wait else {
        return act(context, &action(vm, why)).await;
    };
    // Listening starts before the change, so that no step of it is missed.
    let waiter = Waiter::new(&context.client, &vm).await?;
    context.client.perform(&action(vm, why)).await?;
    let status = waiter.until(aim, seconds).await?;
    let state = status.state;
    let said = Text::new(
        format!("{}: {}", status.name, word(state, Language::Nb)),
        format!("{}: {}", status.name, word(state, Language::En)),
    );
    context.output.said(&said)
}

async fn list(context: &Context) -> Result<(), Error> {
    let machines = context.client.hypervisor.list().await.map_err(Failure::from)?;
    context
        .output
        .answer(&machines, |output| overview(output, &machines))
}

/// The machines, a line each.
pub fn overview(output: &Output, machines: &[VmStatus]) -> String {
    let rows: Vec<_> = machines
        .iter()
        .map(|vm| {
            [
                vm.name.clone(),
                word(vm.state, output.language).to_owned(),
                moment(vm.since),
                bytes(vm.memory),
                vm.address.clone(),
                output.text(&vm.reason).to_owned(),
            ]
        })
        .collect();
    let heads = match output.language {
        Language::Nb => ["NAVN", "TILSTAND", "SIDEN", "MINNE", "ADRESSE", "HVORFOR"],
        Language::En => ["NAME", "STATE", "SINCE", "MEMORY", "ADDRESS", "WHY"],
    };
    table(heads, &rows)
}

async fn show(context: &Context, vm: &str) -> Result<(), Error> {
    let hypervisor = &context.client.hypervisor;
    let status = hypervisor.get(vm).await.map_err(Failure::from)?;
    let usage = hypervisor.usage(vm).await.map_err(Failure::from)?;
    context
        .output
        .answer(&json!({ "vm": status, "usage": usage }), |output| {
            let mut lines = vec![
                (
                    output.word("navn", "name"),
                    format!("{} ({})", status.name, status.title),
                ),
                (
                    output.word("tilstand", "state"),
                    word(status.state, output.language).to_owned(),
                ),
                (output.word("siden", "since"), moment(status.since)),
                (
                    output.word("hvorfor", "why"),
                    output.text(&status.reason).to_owned(),
                ),
                (output.word("gruppe", "group"), status.group.clone()),
                (
                    output.word("sone", "zone"),
                    format!("{} {}", status.zone, status.address),
                ),
                (output.word("prosessorer", "processors"), status.cpus.to_string()),
                (
                    output.word("minne", "memory"),
                    format!("{} / {}", bytes(usage.memory), bytes(status.memory)),
                ),
                (
                    output.word("prosessortid", "processor time"),
                    format!("{} s", usage.cpu / 1_000_000),
                ),
            ];
            for disk in &status.disks {
                let used = format!(
                    "{} {} / {} {}",
                    disk.name,
                    bytes(disk.used),
                    bytes(disk.size),
                    disk.image
                );
                lines.push((output.word("disk", "disk"), used));
            }
            for check in &status.checks {
                let state = match check.state {
                    CheckState::Waiting => output.word("venter", "waiting"),
                    CheckState::Passed => output.word("bestått", "passed"),
                    CheckState::Failed => output.word("feilet", "failed"),
                };
                let detail = output.text(&check.detail);
                lines.push((
                    output.word("sjekk", "check"),
                    format!("{} {state} {detail}", check.name),
                ));
            }
            lines.retain(|(_, value)| !value.is_empty());
            lines
                .into_iter()
                .map(|(name, value)| format!("{name:<15} {}\n", value.trim_end()))
                .collect()
        })
}

async fn scrollback(context: &Context, vm: &str) -> Result<(), Error> {
    let written = context
        .client
        .hypervisor
        .scrollback(vm)
        .await
        .map_err(Failure::from)?;
    let text = String::from_utf8_lossy(&written);
    context
        .output
        .answer(&json!({ "scrollback": text }), |_| text.to_string())
}

/// A state as the console names it.
pub fn word(state: VmState, language: Language) -> &'static str {
    let (nb, en) = match state {
        VmState::Declared => ("ikke startet", "declared"),
        VmState::Starting => ("starter", "starting"),
        VmState::Running => ("kjører", "running"),
        VmState::Paused => ("på pause", "paused"),
        VmState::Stopping => ("slås av", "stopping"),
        VmState::Stopped => ("av", "stopped"),
        VmState::Crashed => ("krasjet", "crashed"),
        VmState::Blocked => ("blokkert", "blocked"),
    };
    match language {
        Language::Nb => nb,
        Language::En => en,
    }
}
