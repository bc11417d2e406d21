//! Puts the work on files and what QEMU does in order: holds machines, rolls back, tells what there is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use varde_bus::snapshot::{Deed, Price, Progress, Snapshot, SnapshotState};
use varde_bus::{Failure, FailureKind};
use varde_disks::{Chains, Keep, Order};
use varde_site::{Text, Vm};

use super::errand;
use super::freeze;
use super::live::Live;
use super::price::price;
use crate::daemon::{End, Handle, Line, now};
use crate::notes;
use crate::paths::Paths;
use crate::qmp::{Continue, DEFAULT_TIMEOUT};
use crate::unit::Units;

/// A machine whose power was cut is off within this.
const OFF: Duration = Duration::from_secs(30);

/// Between two looks at something that takes a while.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What the world should hear of snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    Changed,
    /// Something went wrong that nobody waits for: for the record.
    Incident {
        vm: String,
        detail: Text,
    },
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Keeper {
    pub(crate) handle: Handle,
    pub(crate) paths: Paths,
    pub(super) units: Arc<dyn Units>,
    news: mpsc::UnboundedSender<News>,
    busy: Arc<Mutex<BTreeMap<String, Busy>>>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

/// What is under way with one machine's disks.
#[derive(Clone, Debug, Default)]
pub(super) struct Busy {
    /// The snapshot that is being merged.
    pub merging: Option<String>,
    pub progress: Progress,
    /// When that was told last.
    pub told: Option<Instant>,
    pub cancelled: bool,
}

/// Machines whose disks nobody else may work on, until it is dropped.
pub(super) struct Hold {
    keeper: Keeper,
    vms: Vec<String>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut busy = self.keeper.busy.lock().unwrap_or_else(PoisonError::into_inner);
        for vm in &self.vms {
            busy.remove(vm);
        }
        drop(busy);
        self.keeper.changed();
    }
}

fn refused(nb: impl Into<String>, en: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Refused, nb, en)
}

impl Keeper {
    pub fn new(handle: Handle, units: Arc<dyn Units>, paths: Paths) -> (Self, mpsc::UnboundedReceiver<News>) {
        let (news, told) = mpsc::unbounded_channel();
        let keeper = Self {
            handle,
            paths,
            units,
            news,
            busy: Arc::default(),
        };
        (keeper, told)
    }

    pub(super) fn changed(&self) {
        // Nobody listens in a daemon that is ending.
        let _ = self.news.send(News::Changed);
    }

    pub(super) fn incident(&self, vm: &str, detail: Text) {
        let vm = vm.to_owned();
        let _ = self.news.send(News::Incident { vm, detail });
    }

