//! `cargo xtask run`: boots the appliance, its console on this terminal.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use varde_machine::disks::{self, parse_size};
use varde_machine::{Accel, Credential, Forward, Machine, Serial};

use crate::error::{Error, Result};
use crate::image::Built;
use crate::{image, place};

/// The size of the machine's disk. It is sparse: the file holds what was written.
const DISK: u64 = 16 << 30;

#[derive(Args)]
pub struct Arguments {
    /// Leave the terminal alone: the console is on --serial, or nowhere
    #[arg(long)]
    headless: bool,
    /// A Unix socket for the console's serial line (with --headless)
    #[arg(long, value_name = "SOCKET", requires = "headless")]
    serial: Option<PathBuf>,
    /// A Unix socket for a second serial line: a root shell, for those who look for a fault in the image
    #[arg(long, value_name = "SOCKET")]
    debug_shell: Option<PathBuf>,
    /// A Unix socket for QEMU's control protocol
    #[arg(long, value_name = "SOCKET")]
    qmp: Option<PathBuf>,
    /// Lead a port of this host to the appliance
    #[arg(long, value_name = "tcp:HOST-GUEST")]
    forward: Vec<Forward>,
    /// The appliance's disk, kept between runs; made if it is missing. Without it each run is a new machine
    #[arg(long, value_name = "PATH")]
    disk: Option<PathBuf>,
    /// Memory of the machine
    #[arg(long, value_name = "SIZE", default_value = "4G")]
    memory: String,
    /// The first site of a new machine, instead of the demo site
    #[arg(long, value_name = "FILE")]
    site: Option<PathBuf>,
}

pub fn command(arguments: &Arguments) -> Result<()> {
    let memory = parse_size(&arguments.memory)? >> 20;
    if let Some(site) = &arguments.site {
        fs::metadata(site).map_err(Error::io("cannot read the site", site))?;
    }
    let built = image::ensure()?;
    let own = own_folder(&place::output().join("run"))?;
    let (disk, variables) = disk(arguments, &built, &own)?;
    let accel = Accel::probe(&built.toolbox, &built.kernel())?;

    let mut machine = Machine::new(accel, disk, variables);
    machine.memory = memory;
    machine.media = Some(built.media.clone());
    machine.qmp.clone_from(&arguments.qmp);
    machine.forwards.clone_from(&arguments.forward);
    machine.serial = match (&arguments.serial, arguments.headless) {
        (Some(path), _) => Some(Serial::Socket(path.clone())),
        (None, true) => None,
        (None, false) => Some(Serial::Terminal),
    };
    if let Some(site) = &arguments.site {
        machine.credentials.push(Credential {
            name: "varde.site".into(),
            file: site.clone(),
        });
    }
    if let Some(socket) = &arguments.debug_shell {
        machine.debug_serial = Some(socket.clone());
        machine.credentials.push(debug_credential(&own)?);
    }
    if accel == Accel::Tcg {
        eprintln!("No hardware virtualisation works here: the machine is emulated, and slower by far.");
    }
    if machine.serial == Some(Serial::Terminal) {
        eprintln!(
            "The console is on this terminal in about a minute. Ctrl-A x ends the machine, as a power cut would."
        );
    }
    // QEMU takes this process's place: its ID and its end are the machine's.
    let source = machine.command(&built.toolbox).exec();
    Err(Error::Start {
        program: "unshare".into(),
        source,
        remedy: "It is part of util-linux; install it.",
    })
}

/// The machine's disk and firmware variables, the latter beside the former.
fn disk(arguments: &Arguments, built: &Built, own: &Path) -> Result<(PathBuf, PathBuf)> {
    let disk = if let Some(disk) = &arguments.disk {
        if !disk.exists() {
            disks::copy(&built.toolbox, &built.disk(), disk, DISK)?;
        }
        disk.clone()
    } else {
        let disk = own.join("disk.qcow2");
        disks::overlay(&built.toolbox, &built.disk(), &disk, DISK)?;
        disk
    };
    let variables = disk.with_extension("uefi.qcow2");
    if !variables.exists() {
        disks::variables(&built.toolbox, &variables)?;
    }
    Ok((disk, variables))
}

/// A folder for this run alone, named by our process. QEMU takes over that process, so the next run clears away what
/// this one leaves.
fn own_folder(runs: &Path) -> Result<PathBuf> {
    place::make(runs)?;
    for entry in fs::read_dir(runs).map_err(Error::io("cannot list", runs))? {
        let entry = entry.map_err(Error::io("cannot list", runs))?;
        let of_a_run = entry.path().is_dir();
        if of_a_run && !Path::new("/proc").join(entry.file_name()).exists() {
            place::remove_tree(&entry.path())?;
        }
    }
    let own = runs.join(std::process::id().to_string());
    place::remove_tree(&own)?;
    place::make(&own)?;
    Ok(own)
}

fn debug_credential(own: &Path) -> Result<Credential> {
    let file = own.join("debug-shell");
    fs::write(&file, "1\n").map_err(Error::io("cannot write", &file))?;
    Ok(Credential {
        name: "varde.debug-shell".into(),
        file,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_a_folder_of_its_own_and_clears_away_those_of_runs_that_ended() {
        let runs = tempfile::tempdir().unwrap();
        // No process has this number: it is beyond the kernel's largest.
        let ended = runs.path().join("4194305");
        fs::create_dir(&ended).unwrap();
        fs::write(ended.join("disk.qcow2"), "").unwrap();
        let other = runs.path().join("note");
        fs::write(&other, "").unwrap();
        let own = own_folder(runs.path()).unwrap();
        debug_credential(&own).unwrap();
        assert!(!ended.exists());
        assert!(other.exists());
        assert_eq!(own_folder(runs.path()).unwrap(), own);
        assert!(!own.join("debug-shell").exists());
    }
}
