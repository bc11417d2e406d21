//! One run of QEMU with the appliance in it: from power on to power off.

use std::cell::RefCell;
use std::ffi::OsString;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use varde_machine::{Machine, Serial};

use crate::dialogue::patient;
use crate::error::{Context, Error, Result};
use crate::fault::Faults;
use crate::line::Line;
use crate::outside::{CABLE, Outside};
use crate::qmp::Qmp;
use crate::shape::Build;
use crate::shell::Shell;

/// QEMU makes its sockets before it opens disks and firmware.
const SOCKETS: Duration = Duration::from_secs(30);
/// Loading the state of 4 GiB took under a second; two machines share two processors.
const RESTORE: Duration = Duration::from_mins(1);
/// Orderly end of QEMU itself, not of the appliance.
const QUIT: Duration = Duration::from_secs(30);

pub struct Process {
    child: RefCell<Child>,
    stderr: PathBuf,
    pub faults: Faults,
    pub qmp: RefCell<Qmp>,
    pub line: Line,
    pub shell: Shell,
    /// Holds the sockets: their paths must be short, so not with the evidence.
    _sockets: tempfile::TempDir,
}

impl Process {
    /// Starts QEMU and leaves the machine halted before its first instruction, every line connected, so that nothing it
    /// says is lost. What it says goes to `logs` under `label`.
    pub fn start(
        build: &Build,
        mut machine: Machine,
        logs: &Path,
        label: &str,
        outside: Option<&Outside>,
        extra: &[&str],
    ) -> Result<Self> {
        let sockets = tempfile::tempdir().doing("make a folder for QEMU's sockets")?;
        let socket = |name: &str| sockets.path().join(name);
        machine.serial = Some(Serial::Socket(socket("serial")));
        machine.debug_serial = Some(socket("debug"));
        machine.qmp = Some(socket("qmp"));
        machine.extra.push("-S".into());
        let faults = Faults::new(logs.join(format!("{label}-resets.log")));
        machine.extra.extend(faults.arguments());
        machine.extra.extend(extra.iter().map(OsString::from));
        let stderr = logs.join(format!("{label}-qemu.log"));
        let log = std::fs::File::create(&stderr).on("create", &stderr)?;
        let command = match outside {
            None => machine.command(&build.toolbox),
            Some(outside) => {
                machine.tap = Some(CABLE.to_owned());
                outside.enter(&machine.command(&build.toolbox))
            }
        };
        let mut child = dying_with_us(&command)
            .stdin(Stdio::null())
            .stdout(log.try_clone().on("share", &stderr)?)
            .stderr(log)
            .spawn()
            .doing("start QEMU in the toolbox")?;
        let connected = (|| {
            wait_for_socket(&mut child, &socket("qmp"), &stderr)?;
            let line = |name: &str, log: PathBuf| {
                let path = socket(name);
                Line::new(UnixStream::connect(&path).on("connect to", &path)?, Some(&log))
            };
            Ok((
                Qmp::connect(&socket("qmp"))?,
                line("serial", logs.join(format!("{label}-serial.log")))?,
                line("debug", logs.join(format!("{label}-debug.log")))?,
            ))
        })();
        match connected {
            Ok((qmp, line, debug)) => Ok(Self {
                child: RefCell::new(child),
                stderr,
                faults: faults.watch([line.end()?, debug.end()?]),
                qmp: RefCell::new(qmp),
                line,
                shell: Shell::new(debug),
                _sockets: sockets,
            }),
            Err(error) => {
                // QEMU makes its sockets before it finds out that it cannot have a disk; then that is the reason.
                let fell = (0..50).find_map(|_| {
                    std::thread::sleep(Duration::from_millis(20));
                    child.try_wait().ok().flatten()
                });
                end(&mut child);
                Err(fell.map_or(error, |status| gone(status, &stderr)))
            }
        }
    }

    /// Lets the machine run from where it stands.
    pub fn run(&self) -> Result<()> {
        self.qmp.borrow_mut().execute("cont", &json!({})).map(drop)
    }

    /// Takes a saved state and runs on from there.
    pub fn restore(&self, state: &Path) -> Result<()> {
        let restored = self.qmp.borrow_mut().restore_state(state, patient(RESTORE));
        self.or_why_it_ended(restored)
    }

    /// Cuts the power: the machine is gone between two instructions, whatever it was writing.
    pub fn cut(&self) {
        end(&mut self.child.borrow_mut());
    }

    /// Ends QEMU so that it closes its disks in order.
    pub fn quit(&self) -> Result<ExitStatus> {
        self.qmp.borrow_mut().execute("quit", &json!({}))?;
        self.ended(QUIT)
    }

    /// Waits until QEMU has ended by itself, as it does when the appliance powers off.
    pub fn ended(&self, bound: Duration) -> Result<ExitStatus> {
        let bound = patient(bound);
        let end = Instant::now() + bound;
        loop {
            if let Some(status) = self.child.borrow_mut().try_wait().doing("wait for QEMU")? {
                return Ok(status);
            }
            if Instant::now() >= end {
                return Err(Error::Bound {
                    what: "the end of QEMU".to_owned(),
                    bound,
                    last: self.line.recent(400),
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What was said, or, if that is a failure and the machine is to blame, how that ended: QEMU with its last words, or a
    /// processor that fell over.
    pub fn or_why_it_ended<T>(&self, said: Result<T>) -> Result<T> {
        if let (Err(_), Some(registers)) = (&said, self.faults.seen()) {
            return Err(Error::Fault { registers });
        }
        said.or_else(
            |error| match self.child.borrow_mut().try_wait().doing("look after QEMU")? {
                None => Err(error),
                Some(status) => Err(gone(status, &self.stderr)),
            },
        )
    }
}

/// The same command, to be killed when this thread ends however it ends: a scenario that is killed leaves no QEMU behind.
pub(crate) fn dying_with_us(command: &Command) -> Command {
    let mut dying = Command::new("setpriv");
    dying.args(["--pdeathsig", "KILL", "--"]);
    dying.arg(command.get_program()).args(command.get_args());
    dying.env_clear();
    dying.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    dying
}

impl Drop for Process {
    fn drop(&mut self) {
        end(self.child.get_mut());
    }
}

/// SIGKILL, and nothing is left behind. Both fail only for a child that has ended already.
pub(crate) fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn gone(status: ExitStatus, stderr: &Path) -> Error {
    Error::Gone {
        status: status.to_string(),
        said: std::fs::read_to_string(stderr).unwrap_or_default(),
    }
}

fn wait_for_socket(child: &mut Child, socket: &Path, stderr: &Path) -> Result<()> {
    let end = Instant::now() + patient(SOCKETS);
    while !socket.exists() {
        if let Some(status) = child.try_wait().doing("look after QEMU")? {
            return Err(gone(status, stderr));
        }
        if Instant::now() >= end {
            return Err(Error::Bound {
                what: format!("QEMU's socket {}", socket.display()),
                bound: patient(SOCKETS),
                last: std::fs::read_to_string(stderr).unwrap_or_default(),
            });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