    pub(super) fn hold(&self, vms: &[String], doing: &Busy) -> Result<Hold, Failure> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(vm) = vms.iter().find(|vm| busy.contains_key(*vm)) {
            return Err(in_use(vm));
        }
        for vm in vms {
            busy.insert(vm.clone(), doing.clone());
        }
        Ok(Hold {
            keeper: self.clone(),
            vms: vms.to_vec(),
        })
    }

    pub(super) fn with_busy<T>(&self, vm: &str, look: impl FnOnce(&mut Busy) -> T) -> Option<T> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.get_mut(vm).map(look)
    }

    pub(crate) fn chains(&self, vm: &str) -> Result<Chains, Failure> {
        varde_disks::read(&self.paths.disks(vm)).map_err(|error| crate::Error::from(error).into())
    }

    pub(crate) async fn order(&self, vm: &str, order: &Order) -> Result<(), Failure> {
        errand::send(vm, order, &*self.units, &self.paths).await
    }

    /// Whether none of them has to refuse this order, as far as can be seen beforehand.
    pub(super) fn may(&self, vms: &[String], order: &Order) -> Result<(), Failure> {
        for vm in vms {
            varde_disks::plan::plan(&self.chains(vm)?, order)
                .map_err(|error| Failure::from(crate::Error::from(error)))?;
        }
        Ok(())
    }

    pub(super) fn live(line: &Line, vm: &str) -> Result<Option<Live>, Failure> {
        match (&line.qmp, line.on) {
            (_, false) => Ok(None),
            (Some(client), true) => Ok(Some(Live {
                vm: line.vm.clone(),
                client: client.clone(),
            })),
            (None, true) => Err(refused(
                format!("QEMU for {vm} svarer ikke akkurat nå; prøv igjen"),
                format!("QEMU of {vm} does not answer just now; try again"),
            )),
        }
    }

    /// Whether its disks may be opened: not while files of them come and go.
    pub fn may_start(&self, vm: &str) -> Result<(), Failure> {
        self.with_busy(vm, |_| ()).map_or(Ok(()), |()| Err(in_use(vm)))
    }

    /// Takes the machines of a snapshot back to it. Those that are on lose their power, and start again.
    pub async fn roll_back(&self, id: &str, by: Text) -> Result<(), Failure> {
        let snapshot = self.find(id).await?;
        if !matches!(snapshot.state, SnapshotState::Kept | SnapshotState::Quiet) {
            return Err(refused(
                format!("{id} er alt delvis slått sammen: veien tilbake finnes ikke lenger"),
                format!("{id} has been merged in part already: there is no way back any more"),
            ));
        }
        let hold = self.hold(&snapshot.machines, &Busy::default())?;
        // Before any of them loses its power.
        self.may(&snapshot.machines, &Order::RollBack { id: id.to_owned() })?;
        let mut lines = Vec::new();
        for vm in &snapshot.machines {
            lines.push((vm.clone(), self.handle.line(vm).await?));
        }
        let running: Vec<&Vm> = lines
            .iter()
            .filter(|(_, line)| line.on)
            .map(|(_, line)| &line.vm)
            .collect();
        let mut result = Ok(());
        let mut ending = Vec::new();
        for vm in &running {
            let ended = self.handle.end(&vm.name, End::Power, by.clone()).await;
            // It may have gone off by itself meanwhile.
            if ended.is_ok() || !self.handle.line(&vm.name).await?.on {
                ending.push(vm);
            } else {
                result = result.and(ended);
            }
        }
        for vm in ending {
            result = result.and(self.until_off(&vm.name).await);
        }
        if result.is_ok() {
            for (vm, _) in &lines {
                result = result.and(self.order(vm, &Order::RollBack { id: id.to_owned() }).await);
            }
        }
        drop(hold);
        // Whatever came of it, what ran runs again.
        for vm in by_dependency(&running) {
            result = result.and(self.handle.start(vm).await);
        }
        result
    }

    pub(crate) async fn until_off(&self, vm: &str) -> Result<(), Failure> {
        let end = Instant::now() + OFF;
        loop {
            if !self.handle.line(vm).await?.on {
                return Ok(());
            }
            if Instant::now() >= end {
                return Err(Failure::new(
                    FailureKind::Failed,
                    format!(
                        "{vm} er fortsatt på {} s etter at strømmen ble kuttet; ingenting er rullet tilbake",
                        OFF.as_secs()
                    ),
                    format!(
                        "{vm} is still on {} s after its power was cut; nothing was rolled back",
                        OFF.as_secs()
                    ),
                ));
            }
            sleep(LOOK_AGAIN / 4).await;
        }
    }

    /// What there is, the oldest first.
    pub async fn list(&self) -> Result<Vec<Snapshot>, Failure> {
        let mut all: BTreeMap<String, Snapshot> = BTreeMap::new();
        for status in self.handle.list().await? {
            let vm = status.name;
            let chains = match self.chains(&vm) {
                Ok(chains) => chains,
                Err(failure) => {
                    eprintln!("{vm}: {failure}");
                    continue;
                }
            };
            let used: Vec<u64> = chains.snapshots.iter().map(|one| self.used(&vm, one)).collect();
            for (place, one) in chains.snapshots.iter().enumerate() {
                let entry = all.entry(one.id.clone()).or_insert_with(|| shown(one));
                entry.machines.push(vm.clone());
                entry.missing.retain(|missing| *missing != vm);
                // What was written to a newer one was written since as well.
                entry.used += used[place..].iter().sum::<u64>();
                entry.state = worse(entry.state, state_of(one.keep));
                if let Some(busy) = self.with_busy(&vm, |busy| busy.clone())
                    && busy.merging.as_deref() == Some(&one.id)
                {
                    entry.progress = busy.progress;
                }
            }
        }
        let mut all: Vec<Snapshot> = all.into_values().collect();
        for snapshot in &mut all {
            snapshot.problem = problem(snapshot, now());
        }
        all.sort_by_key(|snapshot| snapshot.taken);
        Ok(all)
    }

    /// Bytes that its overlays take.
    pub(super) fn used(&self, vm: &str, snapshot: &varde_disks::Snapshot) -> u64 {
        let directory = self.paths.disks(vm);
        snapshot
            .overlays
            .values()
            .map(|file| blocks(&directory.join(file)))
            .sum()
    }

    pub(crate) async fn find(&self, id: &str) -> Result<Snapshot, Failure> {
        self.list()
            .await?
            .into_iter()
            .find(|snapshot| snapshot.id == id)
            .ok_or_else(|| {
                Failure::new(
                    FailureKind::NotFound,
                    format!("Det finnes ikke noe øyeblikksbilde {id}"),
                    format!("There is no snapshot {id}"),
                )
            })
    }

    pub async fn price(&self, id: &str, deed: Deed) -> Result<Price, Failure> {
        let snapshot = self.find(id).await?;
        let (mut running, mut boot) = (0, 0);
        for vm in &snapshot.machines {
            let line = self.handle.line(vm).await?;
            running += u64::from(line.on);
            boot = boot.max(line.boot);
        }
        let mut price = price(deed, &snapshot, running, boot);
        let id = snapshot.id.clone();
        let order = match deed {
            Deed::RollBack => Order::RollBack { id },
            Deed::Merge => Order::BeginMerge { id },
        };
        if deed == Deed::RollBack {
            let newer = self.newer(&snapshot)?;
            if !newer.is_empty() {
                let Text { nb, en } = price.text;
                price.text = Text::new(
                    format!("{nb} Nyere øyeblikksbilder av dem går med: {newer}."),
                    format!("{en} Newer snapshots of them go with it: {newer}."),
                );
            }
        }
        price.possible &= self.may(&snapshot.machines, &order).is_ok();
        Ok(price)
    }

    /// Names of the snapshots that a rollback to this one drops as well.
    fn newer(&self, snapshot: &Snapshot) -> Result<String, Failure> {
        let mut newer: Vec<String> = Vec::new();
        for vm in &snapshot.machines {
            let chains = self.chains(vm)?;
            let after = chains.snapshots.iter().skip_while(|one| one.id != snapshot.id);
            newer.extend(after.skip(1).map(|one| one.id.clone()));
        }
        newer.sort();
        newer.dedup();
        Ok(newer.join(", "))
    }

    /// An earlier daemon may have left the guest frozen. Nothing waits for it: a guest without an agent never says that
    /// it is not.
    pub(super) fn thaw(&self, vm: &str) {
        let socket = self.paths.agent(vm);
        tokio::spawn(async move { freeze::thaw(None, &socket).await });
    }
}

