//! An appliance of a scenario: its disks outlive its power.

use std::cell::RefCell;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::Value;
use varde_machine::{Credential, Drive, Machine, Medium, cache_dir, disks, release};

use crate::dialogue::{Step, patient};
use crate::error::{Context, Error, Result};
use crate::evidence;
use crate::line::Line;
use crate::outside::Outside;
use crate::process::Process;
use crate::screen::Screen;
use crate::shape::{Build, Shape};
use crate::shell::Output;
use crate::snapshot::{self, Snapshot};

/// From power on to the login prompt by the full path took 76 s alone on two emulated processors.
pub const BOOT: Duration = Duration::from_mins(5);

/// Whether QEMU writes down every write and flush of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writes {
    Logged,
    NotLogged,
}

pub struct Appliance {
    build: Rc<Build>,
    shape: Shape,
    label: String,
    logs: PathBuf,
    /// Disks of this appliance; gone with it.
    disks: tempfile::TempDir,
    process: RefCell<Option<Rc<Process>>>,
    /// How often it has been switched on: each time has logs of its own.
    runs: RefCell<u32>,
    /// Where its network cable leads, if not to QEMU's NAT.
    outside: Option<Rc<Outside>>,
    /// The disks below ours; nobody may clear them away meanwhile.
    snapshot: Option<Snapshot>,
    /// The installation medium that is in it.
    medium: RefCell<Option<Medium>>,
}

impl Appliance {
    /// An appliance at its login prompt, from the snapshot of its shape.
    pub(crate) fn restored(
        build: &Rc<Build>,
        shape: Shape,
        logs: &Path,
        label: String,
        writes: Writes,
        outside: Option<Rc<Outside>>,
    ) -> Result<Self> {
        let snapshot = Snapshot::of(build, &shape, logs)?;
        let (disk, variables, state) = (snapshot.disk(), snapshot.variables(), snapshot.state());
        let mut appliance = Self::off(build, shape, logs, label, Some(snapshot))?;
        appliance.outside = outside;
        let mut machine = appliance.machine()?;
        if writes == Writes::Logged {
            let log = appliance.write_log();
            File::create(&log).on("create", &log)?;
            machine.disk_log = Some(log);
        }
        disks::branch(&build.toolbox, &disk, &machine.disk)?;
        disks::branch(&build.toolbox, &variables, &machine.variables)?;
        let process = appliance.start(machine, &["-incoming", "defer"])?;
        process.restore(&state)?;
        if !appliance.shape.running.is_empty() {
            // Scenarios with guests leave the appliance up.
            process.faults.none_from_now();
        }
        // Makes the login prompt stand on our screen, as pressing Enter does for a person.
        process
            .line
            .dialogue(&[Step::Send("<enter>"), Step::WaitFor("login:")])?;
        if !appliance.shape.running.is_empty() {
            snapshot::resume(&process, appliance.shape.running)?;
        }
        Ok(appliance)
    }

    /// A new appliance that has never been switched on, switched on now.
    pub(crate) fn fresh(build: &Rc<Build>, shape: Shape, logs: &Path, label: String) -> Result<Self> {
        let appliance = Self::off(build, shape, logs, label, None)?;
        let machine = appliance.machine()?;
        disks::overlay(&build.toolbox, &build.image, &machine.disk, appliance.shape.disk)?;
        disks::variables(&build.toolbox, &machine.variables)?;
        appliance.start(machine, &[])?.run()?;
        Ok(appliance)
    }

    /// A blade with a disk that has nothing on it, off; an installation medium is in it.
    pub(crate) fn blank(
        build: &Rc<Build>,
        shape: Shape,
        logs: &Path,
        label: String,
        drive: Drive,
    ) -> Result<Self> {
        let appliance = Self::off(build, shape, logs, label, None)?;
        let machine = appliance.machine()?;
        disks::empty(&build.toolbox, &machine.disk, appliance.shape.disk)?;
        disks::variables(&build.toolbox, &machine.variables)?;
        let file = build.medium.clone().ok_or_else(|| Error::Setup {
            what: "no installation medium is named by VARDE_MEDIUM".to_owned(),
            remedy: "run `cargo xtask test`, which makes one and names it".to_owned(),
        })?;
        *appliance.medium.borrow_mut() = Some(Medium {
            file,
            drive,
            first: false,
        });
        Ok(appliance)
    }

