//! Takes a snapshot of machines at one instant: their overlays first, then the instant, then what came of it.

use std::collections::BTreeMap;

use tokio::task::JoinSet;
use tokio::time::Instant;
use varde_bus::{Failure, FailureKind};
use varde_disks::{Chains, Keep, Order, Work};

use super::freeze::freeze;
use super::keeper::{Busy, Keeper, let_go_on, log};
use super::live::Live;
use crate::daemon::now;
use crate::notes;
use crate::paths::Paths;
use crate::qmp::{DEFAULT_TIMEOUT, QueryStatus, Stop};

/// A snapshot that nobody gave a time is kept so long, in seconds.
const USUAL_KEEP: u64 = 7 * 24 * 3600;

/// A snapshot that nobody gave a budget may grow so large, in bytes.
const USUAL_BUDGET: u64 = 10 << 30;

/// One machine of those that a snapshot is taken of.
struct Part {
    vm: String,
    /// It runs.
    live: Option<Live>,
    /// Its processors do, so that they have to be halted and let go.
    ticking: bool,
    /// What is written down once its overlays are whole.
    prepared: Option<(Chains, varde_disks::Snapshot)>,
}

impl Keeper {
    /// Takes one of these machines at one instant, and gives its name.
    pub async fn take(
        &self,
        vms: &[String],
        (keep, budget): (u64, u64),
        by: &str,
        why: &str,
    ) -> Result<String, Failure> {
        let mut vms = vms.to_vec();
        vms.sort();
        vms.dedup();
        let Some(first) = vms.first().cloned() else {
            return Err(Failure::new(
                FailureKind::Invalid,
                "Ingen maskin er nevnt",
                "No machine is named",
            ));
        };
        let _hold = self.hold(&vms, &Busy::default())?;
        let mut parts = Vec::new();
        for vm in &vms {
            let live = Self::live(&self.handle.line(vm).await?, vm)?;
            parts.push(Part {
                vm: vm.clone(),
                live,
                ticking: false,
                prepared: None,
            });
        }
        let or = |value, usual| if value == 0 { usual } else { value };
        let taken = now();
        let keep = i64::try_from(or(keep, USUAL_KEEP).saturating_mul(1000)).unwrap_or(i64::MAX);
        let snapshot = varde_disks::Snapshot {
            id: format!("{first}-{}", self.chains(&first)?.next + 1),
            taken,
            by: by.to_owned(),
            why: why.trim().to_owned(),
            expires: taken.saturating_add(keep),
            budget: or(budget, USUAL_BUDGET),
            machines: vms,
            quiesced: false,
            keep: Keep::Kept,
            overlays: BTreeMap::new(),
            lent: Vec::new(),
        };
        let id = snapshot.id.clone();
        let prepared = match self.prepare(&mut parts, &snapshot).await {
            Ok(()) => self.open(&parts).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = prepared {
            self.undo(&parts, &id).await;
            return Err(failure);
        }
        let instant = Self::instant(&self.paths, &mut parts).await;
        self.conclude(&parts, instant).await?;
        Ok(id)
    }

    /// Makes the overlays of all of them.
    async fn prepare(&self, parts: &mut [Part], snapshot: &varde_disks::Snapshot) -> Result<(), Failure> {
        let mut making = JoinSet::new();
        for part in parts.iter() {
            let order = Order::Take {
                snapshot: Box::new(snapshot.clone()),
                live: part.live.is_some(),
            };
            let (keeper, vm) = (self.clone(), part.vm.clone());
            making.spawn(async move { keeper.order(&vm, &order).await });
        }
        // All of them come to an end before the first failure is told.
        let made = making.join_all().await;
        made.into_iter().collect::<Result<Vec<()>, Failure>>()?;
        for part in parts {
            let chains = self.chains(&part.vm)?;
            if let Some(Work::Pivot { snapshot }) = &chains.work {
                part.prepared = Some((chains.clone(), (**snapshot).clone()));
            }
        }
        Ok(())
    }

    async fn open(&self, parts: &[Part]) -> Result<(), Failure> {
        for part in parts {
            if let (Some(live), Some((_, snapshot))) = (&part.live, &part.prepared) {
                live.open(snapshot, &self.paths)
                    .await
                    .map_err(crate::Error::from)?;
            }
        }
        Ok(())
    }

    /// As if it had never been begun.
    async fn undo(&self, parts: &[Part], id: &str) {
        for part in parts {
            if let (Some(live), Some((_, snapshot))) = (&part.live, &part.prepared)
                && let Err(error) = live.has_moved(snapshot).await
            {
                eprintln!("{}: {error}", part.vm);
            }
            let Ok(chains) = self.chains(&part.vm) else {
                continue;
            };
            let order = if chains.snapshot(id).is_some() {
                Order::RollBack { id: id.to_owned() }
            } else if chains.work.is_some() {
                Order::Undo
            } else {
                continue;
            };
            if let Err(failure) = self.order(&part.vm, &order).await {
                eprintln!("{}: {failure}; undone at its next start", part.vm);
            }
        }
    }

    /// The instant itself. Gives when it was, and whether the guests held still all through it.
    async fn instant(paths: &Paths, parts: &mut [Part]) -> (i64, bool) {
        let sockets = parts
            .iter()
            .filter(|part| part.live.is_some())
            .map(|part| paths.agent(&part.vm))
            .collect::<Vec<_>>();
        let any = !sockets.is_empty();
        let frozen = freeze(sockets).await;
        let several = parts.len() > 1;
        if several {
            // One instant for all of them: no guest sees what another one did after it.
            halt(parts, paths).await;
        }
        let bound = if frozen.whole {
            frozen.until.saturating_duration_since(Instant::now())
        } else {
            DEFAULT_TIMEOUT
        };
        let mut moving = JoinSet::new();
        for part in parts.iter() {
            if let (Some(live), Some((chains, snapshot))) = (part.live.clone(), part.prepared.clone()) {
                moving.spawn(async move { log(&live.vm, &live.pivot(&chains, &snapshot, bound).await) });
            }
        }
        let moved = moving.join_all().await.into_iter().all(|moved| moved);
        let taken = now();
        let quiesced = any && frozen.whole && moved && Instant::now() < frozen.until;
        if several {
            for part in parts.iter().filter(|part| part.ticking) {
                if let Some(live) = &part.live {
                    let_go_on(live, paths).await;
                }
            }
        }
        if !frozen.release().await {
            eprintln!("a guest did not say that it goes on; it is asked again for some minutes");
        }
        (taken, quiesced)
    }

    /// Writes down what came of it. What QEMU did is asked for: no answer says nothing.
    async fn conclude(&self, parts: &[Part], (taken, quiesced): (i64, bool)) -> Result<(), Failure> {
        let mut not_moved = Vec::new();
        for part in parts {
            let (Some(live), Some((_, snapshot))) = (&part.live, &part.prepared) else {
                continue;
            };
            if self
                .settle_pivot(&part.vm, live, snapshot, Some((taken, quiesced)))
                .await?
            {
                continue;
            }
            not_moved.push(part.vm.clone());
        }
        if not_moved.is_empty() {
            return Ok(());
        }
        let names = not_moved.join(", ");
        Err(Failure::new(
            FailureKind::Failed,
            format!("QEMU for {names} tok ikke øyeblikksbildet; der er alt som før. De andre har det"),
            format!("QEMU of {names} did not take the snapshot; there all is as before. The others have it"),
        ))
    }

    /// Makes the files follow what QEMU did; true if it has moved on to the overlays.
    pub(super) async fn settle_pivot(
        &self,
        vm: &str,
        live: &Live,
        snapshot: &varde_disks::Snapshot,
        known: Option<(i64, bool)>,
    ) -> Result<bool, Failure> {
        let moved = live.has_moved(snapshot).await.map_err(crate::Error::from)?;
        let (taken, quiesced) = known.unwrap_or((snapshot.taken, false));
        if moved {
            self.order(vm, &Order::Conclude { taken, quiesced }).await?;
        } else {
            self.order(vm, &Order::Undo).await?;
        }
        Ok(moved)
    }
}

/// Halts the processors of those whose processors run.
async fn halt(parts: &mut [Part], paths: &Paths) {
    for part in parts {
        let Some(live) = &part.live else { continue };
        let status = live.client.execute(&QueryStatus {}, DEFAULT_TIMEOUT).await;
        part.ticking = status.is_ok_and(|status| status.running);
        if part.ticking {
            // Whoever comes after a kill lets it go on.
            if let Err(error) = notes::write(&paths.halted(&part.vm), &()) {
                eprintln!("{}: {error}", part.vm);
            }
            log(&live.vm, &live.client.execute(&Stop {}, DEFAULT_TIMEOUT).await);
        }
    }
}