fn in_use(vm: &str) -> Failure {
    refused(
        format!(
            "Det arbeides med diskene til {vm}: et øyeblikksbilde tas, rulles tilbake eller slås sammen. Vent, eller avlys det"
        ),
        format!(
            "The disks of {vm} are being worked on: a snapshot is taken, rolled back or merged. Wait, or cancel it"
        ),
    )
}

/// Lets go of a machine that was halted for the instant of a snapshot. False if it is not known to go on: then it is to be
/// told again.
pub(super) async fn let_go_on(live: &Live, paths: &Paths) -> bool {
    let answer = live.client.execute(&Continue {}, DEFAULT_TIMEOUT).await;
    log(&live.vm, &answer);
    let known = matches!(answer, Ok(_) | Err(crate::qmp::Error::Refused { .. }));
    if known && let Err(error) = notes::remove(&paths.halted(&live.vm.name)) {
        eprintln!("{}: {error}", live.vm.name);
    }
    known
}

/// True if it was done.
pub(super) fn log<T>(vm: &Vm, result: &Result<T, crate::qmp::Error>) -> bool {
    if let Err(error) = result {
        eprintln!("{}: {error}", vm.name);
    }
    result.is_ok()
}

/// A block of stat(2) is 512 bytes. No file: nothing used.
pub(crate) fn blocks(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).map_or(0, |metadata| metadata.blocks() * 512)
}

