//! `no.varde.Update1` on the bus: who may, the record of it, and the units that do it.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use varde_bus::caller::Caller;
use varde_bus::record::Recorder;
use varde_bus::update::UpdateStatus;
use varde_bus::{Failure, FailureKind, Text, Verb};
use varde_site::Store;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedObjectPath, interface};

use crate::error::Outcome;
use crate::ledger::{Folder, LEDGER, Ledger, RESULT};
use crate::source::{self, STATE, State};
use crate::version::NoVersion;
use crate::{Error, Version, plain, stick};

/// A stick of USB 2 gives 20 MB a second, and the slot's disk takes longer than that.
const BOUND: Duration = Duration::from_mins(40);
/// Longer than its unit may take.
const FETCH_BOUND: Duration = Duration::from_mins(250);
const LOOK: Duration = Duration::from_secs(1);

/// What root's unit can be asked to do; each but the fetch is an instance of `varde-update@.service`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Fetch,
    Install,
    InstallEvenSo,
    InstallFetched,
    InstallFetchedEvenSo,
    TakeBack,
}

impl Order {
    fn unit(self) -> &'static str {
        match self {
            Self::Fetch => "varde-download.service",
            Self::InstallFetched => "varde-update@source.service",
            Self::InstallFetchedEvenSo => "varde-update@source-even-so.service",
            Self::Install => "varde-update@stick.service",
            Self::InstallEvenSo => "varde-update@stick-even-so.service",
            Self::TakeBack => "varde-update@back.service",
        }
    }

    fn bound(self) -> Duration {
        if self == Self::Fetch { FETCH_BOUND } else { BOUND }
    }

    fn doing(self) -> Text {
        match self {
            Self::Install | Self::InstallEvenSo => Text::new(
                "Utgaven på minnepinnen leses og skrives",
                "The version on the stick is read and written",
            ),
            Self::Fetch => Text::new("Den nyeste utgaven hentes", "The newest version is being fetched"),
            Self::InstallFetched | Self::InstallFetchedEvenSo => Text::new(
                "Utgaven som er hentet, leses og skrives",
                "The version that was fetched is read and written",
            ),
            Self::TakeBack => Text::new("Den andre utgaven gjøres klar", "The other version is made ready"),
        }
    }
}

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn load_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
}

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Unit",
    default_service = "org.freedesktop.systemd1",
    assume_defaults = false
)]
trait Unit {
    #[zbus(property(emits_changed_signal = "false"))]
    fn active_state(&self) -> zbus::Result<String>;
}

/// Where the service reads.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The ledger; root writes it.
    pub ledger: Folder,
    /// What the downloader has left.
    pub fetched: Folder,
    /// The service's own.
    pub own: Folder,
    pub version: String,
    /// Names of the partitions: the slots are called by what is in them.
    pub labels: PathBuf,
    /// Links by the labels of file systems.
    pub sticks: PathBuf,
    pub site: PathBuf,
}

/// When the newest outcome that somebody has read was.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Read {
    when: i64,
}

const READ: &str = "read.json";

/// The object that answers on the bus.
#[derive(Clone)]
pub struct Update {
    sources: Sources,
    recorder: Recorder,
    /// What is being done.
    busy: Arc<Mutex<Option<Order>>>,
}

impl Update {
    pub fn new(sources: Sources, recorder: Recorder) -> Self {
        Self {
            sources,
            recorder,
            busy: Arc::default(),
        }
    }

