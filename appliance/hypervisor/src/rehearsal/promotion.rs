//! A promotion: the same steps on the machines themselves, behind a snapshot. If a check fails while they are watched, they
//! are taken back to it without anybody.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use varde_bus::Failure;
use varde_bus::hypervisor::VmState;
use varde_bus::rehearsal::{OutcomeKind, RehearsalState};
use varde_bus::snapshot::Deed;
use varde_site::Text;

use super::director::{Director, Stop, declared, refused};
use super::guest;
use super::record::Record;
use super::run::{On, unless_ended, why};
use crate::daemon::now;

/// Between two rounds of checks while the machines are watched.
const ROUND: Duration = Duration::from_secs(15);

impl Director {
    /// What was rehearsed is what is declared, and the machines are up.
    pub(super) async fn may_promote(&self, record: &Record) -> Result<(), Failure> {
        let rehearsal = &record.rehearsal;
        if record.state != RehearsalState::Passed {
            return Err(refused(
                format!("{rehearsal} har ikke gått bra, og kan ikke settes i drift"),
                format!("{rehearsal} has not gone well, and cannot be promoted"),
            ));
        }
        let site = self.site()?;
        let group: Vec<&str> = site
            .of_group(&record.recipe.group)
            .map(|vm| vm.name.as_str())
            .collect();
        if *declared(&site, &record.recipe.name)? != record.recipe || group != record.machines {
            return Err(refused(
                format!(
                    "{} er endret siden øvingen. Rydd den bort og øv igjen",
                    record.recipe.name
                ),
                format!(
                    "{} has been changed since the rehearsal. Discard it and rehearse again",
                    record.recipe.name
                ),
            ));
        }
        for vm in &record.machines {
            let machine = self.keeper.handle.get(vm).await?;
            if machine.state != VmState::Running {
                return Err(refused(
                    format!("{vm} er ikke oppe. Start den først"),
                    format!("{vm} is not up. Start it first"),
                ));
            }
        }
        Ok(())
    }

    /// What taking it back would cost, said before it is done.
    pub async fn price(&self, rehearsal: &str) -> Result<Text, Failure> {
        let record = self.find(rehearsal)?;
        let promotion = record.promotion.clone().unwrap_or_default();
        if !promotion.snapshot.is_empty() {
            return Ok(self.keeper.price(&promotion.snapshot, Deed::RollBack).await?.text);
        }
        let mut boot = 0;
        for vm in &record.machines {
            boot = boot.max(self.keeper.handle.line(vm).await?.boot);
        }
        let boot = u64::try_from(boot).unwrap_or(0).div_ceil(1000);
        let names = record.machines.join(", ");
        let watch = record.recipe.watch;
        Ok(Text::new(
            format!(
                "Før første steg tas et øyeblikksbilde av {names}. Svikter en sjekk innen {watch} s, rulles de tilbake av \
                 seg selv: da går alt som er skrevet etter bildet tapt, og de er nede så lenge en oppstart varer (sist \
                 {boot} s). Etterpå kan det tas tilbake for hånd så lenge bildet beholdes, i 7 døgn."
            ),
            format!(
                "Before the first step a snapshot of {names} is taken. If a check fails within {watch} s, they are rolled \
                 back by themselves: then everything written after the snapshot is lost, and they are down for as long as \
                 a boot takes (last {boot} s). Afterwards it can be taken back by hand as long as the snapshot is kept, \
                 for 7 days."
            ),
        ))
    }

    pub(super) async fn promotion(self, mut record: Record, mut end: watch::Receiver<bool>) {
        if let Err(stop) = self.prepare(&mut record, &mut end).await {
            record.state = RehearsalState::Failed;
            record.ended = now();
            let text = match stop {
                Stop::Failed(text) => text,
                Stop::Cancelled => Text::new("Avlyst", "Called off"),
            };
            record.text = Text::new(
                format!("Ikke satt i drift; maskinene er som før. {}", text.nb),
                format!("Not promoted; the machines are as before. {}", text.en),
            );
            return self.told(&record, "rehearsal.not-promoted", record.text.clone());
        }
        let done = match self.steps(&mut record, On::Machines, &mut end).await {
            Ok(()) => self.checks(&mut record, On::Machines, &mut end).await,
            failed => failed,
        };
        self.conclude(record, done, end).await;
    }

    /// Clears the clones away, and takes the snapshot that there is a way back to.
    async fn prepare(&self, record: &mut Record, end: &mut watch::Receiver<bool>) -> Result<(), Stop> {
        self.remove_clones(record).await?;
        self.until_free(record, end).await?;
        let by = record.promotion.clone().unwrap_or_default().by;
        let why = format!("promotion of {}", record.mark());
        let snapshot = self.keeper.take(&record.machines, (0, 0), &by, &why).await?;
        if let Some(promotion) = &mut record.promotion {
            promotion.snapshot = snapshot;
        }
        Ok(self.save(record)?)
    }

    /// The steps and first checks are over: the machines are watched, or taken back.
    async fn conclude(self, mut record: Record, done: Result<(), Stop>, mut end: watch::Receiver<bool>) {
        let result = match done {
            Ok(()) => {
                let watch = i64::try_from(record.recipe.watch.saturating_mul(1000)).unwrap_or(i64::MAX);
                if let Some(promotion) = &mut record.promotion {
                    promotion.watched_until = now().saturating_add(watch);
                }
                self.watch(&mut record, &mut end).await
            }
            failed => failed,
        };
        self.settle(record, result).await;
    }