    fn off(
        build: &Rc<Build>,
        shape: Shape,
        logs: &Path,
        label: String,
        snapshot: Option<Snapshot>,
    ) -> Result<Self> {
        let cache = cache_dir()?;
        let disks = tempfile::Builder::new()
            .prefix("scenario-")
            .tempdir_in(&cache)
            .on("make a folder for disks in", &cache)?;
        Ok(Self {
            build: Rc::clone(build),
            shape,
            label,
            logs: logs.to_owned(),
            disks,
            process: RefCell::new(None),
            runs: RefCell::new(0),
            outside: None,
            snapshot,
            medium: RefCell::default(),
        })
    }

    fn machine(&self) -> Result<Machine> {
        let mut machine = machine(&self.build, &self.shape, self.disks.path())?;
        machine.medium.clone_from(&self.medium.borrow());
        Ok(machine)
    }

    fn start(&self, machine: Machine, extra: &[&str]) -> Result<Rc<Process>> {
        let mut runs = self.runs.borrow_mut();
        *runs += 1;
        let label = format!("{}-{runs}", self.label);
        let process = Rc::new(Process::start(
            &self.build,
            machine,
            &self.logs,
            &label,
            self.outside.as_deref(),
            extra,
        )?);
        *self.process.borrow_mut() = Some(Rc::clone(&process));
        Ok(process)
    }

    /// The running machine; an error if the power is off.
    pub fn process(&self) -> Result<Rc<Process>> {
        self.process.borrow().clone().ok_or_else(|| Error::Gone {
            status: "the power is off".to_owned(),
            said: String::new(),
        })
    }

    pub fn label(&self) -> &str {
        &self.label
    }

    pub fn build(&self) -> &Build {
        &self.build
    }

    /// Where its system disk lies; to be read only while the power is off.
    pub fn disk(&self) -> PathBuf {
        self.disks.path().join(DISK)
    }

    /// The system disk as it was when this appliance was restored; nobody writes to it.
    pub fn disk_before(&self) -> Option<PathBuf> {
        self.snapshot.as_ref().map(Snapshot::disk)
    }

    /// Where QEMU logs what is written to the disk of [`crate::Scenario::restored_with_log`].
    pub fn write_log(&self) -> PathBuf {
        self.disks.path().join("writes.log")
    }

    /// A folder for what a scenario makes of the disks, gone with the appliance.
    pub fn scratch(&self) -> &Path {
        self.disks.path()
    }

    /// Gives it another system disk, made of this raw image; the power is off.
    pub fn replace_disk(&self, raw: &Path) -> Result<()> {
        let disk = self.disk();
        std::fs::remove_file(&disk).on("remove", &disk)?;
        disks::overlay(&self.build.toolbox, raw, &disk, self.shape.disk).map_err(Into::into)
    }

    /// Puts in a stick with the files of this folder, in place of the one before. Nobody may be reading that.
    pub fn put_stick(&self, folder: &Path) -> Result<()> {
        let made = self.disks.path().join("stick.new");
        release::stick(&self.build.toolbox, folder, &made, STICK_SIZE)?;
        let stick = self.disks.path().join(STICK);
        let mut from = File::open(&made).on("open", &made)?;
        // Into the file that QEMU has open.
        let mut to = File::options().write(true).open(&stick).on("open", &stick)?;
        std::io::copy(&mut from, &mut to).on("write", &stick)?;
        std::fs::remove_file(&made).on("remove", &made)
    }

    /// Cuts the power.
    pub fn cut_power(&self) -> Result<()> {
        self.process()?.cut();
        *self.process.borrow_mut() = None;
        Ok(())
    }

