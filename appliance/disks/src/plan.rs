//! What has to be done, as steps, from what is there: no IO.
//!
//! Every plan has one step, a [`Step::Record`], at which the old state becomes the new one. What comes before it is
//! undone by [`recover`], what comes after is finished by it; a step that was half done is done again.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::model::{Base, Chain, Chains, DEEPEST, Keep, Snapshot, Work, first, overlay};

/// What may be asked for. The order of the live ones is that of [`crate`]: `Take` with `live`, QEMU's transaction, then
/// `Conclude` (or `Undo`, where it did not happen).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "order")]
pub enum Order {
    /// Overlays on all disks. `overlays` of the snapshot is filled in here.
    Take {
        snapshot: Box<Snapshot>,
        live: bool,
    },
    /// QEMU has moved on to the overlays at this moment (milliseconds since 1970, UTC).
    Conclude {
        taken: i64,
        quiesced: bool,
    },
    /// QEMU has not.
    Undo,
    /// Drops everything since, in this snapshot and the newer ones.
    RollBack {
        id: String,
    },
    /// Merges the newest snapshot into what is below, QEMU being off.
    Merge {
        id: String,
    },
    /// QEMU begins to merge it: from now on there is no way back.
    BeginMerge {
        id: String,
    },
    /// QEMU has written this disk's overlay into the layer below, to the last byte, and waits.
    Merged {
        id: String,
        disk: String,
    },
    /// The merge was called off.
    HaltMerge {
        id: String,
    },
    /// To be merged in the quiet hours, or not after all.
    Quiet {
        id: String,
        quiet: bool,
    },
    /// Somebody's disks stand on this snapshot from now on, or do not any more.
    Lend {
        id: String,
        to: String,
    },
    Return {
        id: String,
        to: String,
    },
    /// All disks go: those of a clone.
    Discard,
    /// Finishes or undoes what was interrupted, QEMU being off.
    Recover,
}

