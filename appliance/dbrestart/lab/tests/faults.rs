//! Faults on the way of a run, on a real PostgreSQL 17 behind a real PgBouncer: each is bounded, explained in both
//! languages, and leaves nobody held.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use varde_bus::Text;
use varde_dbrestart::Agent;
use varde_dbrestart::journal::{Head, Journal};
use varde_dbrestart::ledger::{self, Cause, Entry, Notice};
use varde_dbrestart::procedure::{Ended, Performs, conduct};
use varde_dbrestart::rig::Rig;
use varde_dbrestart::run::{self, Event, Outcome, Plan, Step};
use varde_dbrestart::server::Via;
use varde_dbrestart_lab::cluster::Cluster;
use varde_dbrestart_lab::guest::Guest;
use varde_dbrestart_lab::load::{Load, Shape};
use varde_dbrestart_lab::wire::Wire;
use varde_dbrestart_lab::{method, tree};

const LIGHT: Shape = Shape { clients: 4, rate: 40 };
const SOON: Duration = Duration::from_secs(5);

fn cluster() -> Cluster {
    let mut cluster = Cluster::new(&tree::tree().unwrap()).unwrap();
    cluster.open_gate("transaction", false).unwrap();
    cluster
}

/// Gives up and lets go sooner than the lab's own plan, so that a test need not wait for it.
fn impatient(cluster: &Cluster) -> Plan {
    Plan {
        give_up: 3_000,
        held_most: 6_000,
        stop_most: 2_000,
        start_most: 2_000,
        ..method::plan(&method::books(cluster)).unwrap()
    }
}

async fn conducted(cluster: &Cluster, rig: &mut impl Performs, plan: Plan) -> Ended {
    method::conducted(&method::books(cluster), rig, plan).await
}

/// Something happens right before a command is performed, the first time.
struct Before<'a> {
    rig: Rig,
    at: &'static str,
    happens: Option<Box<dyn FnOnce() + 'a>>,
}

impl<'a> Before<'a> {
    fn the(at: &'static str, rig: Rig, happens: impl FnOnce() + 'a) -> Self {
        let happens: Box<dyn FnOnce()> = Box::new(happens);
        Self {
            rig,
            at,
            happens: Some(happens),
        }
    }
}

impl Performs for Before<'_> {
    async fn perform(&mut self, command: &run::Command) -> Event {
        if format!("{command:?}").starts_with(self.at)
            && let Some(happens) = self.happens.take()
        {
            happens();
        }
        self.rig.perform(command).await
    }

    fn notice(&self) -> Notice {
        self.rig.notice()
    }
}

/// Both languages say it, and the ledger has it.
fn explained(cluster: &Cluster, entry: &Entry, nb: &str, en: &str) {
    let why: Vec<&Text> = match &entry.outcome {
        Outcome::Refused { why }
        | Outcome::PutOff { why, .. }
        | Outcome::Failed { why }
        | Outcome::Down { why } => vec![why],
        _ => entry.trouble.iter().collect(),
    };
    assert!(why.iter().any(|why| why.nb.contains(nb)), "«{nb}» in {entry:?}");
    assert!(why.iter().any(|why| why.en.contains(en)), "\"{en}\" in {entry:?}");
    let ledger = ledger::read(&method::books(cluster).ledger()).unwrap();
    assert_eq!(ledger.last(), Some(entry));
}

/// Clients get through, and nothing is left.
async fn all_is_well(cluster: &Cluster, load: &Load) {
    assert!(!method::books(cluster).journal().exists(), "the journal was left");
    let settled = tokio::time::timeout(Duration::from_mins(1), load.settle()).await;
    assert!(settled.is_ok(), "clients do not go on");
    assert!(
        !cluster.gate().is_paused(SOON).await.unwrap(),
        "the gate was left paused"
    );
}

fn not_held_past(entry: &Entry, bound: u64) {
    // The gate's own answer comes on top.
    let held = entry.held.unwrap_or(0);
    assert!(held <= bound + 2_000, "{entry:?}");
}