    /// Waits until the appliance has switched itself off.
    pub fn wait_powered_off(&self, bound: Duration) -> Result<()> {
        self.process()?.ended(bound)?;
        *self.process.borrow_mut() = None;
        Ok(())
    }

    /// Switches on with the disks as they are, by the full path: firmware, boot loader, verity.
    pub fn power_on(&self) -> Result<()> {
        self.start(self.machine()?, &[])?.run()
    }

    /// As [`Self::power_on`], and each write and flush of the disk is logged from then on: for [`crate::cut`].
    pub fn power_on_with_log(&self) -> Result<()> {
        let mut machine = self.machine()?;
        let log = self.write_log();
        File::create(&log).on("create", &log)?;
        machine.disk_log = Some(log);
        self.start(machine, &[])?.run()
    }

    /// Takes the installation medium out; the power is off.
    pub fn take_medium_out(&self) {
        *self.medium.borrow_mut() = None;
    }

    /// Puts it in again, where firmware tries it before the disk; the power is off.
    pub fn put_medium_first(&self, drive: Drive) {
        let file = self.build.medium.clone();
        *self.medium.borrow_mut() = file.map(|file| Medium {
            file,
            drive,
            first: true,
        });
    }

    /// Waits for the login prompt and for the debug shell behind it, after power on or a restart.
    pub fn wait_for_login(&self) -> Result<()> {
        boot(&*self.process()?)
    }

    /// From here on [`Self::wait_for_login`] waits for a new prompt: to be said before what leads to a restart.
    pub fn mark(&self) -> Result<()> {
        self.process()?.line.send_bytes(Vec::new());
        Ok(())
    }

