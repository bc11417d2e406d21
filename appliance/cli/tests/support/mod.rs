//! An appliance on a bus of its own: the real record, and services that ask for the role and record as the real ones do.
#![allow(clippy::unwrap_used, reason = "only tests use it")]
#![allow(
    clippy::needless_pass_by_value,
    clippy::used_underscore_binding,
    reason = "arguments of D-Bus methods are owned, and the interfaces say which there are"
)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use varde_bus::caller::Caller;
use varde_bus::host::{self, HostStatus, LogLine, LogQuery, Problem, Severity};
use varde_bus::hypervisor::{self, DiskStatus, VmState, VmStatus, VmUsage};
use varde_bus::record::Recorder;
use varde_bus::site::{self, Generation, Probe, ProbeState, SiteSummary, TrialStatus};
use varde_bus::snapshot::{Deed, Price, Progress, Snapshot, SnapshotState, Storage};
use varde_bus::testing::PrivateBus;
use varde_bus::{Failure, FailureKind, Finding, Text, Verb};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedFd, interface};

/// 2026-11-22 12:00:00 UTC
const NOON: i64 = 1_795_348_800_000;
const NOBODY: u32 = 65534;

pub struct Appliance {
    pub bus: PrivateBus,
    /// The other end of the serial port of a machine that was entered.
    pub guest: Arc<Mutex<Option<UnixStream>>>,
    pub site: Connection,
    _directory: TempDir,
    _connections: Vec<Connection>,
}