fn agent(cluster: &Cluster) -> (Guest, Rig) {
    let socket = cluster.folder.join("agent.sock");
    let guest = Guest::start(&socket, "/nowhere").unwrap();
    let mut rig = cluster.rig();
    rig.server.via = Via::Guest(Agent { socket });
    (guest, rig)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_agent_that_is_silent_from_the_start_puts_the_run_off() {
    let cluster = cluster();
    let (guest, mut rig) = agent(&cluster);
    guest.fall_silent(true);
    let entry = conducted(&cluster, &mut rig, impatient(&cluster)).await.entry;
    assert!(matches!(entry.outcome, Outcome::PutOff { .. }), "{entry:?}");
    explained(
        &cluster,
        &entry,
        "Gjesteagenten svarer ikke",
        "The guest agent is silent",
    );
    assert_eq!(entry.held, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_agent_that_falls_silent_before_the_pause_puts_the_run_off_and_holds_nobody() {
    let cluster = cluster();
    let load = Load::start(cluster.gate_port, LIGHT);
    load.settle().await;
    let (guest, rig) = agent(&cluster);
    let mut rig = Before::the("Look", rig, || guest.fall_silent(true));
    let entry = conducted(&cluster, &mut rig, impatient(&cluster)).await.entry;
    assert!(matches!(entry.outcome, Outcome::PutOff { .. }), "{entry:?}");
    explained(
        &cluster,
        &entry,
        "Gjesteagenten svarer ikke",
        "The guest agent is silent",
    );
    assert_eq!(entry.held, None, "nobody was held");
    all_is_well(&cluster, &load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_agent_that_falls_silent_while_clients_are_held_lets_them_go_and_claims_no_restart() {
    let cluster = cluster();
    let load = Load::start(cluster.gate_port, LIGHT);
    load.settle().await;
    let (guest, rig) = agent(&cluster);
    let before = cluster.pid();
    let mut rig = Before::the("Stop", rig, || guest.fall_silent(true));
    let plan = impatient(&cluster);
    let bound = plan.held_most;
    let entry = conducted(&cluster, &mut rig, plan).await.entry;
    assert!(matches!(entry.outcome, Outcome::Failed { .. }), "{entry:?}");
    explained(&cluster, &entry, "ikke startet på nytt", "not restarted");
    explained(
        &cluster,
        &entry,
        "Gjesteagenten svarer ikke",
        "The guest agent is silent",
    );
    not_held_past(&entry, bound);
    assert_eq!(cluster.pid(), before);
    all_is_well(&cluster, &load).await;
    assert_eq!(load.take().failed, 0);
}

/// A disk of its own for the books, of a few pages.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn at(folder: &Path) -> Self {
        std::fs::create_dir(folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=32k", "small"])
            .arg(folder)
            .status()
            .unwrap();
        assert!(mounted.success());
        Self(folder.to_owned())
    }

    fn fill(&self) {
        // Until it takes no more; that it ends with an error is the point.
        let full = std::fs::write(self.0.join("ballast"), vec![0; 1 << 20]);
        assert!(full.is_err());
    }

    fn clear(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_no_room_for_the_journal_no_run_begins_and_the_run_is_not_forgotten() {
    let cluster = cluster();
    let disk = SmallDisk::at(&cluster.folder.join("books"));
    let books = varde_dbrestart::procedure::Books {
        folder: disk.0.clone(),
        ..method::books(&cluster)
    };
    disk.fill();
    let before = cluster.pid();
    let ended = method::conducted(&books, &mut cluster.rig(), impatient(&cluster)).await;
    let Outcome::Refused { why } = &ended.entry.outcome else {
        panic!("{ended:?}");
    };
    assert!(why.nb.contains("journal") && why.nb.contains("space"), "{why}");
    assert!(
        ended.unkept.is_some(),
        "whoever conducts it is told that the ledger lacks it"
    );
    assert_eq!(cluster.pid(), before);
    disk.clear();
    ledger::append(&books.ledger(), &ended.entry).unwrap();
    assert_eq!(ledger::read(&books.ledger()).unwrap(), [ended.entry]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_before_the_pause_keeps_clients_from_being_held() {
    let cluster = cluster();
    let load = Load::start(cluster.gate_port, LIGHT);
    load.settle().await;
    let disk = SmallDisk::at(&cluster.folder.join("books"));
    let books = varde_dbrestart::procedure::Books {
        folder: disk.0.clone(),
        ..method::books(&cluster)
    };
    let before = cluster.pid();
    let mut head = Head {
        cause: Cause::calendar(0),
        plan: impatient(&cluster),
        started: 0,
        expected_delayed: None,
    };
    // The journal has a page; its head leaves room in it for the steps before the look.
    let room = 3990 - serde_json::to_vec(&head).unwrap().len();
    head.cause.why = "x".repeat(room);
    let mut rig = Before::the("Checkpoint", cluster.rig(), || disk.fill());
    let ended = conduct(&mut rig, &books, head, method::strings()).await;
    let entry = &ended.entry;
    assert!(matches!(entry.outcome, Outcome::PutOff { .. }), "{entry:?}");
    assert!(
        entry.trouble.iter().any(|trouble| trouble.en.contains("space")),
        "{entry:?}"
    );
    assert_eq!((entry.held, cluster.pid()), (None, before));
    all_is_well(&cluster, &load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_is_lost_before_the_run_refuses_it() {
    let mut cluster = Cluster::new(&tree::tree().unwrap()).unwrap();
    let wire = Wire::to(cluster.port).await.unwrap();
    cluster.way = wire.port;
    cluster.open_gate("transaction", false).unwrap();
    wire.pull(true);
    let entry = conducted(&cluster, &mut cluster.rig(), impatient(&cluster))
        .await
        .entry;
    assert!(matches!(entry.outcome, Outcome::Refused { .. }), "{entry:?}");
    explained(
        &cluster,
        &entry,
        "Databasen svarer ikke",
        "The database does not answer",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_is_lost_while_clients_are_held_blames_no_configuration_and_lets_them_go() {
    let mut cluster = Cluster::new(&tree::tree().unwrap()).unwrap();
    let wire = Wire::to(cluster.port).await.unwrap();
    cluster.way = wire.port;
    cluster.open_gate("transaction", false).unwrap();
    let load = Load::start(cluster.gate_port, LIGHT);
    load.settle().await;
    let plan = impatient(&cluster);
    let bound = plan.held_most;
    let mut rig = Before::the("Start", cluster.rig(), || wire.pull(true));
    let entry = conducted(&cluster, &mut rig, plan).await.entry;
    assert!(matches!(entry.outcome, Outcome::Down { .. }), "{entry:?}");
    explained(&cluster, &entry, "nås ikke herfra", "not reached from here");
    assert!(
        !cluster.folder.join("data/postgresql.conf.varde-failed").exists(),
        "the configuration was left alone"
    );
    not_held_past(&entry, bound);
    assert!(!cluster.gate().is_paused(SOON).await.unwrap());
    wire.pull(false);
    all_is_well(&cluster, &load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_helps_clients_are_let_go_with_errors_and_somebody_is_called() {
    let mut cluster = Cluster::new(&tree::tree().unwrap()).unwrap();
    cluster.held_most = 6;
    cluster.open_gate("transaction", false).unwrap();
    let load = Load::start(cluster.gate_port, LIGHT);
    load.settle().await;
    let plan = impatient(&cluster);
    let bound = plan.held_most;
    // After the server has stopped its data cannot be read any more, whatever its configuration says.
    let control = cluster.folder.join("data/global/pg_control");
    let away = cluster.folder.join("pg_control.away");
    let mut rig = Before::the("Start", cluster.rig(), || {
        std::fs::rename(&control, &away).unwrap();
    });
    let entry = conducted(&cluster, &mut rig, plan).await.entry;
    assert!(matches!(entry.outcome, Outcome::Down { .. }), "{entry:?}");
    explained(
        &cluster,
        &entry,
        "Databasen kunne ikke brukes",
        "The database could not be used",
    );
    not_held_past(&entry, bound);
    assert!(!cluster.gate().is_paused(SOON).await.unwrap());
    // Clients have their errors by now, or get them; none hangs.
    while load.take().failed == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    std::fs::rename(&away, &control).unwrap();
    cluster.start().unwrap();
    all_is_well(&cluster, &load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_runs_and_locks_everybody_out_is_taken_back() {
    let cluster = cluster();
    let load = Load::start(cluster.gate_port, LIGHT);
    load.settle().await;
    // A first run keeps a copy of what works.
    let first = conducted(&cluster, &mut cluster.rig(), impatient(&cluster))
        .await
        .entry;
    assert_eq!(
        first.outcome,
        Outcome::Restarted { fell_back: false },
        "{first:?}"
    );
    all_is_well(&cluster, &load).await;
    let hba = cluster.folder.join("data/pg_hba.conf");
    let mut rig = Before::the("Stop", cluster.rig(), || {
        std::fs::write(&hba, "local all postgres trust\n").unwrap();
    });
    let plan = Plan {
        held_most: 20_000,
        ..impatient(&cluster)
    };
    let entry = conducted(&cluster, &mut rig, plan).await.entry;
    assert_eq!(entry.outcome, Outcome::Restarted { fell_back: true }, "{entry:?}");
    explained(&cluster, &entry, "no pg_hba.conf entry", "no pg_hba.conf entry");
    all_is_well(&cluster, &load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_what_ran_last_does_not_start_the_one_that_a_run_has_started_comes_back() {
    let cluster = cluster();
    let load = Load::start(cluster.gate_port, LIGHT);
    load.settle().await;
    let first = conducted(&cluster, &mut cluster.rig(), impatient(&cluster))
        .await
        .entry;
    assert_eq!(
        first.outcome,
        Outcome::Restarted { fell_back: false },
        "{first:?}"
    );
    // Somebody adds a folder for sockets, restarts by hand, and takes the folder away from the server that runs.
    let folder = cluster.folder.join("more");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let before = cluster.sql("SHOW unix_socket_directories").unwrap();
    let both = format!("'{before}', '{}'", folder.display());
    cluster
        .sql(&format!("ALTER SYSTEM SET unix_socket_directories = {both}"))
        .unwrap();
    cluster.control(&["restart", "-m", "fast"]).unwrap();
    assert_ne!(cluster.sql("SHOW unix_socket_directories").unwrap(), before);
    load.settle().await;
    let mut rig = Before::the("Stop", cluster.rig(), || {
        std::fs::remove_dir_all(&folder).unwrap();
    });
    let plan = Plan {
        held_most: 20_000,
        ..impatient(&cluster)
    };
    let entry = conducted(&cluster, &mut rig, plan).await.entry;
    assert_eq!(entry.outcome, Outcome::Restarted { fell_back: true }, "{entry:?}");
    assert_eq!(cluster.sql("SHOW unix_socket_directories").unwrap(), before);
    all_is_well(&cluster, &load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_from_a_boot_with_a_younger_clock_holds_nobody_longer() {
    let cluster = cluster();
    let load = Load::start(cluster.gate_port, LIGHT);
    load.settle().await;
    let books = method::books(&cluster);
    let head = Head {
        cause: Cause::calendar(0),
        plan: impatient(&cluster),
        // Set far ahead, by a clock that was wrong.
        started: 4_000_000_000_000,
        expected_delayed: None,
    };
    let mut journal = Journal::begin(&books.journal(), &head).unwrap();
    journal.step(Step::Stop, Some(u64::MAX)).unwrap();
    drop(journal);
    let entry = method::recovered(&cluster).await.unwrap().unwrap();
    assert!(entry.ended >= entry.started, "{entry:?}");
    not_held_past(&entry, head.plan.held_most);
    all_is_well(&cluster, &load).await;
}