    pub fn dialogue(&self, steps: &[Step<'_>]) -> Result<()> {
        let process = self.process()?;
        process.or_why_it_ended(process.line.dialogue(steps))
    }

    pub fn send(&self, keys: &str) -> Result<()> {
        self.process()?.line.send(keys)
    }

    pub fn screen(&self) -> Result<Screen> {
        Ok(self.process()?.line.screen())
    }

    /// Does something with the operators' line itself.
    pub fn with_line<T>(&self, with: impl FnOnce(&Line) -> Result<T>) -> Result<T> {
        with(&self.process()?.line)
    }

    /// Logs in as this account; the prompt must stand there. Waits until the console has its first answers from the
    /// services, in either language.
    pub fn log_in(&self, (name, password): (&str, &str)) -> Result<()> {
        self.dialogue(&[
            Step::WaitFor("login:"),
            Step::Send(&format!("{name}<enter>")),
            // Raw: an earlier try may have left its prompt on the screen. «Password» or «Passord».
            Step::WaitForRaw("Pass"),
            Step::Send(&format!("{password}<enter>")),
            Step::WaitGone("login:"),
            Step::WaitForMatch("Alt er i orden|All is well|Galt n(å|aa)|Wrong now"),
            Step::WaitGone("Henter ..."),
            Step::WaitGone("Loading ..."),
            Step::WaitGone("Kobler til tjenestene"),
            Step::WaitGone("Connecting to the services"),
        ])
    }

    /// Runs a command in the debug shell, whatever it ends with.
    pub fn run(&self, command: &str) -> Result<Output> {
        let process = self.process()?;
        process.or_why_it_ended(process.shell.run(command))
    }

    /// Runs a command in the debug shell, which must succeed, and gives what it said.
    pub fn sh(&self, command: &str) -> Result<String> {
        let Output { code, text } = self.run(command)?;
        if code == 0 {
            return Ok(text);
        }
        Err(Error::Command {
            command: command.to_owned(),
            code,
            output: text,
        })
    }

    /// Runs our own command line as root, which counts as an admin, and gives its JSON. It must succeed.
    pub fn varde(&self, arguments: &str) -> Result<Value> {
        let command = format!("varde --json {arguments}");
        let said = self.sh(&command)?;
        serde_json::from_str(&said).map_err(|_| Error::Command {
            command,
            code: 0,
            output: format!("this is no JSON: {said}"),
        })
    }

    /// What the service knows of a virtual machine.
    pub fn vm(&self, name: &str) -> Result<Value> {
        Ok(self.varde(&format!("vm show {name}"))?["vm"].take())
    }

    /// Waits until a virtual machine is in this state, and gives what is known of it then. A machine that comes into a
    /// state that it cannot leave by itself ends the wait at once.
    pub fn vm_in(&self, name: &str, state: &str, bound: Duration) -> Result<Value> {
        let bound = patient(bound);
        let end = Instant::now() + bound;
        loop {
            let vm = self.vm(name)?;
            if vm["state"] == state {
                return Ok(vm);
            }
            let stuck = ["crashed", "blocked"].iter().any(|bad| vm["state"] == *bad);
            if stuck || Instant::now() >= end {
                return Err(Error::Bound {
                    what: format!("{name} {state}"),
                    bound,
                    last: format!("{vm:#}"),
                });
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Writes a file in the appliance.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = crate::shell::quoted(path);
        self.sh(&format!("printf %s {} > {path}", crate::shell::quoted(text)))
            .map(drop)
    }

    /// Runs a command again and again until it succeeds; gives what it said then.
    pub fn until(&self, command: &str, bound: Duration) -> Result<String> {
        let bound = patient(bound);
        let end = Instant::now() + bound;
        loop {
            let Output { code, text } = self.run(command)?;
            if code == 0 {
                return Ok(text);
            }
            if Instant::now() >= end {
                return Err(Error::Bound {
                    what: command.to_owned(),
                    bound,
                    last: text,
                });
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Writes down what can be known of the appliance now.
    pub(crate) fn keep_evidence(&self) {
        if let Ok(process) = self.process() {
            evidence::keep(&process, &self.logs, &self.label);
        }
    }
}

const DISK: &str = "disk.qcow2";
const STICK: &str = "stick.raw";
/// A release and its file system.
const STICK_SIZE: u64 = 1 << 30;

/// The machine of a shape whose disks lie, or will lie, in `dir`. Disks and state of a snapshot fit each other only if
/// the machine is the same, so there is one place that says what it is.
pub(crate) fn machine(build: &Build, shape: &Shape, dir: &Path) -> Result<Machine> {
    let mut machine = Machine::new(build.accel, dir.join(DISK), dir.join("variables.qcow2"));
    machine.memory = shape.memory;
    if shape.stick {
        let stick = dir.join(STICK);
        if !stick.exists() {
            File::create(&stick)
                .and_then(|file| file.set_len(STICK_SIZE))
                .on("make", &stick)?;
        }
        machine.stick = Some(stick);
    }
    if shape.media {
        machine.media.clone_from(&build.media);
    }
    let mut credential = |name: &str, text: &str| {
        let file = dir.join(name);
        std::fs::write(&file, text).on("write", &file)?;
        machine.credentials.push(Credential {
            name: name.to_owned(),
            file,
        });
        Ok::<_, Error>(())
    };
    credential("varde.debug-shell", "1")?;
    if let Some(site) = &shape.site {
        credential("varde.site", site)?;
    }
    Ok(machine)
}

/// Waits until the appliance is at its login prompt, its debug shell answers and its boot jobs are done.
pub(crate) fn boot(process: &Process) -> Result<()> {
    process.or_why_it_ended(boot_to_login(process))
}

fn boot_to_login(process: &Process) -> Result<()> {
    process
        .line
        .dialogue(&[Step::Within(BOOT.as_secs()), Step::WaitForRaw("login:")])?;
    process.shell.set_up(Duration::from_mins(1))?;
    // Some unit may have failed: then the word is `degraded` and the scenario that looks for that says so.
    let settled = process.shell.run_within(
        "timeout 150 systemctl is-system-running --wait || { systemctl list-jobs --no-pager; systemctl --failed --no-pager; }",
        BOOT,
    )?;
    if settled.text.contains("jobs listed") {
        return Err(Error::Command {
            command: "waiting for the end of the boot".to_owned(),
            code: settled.code,
            output: settled.text,
        });
    }
    Ok(())
}
