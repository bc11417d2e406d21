//! An appliance at its login prompt, saved once and started from many times.
//!
//! A snapshot is two frozen disks and a file with the state of the machine. A scenario starts from it within seconds
//! with overlays of its own. Test processes run at the same time: the first one that needs a snapshot makes it, the
//! others wait for a lock; whoever uses one holds a shared lock, so that nobody clears it away.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use varde_machine::{cache_dir, disks};

use crate::appliance::{BOOT, boot, machine};
use crate::dialogue::patient;
use crate::error::{Context, Error, Result};
use crate::evidence;
use crate::process::Process;
use crate::shape::{Build, Shape};

/// Snapshots that are kept: a few shapes of one build, and the build before.
const KEPT: usize = 6;
/// A guest inside the emulated machine came up within 40 s when that machine had both processors for itself.
const GUEST: Duration = Duration::from_mins(5);

pub struct Snapshot {
    dir: PathBuf,
    /// The snapshot whose disks lie below ours.
    _below: Option<Box<Snapshot>>,
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

    /// The snapshot of this shape, made now if there is none. If that fails, `logs` has the evidence.
    pub fn of(build: &Build, shape: &Shape, logs: &Path) -> Result<Self> {
        let below = match shape.running {
            [] => None,
            _ => Some(Box::new(Self::of(build, &at_rest(shape), logs)?)),
        };
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
                return Ok(Self {
                    dir,
                    _below: below,
                    _used: lock,
                });
            }
            lock.unlock().on("unlock", &lock_path)?;
            lock.lock().on("lock", &lock_path)?;
            if !complete.exists() {
                clear(&all, &key)?;
                make(build, shape, below.as_deref(), &dir, logs)?;
                File::create(&complete).on("create", &complete)?;
            }
            // Once more round: between giving the lock back and sharing it, the snapshot may have been cleared away.
        }
    }
}

/// The shape before any virtual machine was started.
fn at_rest(shape: &Shape) -> Shape {
    Shape {
        running: &[],
        ..shape.clone()
    }
}

fn make(build: &Build, shape: &Shape, below: Option<&Snapshot>, dir: &Path, logs: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).on("clear", dir)?;
    }
    fs::create_dir_all(dir).on("create", dir)?;
    let machine = machine(build, shape, dir)?;
    let process = if let Some(below) = below {
        disks::branch(&build.toolbox, &below.disk(), &machine.disk)?;
        disks::branch(&build.toolbox, &below.variables(), &machine.variables)?;
        let process = Process::start(build, machine, dir, "snapshot", None, &["-incoming", "defer"])?;
        process.restore(&below.state())?;
        process.faults.none_from_now();
        start(&process, shape.running).inspect_err(|_| evidence::keep(&process, logs, "snapshot"))?;
        process
    } else {
        disks::overlay(&build.toolbox, &build.image, &machine.disk, shape.disk)?;
        disks::variables(&build.toolbox, &machine.variables)?;
        let process = Process::start(build, machine, dir, "snapshot", None, &[])?;
        process.run()?;
        boot(&process).inspect_err(|_| evidence::keep(&process, logs, "snapshot"))?;
        process
    };
    process
        .qmp
        .borrow_mut()
        .save_state(&dir.join("state"), patient(BOOT))?;
    process.quit()?;
    Ok(())
}

/// Starts virtual machines, waits until their checks have passed, and pauses them: QEMU does not take back the state of
/// an emulated processor that stood inside a guest. [`resume`] is to follow each time the snapshot is taken.
fn start(process: &Process, vms: &[&str]) -> Result<()> {
    for verb in ["start", "pause"] {
        for vm in vms {
            order(process, verb, vm)?;
        }
    }
    Ok(())
}

/// Lets the virtual machines of a restored snapshot go on.
pub fn resume(process: &Process, vms: &[&str]) -> Result<()> {
    vms.iter().try_for_each(|vm| order(process, "resume", vm))
}

fn order(process: &Process, verb: &str, vm: &str) -> Result<()> {
    let command = format!("varde --lang en vm {verb} {vm} --wait {}", GUEST.as_secs());
    let output = process.or_why_it_ended(process.shell.run_within(&command, GUEST))?;
    if output.code == 0 {
        return Ok(());
    }
    Err(Error::Command {
        command,
        code: output.code,
        output: output.text,
    })
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
