//! `varde-sited` on a bus of the test's own, with a service manager and a record of changes that do as the test says.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]
#![allow(clippy::unused_self, reason = "the interfaces say what a method takes")]
#![allow(dead_code, reason = "each test uses its own part of this")]

use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::timeout;
use varde_bus::audit::{self, Entry};
use varde_bus::site::{NAME, SiteProxy};
use varde_bus::testing::PrivateBus;
use varde_bus::{Failure, FailureKind};
use varde_site::{Origin, Source, Store};
use zbus::fdo::DBusProxy;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedObjectPath, interface};

pub const DEMO: &str = include_str!("../../../../image/demo/site.toml");

/// Keeps entries, and refuses them while it is told to.
#[derive(Clone, Default)]
pub struct Audit {
    pub entries: Arc<Mutex<Vec<Entry>>>,
    pub refuses: Arc<Mutex<bool>>,
}

#[interface(name = "no.varde.Audit1")]
impl Audit {
    fn append(&self, entry: Entry) -> Result<u64, Failure> {
        if *self.refuses.lock().unwrap() {
            return Err(Failure::new(
                FailureKind::Failed,
                "Disken er full",
                "The disk is full",
            ));
        }
        let mut entries = self.entries.lock().unwrap();
        entries.push(entry);
        Ok(entries.len() as u64)
    }
}

/// Answers that a job ended as the list says, else well; remembers which generation was active then.
#[derive(Clone)]
pub struct Systemd {
    pub results: Arc<Mutex<Vec<&'static str>>>,
    rendered: Arc<Mutex<Vec<Option<u64>>>>,
    subscribed: Arc<Mutex<bool>>,
    pub reloads: Arc<Mutex<usize>>,
    store: Store,
}

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.freedesktop.systemd1")]
enum AlreadySubscribed {
    #[zbus(error)]
    Bus(zbus::Error),
    AlreadySubscribed(String),
}

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl Systemd {
    /// Once for each connection, as systemd has it.
    fn subscribe(&self) -> Result<(), AlreadySubscribed> {
        if std::mem::replace(&mut *self.subscribed.lock().unwrap(), true) {
            return Err(AlreadySubscribed::AlreadySubscribed(
                "Client is already subscribed.".into(),
            ));
        }
        Ok(())
    }

    fn reload(&self) {
        *self.reloads.lock().unwrap() += 1;
    }

    async fn restart_unit(
        &self,
        name: String,
        mode: &str,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> OwnedObjectPath {
        assert_eq!((name.as_str(), mode), ("varde-render.service", "replace"));
        let active = self.store.active_number().unwrap();
        self.rendered.lock().unwrap().push(active);
        let result = self.results.lock().unwrap().pop().unwrap_or("done");
        let job = OwnedObjectPath::try_from("/org/freedesktop/systemd1/job/7").unwrap();
        // Before the answer, as systemd may: somebody else's job, then this one.
        let other = OwnedObjectPath::try_from("/org/freedesktop/systemd1/job/6").unwrap();
        Self::job_removed(&emitter, 6, other, "x.service".into(), "failed".into())
            .await
            .unwrap();
        Self::job_removed(&emitter, 7, job.clone(), name, result.into())
            .await
            .unwrap();
        job
    }

    fn list_units_by_names(&self, names: Vec<String>) -> Vec<UnitRow> {
        let row = |name: String| {
            let (active, sub) = match name.as_str() {
                "varde-hypervisord.service" => ("failed", "exit-code"),
                _ => ("active", "running"),
            };
            let none = || OwnedObjectPath::try_from("/").unwrap();
            let words = |word: &str| word.to_owned();
            (
                name,
                words(""),
                words("loaded"),
                words(active),
                words(sub),
                words(""),
                none(),
                0,
                words(""),
                none(),
            )
        };
        names.into_iter().map(row).collect()
    }

    #[zbus(signal)]
    async fn job_removed(
        emitter: &SignalEmitter<'_>,
        id: u32,
        job: OwnedObjectPath,
        unit: String,
        result: String,
    ) -> zbus::Result<()>;
}

type UnitRow = (
    String,
    String,
    String,
    String,
    String,
    String,
    OwnedObjectPath,
    u32,
    String,
    OwnedObjectPath,
);

/// systemd-networkd, with every bridge up.
struct Network;

#[interface(name = "org.freedesktop.network1.Manager")]
impl Network {
    fn get_link_by_name(&self, name: &str) -> (i32, OwnedObjectPath) {
        assert!(name.starts_with("br-"), "{name}");
        (
            3,
            OwnedObjectPath::try_from("/org/freedesktop/network1/link/_33").unwrap(),
        )
    }

    fn reload(&self) {}
}

struct Link;

#[interface(name = "org.freedesktop.network1.Link")]
impl Link {
    #[zbus(property)]
    fn administrative_state(&self) -> &'static str {
        "configured"
    }

    #[zbus(property)]
    fn operational_state(&self) -> &'static str {
        "routable"
    }
}

