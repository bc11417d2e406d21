//! Merging: what was written since a snapshot goes into the layer below, while the machine goes on or while it is off.
//!
//! Where it has come to is in QEMU's job and in `chain.json`, not here: whoever looks at the two knows the next step.
//! A job waits, the last byte written and the guest's writes held, until `chain.json` says that the disk is the layer
//! below from now on; only then is it let go. So no kill leaves a disk whose newest write is in a file that is not read.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use varde_bus::snapshot::{Progress, SnapshotState};
use varde_bus::{Failure, FailureKind};
use varde_disks::{Chains, Keep, Order, Snapshot};

use super::errand;
use super::keeper::{Busy, Keeper, LOOK_AGAIN, let_go_on};
use super::live::{Live, Merge};
use crate::qmp::{DEFAULT_TIMEOUT, JobStatus, QueryJobs};
use crate::{argv, notes};

/// A QEMU that does not answer is asked again so many times; then the merge is left, and taken up again later.
const TRIES: u32 = 20;

/// Progress is told so often: a serial line draws it in a fraction of that.
const TELL: Duration = Duration::from_secs(2);

/// How one go at a merge ended.
enum Gone {
    /// This machine has nothing of it left to merge.
    Done,
    /// Somebody called it off.
    Cancelled,
}

impl Keeper {
    /// Begins to merge a snapshot, or has it wait for the quiet hours.
    pub async fn merge(&self, id: &str, quiet: bool) -> Result<(), Failure> {
        let snapshot = self.find(id).await?;
        if quiet {
            return self.postpone(&snapshot.machines, id, true).await;
        }
        let hold = self.hold(&snapshot.machines, &merging(id))?;
        self.all(&snapshot.machines, &Order::BeginMerge { id: id.to_owned() })
            .await?;
        let (keeper, id) = (self.clone(), id.to_owned());
        tokio::spawn(async move {
            // What one machine comes to does not stop the others: those that were left would be taken up again.
            for vm in &snapshot.machines {
                keeper.changed();
                if let Err(failure) = keeper.merge_one(vm, &id).await {
                    keeper.incident(vm, failure.text);
                }
            }
            drop(hold);
        });
        Ok(())
    }

    /// Has it wait for the quiet hours, or not after all.
    async fn postpone(&self, vms: &[String], id: &str, quiet: bool) -> Result<(), Failure> {
        let _hold = self.hold(vms, &Busy::default())?;
        let order = Order::Quiet {
            id: id.to_owned(),
            quiet,
        };
        self.all(vms, &order).await
    }

    /// Gives the same order to all of them, if none of them has to refuse it.
    async fn all(&self, vms: &[String], order: &Order) -> Result<(), Failure> {
        self.may(vms, order)?;
        for vm in vms {
            self.order(vm, order).await?;
        }
        Ok(())
    }

    /// Ends a merge that is under way, or one that waits.
    pub async fn cancel(&self, id: &str) -> Result<(), Failure> {
        let snapshot = self.find(id).await?;
        match snapshot.state {
            SnapshotState::Quiet => return self.postpone(&snapshot.machines, id, false).await,
            SnapshotState::Merging => {}
            SnapshotState::Kept | SnapshotState::Halted => {
                return Err(Failure::new(
                    FailureKind::Refused,
                    format!("{id} slås ikke sammen nå"),
                    format!("{id} is not being merged now"),
                ));
            }
        }
        for vm in &snapshot.machines {
            let ours = self.with_busy(vm, |busy| {
                let ours = busy.merging.as_deref() == Some(id);
                busy.cancelled |= ours;
                ours
            });
            if ours == Some(true) && !self.handle.line(vm).await?.on {
                self.units.drop_work(vm).await?;
            }
        }
        // Done once nobody works on it any more.
        let end = Instant::now() + Duration::from_mins(1);
        while snapshot
            .machines
            .iter()
            .any(|vm| self.with_busy(vm, |_| ()).is_some())
        {
            if Instant::now() >= end {
                return Err(Failure::new(
                    FailureKind::Unknown,
                    "Avlysningen er bedt om, men ikke bekreftet ennå; se etter om litt",
                    "The cancellation was asked for and is not confirmed yet; look again in a moment",
                ));
            }
            sleep(LOOK_AGAIN).await;
        }
        // One that nobody was at just then would be taken up again.
        for vm in &snapshot.machines {
            let chains = self.chains(vm)?;
            if chains.snapshot(id).is_some_and(|one| one.keep == Keep::Merging) {
                let doing = Busy {
                    cancelled: true,
                    ..merging(id)
                };
                let _hold = self.hold(std::slice::from_ref(vm), &doing)?;
                self.merge_one(vm, id).await?;
            }
        }
        Ok(())
    }

    fn is_cancelled(&self, vm: &str) -> bool {
        self.with_busy(vm, |busy| busy.cancelled).unwrap_or(false)
    }

    async fn halt(&self, vm: &str, id: &str) -> Result<(), Failure> {
        if self.chains(vm)?.work.is_some() {
            self.order(vm, &Order::Recover).await?;
        }
        if self.chains(vm)?.snapshot(id).is_some() {
            self.order(vm, &Order::HaltMerge { id: id.to_owned() }).await?;
        }
        Ok(())
    }