/// One thing to do. Each may be done twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Writes `chain.json`.
    Record(Box<Chains>),
    /// A new file, with this one or this image below it. Without a size it takes that of the one below.
    Make {
        file: String,
        below: Below,
        size: Option<u64>,
    },
    /// Nobody has the file open to write.
    Idle {
        file: String,
    },
    /// The file's own tables are in order; what was allocated and never used is given back.
    Check {
        file: String,
    },
    /// Writes what the file holds into the one below it.
    Merge {
        file: String,
    },
    Remove {
        file: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Below {
    Nothing,
    Layer(String),
    Image(std::path::PathBuf),
}

pub fn plan(chains: &Chains, order: &Order) -> Result<Vec<Step>, Error> {
    match order {
        Order::Recover => return Ok(recover(chains)),
        Order::Conclude { taken, quiesced } => return conclude(chains, Some((*taken, *quiesced))),
        Order::Undo => return Ok(undo(chains)),
        _ => {}
    }
    if chains.work.is_some() {
        return Err(Error::refused(
            "Noe annet med diskene er i gang; prøv igjen om litt",
            "Something else is under way with the disks; try again in a moment",
        ));
    }
    match order {
        Order::Take { snapshot, live } => take(chains, snapshot, *live),
        Order::RollBack { id } => roll_back(chains, id),
        Order::Merge { id } => merge(chains, id),
        Order::BeginMerge { id } => mark(chains, id, Keep::Merging),
        Order::Merged { id, disk } => merged(chains, id, disk),
        Order::HaltMerge { id } => mark(chains, id, Keep::Halted),
        Order::Quiet { id, quiet } => {
            let keep = if *quiet { Keep::Quiet } else { Keep::Kept };
            mark(chains, id, keep)
        }
        Order::Lend { id, to } => lend(chains, id, to, true),
        Order::Return { id, to } => lend(chains, id, to, false),
        Order::Discard => Ok(discard(chains)),
        Order::Recover | Order::Conclude { .. } | Order::Undo => Ok(Vec::new()),
    }
}

fn record(chains: &Chains) -> Step {
    Step::Record(Box::new(chains.clone()))
}

/// A disk that is not there yet.
pub fn create(chains: &Chains, disk: &str, size: u64, base: Option<Base>) -> Vec<Step> {
    let file = first(disk);
    let below = base
        .as_ref()
        .map_or(Below::Nothing, |base| Below::Image(base.path.clone()));
    let mut made = chains.clone();
    let chain = Chain {
        base,
        layers: vec![file.clone()],
    };
    made.disks.insert(disk.to_owned(), chain);
    let begun = Chains {
        work: Some(Work::Make {
            files: vec![file.clone()],
        }),
        ..chains.clone()
    };
    vec![
        record(&begun),
        Step::Make {
            file,
            below,
            size: Some(size),
        },
        record(&made),
    ]
}

fn take(chains: &Chains, snapshot: &Snapshot, live: bool) -> Result<Vec<Step>, Error> {
    if chains.disks.is_empty() {
        return Err(Error::refused(
            "Maskinen har ingen disker ennå: den er aldri startet",
            "The machine has no disks yet: it was never started",
        ));
    }
    if chains.disks.values().any(|chain| chain.layers.len() >= DEEPEST) {
        return Err(Error::refused(
            format!(
                "Maskinen har alt {} øyeblikksbilder, og flere gjør den treg. Slå sammen eller rull tilbake ett først",
                DEEPEST - 1
            ),
            format!(
                "The machine has {} snapshots already, and more would slow it. Merge one or roll back first",
                DEEPEST - 1
            ),
        ));
    }
    if let Some(unfinished) = chains.snapshots.iter().find(|snapshot| !can_return(snapshot)) {
        return Err(Error::refused(
            format!("{} slås sammen; vent til det er gjort", unfinished.id),
            format!("{} is being merged; wait until that is done", unfinished.id),
        ));
    }
    let mut snapshot = snapshot.clone();
    let number = chains.next;
    let mut makes = Vec::new();
    for (disk, chain) in &chains.disks {
        let file = overlay(disk, number);
        let below = chain.layers.last().cloned().map_or(Below::Nothing, Below::Layer);
        makes.push(Step::Make {
            file: file.clone(),
            below,
            size: None,
        });
        snapshot.overlays.insert(disk.clone(), file);
    }
    let mut begun = chains.clone();
    begun.next += 1;
    let mut whole = begun.clone();
    begun.work = Some(Work::Make {
        files: snapshot.overlays.values().cloned().collect(),
    });
    if live {
        whole.work = Some(Work::Pivot {
            snapshot: Box::new(snapshot),
        });
    } else {
        put_on(&mut whole, snapshot);
    }
    // Off as far as its unit goes: what a QEMU still writes would go below the overlays.
    let mut steps = if live { Vec::new() } else { idle(chains) };
    steps.push(record(&begun));
    steps.extend(makes);
    steps.push(record(&whole));
    Ok(steps)
}

/// Nobody writes to any of the disks.
fn idle(chains: &Chains) -> Vec<Step> {
    let heads = chains.disks.values().filter_map(|chain| chain.layers.last());
    heads.map(|file| Step::Idle { file: file.clone() }).collect()
}

fn can_return(snapshot: &Snapshot) -> bool {
    matches!(snapshot.keep, Keep::Kept | Keep::Quiet)
}

fn put_on(chains: &mut Chains, snapshot: Snapshot) {
    for (disk, file) in &snapshot.overlays {
        if let Some(chain) = chains.disks.get_mut(disk) {
            chain.layers.push(file.clone());
        }
    }
    chains.snapshots.push(snapshot);
    chains.work = None;
}

fn conclude(chains: &Chains, known: Option<(i64, bool)>) -> Result<Vec<Step>, Error> {
    let Some(Work::Pivot { snapshot }) = &chains.work else {
        return Err(Error::refused(
            "Ingen øyeblikksbilde er i ferd med å tas",
            "No snapshot is being taken",
        ));
    };
    let mut snapshot = (**snapshot).clone();
    if let Some((taken, quiesced)) = known {
        snapshot.taken = taken;
        snapshot.quiesced = quiesced;
    }
    let mut done = chains.clone();
    put_on(&mut done, snapshot);
    Ok(vec![record(&done)])
}

fn undo(chains: &Chains) -> Vec<Step> {
    match &chains.work {
        Some(Work::Make { files }) => remove_files(chains, files.clone()),
        Some(Work::Pivot { snapshot }) => drop_files(chains, snapshot.overlays.values().cloned().collect()),
        _ => Vec::new(),
    }
}

/// `chains` without these files, which nothing in it needs.
fn drop_files(chains: &Chains, files: Vec<String>) -> Vec<Step> {
    let mut done = chains.clone();
    done.work = None;
    let mut dropping = done.clone();
    dropping.work = Some(Work::Drop { files: files.clone() });
    let mut steps = vec![record(&dropping)];
    steps.extend(remove_files(chains, files));
    steps
}

/// These files are known to be needed by nothing. They go first: the disk may be so full that nothing can be written down.
fn remove_files(chains: &Chains, files: Vec<String>) -> Vec<Step> {
    let mut done = chains.clone();
    done.work = None;
    let mut steps: Vec<Step> = files.into_iter().map(|file| Step::Remove { file }).collect();
    steps.push(record(&done));
    steps
}

fn find(chains: &Chains, id: &str) -> Result<usize, Error> {
    chains
        .snapshots
        .iter()
        .position(|snapshot| snapshot.id == id)
        .ok_or_else(|| {
            Error::refused(
                format!("Det finnes ikke noe øyeblikksbilde {id}"),
                format!("There is no snapshot {id}"),
            )
        })
}

fn roll_back(chains: &Chains, id: &str) -> Result<Vec<Step>, Error> {
    let place = find(chains, id)?;
    // Whatever the merge of a newer one has written lies in a layer that goes as well; its own would not.
    if !can_return(&chains.snapshots[place]) {
        return Err(Error::refused(
            format!("{id} er alt delvis slått sammen: veien tilbake finnes ikke lenger"),
            format!("{id} has been merged in part already: there is no way back any more"),
        ));
    }
    is_free(&chains.snapshots[place..])?;
    let mut after = chains.clone();
    let mut files = Vec::new();
    for snapshot in after.snapshots.split_off(place) {
        for (disk, file) in snapshot.overlays {
            if let Some(chain) = after.disks.get_mut(&disk) {
                chain.layers.retain(|layer| *layer != file);
            }
            files.push(file);
        }
    }
    let mut steps = idle(chains);
    steps.extend(drop_files(&after, files));
    Ok(steps)
}

/// Refuses what would write or drop the layer that somebody else's disks stand on.
fn is_free(snapshots: &[Snapshot]) -> Result<(), Error> {
    let Some((snapshot, whom)) = snapshots.iter().find_map(|one| Some((one, one.lent.first()?))) else {
        return Ok(());
    };
    Err(Error::refused(
        format!(
            "Diskene i øvingen {whom} står på {}. Avslutt øvingen først",
            snapshot.id
        ),
        format!(
            "The disks of the rehearsal {whom} stand on {}. Discard the rehearsal first",
            snapshot.id
        ),
    ))
}

fn lend(chains: &Chains, id: &str, to: &str, lent: bool) -> Result<Vec<Step>, Error> {
    let place = find(chains, id)?;
    let mut after = chains.clone();
    let snapshot = &mut after.snapshots[place];
    if lent && !can_return(snapshot) {
        return Err(Error::refused(
            format!("{id} slås sammen, og er ikke lenger som da det ble tatt"),
            format!("{id} is being merged, and is no longer as it was when it was taken"),
        ));
    }
    snapshot.lent.retain(|whom| whom != to);
    if lent {
        snapshot.lent.push(to.to_owned());
    }
    Ok(vec![record(&after)])
}

fn discard(chains: &Chains) -> Vec<Step> {
    let files: Vec<String> = chains
        .disks
        .values()
        .flat_map(|chain| chain.layers.clone())
        .collect();
    let nothing = Chains {
        next: chains.next,
        ..Chains::default()
    };
    let mut steps = idle(chains);
    steps.extend(drop_files(&nothing, files));
    steps
}

fn newest(chains: &Chains, id: &str) -> Result<usize, Error> {
    let place = find(chains, id)?;
    if let Some(newer) = chains.snapshots.get(place + 1) {
        return Err(Error::refused(
            format!("Slå sammen {} først: det er nyere", newer.id),
            format!("Merge {} first: it is newer", newer.id),
        ));
    }
    Ok(place)
}

fn mark(chains: &Chains, id: &str, keep: Keep) -> Result<Vec<Step>, Error> {
    let place = match keep {
        Keep::Merging => newest(chains, id)?,
        _ => find(chains, id)?,
    };
    if matches!(keep, Keep::Merging | Keep::Quiet) {
        is_free(&chains.snapshots[place..=place])?;
    }
    let mut marked = chains.clone();
    let snapshot = &mut marked.snapshots[place];
    if matches!(keep, Keep::Kept | Keep::Quiet) && !can_return(snapshot) {
        return Err(Error::refused(
            format!("{id} er alt i ferd med å slås sammen"),
            format!("{id} is being merged already"),
        ));
    }
    snapshot.keep = keep;
    Ok(vec![record(&marked)])
}

/// The overlay of one disk has nothing left that the layer below has not.
fn merged(chains: &Chains, id: &str, disk: &str) -> Result<Vec<Step>, Error> {
    let place = newest(chains, id)?;
    is_free(&chains.snapshots[place..=place])?;
    let mut after = chains.clone();
    let snapshot = &mut after.snapshots[place];
    let Some(file) = snapshot.overlays.remove(disk) else {
        return Ok(Vec::new());
    };
    if snapshot.overlays.is_empty() {
        after.snapshots.remove(place);
    }
    if let Some(chain) = after.disks.get_mut(disk) {
        chain.layers.retain(|layer| *layer != file);
    }
    Ok(drop_files(&after, vec![file]))
}

fn merge(chains: &Chains, id: &str) -> Result<Vec<Step>, Error> {
    let place = newest(chains, id)?;
    let mut steps = mark(chains, id, Keep::Merging)?;
    let mut now = chains.clone();
    now.snapshots[place].keep = Keep::Merging;
    for (disk, file) in chains.snapshots[place].overlays.clone() {
        steps.extend([
            Step::Idle { file: file.clone() },
            Step::Check { file: file.clone() },
            Step::Merge { file },
        ]);
        let switch = merged(&now, id, &disk)?;
        if let Some(Step::Record(last)) = switch.last() {
            now = (**last).clone();
        }
        steps.extend(switch);
    }
    Ok(steps)
}

/// After an interruption, QEMU being off. A merge is not gone on with here: the machine need not wait for it.
pub fn recover(chains: &Chains) -> Vec<Step> {
    match &chains.work {
        None => Vec::new(),
        Some(Work::Make { .. }) => undo(chains),
        Some(Work::Pivot { .. }) => conclude(chains, None).unwrap_or_default(),
        Some(Work::Drop { files }) => remove_files(chains, files.clone()),
    }
}

/// Disks that lie there without being written down: made by a version that knew no snapshots.
pub fn adopt(chains: &Chains, found: Vec<(String, Option<Base>)>) -> Vec<Step> {
    let mut known = chains.clone();
    for (disk, base) in found {
        let layers = vec![first(&disk)];
        known.disks.entry(disk).or_insert(Chain { base, layers });
    }
    if known == *chains {
        return Vec::new();
    }
    vec![record(&known)]
}

#[cfg(test)]
mod tests;