pub struct World {
    pub bus: PrivateBus,
    _folder: TempDir,
    pub store: Store,
    pub audit: Audit,
    pub systemd: Systemd,
    pub site: SiteProxy<'static>,
    daemon: Child,
    _services: Connection,
}

impl World {
    /// The demo is active.
    pub async fn start() -> Self {
        Self::start_after(|_| {}).await
    }

    pub async fn start_after(prepare: impl FnOnce(&Store)) -> Self {
        let bus = PrivateBus::start();
        let folder = TempDir::new().unwrap();
        let store = Store::open(folder.path());
        let origin = Origin {
            who: "first-boot".into(),
            why: String::new(),
            source: Source::Demo,
            problem: None,
        };
        store.writer().unwrap().commit(DEMO, &origin, 1).unwrap();
        prepare(&store);
        let audit = Audit::default();
        let systemd = Systemd {
            results: Arc::default(),
            rendered: Arc::default(),
            subscribed: Arc::default(),
            reloads: Arc::default(),
            store: store.clone(),
        };
        let services = bus.connect().await;
        let server = services.object_server();
        server.at(audit::PATH, audit.clone()).await.unwrap();
        server
            .at("/org/freedesktop/systemd1", systemd.clone())
            .await
            .unwrap();
        services.request_name(audit::NAME).await.unwrap();
        services.request_name("org.freedesktop.systemd1").await.unwrap();
        server.at("/org/freedesktop/network1", Network).await.unwrap();
        server
            .at("/org/freedesktop/network1/link/_33", Link)
            .await
            .unwrap();
        services.request_name("org.freedesktop.network1").await.unwrap();

        let client = bus.connect().await;
        let daemon = daemon(&bus, &client, folder.path()).await;
        Self {
            site: SiteProxy::new(&client).await.unwrap(),
            bus,
            _folder: folder,
            store,
            audit,
            systemd,
            daemon,
            _services: services,
        }
    }

    pub fn active(&self) -> u64 {
        self.store.active_number().unwrap().unwrap()
    }

    /// Verb, outcome and what it belongs to of each entry.
    pub fn entries(&self) -> Vec<(String, String, u64)> {
        let entries = self.audit.entries.lock().unwrap();
        let short = |entry: &Entry| (entry.verb.clone(), entry.outcome.clone(), entry.of);
        entries.iter().map(short).collect()
    }

    pub fn rendered(&self) -> Vec<Option<u64>> {
        self.systemd.rendered.lock().unwrap().clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

pub fn failure<T: std::fmt::Debug>(result: zbus::Result<T>) -> Failure {
    Failure::from(result.unwrap_err())
}

pub fn entry(verb: &str, outcome: &str, of: u64) -> (String, String, u64) {
    (verb.into(), outcome.into(), of)
}

/// Starts the service, and waits until it has its name.
async fn daemon(bus: &PrivateBus, client: &Connection, folder: &Path) -> Child {
    let names = DBusProxy::new(client).await.unwrap();
    let mut changes = names
        .receive_name_owner_changed_with_args(&[(0, NAME)])
        .await
        .unwrap();
    let daemon = Command::new(env!("CARGO_BIN_EXE_varde-sited"))
        .env("DBUS_SYSTEM_BUS_ADDRESS", bus.address())
        .env("STATE_DIRECTORY", folder)
        .spawn()
        .unwrap();
    let taken = async {
        loop {
            let change = varde_bus::next(&mut changes).await.unwrap();
            if change.args().unwrap().new_owner().is_some() {
                break;
            }
        }
    };
    timeout(Duration::from_mins(1), taken)
        .await
        .expect("the service takes its name");
    daemon
}

impl World {
    /// Ends the service as a fault would, and starts it anew.
    pub async fn kill_and_start(&mut self, meanwhile: impl FnOnce(&Store)) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
        meanwhile(&self.store);
        let client = self.bus.connect().await;
        self.daemon = daemon(&self.bus, &client, self.store.path()).await;
    }

    /// Waits until what was taken back stands in the record, as the store has it.
    pub async fn until_recorded(&self) {
        let recorded = async {
            while !self.store.taken_back().unwrap().is_some_and(|it| it.recorded) {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_mins(1), recorded).await.unwrap();
    }
}