    async fn merge_one(&self, vm: &str, id: &str) -> Result<Gone, Failure> {
        let mut meter = Meter::new();
        let mut tries = 0;
        loop {
            let state = self.handle.line(vm).await?;
            let gone = match Self::live(&state, vm) {
                Ok(Some(live)) => self.merge_live(vm, id, &live, &mut meter).await,
                Ok(None) => self.merge_off(vm, id, &mut meter).await,
                Err(failure) => Err(failure),
            };
            match gone {
                // It may have been shut down, or started, meanwhile.
                Err(failure) if failure.kind == FailureKind::Unknown && tries < TRIES => {
                    tries += 1;
                    sleep(LOOK_AGAIN * 5).await;
                }
                Err(failure) => {
                    // It would fail again and again: somebody has to look at it.
                    if let Err(other) = self.halt(vm, id).await {
                        eprintln!("{vm}: {other}");
                    }
                    return Err(failure);
                }
                Ok(gone) => return Ok(gone),
            }
        }
    }

    /// The machine is off: qemu-img does it.
    async fn merge_off(&self, vm: &str, id: &str, meter: &mut Meter) -> Result<Gone, Failure> {
        if self.is_cancelled(vm) {
            self.halt(vm, id).await?;
            return Ok(Gone::Cancelled);
        }
        if self.chains(vm)?.work.is_some() {
            self.order(vm, &Order::Recover).await?;
        }
        if self.chains(vm)?.snapshot(id).is_none() {
            return Ok(Gone::Done);
        }
        let order = Order::Merge { id: id.to_owned() };
        let mut working = std::pin::pin!(self.order(vm, &order));
        let result = loop {
            tokio::select! {
                result = &mut working => break result,
                () = sleep(LOOK_AGAIN * 5) => {
                    let whole = self.chains(vm)?.snapshot(id).map_or(0, |one| self.used(vm, one));
                    let done = whole / 10_000 * u64::from(errand::progress(vm, &self.paths));
                    self.tell(vm, meter.see(done, whole));
                }
            }
        };
        if self.is_cancelled(vm) {
            self.halt(vm, id).await?;
            return Ok(Gone::Cancelled);
        }
        result.map(|()| Gone::Done)
    }

    fn tell(&self, vm: &str, progress: Progress) {
        let now = Instant::now();
        let due = self.with_busy(vm, |busy| {
            busy.progress = progress;
            let due = busy.told.is_none_or(|told| now - told >= TELL);
            if due {
                busy.told = Some(now);
            }
            due
        });
        if due == Some(true) {
            self.changed();
        }
    }

    /// The machine is on: QEMU does it, one disk after the other.
    async fn merge_live(&self, vm: &str, id: &str, live: &Live, meter: &mut Meter) -> Result<Gone, Failure> {
        let unknown = |error: crate::qmp::Error| {
            let error = Failure::from(crate::Error::from(error));
            Failure {
                kind: FailureKind::Unknown,
                text: error.text,
            }
        };
        // What keeps it from being written down that a disk is merged.
        let mut stuck: Option<Failure> = None;
        loop {
            let chains = self.chains(vm)?;
            let settled = settle(live, &chains).await.map_err(unknown)?;
            let Some(snapshot) = chains.snapshot(id) else {
                if settled {
                    return Ok(Gone::Done);
                }
                sleep(LOOK_AGAIN / 4).await;
                continue;
            };
            let cancelled = self.is_cancelled(vm) || stuck.is_some();
            let Some(disk) = on_it(live, snapshot) else {
                // What is left are disks that were declared after its start, or are no longer: they are merged when it is off.
                if cancelled {
                    self.halt(vm, id).await?;
                    return Ok(Gone::Cancelled);
                }
                return Ok(Gone::Done);
            };
            match live.merge_state(&chains, disk).await.map_err(unknown)? {
                Merge::None | Merge::NotHere if cancelled => {
                    if let Some(failure) = stuck {
                        return Err(failure);
                    }
                    self.halt(vm, id).await?;
                    return Ok(Gone::Cancelled);
                }
                Merge::None => live.begin_merge(&chains, disk).await.map_err(unknown)?,
                Merge::NotHere => return Ok(Gone::Done),
                Merge::Job(job) => match job.status {
                    JobStatus::Concluded => {
                        live.dismiss(&job).await.map_err(unknown)?;
                        if let (Some(error), false) = (job.error, cancelled) {
                            return Err(Failure::new(
                                FailureKind::Failed,
                                format!("QEMU kunne ikke slå sammen {disk}: {error}"),
                                format!("QEMU could not merge {disk}: {error}"),
                            ));
                        }
                    }
                    JobStatus::Pending if stuck.is_none() => {
                        let order = Order::Merged {
                            id: id.to_owned(),
                            disk: disk.clone(),
                        };
                        if let Err(failure) = self.order(vm, &order).await {
                            let chains = self.chains(vm)?;
                            let overlay = chains.snapshot(id).and_then(|one| one.overlays.get(disk));
                            if overlay.is_some() {
                                // The guest's writes wait for this job: it is called off rather than left.
                                stuck = Some(failure);
                                continue;
                            }
                            eprintln!("{vm}: {failure}; finished later");
                        }
                        live.finalize(&job.id).await.map_err(unknown)?;
                    }
                    _ if cancelled => {
                        live.cancel(&job.id).await.map_err(unknown)?;
                        sleep(LOOK_AGAIN).await;
                    }
                    JobStatus::Ready => {
                        live.complete(&job.id).await.map_err(unknown)?;
                        sleep(LOOK_AGAIN / 10).await;
                    }
                    JobStatus::Running | JobStatus::Pending | JobStatus::Other => {
                        let others = snapshot.overlays.iter().filter(|(other, _)| *other != disk);
                        let later: u64 = others
                            .map(|(_, file)| super::keeper::blocks(&self.paths.disks(vm).join(file)))
                            .sum();
                        self.tell(vm, meter.see(job.current_progress, job.total_progress + later));
                        sleep(LOOK_AGAIN).await;
                    }
                },
            }
        }
    }

