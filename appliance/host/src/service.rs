//! `no.varde.Host1` on the bus.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::RwLock;
use tokio::time::timeout;
use varde_bus::caller::Caller;
use varde_bus::host::{HostStatus, LogLine, LogQuery, PATH};
use varde_bus::record::Recorder;
use varde_bus::{Failure, FailureKind, Verb};
use zbus::message::Header;
use zbus::{Connection, interface};

use crate::facts::Sources;
use crate::journal::Journal;
use crate::power::{self, Switch};
use crate::problems::{SystemState, problems};
use crate::systemd::{Clock, failed_units};

/// How long the service waits for a change to be recorded before it ends.
const FAREWELL: Duration = Duration::from_secs(10);

/// The object that answers on the bus.
#[derive(Debug)]
pub struct Service {
    sources: Sources,
    journal: Journal,
    recorder: Recorder,
    clock: Clock,
    changes: Changes,
}

/// Changes that are under way: each holds it for reading.
#[derive(Clone, Debug, Default)]
pub struct Changes(Arc<RwLock<()>>);

impl Changes {
    /// Waits until there are none, within bounds.
    pub async fn finished(&self) {
        if timeout(FAREWELL, self.0.write()).await.is_err() {
            eprintln!("a change is still under way; its outcome is not recorded");
        }
    }
}

impl Service {
    /// Puts the object on a connection, and gives what to wait for before leaving it.
    pub async fn serve(
        connection: &Connection,
        sources: Sources,
        journal: Journal,
    ) -> Result<Changes, Failure> {
        let changes = Changes::default();
        let service = Self {
            sources,
            journal,
            recorder: Recorder::new(connection).await?,
            clock: Clock::default(),
            changes: changes.clone(),
        };
        connection.object_server().at(PATH, service).await?;
        Ok(changes)
    }

    async fn press(
        &self,
        switch: Switch,
        why: &str,
        connection: &Connection,
        header: &Header<'_>,
    ) -> Result<(), Failure> {
        let caller = Caller::of(connection, header).await?;
        caller.require(switch.verb())?;
        if why.trim().is_empty() {
            return Err(Failure::new(
                FailureKind::Invalid,
                "Ikke utført: si hvorfor, det føres sammen med hvem",
                "Not done: say why, it is recorded together with who",
            ));
        }
        let _under_way = self.changes.0.read().await;
        let subject = self.sources.hostname().unwrap_or_default();
        let begun = self.recorder.begin(&caller, switch.verb(), &subject, why).await?;
        let done = power::press(connection, switch).await;
        begun.end(done).await
    }
}

#[interface(name = "no.varde.Host1")]
impl Service {
    async fn status(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<HostStatus, Failure> {
        Caller::of(connection, &header).await?.require(Verb::ReadHost)?;
        let facts = self.sources.read()?;
        let system = SystemState {
            failed: failed_units(connection).await,
            clock_synchronized: self.clock.synchronized(connection, facts.uptime),
        };
        Ok(HostStatus {
            problems: problems(&facts, &system),
            hostname: facts.hostname,
            machine_id: facts.machine_id,
            version: facts.version,
            kernel: facts.kernel,
            uptime: facts.uptime,
            load: facts.load,
            cpus: facts.cpus,
            memory_total: facts.memory_total,
            memory_available: facts.memory_available,
            data_total: facts.data_total,
            data_available: facts.data_available,
            accelerator: facts.accelerator,
        })
    }

    async fn log(
        &self,
        query: LogQuery,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<LogLine>, Failure> {
        Caller::of(connection, &header).await?.require(Verb::ReadLog)?;
        Ok(self.journal.read(&query).await?)
    }

    async fn reboot(
        &self,
        why: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Failure> {
        self.press(Switch::Reboot, &why, connection, &header).await
    }

    async fn power_off(
        &self,
        why: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Failure> {
        self.press(Switch::PowerOff, &why, connection, &header).await
    }
}