    fn seen(&self) -> Result<UpdateStatus, Failure> {
        let sources = &self.sources;
        let ledger: Ledger = sources.ledger.read(LEDGER)?;
        let outcome: Outcome = sources.ledger.read(RESULT)?;
        let read: Read = sources.own.read(READ)?;
        let pending = ledger.pending.map(|pending| pending.to.to_string());
        let pending = pending.filter(|version| *version != sources.version);
        let others = slots(&sources.labels)
            .into_iter()
            .map(|version| version.to_string());
        let mut others =
            others.filter(|version| *version != sources.version && pending.as_ref() != Some(version));
        let site = Store::open(&sources.site).active().ok().flatten();
        let update = site.and_then(|active| active.site.update);
        let source = update.as_ref().and_then(|update| update.source.as_ref());
        let fetched = fetched(&sources.fetched);
        let doing = self.busy().map(Order::doing).unwrap_or_default();
        Ok(UpdateStatus {
            version: sources.version.clone(),
            source: source.map(ToString::to_string).unwrap_or_default(),
            declared: update.is_some(),
            fetched: fetched.version,
            fetched_when: fetched.when,
            fetched_size: fetched.size,
            fetched_have: fetched.have,
            fetch_refusal: fetched.refusal,
            stick: sources.sticks.join(stick::LABEL).exists(),
            doing,
            other: others.next().unwrap_or_default(),
            pending: pending.unwrap_or_default(),
            quarantined: ledger.quarantined.iter().map(Version::to_string).collect(),
            refusal: outcome.refusal,
            unread: ledger
                .outcomes
                .first()
                .is_some_and(|newest| newest.when > read.when),
            outcomes: ledger.outcomes,
        })
    }