    /// Takes up again what an earlier daemon, or a stop of the machine, has interrupted. True if there is nothing left to
    /// be taken up.
    pub(super) async fn go_on(&self, vm: &str) -> Result<bool, Failure> {
        if self.with_busy(vm, |_| ()).is_some() {
            return Ok(true);
        }
        let chains = self.chains(vm)?;
        let state = self.handle.line(vm).await?;
        if state.on && state.qmp.is_none() {
            return Ok(false);
        }
        let live = Self::live(&state, vm)?;
        let halted = self.paths.halted(vm);
        if halted.exists() {
            match &live {
                Some(live) if !let_go_on(live, &self.paths).await => return Ok(false),
                Some(_) => {}
                None => notes::remove(&halted)?,
            }
        }
        if let Some(work) = &chains.work {
            let _hold = self.hold(&[vm.to_owned()], &Busy::default())?;
            match (work, &live) {
                (varde_disks::Work::Pivot { snapshot }, Some(live)) => {
                    self.thaw(vm);
                    self.settle_pivot(vm, live, snapshot, None).await?;
                }
                (varde_disks::Work::Make { .. }, Some(_)) => self.order(vm, &Order::Undo).await?,
                _ => self.order(vm, &Order::Recover).await?,
            }
        }
        let chains = self.chains(vm)?;
        let settled = match &live {
            Some(live) => settle(live, &chains).await.map_err(crate::Error::from)?,
            None => true,
        };
        let merging = chains.snapshots.iter().find(|one| one.keep == Keep::Merging);
        if let Some(snapshot) = merging
            && live.is_none_or(|live| on_it(&live, snapshot).is_some())
        {
            // Not waited for: a qemu-img that an earlier daemon started may go on for hours, and others are to be looked at.
            let (keeper, vm, id) = (self.clone(), vm.to_owned(), snapshot.id.clone());
            tokio::spawn(async move {
                if let Err(failure) = keeper.merge(&id, false).await {
                    eprintln!("{vm}: {failure}");
                }
            });
        }
        Ok(settled)
    }
}

/// A disk of the snapshot that this QEMU has.
fn on_it<'a>(live: &Live, snapshot: &'a Snapshot) -> Option<&'a String> {
    let mut overlays = snapshot.overlays.iter();
    let (disk, _) = overlays.find(|(disk, file)| argv::node(&live.vm, disk, file).is_some())?;
    Some(disk)
}

fn merging(id: &str) -> Busy {
    Busy {
        merging: Some(id.to_owned()),
        ..Busy::default()
    }
}

/// Lets go of jobs whose disk is the layer below already: `chain.json` no longer knows their overlay. True if there are
/// none left.
async fn settle(live: &Live, chains: &Chains) -> Result<bool, crate::qmp::Error> {
    let heads: Vec<String> = chains
        .disks
        .iter()
        .filter_map(|(disk, chain)| argv::node(&live.vm, disk, chain.layers.last()?))
        .map(|node| format!("merge-{node}"))
        .collect();
    let mut settled = true;
    for job in live.client.execute(&QueryJobs {}, DEFAULT_TIMEOUT).await? {
        if !job.id.starts_with("merge-") || heads.contains(&job.id) {
            continue;
        }
        settled = false;
        match job.status {
            JobStatus::Pending => live.finalize(&job.id).await?,
            JobStatus::Concluded => live.dismiss(&job).await?,
            _ => {}
        }
    }
    Ok(settled)
}

/// How fast it goes.
struct Meter {
    begun: Instant,
    first: Option<u64>,
}

impl Meter {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            first: None,
        }
    }

    fn see(&mut self, done: u64, total: u64) -> Progress {
        let first = *self.first.get_or_insert(done);
        let milliseconds = u64::try_from(self.begun.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        let rate = done.saturating_sub(first).saturating_mul(1000) / milliseconds;
        Progress {
            done,
            total,
            rate,
            left: total.saturating_sub(done).checked_div(rate).unwrap_or(0),
        }
    }
}
