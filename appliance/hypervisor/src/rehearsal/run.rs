//! One rehearsal, from the snapshot to the last check.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use varde_bus::hypervisor::VmState;
use varde_bus::rehearsal::{Outcome, OutcomeKind, RehearsalState};
use varde_disks::{Keep, Order};
use varde_site::{GuestCommand, Text, Vm, clone_name};

use super::director::{Director, News, Stop};
use super::guest;
use super::record::Record;
use crate::daemon::now;
use crate::snapshots::by_dependency;

const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Beside what its checks may take: a machine without checks is up when its QEMU is.
const START: Duration = Duration::from_mins(1);

/// Somebody else is done with the disks within this, and a QEMU that starts is heard.
const FREE: Duration = Duration::from_mins(10);
const HEARD: Duration = Duration::from_secs(30);

/// Between two tries of a check that has not passed yet.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// On whom the steps and checks of a record are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    Clones,
    Machines,
}

impl On {
    fn name(self, record: &Record, vm: &str) -> String {
        match self {
            Self::Clones => clone_name(&record.rehearsal, vm),
            Self::Machines => vm.to_owned(),
        }
    }
}

impl Director {
    pub(super) async fn run(self, mut record: Record, mut end: watch::Receiver<bool>) {
        let result = self.rehearse_all(&mut record, &mut end).await;
        let (state, text, verb) = match result {
            Ok(()) => (
                RehearsalState::Passed,
                Text::new("Alt gikk bra", "All went well"),
                "rehearsal.passed",
            ),
            Err(Stop::Failed(text)) => (RehearsalState::Failed, text, "rehearsal.failed"),
            // Whoever ended it clears up.
            Err(Stop::Cancelled) => return,
        };
        record.state = state;
        record.text.clone_from(&text);
        record.ended = now();
        self.told(&record, verb, text);
    }

    /// Saves how something ended, and has it recorded.
    pub(super) fn told(&self, record: &Record, verb: &'static str, detail: Text) {
        if let Err(failure) = self.save(record) {
            eprintln!("{}: {failure}", record.rehearsal);
        }
        let rehearsal = format!("{} {}", record.rehearsal, record.recipe.name);
        self.tell(News::Ended {
            rehearsal,
            verb,
            detail,
        });
    }

    async fn rehearse_all(&self, record: &mut Record, end: &mut watch::Receiver<bool>) -> Result<(), Stop> {
        let keeper = &self.keeper;
        self.until_free(record, end).await?;
        let id = keeper
            .take(&record.machines, (0, 0), &record.by, &record.mark())
            .await?;
        for vm in &record.machines {
            let (id, to) = (id.clone(), record.rehearsal.clone());
            keeper.order(vm, &Order::Lend { id, to }).await?;
        }
        self.declare().await?;
        self.stage(record, RehearsalState::Booting)?;
        self.boot(record, end).await?;
        self.stage(record, RehearsalState::Steps)?;
        self.steps(record, On::Clones, end).await?;
        self.stage(record, RehearsalState::Checks)?;
        self.checks(record, On::Clones, end).await
    }

    /// Waits until nobody works on the machines' disks (what an earlier rehearsal stood on is merged, usually), and until
    /// QEMUs that have just started are heard. What still stands in the way then, the snapshot itself says.
    pub(super) async fn until_free(
        &self,
        record: &Record,
        end: &mut watch::Receiver<bool>,
    ) -> Result<(), Stop> {
        let begun = Instant::now();
        loop {
            let (mut worked_on, mut silent) = (false, false);
            for vm in &record.machines {
                let snapshots = self.keeper.chains(vm)?.snapshots;
                worked_on |= snapshots.iter().any(|one| one.keep == Keep::Merging);
                worked_on |= self.keeper.may_start(vm).is_err();
                let line = self.keeper.handle.line(vm).await?;
                silent |= line.on && line.qmp.is_none();
            }
            let waited = begun.elapsed();
            if !(worked_on && waited < FREE || silent && waited < HEARD) {
                return Ok(());
            }
            unless_ended(end, sleep(LOOK_AGAIN)).await?;
        }
    }

    fn stage(&self, record: &mut Record, state: RehearsalState) -> Result<(), Stop> {
        record.state = state;
        Ok(self.save(record)?)
    }