    fn busy(&self) -> Option<Order> {
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `false`: something is being done already.
    fn take(&self, order: Order) -> bool {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let free = busy.is_none();
        busy.get_or_insert(order);
        free
    }

    fn let_go(&self) {
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Starts root's unit, and records how it ends, whenever that is.
    async fn begin(
        &self,
        order: Order,
        verb: Verb,
        why: &str,
        connection: &Connection,
        header: &Header<'_>,
    ) -> Result<(), Failure> {
        let caller = Caller::of(connection, header).await?;
        caller.require(verb)?;
        if why.trim().is_empty() {
            return Err(Failure::new(
                FailureKind::Invalid,
                "Ikke utført: si hvorfor, det føres sammen med hvem",
                "Not done: say why, it is recorded together with who",
            ));
        }
        if !self.take(order) {
            return Err(Failure::new(
                FailureKind::Refused,
                "En utgave skrives allerede. Vent til den er ferdig",
                "A version is being written already. Wait until that is done",
            ));
        }
        if order == Order::Fetch
            && let Err(failure) = self.order()
        {
            self.let_go();
            return Err(failure);
        }
        let begun = match self.recorder.begin(&caller, verb, order.unit(), why).await {
            Ok(begun) => begun,
            Err(failure) => {
                self.let_go();
                return Err(failure);
            }
        };
        let (this, connection) = (self.clone(), connection.clone());
        tokio::spawn(async move {
            let done = this.done(order, &connection).await;
            this.let_go();
            // The caller has gone on; what came of it stands in the status and in the record.
            if let Err(failure) = begun.end(done).await {
                eprintln!("{}: {failure}", order.unit());
            }
            if let Ok(emitter) = SignalEmitter::new(&connection, varde_bus::update::PATH) {
                let _ = Self::changed(&emitter).await;
            }
        });
        Ok(())
    }

    /// Leaves the downloader what it has to know.
    fn order(&self) -> Result<(), Failure> {
        let sources = &self.sources;
        let active = Store::open(&sources.site).active();
        let site = active
            .map_err(|error| Error::Refused(error.text()))?
            .map(|active| active.site);
        let declared = site.and_then(|site| Some((site.site.dns, site.update?)));
        let Some((dns, update)) = declared else {
            return Err(no_source());
        };
        let order = source::Order {
            source: update.source.ok_or_else(no_source)?,
            keys: update.keys,
            running: sources
                .version
                .parse()
                .map_err(|error: NoVersion| Error::Refused(Text::same(error.to_string())))?,
            dns,
        };
        Ok(sources.own.write(source::ORDER, &order)?)
    }

    async fn done(&self, order: Order, connection: &Connection) -> Result<(), Failure> {
        let run = async {
            let manager = ManagerProxy::new(connection).await?;
            manager.start_unit(order.unit(), "replace").await?;
            let path = manager.load_unit(order.unit()).await?;
            let unit = UnitProxy::builder(connection).path(path).build().await?;
            while matches!(
                unit.active_state().await?.as_str(),
                "activating" | "reloading" | "deactivating"
            ) {
                tokio::time::sleep(LOOK).await;
            }
            unit.active_state().await
        };
        let bound = order.bound();
        let Ok(state) = timeout(bound, run).await else {
            return Err(Failure::new(
                FailureKind::Unknown,
                format!("Ikke ferdig på {} minutter; se i loggen", bound.as_secs() / 60),
                format!("Not done in {} minutes; look at the log", bound.as_secs() / 60),
            ));
        };
        let state = state?;
        let refusal = if order == Order::Fetch {
            fetched(&self.sources.fetched).refusal
        } else {
            self.sources.ledger.read::<Outcome>(RESULT)?.refusal
        };
        if !refusal.is_empty() {
            return Err(Failure {
                kind: FailureKind::Failed,
                text: refusal,
            });
        }
        if state == "failed" {
            return Err(Failure::new(
                FailureKind::Failed,
                format!("{} feilet; se hvorfor i loggen", order.unit()),
                format!("{} failed; see why in the log", order.unit()),
            ));
        }
        Ok(())
    }
}

fn no_source() -> Failure {
    Failure::new(
        FailureKind::Refused,
        "Anlegget sier ikke hvor utgaver hentes: skriv «source» og «ca» i [update] i site.toml",
        "The site does not say where versions are fetched: write \"source\" and \"ca\" into [update] of site.toml",
    )
}

/// What the downloader says. It is not trusted: nothing that a terminal would obey, and nothing long.
fn fetched(folder: &Folder) -> State {
    const LONGEST: u64 = 64 << 10;
    let read = || {
        let file = plain::open(&folder.path(STATE)).ok()?;
        serde_json::from_reader::<_, State>(file.take(LONGEST)).ok()
    };
    let mut state = read().unwrap_or_default();
    let said = |text: &str| {
        text.chars()
            .filter(|c| !c.is_control())
            .take(400)
            .collect::<String>()
    };
    state.refusal = Text::new(said(&state.refusal.nb), said(&state.refusal.en));
    if state.version.parse::<Version>().is_err() {
        state.version = String::new();
    }
    state
}

/// Versions in the slots, by the names of the partitions.
fn slots(labels: &Path) -> Vec<Version> {
    let names = fs::read_dir(labels).into_iter().flatten().flatten();
    let mut versions: Vec<Version> = names
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("varde_")?.parse().ok())
        .collect();
    versions.sort_unstable();
    versions
}

#[interface(name = "no.varde.Update1")]
impl Update {
    async fn status(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<UpdateStatus, Failure> {
        Caller::of(connection, &header).await?.require(Verb::ReadUpdate)?;
        self.seen()
    }

    async fn fetch(
        &self,
        why: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), Failure> {
        self.begin(Order::Fetch, Verb::FetchUpdate, &why, connection, &header)
            .await?;
        Ok(Self::changed(&emitter).await?)
    }

    async fn install(
        &self,
        fetched: bool,
        even_so: bool,
        why: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), Failure> {
        let order = match (fetched, even_so) {
            (false, false) => Order::Install,
            (false, true) => Order::InstallEvenSo,
            (true, false) => Order::InstallFetched,
            (true, true) => Order::InstallFetchedEvenSo,
        };
        self.begin(order, Verb::InstallUpdate, &why, connection, &header)
            .await?;
        Ok(Self::changed(&emitter).await?)
    }

    async fn take_back(
        &self,
        why: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), Failure> {
        self.begin(Order::TakeBack, Verb::TakeBackUpdate, &why, connection, &header)
            .await?;
        Ok(Self::changed(&emitter).await?)
    }

    async fn mark_read(
        &self,
        why: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), Failure> {
        let caller = Caller::of(connection, &header).await?;
        caller.require(Verb::MarkUpdateRead)?;
        let ledger: Ledger = self.sources.ledger.read(LEDGER)?;
        if let Some(newest) = ledger.outcomes.first() {
            let begun = self
                .recorder
                .begin(&caller, Verb::MarkUpdateRead, &newest.to, &why)
                .await?;
            let marked = self.sources.own.write(READ, &Read { when: newest.when });
            begun.end(marked.map_err(Failure::from)).await?;
        }
        Ok(Self::changed(&emitter).await?)
    }

    #[zbus(signal)]
    pub async fn changed(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}
