//! What a machine's unit does before and after QEMU, apart from the shutdown: places, disks, network, limits, and what
//! is written down of it.
//!
//! The root step makes what only root can make, and is the last gate that every start passes, with the daemon or
//! without. Whatever lies in a directory of the machine's own user is touched only by that user: QEMU may be in the
//! hands of its guest, and root must not follow where it points.

mod disks;
mod place;

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags};
use tokio::time::timeout;
use varde_site::{Site, Vm};

use crate::admission;
use crate::checks;
use crate::daemon::now;
use crate::gate::{self, not_up};
use crate::ladder::{self, Ladder};
use crate::notes::{Ended, Note, Started};
use crate::paths::Paths;
use crate::probe::Accelerator;
use crate::{Error, argv, identity, site};

/// A machine that is on gets so long to show that its checks pass. One try would be too few: others may be asking its
/// agent, which answers one at a time.
const FORERUNNER: Duration = Duration::from_secs(10);

/// systemd's number of this run of the unit.
fn invocation() -> String {
    std::env::var("INVOCATION_ID").unwrap_or_default()
}

fn declared(name: &str, paths: &Paths) -> Result<(Site, Vm), Error> {
    let site = site::active(paths)?.ok_or_else(|| Error::NotDeclared(name.to_owned()))?;
    let vm = site
        .vms
        .iter()
        .find(|vm| vm.name == name)
        .cloned()
        .or_else(|| site.cloned(name))
        .ok_or_else(|| Error::NotDeclared(name.to_owned()))?;
    Ok((site, vm))
}

/// `ExecStartPre=+`: the gate, then what only root can make. Why it fails is written down for whoever shows it.
pub async fn prepare(name: &str, paths: &Paths) -> Result<(), Error> {
    let result = try_to_prepare(name, paths).await;
    if let Err(error) = &result {
        let ended = Ended {
            invocation: invocation(),
            when: now(),
            result: "exit-code".to_owned(),
            exit_code: String::new(),
            exit_status: String::new(),
            said: String::new(),
            blocked: Some(error.text()),
        };
        ended.write(paths, name)?;
    }
    result
}

async fn try_to_prepare(name: &str, paths: &Paths) -> Result<(), Error> {
    let (site, vm) = declared(name, paths)?;
    dependencies(&vm, paths).await?;
    {
        // One start at a time does its sums and puts its name down.
        let _lock = lock(paths)?;
        gate::surroundings(&vm, &admission::held(paths), paths)?;
        let started = Started {
            invocation: invocation(),
            when: now(),
            site: site.site.name,
            vm: vm.clone(),
        };
        started.write(paths)?;
    }
    place::directories(&vm, paths)?;
    place::network(&vm, paths)?;
    place::limits(&vm).await
}

fn lock(paths: &Paths) -> Result<File, Error> {
    let path = paths.machines().join("lock");
    let file = File::create(&path).map_err(Error::file("create", &path))?;
    rustix::fs::flock(&file, FlockOperation::LockExclusive)
        .map_err(|errno| Error::file("lock", &path)(errno.into()))?;
    Ok(file)
}

/// The machines that this one starts after must be up: as the daemon noted, or as their checks say now.
async fn dependencies(vm: &Vm, paths: &Paths) -> Result<(), Error> {
    let mut down = Vec::new();
    for name in &vm.after {
        if !is_up(name, paths).await {
            down.push(name.clone());
        }
    }
    if down.is_empty() {
        Ok(())
    } else {
        Err(Error::Blocked(not_up(&vm.name, &down)))
    }
}

async fn is_up(name: &str, paths: &Paths) -> bool {
    let Some(started) = Started::read(paths, name) else {
        return false;
    };
    if !paths.control_group(name).exists() {
        return false;
    }
    if Note::read(paths, name).is_some_and(|note| note.is_up() && note.invocation == started.invocation) {
        return true;
    }
    let all = async {
        for check in &started.vm.checks {
            checks::run(check, &started.vm, paths, Duration::ZERO, |_| {}).await;
        }
    };
    timeout(FORERUNNER, all).await.is_ok()
}