    /// Starts the clones, and waits until all of them are up.
    async fn boot(&self, record: &Record, end: &mut watch::Receiver<bool>) -> Result<(), Stop> {
        let site = self.site()?;
        let clones: Vec<Vm> = record
            .clones()
            .iter()
            .filter_map(|name| site.cloned(name))
            .collect();
        let in_order: Vec<&Vm> = clones.iter().collect();
        for name in by_dependency(&in_order) {
            self.keeper.handle.start(name).await?;
        }
        let longest = |vm: &Vm| vm.checks.iter().map(|check| check.within).max().unwrap_or(0);
        let patience = clones
            .iter()
            .map(|vm| Duration::from_secs(longest(vm)) + START)
            .sum::<Duration>();
        let deadline = Instant::now() + patience;
        loop {
            let machines = self.keeper.handle.list().await?;
            let ours = |name: &String| clones.iter().any(|clone| clone.name == *name);
            let mut waiting = None;
            for machine in machines.iter().filter(|machine| ours(&machine.name)) {
                match machine.state {
                    VmState::Running => {}
                    VmState::Blocked | VmState::Crashed | VmState::Stopped => {
                        return Err(Stop::Failed(not_up(&machine.name, &machine.reason)));
                    }
                    _ => waiting = Some(machine),
                }
            }
            let Some(waiting) = waiting else {
                return Ok(());
            };
            if Instant::now() >= deadline {
                return Err(Stop::Failed(not_up(&waiting.name, &waiting.reason)));
            }
            unless_ended(end, sleep(LOOK_AGAIN)).await?;
        }
    }

    pub(super) async fn steps(
        &self,
        record: &mut Record,
        on: On,
        end: &mut watch::Receiver<bool>,
    ) -> Result<(), Stop> {
        for step in record.recipe.steps.clone() {
            self.doing(record, &step)?;
            let name = on.name(record, &step.vm);
            let outcome = guest::run(&name, &step, OutcomeKind::Step, &self.keeper.paths);
            let outcome = unless_ended(end, outcome).await?;
            self.went(record, outcome)?;
        }
        Ok(())
    }

    /// What is asked of a guest just now.
    fn doing(&self, record: &mut Record, command: &GuestCommand) -> Result<(), Stop> {
        record.text = Text::same(format!("{}: {}", command.vm, command.run));
        Ok(self.save(record)?)
    }

    /// Writes down how a step or check went; one that did not go well ends the rest.
    fn went(&self, record: &mut Record, outcome: Outcome) -> Result<(), Stop> {
        let passed = outcome.passed;
        let stop = (!passed).then(|| Stop::Failed(why(&outcome)));
        record.outcomes.push(outcome);
        record.text = Text::default();
        self.save(record)?;
        stop.map_or(Ok(()), Err)
    }

    /// The machines' boot checks and those of the recipe. What was restarted a moment ago gets its time.
    pub(super) async fn checks(
        &self,
        record: &mut Record,
        on: On,
        end: &mut watch::Receiver<bool>,
    ) -> Result<(), Stop> {
        let site = self.site()?;
        let paths = self.keeper.paths.clone();
        for name in record.machines.clone() {
            let name = on.name(record, &name);
            let vm = site.vms.iter().find(|vm| vm.name == name).cloned();
            let Some(vm) = vm.or_else(|| site.cloned(&name)) else {
                continue;
            };
            for check in &vm.checks {
                let within = Duration::from_secs(check.within);
                let outcome = until_passed(within, || guest::check(&vm, check, &paths));
                let outcome = unless_ended(end, outcome).await?;
                self.went(record, outcome)?;
            }
        }
        for check in record.recipe.checks.clone() {
            self.doing(record, &check)?;
            let name = on.name(record, &check.vm);
            let within = Duration::from_secs(check.within);
            let outcome = until_passed(within, || guest::run(&name, &check, OutcomeKind::Check, &paths));
            let outcome = unless_ended(end, outcome).await?;
            self.went(record, outcome)?;
        }
        Ok(())
    }
}

/// Tries until it passes, or so much time is over.
async fn until_passed<F: Future<Output = Outcome>>(within: Duration, attempt: impl Fn() -> F) -> Outcome {
    let deadline = Instant::now() + within;
    loop {
        let outcome = attempt().await;
        if outcome.passed || Instant::now() + TRY_AGAIN >= deadline {
            return outcome;
        }
        sleep(TRY_AGAIN).await;
    }
}

/// Does something unless the rehearsal is told to end meanwhile.
pub(super) async fn unless_ended<T>(
    end: &mut watch::Receiver<bool>,
    work: impl Future<Output = T>,
) -> Result<T, Stop> {
    tokio::select! {
        // Whoever could have told it is gone with the service.
        _ = end.wait_for(|told| *told) => Err(Stop::Cancelled),
        done = work => Ok(done),
    }
}

fn not_up(vm: &str, reason: &Text) -> Text {
    Text::new(
        format!("{vm} kom ikke opp: {}", reason.nb),
        format!("{vm} did not come up: {}", reason.en),
    )
}

/// Why it ends with this outcome.
pub(super) fn why(outcome: &Outcome) -> Text {
    let Outcome { vm, what, said, .. } = outcome;
    let (nb, en) = match outcome.kind {
        OutcomeKind::Step => ("Steget", "The step"),
        OutcomeKind::Check => ("Sjekken", "The check"),
        OutcomeKind::Boot => ("Oppstartssjekken", "The boot check"),
    };
    Text::new(
        format!("{nb} «{what}» på {vm} gikk ikke bra: {}", said.nb),
        format!("{en} \"{what}\" on {vm} did not go well: {}", said.en),
    )
}