impl Appliance {
    pub async fn start() -> Self {
        let bus = PrivateBus::start();
        let directory = TempDir::new().unwrap();
        let audit = bus.connect().await;
        let service = varde_audit::service::Service::open(directory.path()).unwrap();
        service.serve(&audit).await.unwrap();
        audit.request_name(varde_bus::audit::NAME).await.unwrap();

        let guest = Arc::default();
        let vms = bus.connect().await;
        let service = Hypervisor {
            recorder: Recorder::new(&vms).await.unwrap(),
            state: Mutex::new(VmState::Stopped),
            guest: Arc::clone(&guest),
        };
        vms.object_server().at(hypervisor::PATH, service).await.unwrap();
        vms.request_name(hypervisor::NAME).await.unwrap();

        let site = bus.connect().await;
        let service = Site {
            language: "en",
            trial: Mutex::default(),
            recorder: Recorder::new(&site).await.unwrap(),
        };
        site.object_server().at(site::PATH, service).await.unwrap();
        site.request_name(site::NAME).await.unwrap();

        let host = bus.connect().await;
        let service = Host {
            recorder: Recorder::new(&host).await.unwrap(),
        };
        host.object_server().at(host::PATH, service).await.unwrap();
        host.request_name(host::NAME).await.unwrap();
        Self {
            bus,
            guest,
            site,
            _directory: directory,
            _connections: vec![audit, vms, host],
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_varde"));
        command
            .args(arguments)
            .env("DBUS_SYSTEM_BUS_ADDRESS", self.bus.address())
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC");
        command
    }

    /// Runs `varde` to its end, without holding up the services.
    pub async fn varde(&self, arguments: &[&str]) -> Output {
        wait(self.command(arguments)).await
    }

    /// The same, by somebody with no role.
    pub async fn varde_as_nobody(&self, arguments: &[&str]) -> Output {
        assert!(
            nix::unistd::Uid::effective().is_root(),
            "this test calls as another user, so it needs root"
        );
        let mut command = self.command(arguments);
        command.uid(NOBODY).gid(NOBODY);
        wait(command).await
    }
}

pub async fn wait(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// `db` is the machine that works; `rot` is blocked when it is started; there are no others.
fn machine(name: &str, state: VmState, reason: Text) -> VmStatus {
    VmStatus {
        name: name.into(),
        title: "Journaldatabase".into(),
        group: "felles".into(),
        zone: "helse".into(),
        address: "10.20.0.10".into(),
        state,
        reason,
        since: NOON,
        cpus: 2,
        memory: 1 << 30,
        autostart: true,
        pid: 0,
        checks: Vec::new(),
        disks: vec![DiskStatus {
            name: "system".into(),
            image: "postgresql".into(),
            size: 8 << 30,
            used: 1_610_612_736,
        }],
    }
}

struct Hypervisor {
    recorder: Recorder,
    state: Mutex<VmState>,
    guest: Arc<Mutex<Option<UnixStream>>>,
}

impl Hypervisor {
    fn status(&self, vm: &str) -> Result<VmStatus, Failure> {
        match vm {
            "db" => Ok(machine("db", *self.state.lock().unwrap(), Text::default())),
            "rot" => Ok(machine(
                "rot",
                VmState::Blocked,
                Text::new("Bildet finnes ikke", "The image is missing"),
            )),
            _ => Err(Failure::new(
                FailureKind::NotFound,
                format!("Det finnes ingen maskin {vm}"),
                format!("There is no machine {vm}"),
            )),
        }
    }

    async fn change(
        &self,
        verb: Verb,
        vm: &str,
        why: &str,
        states: &[VmState],
        (connection, header, emitter): (&Connection, Header<'_>, SignalEmitter<'_>),
    ) -> Result<(), Failure> {
        let caller = Caller::of(connection, &header).await?;
        caller.require(verb)?;
        self.status(vm)?;
        let begun = self.recorder.begin(&caller, verb, vm, why).await?;
        for state in states {
            if vm == "db" {
                *self.state.lock().unwrap() = *state;
            }
            Self::changed(&emitter, self.status(vm)?).await?;
        }
        begun.end(Ok(())).await
    }

    async fn read(connection: &Connection, header: Header<'_>, verb: Verb) -> Result<(), Failure> {
        Caller::of(connection, &header).await?.require(verb)
    }
}

#[interface(name = "no.varde.Hypervisor1")]
impl Hypervisor {
    async fn list(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<VmStatus>, Failure> {
        Self::read(connection, header, Verb::ReadVm).await?;
        Ok(vec![self.status("db")?, self.status("rot")?])
    }

    async fn get(
        &self,
        vm: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<VmStatus, Failure> {
        Self::read(connection, header, Verb::ReadVm).await?;
        self.status(&vm)
    }

    async fn usage(
        &self,
        vm: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<VmUsage, Failure> {
        Self::read(connection, header, Verb::ReadVm).await?;
        self.status(&vm)?;
        Ok(VmUsage::default())
    }

    async fn start(
        &self,
        vm: String,
        why: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), Failure> {
        let states = [VmState::Starting, VmState::Running];
        let call = (connection, header, emitter);
        self.change(Verb::StartVm, &vm, &why, &states, call).await
    }

    async fn shut_down(
        &self,
        vm: String,
        why: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), Failure> {
        // It never gets any further: a guest that does not listen.
        let call = (connection, header, emitter);
        self.change(Verb::ShutDownVm, &vm, &why, &[VmState::Stopping], call)
            .await
    }

    async fn force_off(
        &self,
        vm: String,
        why: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), Failure> {
        let call = (connection, header, emitter);
        self.change(Verb::ForceOffVm, &vm, &why, &[VmState::Stopped], call)
            .await
    }

    async fn pause(
        &self,
        vm: String,
        why: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), Failure> {
        let call = (connection, header, emitter);
        self.change(Verb::PauseVm, &vm, &why, &[VmState::Paused], call)
            .await
    }

    async fn resume(
        &self,
        vm: String,
        why: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), Failure> {
        let call = (connection, header, emitter);
        self.change(Verb::ResumeVm, &vm, &why, &[VmState::Running], call)
            .await
    }

    async fn open_console(
        &self,
        vm: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(OwnedFd, Vec<u8>), Failure> {
        Self::read(connection, header, Verb::EnterVmConsole).await?;
        self.status(&vm)?;
        let (guest, client) = UnixStream::pair().unwrap();
        *self.guest.lock().unwrap() = Some(guest);
        Ok((std::os::fd::OwnedFd::from(client).into(), b"db login: ".to_vec()))
    }

    async fn snapshots(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Snapshot>, Failure> {
        Self::read(connection, header, Verb::ReadVm).await?;
        Ok(vec![Snapshot {
            id: "db-1".into(),
            machines: vec!["db".into()],
            missing: Vec::new(),
            taken: NOON,
            by: "kari".into(),
            why: "oppgradering".into(),
            expires: NOON,
            budget: 10 << 30,
            used: 3 << 20,
            quiesced: true,
            state: SnapshotState::Kept,
            progress: Progress::default(),
            problem: Text::new("Utløpt", "Expired"),
        }])
    }

    #[allow(clippy::too_many_arguments, reason = "the shape is the bus's")]
    async fn take_snapshot(
        &self,
        vms: Vec<String>,
        keep: u64,
        budget: u64,
        why: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<String, Failure> {
        let call = (connection, header, emitter);
        self.change(Verb::TakeSnapshot, &vms[0], &why, &[], call).await?;
        assert_eq!((keep, budget), (3 * 86_400, 20 << 30));
        Ok("db-2".into())
    }

    async fn price(
        &self,
        _snapshot: String,
        deed: Deed,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Price, Failure> {
        Self::read(connection, header, Verb::ReadVm).await?;
        let lost = if deed == Deed::RollBack { 3 << 20 } else { 0 };
        Ok(Price {
            possible: true,
            seconds: 9,
            lost,
            lost_since: NOON,
            undo_until: 0,
            text: Text::same("word ".repeat(40)),
        })
    }

    async fn roll_back_snapshot(
        &self,
        _snapshot: String,
        why: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), Failure> {
        let call = (connection, header, emitter);
        self.change(Verb::RollBackSnapshot, "db", &why, &[], call).await
    }

    async fn merge_snapshot(
        &self,
        _snapshot: String,
        _quiet: bool,
        why: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), Failure> {
        let call = (connection, header, emitter);
        self.change(Verb::MergeSnapshot, "db", &why, &[], call).await
    }

    async fn cancel_merge(
        &self,
        _snapshot: String,
        why: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), Failure> {
        let call = (connection, header, emitter);
        self.change(Verb::CancelMerge, "db", &why, &[], call).await
    }

    async fn storage(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Storage, Failure> {
        Self::read(connection, header, Verb::ReadVm).await?;
        Ok(Storage {
            total: 40 << 30,
            free: 12 << 30,
            full_at: NOON,
        })
    }

    async fn scrollback(
        &self,
        vm: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<u8>, Failure> {
        Self::read(connection, header, Verb::ReadVm).await?;
        self.status(&vm)?;
        Ok(b"\x1b[31mdb login:\r\n".to_vec())
    }

    #[zbus(signal)]
    async fn changed(emitter: &SignalEmitter<'_>, vm: VmStatus) -> zbus::Result<()>;
}

struct Site {
    language: &'static str,
    recorder: Recorder,
    trial: Mutex<TrialStatus>,
}

fn risks(any: bool) -> Vec<Text> {
    any.then(|| Text::new("soner og nett", "zones and networks"))
        .into_iter()
        .collect()
}

impl Site {
    async fn try_out(
        &self,
        verb: Verb,
        why: String,
        within: u32,
        connection: &Connection,
        header: Header<'_>,
    ) -> Result<u64, Failure> {
        let caller = Caller::of(connection, &header).await?;
        caller.require(verb)?;
        let begun = self.recorder.begin(&caller, verb, "3", &why).await?;
        *self.trial.lock().unwrap() = TrialStatus {
            generation: 3,
            before: 2,
            who: caller.name,
            why,
            within,
            left: within - 1,
            risks: risks(true),
            probes: vec![Probe {
                what: Text::new("sonen helse", "zone helse"),
                state: ProbeState::Bad,
                found: Text::new("broen br-helse finnes ikke", "there is no bridge br-helse"),
            }],
        };
        begun.end(Ok(3)).await
    }
}

#[interface(name = "no.varde.Site1")]
impl Site {
    fn summary(&self) -> SiteSummary {
        SiteSummary {
            generation: 2,
            name: "demo".into(),
            title: "Tre fylker".into(),
            counties: vec!["Vestland".into()],
            language: self.language.into(),
            timezone: "Europe/Oslo".into(),
            downtime_cost: 50_000,
            idle_lock: 600,
            source: "demo".into(),
            problem: Text::default(),
            taken_back: Text::default(),
        }
    }

    async fn risks_of_text(
        &self,
        toml: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Text>, Failure> {
        Hypervisor::read(connection, header, Verb::CheckSite).await?;
        Ok(risks(toml.contains("[[zone]]")))
    }

    async fn risks(
        &self,
        generation: u64,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Text>, Failure> {
        Hypervisor::read(connection, header, Verb::ReadSite).await?;
        Ok(risks(generation == 7))
    }

    async fn apply_on_trial(
        &self,
        _toml: String,
        why: String,
        within: u32,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u64, Failure> {
        self.try_out(Verb::ApplySite, why, within, connection, header)
            .await
    }

    async fn roll_back_on_trial(
        &self,
        _generation: u64,
        why: String,
        within: u32,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u64, Failure> {
        self.try_out(Verb::RollBackSite, why, within, connection, header)
            .await
    }

    async fn trial(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<TrialStatus, Failure> {
        Hypervisor::read(connection, header, Verb::ReadSite).await?;
        Ok(self.trial.lock().unwrap().clone())
    }

    async fn confirm(
        &self,
        generation: u64,
        why: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        let caller = Caller::of(connection, &header).await?;
        caller.require(Verb::ConfirmSite)?;
        let on_trial = std::mem::take(&mut *self.trial.lock().unwrap()).generation;
        assert_eq!(generation, on_trial);
        let begun = self.recorder.begin(&caller, Verb::ConfirmSite, "3", &why).await?;
        begun.end(Ok(())).await
    }

    async fn take_back(
        &self,
        why: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u64, Failure> {
        let caller = Caller::of(connection, &header).await?;
        caller.require(Verb::TakeBackSite)?;
        let before = std::mem::take(&mut *self.trial.lock().unwrap()).before;
        let begun = self
            .recorder
            .begin(&caller, Verb::TakeBackSite, "3", &why)
            .await?;
        begun.end(Ok(before)).await
    }

    async fn check(
        &self,
        toml: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Finding>, Failure> {
        Hypervisor::read(connection, header, Verb::CheckSite).await?;
        let place = toml.lines().position(|line| line.starts_with("minne"));
        Ok(place
            .map(|line| Finding {
                line: u32::try_from(line).unwrap() + 1,
                column: 1,
                text: Text::new("«minne» er ukjent", "\"minne\" is unknown"),
                remedy: Text::new("Mente du «memory»?", "Did you mean \"memory\"?"),
            })
            .into_iter()
            .collect())
    }

    async fn apply(
        &self,
        toml: String,
        why: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u64, Failure> {
        let caller = Caller::of(connection, &header).await?;
        caller.require(Verb::ApplySite)?;
        assert!(!toml.contains("minne"), "applied though it was found wanting");
        let begun = self.recorder.begin(&caller, Verb::ApplySite, "3", &why).await?;
        begun.end(Ok(3)).await
    }

    async fn show(
        &self,
        generation: u64,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Failure> {
        Hypervisor::read(connection, header, Verb::ReadSite).await?;
        Ok(format!("# generation {generation}\nversion = 1\n"))
    }

    async fn history(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Generation>, Failure> {
        Hypervisor::read(connection, header, Verb::ReadSite).await?;
        let generation = |number, who: &str, why: &str| Generation {
            number,
            hash: "0123456789abcdef".repeat(4),
            parent: number - 1,
            when: NOON,
            who: who.into(),
            why: why.into(),
            active: number == 2,
        };
        Ok(vec![
            generation(2, "kari", "mer minne til journalen"),
            generation(1, "first-boot", ""),
        ])
    }

    async fn diff(
        &self,
        from: u64,
        to: u64,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Failure> {
        Hypervisor::read(connection, header, Verb::ReadSite).await?;
        Ok(format!("--- {from}\n+++ {to}\n"))
    }

    async fn roll_back(
        &self,
        generation: u64,
        why: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u64, Failure> {
        let caller = Caller::of(connection, &header).await?;
        caller.require(Verb::RollBackSite)?;
        let subject = generation.to_string();
        let begun = self
            .recorder
            .begin(&caller, Verb::RollBackSite, &subject, &why)
            .await?;
        begun.end(Ok(3)).await
    }
}

struct Host {
    recorder: Recorder,
}

impl Host {
    async fn press(
        &self,
        verb: Verb,
        why: &str,
        connection: &Connection,
        header: Header<'_>,
    ) -> Result<(), Failure> {
        let caller = Caller::of(connection, &header).await?;
        caller.require(verb)?;
        let begun = self.recorder.begin(&caller, verb, "demo", why).await?;
        begun.end(Ok(())).await
    }
}

#[interface(name = "no.varde.Host1")]
impl Host {
    async fn status(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<HostStatus, Failure> {
        Hypervisor::read(connection, header, Verb::ReadHost).await?;
        Ok(HostStatus {
            hostname: "demo".into(),
            machine_id: "0123456789abcdef0123456789abcdef".into(),
            version: "0.1.0".into(),
            kernel: "6.12".into(),
            uptime: 7200,
            load: 0.25,
            cpus: 2,
            memory_total: 4 << 30,
            memory_available: 3 << 30,
            data_total: 100 << 30,
            data_available: 10 << 30,
            accelerator: "tcg".into(),
            problems: vec![Problem {
                severity: Severity::Warning,
                text: Text::new("Datadisken er 90 % full", "The data disk is 90% full"),
                remedy: Text::new("Slett det som ikke trengs", "Delete what is not needed"),
            }],
        })
    }

    async fn log(
        &self,
        query: LogQuery,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<LogLine>, Failure> {
        Hypervisor::read(connection, header, Verb::ReadLog).await?;
        let line = |message: String| LogLine {
            cursor: "s=1".into(),
            when: NOON,
            unit: "varde-sited.service".into(),
            priority: query.priority,
            message,
        };
        Ok(vec![
            line("nyest \u{1b}[31mrød".into()),
            line(format!("{} {} {}", query.unit, query.text, query.count)),
        ])
    }

    async fn reboot(
        &self,
        why: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        self.press(Verb::Reboot, &why, connection, header).await
    }

    async fn power_off(
        &self,
        why: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        self.press(Verb::PowerOff, &why, connection, header).await
    }
}

/// Reads from a serial line until what was read ends with `end`.
pub fn read_until(from: &mut impl Read, end: &str) -> String {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(end.as_bytes()) {
        assert_eq!(
            from.read(&mut byte).unwrap(),
            1,
            "ended after {:?}",
            String::from_utf8_lossy(&read)
        );
        read.push(byte[0]);
    }
    String::from_utf8(read).unwrap()
}

pub fn write(to: &mut impl Write, text: &str) {
    to.write_all(text.as_bytes()).unwrap();
}