/// `ExecStart=`: makes the disks that are missing, then becomes QEMU. Returns only if it cannot.
///
/// It knows what the root step wrote down and no more: `site.toml` holds the hashes of passwords, which a machine's
/// user must not read.
pub fn run(name: &str, paths: &Paths) -> Result<(), Error> {
    let log = paths.stderr(name);
    let mut stderr = File::create(&log).map_err(Error::file("create", &log))?;
    let result = become_qemu(name, paths, &stderr);
    if let Err(error) = &result {
        // Where the last words of QEMU are looked for.
        writeln!(stderr, "{error}").map_err(Error::file("write", &log))?;
    }
    result
}

fn become_qemu(name: &str, paths: &Paths, stderr: &File) -> Result<(), Error> {
    let started = Started::read(paths, name).ok_or_else(|| Error::NotDeclared(name.to_owned()))?;
    let vm = started.vm;
    let chains = disks::make(&vm, &started.invocation, paths)?;
    let tap = identity::tap(name);
    // A place without the tap device has no network to join: a test's.
    let tap = paths
        .network_interface(&tap)
        .join("tun_flags")
        .exists()
        .then_some(tap);
    let words = argv::argv(
        &vm,
        &started.site,
        Accelerator::read(paths),
        tap.as_deref(),
        &chains,
        paths,
    );
    let stderr = stderr
        .try_clone()
        .map_err(Error::file("share", &paths.stderr(name)))?;
    let error = Command::new(&paths.qemu).args(words).stderr(stderr).exec();
    Err(Error::file("run", &paths.qemu)(error))
}

/// `ExecStartPre=+` of the unit that works on a machine's disks: there may have been no start since the boot.
pub fn place(name: &str, paths: &Paths) -> Result<(), Error> {
    let (_, vm) = declared(name, paths)?;
    place::directories(&vm, paths)
}

/// `ExecStop=`: the ladder, inside the unit's stop timeout.
pub async fn stop(name: &str, paths: &Paths) {
    let seconds = Started::read(paths, name).map_or(60, |started| started.vm.shutdown_timeout);
    let patience = Duration::from_secs(seconds);
    let bound = u32::try_from(Ladder::bound(patience).as_micros()).unwrap_or(u32::MAX);
    // Without systemd there is no timeout to extend.
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::ExtendTimeoutUsec(bound)]) {
        eprintln!("cannot extend the stop timeout: {error}");
    }
    ladder::descend(name, patience, paths, |step| eprintln!("{name}: {step}")).await;
}

/// `ExecStopPost=+`: writes down how it ended, unless the gate did.
pub fn ended(name: &str, paths: &Paths) -> Result<(), Error> {
    let invocation = invocation();
    Started::remove(paths, name)?;
    if Ended::read(paths, name).is_some_and(|ended| ended.invocation == invocation && ended.blocked.is_some())
    {
        return Ok(());
    }
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let said = last_words(name, paths);
    if !said.is_empty() {
        eprintln!("{name}: QEMU said last: {said}");
    }
    let ended = Ended {
        invocation,
        when: now(),
        result: variable("SERVICE_RESULT"),
        exit_code: variable("EXIT_CODE"),
        exit_status: variable("EXIT_STATUS"),
        said,
        blocked: None,
    };
    ended.write(paths, name)
}

/// The last line of QEMU's standard error, without anything that could act on a terminal.
fn last_words(name: &str, paths: &Paths) -> String {
    const LONGEST: usize = 300;
    let path = paths.stderr(name);
    // The directory is the machine's: what lies there may be a link to a secret, or a pipe that never ends.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::open(&path, flags, Mode::empty()) else {
        return String::new();
    };
    let mut bytes = Vec::new();
    if File::from(file).take(64 << 10).read_to_end(&mut bytes).is_err() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let line = text
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("");
    line.trim()
        .chars()
        .filter(|char| !char.is_control())
        .take(LONGEST)
        .collect()
}
