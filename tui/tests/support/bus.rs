//! The four services on a bus of the test's own, with canned answers and a guest that echoes.
#![allow(dead_code, reason = "each user uses its own part of this")]
#![allow(
    clippy::unused_self,
    clippy::used_underscore_binding,
    clippy::unnecessary_wraps,
    clippy::needless_pass_by_value,
    reason = "the interfaces say what a method takes and gives, the canned answers do not need it all"
)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use varde_bus::audit::{Record, Verdict};
use varde_bus::host::{HostStatus, LogLine, LogQuery};
use varde_bus::hypervisor::{VmState, VmStatus, VmUsage};
use varde_bus::site::{Generation, SiteSummary, TrialStatus};
use varde_bus::snapshot::{Snapshot, Storage};
use varde_bus::{Failure, FailureKind, Finding, audit, host, hypervisor, site};
use zbus::Connection;
use zbus::object_server::SignalEmitter;

use super::fixtures;

/// What was asked for, in words such as `start web`.
pub type Asked = Arc<Mutex<Vec<String>>>;

pub struct Hypervisor {
    vms: Vec<VmStatus>,
    asked: Asked,
}

impl Hypervisor {
    async fn change(
        &mut self,
        emitter: &SignalEmitter<'_>,
        what: &str,
        name: &str,
        state: VmState,
    ) -> Result<(), Failure> {
        self.asked.lock().unwrap().push(format!("{what} {name}"));
        let vm = self
            .vms
            .iter_mut()
            .find(|vm| vm.name == name)
            .ok_or_else(|| Failure::new(FailureKind::NotFound, "Finnes ikke", "There is none"))?;
        *vm = VmStatus {
            reason: varde_bus::Text::default(),
            ..fixtures::vm(name, &vm.title, state)
        };
        let vm = vm.clone();
        Self::changed(emitter, vm).await.map_err(Failure::from)
    }
}

#[zbus::interface(name = "no.varde.Hypervisor1")]
impl Hypervisor {
    fn list(&self) -> Vec<VmStatus> {
        self.vms.clone()
    }

    fn snapshots(&self) -> Vec<Snapshot> {
        fixtures::snapshots()
    }

    fn storage(&self) -> Storage {
        fixtures::STORAGE
    }

    fn usage(&self, _vm: &str) -> VmUsage {
        fixtures::USAGE
    }

    async fn start(
        &mut self,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
        vm: &str,
        _why: &str,
    ) -> Result<(), Failure> {
        self.change(&emitter, "start", vm, VmState::Running).await
    }

    async fn shut_down(
        &mut self,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
        vm: &str,
        _why: &str,
    ) -> Result<(), Failure> {
        self.change(&emitter, "shut-down", vm, VmState::Stopped).await
    }

    async fn force_off(
        &mut self,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
        vm: &str,
        why: &str,
    ) -> Result<(), Failure> {
        self.change(&emitter, &format!("force-off ({why})"), vm, VmState::Stopped)
            .await
    }

    /// A guest that writes a prompt, and each line back in capitals.
    fn open_console(&self, vm: &str) -> Result<(zbus::OwnedFd, Vec<u8>), Failure> {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        std::thread::spawn(move || {
            let mut guest = ours;
            let mut byte = [0];
            while guest.read_exact(&mut byte).is_ok() {
                let shown = if byte[0] == b'\r' {
                    b"\r\n".to_vec()
                } else {
                    vec![byte[0].to_ascii_uppercase()]
                };
                if guest.write_all(&shown).is_err() {
                    return;
                }
            }
        });
        let before = format!("Debian GNU/Linux 13 {vm} ttyS0\r\n\r\n{vm} login: ").into_bytes();
        Ok((std::os::fd::OwnedFd::from(theirs).into(), before))
    }

    #[zbus(signal)]
    pub async fn changed(emitter: &SignalEmitter<'_>, vm: VmStatus) -> zbus::Result<()>;
    #[zbus(signal)]
    async fn removed(emitter: &SignalEmitter<'_>, name: String) -> zbus::Result<()>;
}

pub struct Site {
    asked: Asked,
}

#[zbus::interface(name = "no.varde.Site1")]
impl Site {
    fn summary(&self) -> SiteSummary {
        fixtures::site()
    }

    fn risks(&self, _generation: u64) -> Vec<varde_bus::Text> {
        Vec::new()
    }

    fn risks_of_text(&self, _toml: &str) -> Vec<varde_bus::Text> {
        Vec::new()
    }

    fn trial(&self) -> TrialStatus {
        TrialStatus::default()
    }

    fn check(&self, toml: &str) -> Vec<Finding> {
        fixtures::findings(toml)
    }

    fn apply(&self, _toml: &str, _why: &str) -> u64 {
        self.asked.lock().unwrap().push("apply".into());
        3
    }

    fn show(&self, _generation: u64) -> String {
        fixtures::SITE_TOML.into()
    }

    fn history(&self) -> Vec<Generation> {
        fixtures::history()
    }

    fn diff(&self, _from: u64, _to: u64) -> String {
        fixtures::DIFF.into()
    }

    fn diff_text(&self, _toml: &str) -> String {
        fixtures::DIFF.into()
    }
}

pub struct Audit {
    asked: Asked,
}

#[zbus::interface(name = "no.varde.Audit1")]
impl Audit {
    fn tail(&self, _count: u32) -> Vec<Record> {
        fixtures::records()
    }

    fn since(&self) -> varde_bus::audit::Absence {
        varde_bus::audit::Absence::default()
    }

    fn leave(&self) {
        self.asked.lock().unwrap().push("leave".into());
    }

    fn verify(&self) -> Verdict {
        Verdict {
            records: 6,
            faults: Vec::new(),
        }
    }
}

pub struct Host;

#[zbus::interface(name = "no.varde.Host1")]
impl Host {
    fn status(&self) -> HostStatus {
        fixtures::host()
    }

    fn log(&self, query: LogQuery) -> Vec<LogLine> {
        fixtures::log(&query)
    }
}

/// Serves all four on this connection, until it is dropped.
pub async fn serve(connection: &Connection, asked: Asked) -> zbus::Result<()> {
    let server = connection.object_server();
    let vms = fixtures::vms();
    server
        .at(
            hypervisor::PATH,
            Hypervisor {
                vms,
                asked: asked.clone(),
            },
        )
        .await?;
    server.at(site::PATH, Site { asked: asked.clone() }).await?;
    server.at(audit::PATH, Audit { asked }).await?;
    server.at(host::PATH, Host).await?;
    for name in [hypervisor::NAME, site::NAME, audit::NAME, host::NAME] {
        connection.request_name(name).await?;
    }
    Ok(())
}
