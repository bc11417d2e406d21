//! An appliance at its login prompt, saved once and started from many times.
//!
//! A snapshot is two frozen disks and a file with the state of the machine. A scenario starts from it within seconds
//! with overlays of its own. Test processes run at the same time: the first one that needs a snapshot makes it, the
//! others wait for a lock; whoever uses one holds a shared lock, so that nobody clears it away.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use varde_machine::{cache_dir, disks};

use crate::appliance::{BOOT, boot, machine};
use crate::dialogue::patient;
use crate::error::{Context, Result};
use crate::process::Process;
use crate::shape::{Build, Shape};

/// Snapshots that are kept: a few shapes of one build, and the build before.
const KEPT: usize = 6;

pub struct Snapshot {
    dir: PathBuf,
    /// Held as long as the snapshot is in use.
    _used: File,
}

impl Snapshot {
    pub fn disk(&self) -> PathBuf {
        self.dir.join("disk.qcow2")
    }

    pub fn variables(&self) -> PathBuf {
        self.dir.join("variables.qcow2")
    }

    pub fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// The snapshot of this shape, made now if there is none.
    pub fn of(build: &Build, shape: &Shape) -> Result<Self> {
        let all = cache_dir()?.join("snapshots");
        fs::create_dir_all(&all).on("create", &all)?;
        let key = build.key(shape)?;
        let dir = all.join(&key);
        let lock_path = all.join(format!("{key}.lock"));
        let complete = dir.join("complete");
        loop {
            let lock = File::options()
                .create(true)
                .append(true)
                .open(&lock_path)
                .on("open", &lock_path)?;
            lock.lock_shared().on("lock", &lock_path)?;
            if complete.exists() {
                return Ok(Self { dir, _used: lock });
            }
            lock.unlock().on("unlock", &lock_path)?;
            lock.lock().on("lock", &lock_path)?;
            if !complete.exists() {
                clear(&all, &key)?;
                make(build, shape, &dir)?;
                File::create(&complete).on("create", &complete)?;
            }
            // Once more round: between giving the lock back and sharing it, the snapshot may have been cleared away.
        }
    }
}

fn make(build: &Build, shape: &Shape, dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).on("clear", dir)?;
    }
    fs::create_dir_all(dir).on("create", dir)?;
    let machine = machine(build, shape, dir)?;
    disks::overlay(&build.toolbox, &build.image, &machine.disk, shape.disk)?;
    disks::variables(&build.toolbox, &machine.variables)?;
    let process = Process::start(build, machine, dir, "snapshot", &[])?;
    process.run()?;
    boot(&process)?;
    process
        .qmp
        .borrow_mut()
        .save_state(&dir.join("state"), patient(BOOT))?;
    process.quit()?;
    Ok(())
}

/// Makes room: the oldest snapshots that nobody uses go.
fn clear(all: &Path, keep: &str) -> Result<()> {
    let mut found: Vec<_> = fs::read_dir(all)
        .on("list", all)?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let age = fs::metadata(path.join("complete")).ok()?.modified().ok()?;
            (path.file_name()? != keep).then_some((age, path))
        })
        .collect();
    found.sort();
    for (_, dir) in found.iter().rev().skip(KEPT - 1) {
        let lock_path = dir.with_extension("lock");
        let Ok(lock) = File::open(&lock_path) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            fs::remove_dir_all(dir).on("clear", dir)?;
        }
    }
    Ok(())
}
