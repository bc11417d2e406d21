//! `varde-auditd` on a bus: who may do what, and that a killed one loses nothing.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::timeout;
use varde_bus::audit::{AuditProxy, Entry, LEFT, NAME, PATH};
use varde_bus::caller::Caller;
use varde_bus::record::Recorder;
use varde_bus::testing::PrivateBus;
use varde_bus::{Failure, FailureKind, Role, Verb};
use zbus::Connection;
use zbus::fdo::DBusProxy;

const NOBODY: u32 = 65534;

struct Daemon(Child);

impl Daemon {
    /// Runs until it is dropped, and has its name on the bus.
    async fn start(bus: &PrivateBus, connection: &Connection, directory: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_varde-auditd"))
            .env("DBUS_SYSTEM_BUS_ADDRESS", bus.address())
            .env("STATE_DIRECTORY", directory)
            .spawn()
            .unwrap();
        owner(connection, true).await;
        Self(child)
    }

    async fn kill(mut self, connection: &Connection) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        owner(connection, false).await;
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until the name has an owner, or none.
async fn owner(connection: &Connection, has: bool) {
    let bus = DBusProxy::new(connection).await.unwrap();
    let mut changes = bus
        .receive_name_owner_changed_with_args(&[(0, NAME)])
        .await
        .unwrap();
    let wait = async {
        while bus.name_has_owner(NAME.try_into().unwrap()).await.unwrap() != has {
            varde_bus::next(&mut changes).await;
        }
    };
    timeout(Duration::from_mins(1), wait)
        .await
        .expect("the owner of the name changes");
}

fn entry() -> Entry {
    Entry {
        who: "kari".into(),
        verb: "vm.start".into(),
        subject: "journal".into(),
        why: "prøve".into(),
        outcome: "begun".into(),
        detail: String::new(),
        of: 0,
    }
}

/// Calls a method as somebody with no role.
fn call_as_nobody(bus: &PrivateBus, arguments: &[&str]) -> Output {
    Command::new("busctl")
        .arg(format!("--address={}", bus.address()))
        .args(["call", NAME, PATH, NAME])
        .args(arguments)
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap()
}

#[tokio::test]
async fn records_are_numbered_told_and_survive_a_kill() {
    let bus = PrivateBus::start();
    let directory = TempDir::new().unwrap();
    let connection = bus.connect().await;
    let daemon = Daemon::start(&bus, &connection, directory.path()).await;
    let audit = AuditProxy::new(&connection).await.unwrap();
    let mut told = audit.receive_appended().await.unwrap();

    for number in 1..=20 {
        assert_eq!(audit.append(&entry()).await.unwrap(), number);
        let signal = varde_bus::next(&mut told).await.unwrap();
        assert_eq!(signal.args().unwrap().record.sequence, number);
    }
    daemon.kill(&connection).await;

    let _daemon = Daemon::start(&bus, &connection, directory.path()).await;
    assert_eq!(audit.append(&entry()).await.unwrap(), 21);
    let newest = audit.tail(2).await.unwrap();
    assert_eq!(
        newest.iter().map(|record| record.sequence).collect::<Vec<_>>(),
        [21, 20]
    );
    let verdict = audit.verify().await.unwrap();
    assert_eq!((verdict.records, verdict.faults), (21, vec![]));
}

#[tokio::test]
async fn a_killed_writer_keeps_every_record_that_it_answered_for() {
    let bus = PrivateBus::start();
    let directory = TempDir::new().unwrap();
    let connection = bus.connect().await;
    let mut answered = Vec::new();
    for round in 0..5u32 {
        let daemon = Daemon::start(&bus, &connection, directory.path()).await;
        let audit = AuditProxy::new(&connection).await.unwrap();
        let writing = async {
            while let Ok(number) = audit.append(&entry()).await {
                answered.push(number);
            }
        };
        // Killed while it writes: after so many signals, at whatever it does just then.
        let kill = async {
            let mut told = audit.receive_appended().await.unwrap();
            for _ in 0..=round * 3 {
                varde_bus::next(&mut told).await;
            }
            daemon.kill(&connection).await;
        };
        timeout(Duration::from_mins(1), async { tokio::join!(writing, kill) })
            .await
            .expect("a killed writer answers no more");
    }
    let _daemon = Daemon::start(&bus, &connection, directory.path()).await;
    let audit = AuditProxy::new(&connection).await.unwrap();
    let there: Vec<u64> = audit
        .tail(1000)
        .await
        .unwrap()
        .iter()
        .map(|record| record.sequence)
        .collect();
    let lost: Vec<&u64> = answered.iter().filter(|number| !there.contains(number)).collect();
    assert!(lost.is_empty(), "lost {lost:?} of {} records", answered.len());
    assert_eq!(audit.verify().await.unwrap().faults, []);
}

#[tokio::test]
async fn who_has_no_role_reads_nothing_and_only_services_write() {
    assert!(
        nix::unistd::Uid::effective().is_root(),
        "this test calls as another user, so it needs root"
    );
    let bus = PrivateBus::start();
    let directory = TempDir::new().unwrap();
    let connection = bus.connect().await;
    let _daemon = Daemon::start(&bus, &connection, directory.path()).await;
    let append = [
        "Append",
        "(sssssst)",
        "kari",
        "vm.start",
        "journal",
        "",
        "begun",
        "",
        "0",
    ];
    for arguments in [&["Tail", "u", "1"][..], &["Verify"], &append] {
        let output = call_as_nobody(&bus, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{arguments:?} was allowed");
        assert!(said.contains("nobody"), "{arguments:?}: {said}");
    }
    assert_eq!(
        AuditProxy::new(&connection)
            .await
            .unwrap()
            .verify()
            .await
            .unwrap()
            .records,
        0
    );
}

#[tokio::test]
async fn a_second_writer_is_refused_the_chain() {
    let bus = PrivateBus::start();
    let directory = TempDir::new().unwrap();
    let connection = bus.connect().await;
    let _daemon = Daemon::start(&bus, &connection, directory.path()).await;
    let other = Command::new(env!("CARGO_BIN_EXE_varde-auditd"))
        .env("DBUS_SYSTEM_BUS_ADDRESS", bus.address())
        .env("STATE_DIRECTORY", directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert_eq!(other.status.code(), Some(1), "{said}");
    assert!(said.contains("is locked"), "{said}");
}

#[tokio::test]
async fn a_change_is_recorded_before_and_after_and_not_begun_without_a_record() {
    let bus = PrivateBus::start();
    let directory = TempDir::new().unwrap();
    let connection = bus.connect().await;
    let daemon = Daemon::start(&bus, &connection, directory.path()).await;
    let audit = AuditProxy::new(&connection).await.unwrap();
    let recorder = Recorder::new(&connection).await.unwrap();
    let caller = Caller {
        uid: 1000,
        name: "kari".into(),
        role: Some(Role::Operator),
    };
    let begun = recorder
        .begin(&caller, Verb::StartVm, "journal", "prøve")
        .await
        .unwrap();
    let failure = Failure::new(FailureKind::Unknown, "vet ikke", "cannot tell");
    assert_eq!(begun.end::<()>(Err(failure.clone())).await.unwrap_err(), failure);
    let records = audit.tail(2).await.unwrap();
    assert_eq!((records[1].outcome.as_str(), records[1].of), ("begun", 0));
    assert_eq!(
        (records[0].outcome.as_str(), records[0].of),
        ("unknown", records[1].sequence)
    );
    assert_eq!(records[0].detail, "cannot tell");

    let begun = recorder
        .begin(&caller, Verb::StartVm, "journal", "")
        .await
        .unwrap();
    daemon.kill(&connection).await;
    assert_eq!(begun.end(Ok(())).await.unwrap_err().kind, FailureKind::Unknown);
    let refused = recorder
        .begin(&caller, Verb::StartVm, "journal", "")
        .await
        .unwrap_err();
    assert_eq!(refused.kind, FailureKind::Refused);
    assert!(refused.text.en.starts_with("Not done"), "{refused}");
}

#[tokio::test]
async fn what_happened_since_an_account_left_is_told_to_that_account() {
    let bus = PrivateBus::start();
    let directory = TempDir::new().unwrap();
    let connection = bus.connect().await;
    let daemon = Daemon::start(&bus, &connection, directory.path()).await;
    let audit = AuditProxy::new(&connection).await.unwrap();
    audit.append(&entry()).await.unwrap();
    let never = audit.since().await.unwrap();
    assert_eq!((never.left, never.records), (0, vec![]));

    audit.leave().await.unwrap();
    assert_eq!(audit.since().await.unwrap().records, []);
    // Somebody else who leaves is no end of this account's absence.
    let other = Entry {
        who: "kari".into(),
        verb: LEFT.into(),
        outcome: "event".into(),
        ..entry()
    };
    audit.append(&other).await.unwrap();
    audit.append(&entry()).await.unwrap();
    daemon.kill(&connection).await;
    let _daemon = Daemon::start(&bus, &connection, directory.path()).await;
    let absence = audit.since().await.unwrap();
    let numbers: Vec<u64> = absence.records.iter().map(|record| record.sequence).collect();
    assert_eq!(numbers, [4, 3], "kept by the record, not by the service");
    assert!(absence.left > 0);
    assert_eq!(audit.verify().await.unwrap().faults, []);
}