    async fn settle(&self, mut record: Record, result: Result<(), Stop>) {
        let reason = match result {
            Ok(()) => {
                record.state = RehearsalState::Promoted;
                record.ended = now();
                record.text = Text::new(
                    "I drift, og alt har vært i orden så lenge det ble sett etter",
                    "Promoted, and all was well for as long as it was watched",
                );
                return self.told(&record, "rehearsal.promoted", record.text.clone());
            }
            Err(Stop::Failed(text)) => text,
            Err(Stop::Cancelled) => Text::new("Noen tok det tilbake", "Somebody took it back"),
        };
        self.taken_back(&mut record, reason).await;
    }

    /// Until the time is over. A check that fails once is tried again for as long as it may take.
    async fn watch(&self, record: &mut Record, end: &mut watch::Receiver<bool>) -> Result<(), Stop> {
        record.state = RehearsalState::Watching;
        record.text = Text::default();
        self.save(record)?;
        let until = record
            .promotion
            .as_ref()
            .map_or(0, |promotion| promotion.watched_until);
        while now() < until {
            let watch = Duration::from_secs(record.recipe.watch);
            unless_ended(end, sleep(ROUND.min(watch / 4))).await?;
            for vm in &record.machines {
                let machine = self.keeper.handle.get(vm).await?;
                if matches!(
                    machine.state,
                    VmState::Crashed | VmState::Stopped | VmState::Blocked
                ) {
                    return Err(Stop::Failed(Text::new(
                        format!("{vm} er ikke oppe lenger: {}", machine.reason.nb),
                        format!("{vm} is not up any more: {}", machine.reason.en),
                    )));
                }
            }
            if !self.one_round(record, end).await? {
                let done = record.outcomes.len();
                self.checks(record, On::Machines, end).await?;
                // They passed after all; only what went wrong is worth keeping.
                record.outcomes.truncate(done);
            }
        }
        Ok(())
    }

    /// True if every check of the recipe and every boot check passes at once.
    async fn one_round(&self, record: &Record, end: &mut watch::Receiver<bool>) -> Result<bool, Stop> {
        let (site, paths) = (self.site()?, &self.keeper.paths);
        for vm in site.vms.iter().filter(|vm| record.machines.contains(&vm.name)) {
            for check in &vm.checks {
                let outcome = unless_ended(end, guest::check(vm, check, paths)).await?;
                if !outcome.passed {
                    eprintln!("{}: {}", record.rehearsal, why(&outcome));
                    return Ok(false);
                }
            }
        }
        for check in &record.recipe.checks {
            let outcome = guest::run(&check.vm, check, OutcomeKind::Check, paths);
            let outcome = unless_ended(end, outcome).await?;
            if !outcome.passed {
                eprintln!("{}: {}", record.rehearsal, why(&outcome));
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Rolls the machines back to before the promotion, and writes down why.
    pub(super) async fn taken_back(&self, record: &mut Record, reason: Text) {
        let snapshot = record.promotion.clone().unwrap_or_default().snapshot;
        let by = Text::new(
            format!("rullet tilbake fra {}: {}", record.recipe.name, reason.nb),
            format!("rolled back from {}: {}", record.recipe.name, reason.en),
        );
        match self.keeper.roll_back(&snapshot, by).await {
            Ok(()) => {
                record.state = RehearsalState::TakenBack;
                record.text = reason;
            }
            Err(failure) => {
                record.state = RehearsalState::Failed;
                record.text = Text::new(
                    format!(
                        "{} Ikke alt kom tilbake: {}. Se på maskinene, og rull tilbake {snapshot} for hånd om det finnes",
                        reason.nb, failure.text.nb
                    ),
                    format!(
                        "{} Not all of it came back: {}. Look at the machines, and roll back {snapshot} by hand if it is \
                         there",
                        reason.en, failure.text.en
                    ),
                );
            }
        }
        record.ended = now();
        self.told(record, "rehearsal.taken-back", record.text.clone());
    }

    /// Takes up a promotion that an earlier service was killed in. Where it is not known what was done, it is taken back.
    pub(super) fn resume_promotion(&self, mut record: Record) {
        let taken = record
            .promotion
            .as_ref()
            .is_some_and(|one| !one.snapshot.is_empty());
        let interrupted = || {
            Text::new(
                "Tjenesten ble startet på nytt midt i.",
                "The service was restarted in the middle of it.",
            )
        };
        match (record.state, taken) {
            (RehearsalState::Watching, true) => {
                self.work(record, |director, mut record, mut end| async move {
                    let result = director.watch(&mut record, &mut end).await;
                    director.settle(record, result).await;
                });
            }
            (_, true) => self.work(record, move |director, mut record, _| async move {
                director.taken_back(&mut record, interrupted()).await;
            }),
            (_, false) => {
                record.state = RehearsalState::Failed;
                record.ended = now();
                let text = interrupted();
                record.text = Text::new(
                    format!("Ikke satt i drift; maskinene er som før. {}", text.nb),
                    format!("Not promoted; the machines are as before. {}", text.en),
                );
                self.told(&record, "rehearsal.not-promoted", record.text.clone());
            }
        }
    }
}