/// Those that others start after come first.
pub(crate) fn by_dependency<'a>(vms: &[&'a Vm]) -> Vec<&'a str> {
    let mut ordered: Vec<&str> = Vec::new();
    let mut left: Vec<&Vm> = vms.to_vec();
    while !left.is_empty() {
        let waits = |vm: &&Vm| {
            vm.after
                .iter()
                .any(|name| left.iter().any(|other| other.name == *name))
        };
        let (later, next): (Vec<&Vm>, Vec<&Vm>) = left.iter().partition(|vm| waits(vm));
        if next.is_empty() {
            // A ring, which site.toml cannot have.
            ordered.extend(later.iter().map(|vm| vm.name.as_str()));
            break;
        }
        ordered.extend(next.iter().map(|vm| vm.name.as_str()));
        left = later;
    }
    ordered
}

fn state_of(keep: Keep) -> SnapshotState {
    match keep {
        Keep::Kept => SnapshotState::Kept,
        Keep::Quiet => SnapshotState::Quiet,
        Keep::Merging => SnapshotState::Merging,
        Keep::Halted => SnapshotState::Halted,
    }
}

/// Of machines that differ, the one with less of a way back speaks for all.
fn worse(one: SnapshotState, other: SnapshotState) -> SnapshotState {
    let rank = |state| match state {
        SnapshotState::Kept => 0,
        SnapshotState::Quiet => 1,
        SnapshotState::Merging => 2,
        SnapshotState::Halted => 3,
    };
    if rank(one) >= rank(other) { one } else { other }
}

fn shown(one: &varde_disks::Snapshot) -> Snapshot {
    Snapshot {
        id: one.id.clone(),
        machines: Vec::new(),
        missing: one.machines.clone(),
        taken: one.taken,
        by: one.by.clone(),
        why: one.why.clone(),
        expires: one.expires,
        budget: one.budget,
        used: 0,
        quiesced: one.quiesced,
        state: state_of(one.keep),
        progress: Progress::default(),
        problem: Text::default(),
    }
}

fn problem(snapshot: &Snapshot, now: i64) -> Text {
    if snapshot.state == SnapshotState::Halted {
        return Text::new(
            "Sammenslåingen stanset; slå det sammen på nytt",
            "Its merge has stopped; merge it again",
        );
    }
    if snapshot.state == SnapshotState::Merging {
        return Text::default();
    }
    if now > snapshot.expires {
        return Text::new(
            "Utløpt; slå det sammen eller rull tilbake",
            "Expired; merge it or roll back",
        );
    }
    if snapshot.used > snapshot.budget {
        return Text::new(
            "Har vokst over budsjettet sitt; slå det sammen eller rull tilbake",
            "Has grown over its budget; merge it or roll back",
        );
    }
    if !snapshot.missing.is_empty() {
        let names = snapshot.missing.join(", ");
        return Text::new(
            format!("{names} har det ikke"),
            format!("{names} does not have it"),
        );
    }
    Text::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::vm;

    #[test]
    fn machines_start_again_after_those_that_they_need() {
        let (db, mut web, mut front) = (vm("db"), vm("web"), vm("front"));
        web.after = vec!["db".into(), "elsewhere".into()];
        front.after = vec!["web".into()];
        assert_eq!(by_dependency(&[&front, &web, &db]), ["db", "web", "front"]);
    }

    #[test]
    fn a_snapshot_that_expired_grew_or_lost_a_machine_is_a_problem() {
        let mut snapshot = shown(&varde_disks::Snapshot {
            id: "db-1".into(),
            taken: 0,
            by: "kari".into(),
            why: String::new(),
            expires: 100,
            budget: 10,
            machines: Vec::new(),
            quiesced: false,
            keep: Keep::Kept,
            overlays: BTreeMap::new(),
            lent: Vec::new(),
        });
        assert!(problem(&snapshot, 100).is_empty());
        assert_eq!(problem(&snapshot, 101).en, "Expired; merge it or roll back");
        snapshot.used = 11;
        assert!(problem(&snapshot, 1).en.contains("budget"));
        snapshot.used = 0;
        snapshot.missing = vec!["web".into()];
        assert_eq!(problem(&snapshot, 1).en, "web does not have it");
        snapshot.state = SnapshotState::Merging;
        assert!(problem(&snapshot, 101).is_empty(), "it is on its way out");
    }
}
