//! The service on a bus, with systemd and logind as far as it asks them, and the real record.
#![allow(
    clippy::needless_pass_by_value,
    reason = "arguments of D-Bus methods are owned"
)]
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use varde_bus::audit::{AuditProxy, Record};
use varde_bus::host::{HostProxy, LogQuery, Severity};
use varde_bus::testing::PrivateBus;
use varde_bus::{Failure, FailureKind};
use varde_host::facts::Sources;
use varde_host::journal::Journal;
use varde_host::service::{Changes, Service};
use zbus::{Connection, OwnedObjectPath, interface};

type Row = (
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

struct Systemd(Vec<&'static str>);

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl Systemd {
    fn list_units_filtered(&self, states: Vec<String>) -> Vec<Row> {
        assert_eq!(states, ["failed"]);
        let path = || OwnedObjectPath::try_from("/").unwrap();
        let row = |name: &&str| {
            let none = String::new;
            (
                (*name).to_owned(),
                none(),
                none(),
                none(),
                none(),
                none(),
                path(),
                0,
                none(),
                path(),
            )
        };
        self.0.iter().map(row).collect()
    }
}

/// Tells what it is asked, and answers when it may.
struct Login {
    asked: mpsc::UnboundedSender<&'static str>,
    answer: Arc<Notify>,
}

#[interface(name = "org.freedesktop.login1.Manager")]
impl Login {
    async fn reboot(&self, interactive: bool) {
        assert!(!interactive, "nobody is there to ask");
        self.asked.send("reboot").unwrap();
        self.answer.notified().await;
    }

    fn power_off(&self, interactive: bool) -> zbus::fdo::Result<()> {
        assert!(!interactive, "nobody is there to ask");
        self.asked.send("power off").unwrap();
        Err(zbus::fdo::Error::AccessDenied("polkit says no".into()))
    }
}

struct Appliance {
    bus: PrivateBus,
    host: HostProxy<'static>,
    audit: AuditProxy<'static>,
    asked: mpsc::UnboundedReceiver<&'static str>,
    answer: Arc<Notify>,
    changes: Changes,
    directory: TempDir,
    /// What lives as long as the test.
    connections: Vec<Connection>,
}

impl Appliance {
    async fn start() -> Self {
        let bus = PrivateBus::start();
        let directory = TempDir::new().unwrap();
        machine(directory.path());
        let (tell, asked) = mpsc::unbounded_channel();
        let answer = Arc::new(Notify::new());
        let system = bus.connect().await;
        let systemd = Systemd(vec!["varde-vm@journal.service", "varde-sited.service"]);
        let login = Login {
            asked: tell,
            answer: Arc::clone(&answer),
        };
        system
            .object_server()
            .at("/org/freedesktop/systemd1", systemd)
            .await
            .unwrap();
        system
            .object_server()
            .at("/org/freedesktop/login1", login)
            .await
            .unwrap();
        system.request_name("org.freedesktop.systemd1").await.unwrap();
        system.request_name("org.freedesktop.login1").await.unwrap();

        let connection = bus.connect().await;
        let journal = Journal {
            program: directory.path().join("journalctl"),
            patience: Duration::from_mins(1),
        };
        let changes = Service::serve(&connection, Sources::new(directory.path()), journal)
            .await
            .unwrap();
        connection.request_name(varde_bus::host::NAME).await.unwrap();
        let client = bus.connect().await;
        Self {
            host: HostProxy::new(&client).await.unwrap(),
            audit: AuditProxy::new(&client).await.unwrap(),
            bus,
            asked,
            answer,
            changes,
            directory,
            connections: vec![system, connection, client],
        }
    }

    /// Has the record kept; without this there is none.
    async fn with_record(mut self) -> Self {
        let chain = self.directory.path().join("audit");
        std::fs::create_dir(&chain).unwrap();
        let connection = self.bus.connect().await;
        let service = varde_audit::service::Service::open(&chain).unwrap();
        service.serve(&connection).await.unwrap();
        connection.request_name(varde_bus::audit::NAME).await.unwrap();
        self.connections.push(connection);
        self
    }

    async fn outcomes(&self) -> Vec<String> {
        let records: Vec<Record> = self.audit.tail(10).await.unwrap();
        records
            .iter()
            .rev()
            .map(|record| format!("{} {} {}", record.verb, record.subject, record.outcome))
            .collect()
    }

    fn journalctl(&self, script: &str) {
        let path = self.directory.path().join("journalctl");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }
}

fn machine(root: &Path) {
    for (path, text) in [
        ("proc/meminfo", "MemTotal: 4000000 kB\nMemAvailable: 3000000 kB\n"),
        ("proc/uptime", "12.67 98.43\n"),
        ("proc/loadavg", "0.52 0.58 0.59 1/389 12345\n"),
        ("proc/sys/kernel/hostname", "fylke\n"),
        ("proc/sys/kernel/osrelease", "6.12.57\n"),
        ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
        ("etc/os-release", "ID=varde\nIMAGE_VERSION=0.1.0\n"),
        ("sys/devices/system/cpu/online", "0-1\n"),
        ("run/varde/accelerator", "tcg\n"),
    ] {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    std::fs::create_dir_all(root.join("var")).unwrap();
}

#[tokio::test]
async fn the_status_names_failed_units_but_leaves_machines_to_the_hypervisor() {
    let appliance = Appliance::start().await;
    let status = appliance.host.status().await.unwrap();
    assert_eq!(status.hostname, "fylke");
    let problems: Vec<_> = status
        .problems
        .iter()
        .filter(|problem| !problem.text.en.contains("data disk"))
        .map(|problem| (problem.severity, problem.text.en.split(':').next().unwrap()))
        .collect();
    assert_eq!(
        problems,
        [
            (Severity::Critical, "varde-sited.service has failed"),
            (Severity::Notice, "The processor gives no hardware virtualisation")
        ]
    );
}

#[tokio::test]
async fn a_restart_is_recorded_before_logind_is_asked_and_after() {
    let mut appliance = Appliance::start().await.with_record().await;
    let host = appliance.host.clone();
    let call = tokio::spawn(async move { host.reboot("ny kjerne").await });
    assert_eq!(appliance.asked.recv().await, Some("reboot"));
    assert_eq!(appliance.outcomes().await, ["host.reboot fylke begun"]);

    // The service is told to end just now: it waits for the outcome.
    let mut end = std::pin::pin!(appliance.changes.finished());
    let early = std::future::poll_fn(|context| {
        std::task::Poll::Ready(std::future::Future::poll(end.as_mut(), context).is_ready())
    });
    assert!(!early.await, "it ended while a change was under way");
    appliance.answer.notify_one();
    call.await.unwrap().unwrap();
    timeout(Duration::from_mins(1), end).await.unwrap();
    assert_eq!(
        appliance.outcomes().await,
        ["host.reboot fylke begun", "host.reboot fylke done"]
    );
    assert_eq!(appliance.audit.tail(1).await.unwrap()[0].why, "ny kjerne");
}

#[tokio::test]
async fn what_logind_refuses_is_recorded_as_failed() {
    let appliance = Appliance::start().await.with_record().await;
    let failure = Failure::from(appliance.host.power_off("strømstans").await.unwrap_err());
    assert!(failure.text.en.contains("polkit says no"), "{failure}");
    assert_eq!(
        appliance.outcomes().await,
        ["host.power-off fylke begun", "host.power-off fylke failed"]
    );
}

#[tokio::test]
async fn without_a_record_or_a_reason_nothing_is_asked_of_logind() {
    let mut appliance = Appliance::start().await;
    let failure = Failure::from(appliance.host.reboot("ny kjerne").await.unwrap_err());
    assert_eq!(failure.kind, FailureKind::Refused);
    let failure = Failure::from(appliance.host.reboot("  ").await.unwrap_err());
    assert_eq!(failure.kind, FailureKind::Invalid);
    assert!(appliance.asked.try_recv().is_err());
}

#[tokio::test]
async fn the_journal_is_read_and_what_it_complains_of_is_told() {
    let appliance = Appliance::start().await;
    let query = LogQuery {
        priority: 7,
        count: 5,
        ..LogQuery::default()
    };
    appliance.journalctl(
        r#"echo '{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"1700000000123456","MESSAGE":"hei","SYSLOG_IDENTIFIER":"kernel"}'"#,
    );
    let lines = appliance.host.log(&query).await.unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (lines[0].unit.as_str(), lines[0].message.as_str()),
        ("kernel", "hei")
    );

    appliance.journalctl("exit 1");
    assert_eq!(appliance.host.log(&query).await.unwrap(), []);

    appliance.journalctl("echo 'Failed to open files' >&2; exit 1");
    let failure = Failure::from(appliance.host.log(&query).await.unwrap_err());
    assert!(failure.text.en.contains("Failed to open files"), "{failure}");
}

#[tokio::test]
async fn a_search_that_takes_too_long_says_that_it_does_not_know() {
    let directory = TempDir::new().unwrap();
    let program = directory.path().join("journalctl");
    // Says nothing and does not end, until it is killed.
    std::fs::write(&program, "#!/bin/sh\nexec tail -f /dev/null\n").unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let journal = Journal {
        program,
        patience: Duration::from_millis(50),
    };
    let query = LogQuery {
        count: 1,
        ..LogQuery::default()
    };
    let failure = Failure::from(journal.read(&query).await.unwrap_err());
    assert_eq!(failure.kind, FailureKind::Unknown);
}
