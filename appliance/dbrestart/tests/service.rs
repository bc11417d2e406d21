//! The whole service: a declared database, its gate, its guest's agent, and clients on the bus.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::sync::mpsc;
use varde_bus::audit::{Entry, Record, Verdict};
use varde_bus::dbrestart::{DatabaseState, DbRestartProxy, PATH, RunRecord};
use varde_bus::hypervisor::{HypervisorProxy, VmState, VmStatus};
use varde_bus::record::Recorder;
use varde_bus::testing::PrivateBus;
use varde_bus::{Failure, FailureKind};
use varde_dbrestart::service::{DbRestart, Posts, publish};
use varde_dbrestart::settings::{Paths, Settings};
use varde_dbrestart::warden::{Common, Leases};
use varde_dbrestart_lab::cluster::Cluster;
use varde_dbrestart_lab::guest::Guest;
use varde_dbrestart_lab::tree;
use varde_site::{Database, DatabaseServer, Engine, Pool, Restart, RestartWhat};

/// Takes down what is recorded.
struct Audit(std::sync::Arc<std::sync::Mutex<Vec<Entry>>>);

#[zbus::interface(name = "no.varde.Audit1")]
#[allow(clippy::unused_self, reason = "the interface as it is on the bus")]
impl Audit {
    fn append(&self, entry: Entry) -> u64 {
        let mut entries = self.0.lock().unwrap();
        entries.push(entry);
        entries.len() as u64
    }
    fn tail(&self, count: u32) -> Vec<Record> {
        Vec::with_capacity(usize::try_from(count.min(1)).unwrap())
    }
    fn verify(&self) -> Verdict {
        Verdict {
            records: 0,
            faults: vec![],
        }
    }
}

/// A hypervisor whose only machine is the cluster's server.
struct Hypervisor {
    cluster: Cluster,
    state: VmState,
    asked: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

#[zbus::interface(name = "no.varde.Hypervisor1")]
impl Hypervisor {
    fn get(&self, vm: &str) -> VmStatus {
        VmStatus {
            name: vm.to_owned(),
            title: String::new(),
            group: String::new(),
            zone: String::new(),
            address: String::new(),
            state: self.state,
            reason: varde_bus::Text::default(),
            since: 0,
            cpus: 1,
            memory: 0,
            autostart: false,
            pid: 0,
            checks: vec![],
            disks: vec![],
        }
    }
    fn shut_down(&mut self, vm: &str, why: &str) {
        self.asked.lock().unwrap().push(format!("shut down {vm}: {why}"));
        self.cluster.control(&["stop", "-m", "fast"]).unwrap();
        self.state = VmState::Stopped;
    }
    fn start(&mut self, vm: &str, why: &str) {
        self.asked.lock().unwrap().push(format!("start {vm}: {why}"));
        self.cluster.start().unwrap();
        self.state = VmState::Running;
    }
}

/// What systemd would do on the appliance and in the guest, for the units that this needs.
fn systemctl(cluster: &Cluster) -> String {
    let (folder, tree) = (cluster.path(""), cluster.handle()[0].clone());
    let server = cluster.server().join(" ");
    let port = cluster.gate_port;
    let relay = env!("CARGO_BIN_EXE_varde-relay");
    format!(
        "#!/bin/sh\n\
         echo \"$*\" >>{folder}/systemctl.log\n\
         case \"$*\" in\n\
         'start varde-gate@journal.service')\n\
             [ -e {folder}/gate.pid ] && kill -0 $(cat {folder}/gate.pid) && exit 0\n\
             mkdir -p {folder}/run/varde/gate/journal && chmod -R a+rX {folder}/var {folder}/run\n\
             chroot {tree} chown -R postgres:postgres {folder}/run {folder}/var/lib/varde/gate\n\
             setsid -f sh -c 'echo $$ >{folder}/gate.pid; exec chroot --userspec=postgres:postgres {tree} \
             /usr/sbin/pgbouncer -q {folder}/var/lib/varde/gate/journal/pgbouncer.ini' >{folder}/gate.log 2>&1 </dev/null\n\
             until [ -S {folder}/run/varde/gate/journal/.s.PGSQL.{port} ]; do sleep 0.05; done;;\n\
         'reload varde-gate@journal.service')\n\
             chroot {tree} chown -R postgres:postgres {folder}/var/lib/varde/gate; kill -HUP $(cat {folder}/gate.pid);;\n\
         'stop varde-gate@journal.service') kill -INT $(cat {folder}/gate.pid);;\n\
         'restart varde-relay@journal.service'|'start varde-relay@journal.service')\n\
             [ -e {folder}/gate.pid ] && kill -0 $(cat {folder}/gate.pid) && exit 0\n\
             mkdir -p {folder}/run/varde/gate/journal\n\
             setsid -f sh -c 'echo $$ >{folder}/gate.pid; exec {relay} {folder}/var/lib/varde/gate/journal/relay.json' \
             >{folder}/gate.log 2>&1 </dev/null\n\
             until [ -S {folder}/run/varde/gate/journal/relay.sock ]; do sleep 0.05; done;;\n\
         *property=ActiveState*) echo active;;\n\
         *property=MainPID*) head -n 1 {folder}/data/postmaster.pid;;\n\
         *property=ActiveEnterTimestampMonotonic*) echo 1000000;;\n\
         *property=ControlGroup*) echo /none;;\n\
         'stop postgresql@17-main.service') pid=$(head -n 1 {folder}/data/postmaster.pid); kill -INT $pid\n\
             while readlink /proc/$pid/exe >/dev/null; do sleep 0.02; done;;\n\
         'start --no-block postgresql@17-main.service') setsid -f {server} >>{folder}/postgres.log 2>&1 </dev/null;;\n\
         'reset-failed postgresql@17-main.service') ;;\n\
         *) exit 1;;\n\
         esac\n"
    )
}

fn settings(cluster: &Cluster) -> Settings {
    Settings {
        database: Database {
            name: "journal".into(),
            title: "Pasientjournal".into(),
            engine: Engine::Postgresql,
            server: DatabaseServer::Vm("journal-db".into()),
            gate: (Ipv4Addr::LOCALHOST, cluster.gate_port),
            address: (Ipv4Addr::LOCALHOST, cluster.port),
            database: "postgres".into(),
            pool: Pool::Transaction,
            restart: Restart {
                what: RestartWhat::Process,
                unit: "postgresql@17-main.service".into(),
                calendar: vec!["*-*-* *:*:00/5".into()],
                blackout: vec![],
                skip_holidays: false,
                stall_budget: 30_000,
                give_up: 3_000,
                held_most: 60_000,
                oldest_transaction: 200,
                missed: 0,
                only_with_reason: false,
                cut: BTreeMap::new(),
            },
        },
        timezone: "Europe/Oslo".into(),
        downtime_cost: 50_000,
        counties: 3,
    }
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The service on a bus of its own.
struct Serving {
    gate: PathBuf,
    database: DbRestartProxy<'static>,
    posts: Posts,
    entries: std::sync::Arc<std::sync::Mutex<Vec<Entry>>>,
    /// What the hypervisor was asked.
    asked: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
    _guest: Guest,
    _bus: PrivateBus,
    _connections: Vec<zbus::Connection>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Ok(pid) = std::fs::read_to_string(&self.gate) {
            let _ = Command::new("kill").args(["-KILL", pid.trim()]).status();
        }
    }
}

async fn serve(cluster: &Cluster, declared: Vec<Settings>) -> Serving {
    let programs = cluster.folder.join("bin");
    std::fs::create_dir(&programs).unwrap();
    let program = programs.join("systemctl");
    std::fs::write(&program, systemctl(cluster)).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let socket = cluster.folder.join("run/varde/vm/journal-db/agent.sock");
    let guest = Guest::start(&socket, &programs.display().to_string()).unwrap();

    let bus = PrivateBus::start();
    let entries = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let audit = bus.connect().await;
    audit
        .object_server()
        .at(varde_bus::audit::PATH, Audit(entries.clone()))
        .await
        .unwrap();
    audit.request_name(varde_bus::audit::NAME).await.unwrap();

    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let hypervisor = bus.connect().await;
    let machine = Hypervisor {
        cluster: Cluster::attach(&cluster.handle()).unwrap(),
        state: VmState::Running,
        asked: asked.clone(),
    };
    hypervisor
        .object_server()
        .at(varde_bus::hypervisor::PATH, machine)
        .await
        .unwrap();
    hypervisor
        .request_name(varde_bus::hypervisor::NAME)
        .await
        .unwrap();

    let connection = bus.connect().await;
    let mut paths = Paths::below(&cluster.folder);
    paths.admin = "root".into();
    paths.systemctl = program;
    let recorder = Recorder::new(&connection).await.unwrap();
    let (news, statuses) = mpsc::channel(64);
    let common = Common {
        paths: paths.clone(),
        hypervisor: HypervisorProxy::new(&connection).await.unwrap(),
        recorder: recorder.clone(),
        leases: Leases::default(),
        news,
    };
    let posts = Posts::default();
    posts.follow(declared, &common).await;
    connection
        .object_server()
        .at(PATH, DbRestart::new(posts.clone(), paths, recorder))
        .await
        .unwrap();
    connection.request_name(varde_bus::dbrestart::NAME).await.unwrap();
    let (told, for_news) = (posts.clone(), connection.clone());
    tokio::spawn(async move { publish(&for_news, &told, statuses).await });

    let client = bus.connect().await;
    Serving {
        gate: cluster.folder.join("gate.pid"),
        database: DbRestartProxy::new(&client).await.unwrap(),
        posts,
        entries,
        asked,
        _guest: guest,
        _bus: bus,
        _connections: vec![audit, hypervisor, connection, client],
    }
}

/// The first run of the ledger after so many that was begun, once it is there: where one takes longer than the calendar
/// leaves it, others are missed.
async fn run_after(database: &DbRestartProxy<'_>, name: &str, known: usize) -> RunRecord {
    until("a run", async || {
        let runs: Vec<RunRecord> = database.runs(name, 1000).await.unwrap();
        let mut later = runs.into_iter().rev().skip(known);
        later.find(|run| run.outcome != "missed")
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declared_database_is_restarted_on_schedule_and_put_off_while_it_is_busy() {
    let cluster = Cluster::new(&tree::tree().unwrap()).unwrap();
    let hba = "local all all trust\nhost all postgres all trust\nhost all all all scram-sha-256\n";
    std::fs::write(cluster.folder.join("data/pg_hba.conf"), hba).unwrap();
    cluster.sql("SELECT pg_reload_conf()").unwrap();
    let serving = serve(&cluster, vec![settings(&cluster)]).await;
    let database = &serving.database;

    // Without a password no run goes well, and it says what to do.
    let status = until("the missing password is told", async || {
        let status = database.get("journal").await.ok()?;
        (status.state == DatabaseState::Blocked).then_some(status)
    })
    .await;
    assert!(
        status.reason.en.contains("varde db credential journal"),
        "{status:?}"
    );

    // A wrong one is found out at once; the right one opens the way, and the calendar does the rest.
    let refused: Failure = database
        .set_credential("journal", "other", "")
        .await
        .unwrap_err()
        .into();
    assert_ne!(refused.kind, FailureKind::Denied, "{refused}");
    let before = cluster.pid();
    database.set_credential("journal", "lab", "").await.unwrap();
    let first = run_after(database, "journal", 0).await;
    assert_eq!(first.outcome, "restarted", "{first:?}");
    assert_ne!(cluster.pid(), before);
    assert!(first.avoided > 0 && first.failed == 0, "{first:?}");

    // Clients come through the gate with TLS and the password that the server has, and not without TLS.
    let psql = |mode: &str, user: &str, password: &str| {
        let address = format!(
            "host=127.0.0.1 port={} user={user} password={password} dbname=postgres sslmode={mode}",
            cluster.gate_port
        );
        Command::new("chroot")
            .arg(&cluster.handle()[0])
            .args([
                "/usr/lib/postgresql/17/bin/psql",
                "-XAtc",
                "SELECT current_user",
                &address,
            ])
            .output()
            .unwrap()
    };
    let come = psql("require", "app", "app");
    assert_eq!(String::from_utf8_lossy(&come.stdout).trim(), "app", "{come:?}");
    assert!(!psql("disable", "app", "app").status.success());
    assert!(!psql("require", "app", "wrong").status.success());
    assert!(
        !psql("require", "postgres", "x").status.success(),
        "no superuser comes through"
    );

    // Busy until the give-up time: put off, with the name of who it was.
    database.hold("journal", true, "forberedelse").await.unwrap();
    until("the hold", async || {
        (database.get("journal").await.unwrap().state == DatabaseState::Hold).then_some(())
    })
    .await;
    let known = database.runs("journal", 1000).await.unwrap().len();
    let mut busy = Command::new("chroot")
        .arg(&cluster.handle()[0])
        .args(["/usr/lib/postgresql/17/bin/psql", "-Xqc", "SELECT pg_sleep(600)"])
        .arg(format!(
            "host=127.0.0.1 port={} user=postgres application_name=lonn",
            cluster.port
        ))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let held: Failure = database.restart("journal", 0, "").await.unwrap_err().into();
    assert_eq!(held.kind, FailureKind::Refused);
    database.hold("journal", false, "").await.unwrap();
    let put_off = run_after(database, "journal", known).await;
    assert_eq!(put_off.outcome, "put_off", "{put_off:?}");
    assert!(
        put_off.uses.iter().any(|found| found.whose.contains("lonn")),
        "{put_off:?}"
    );
    assert!(put_off.reason.nb.contains("i bruk"), "{put_off:?}");
    busy.kill().unwrap();
    busy.wait().unwrap();

    let planned = database.planned("journal", 10).await.unwrap();
    assert_eq!(planned.len(), 10);
    database.skip_next("journal", "").await.unwrap();
    serving.posts.stop().await;
    let entries = serving.entries.lock().unwrap();
    assert!(
        entries
            .iter()
            .any(|entry| entry.verb == "db.credential" && entry.outcome == "done")
    );
    assert!(
        entries
            .iter()
            .all(|entry| !format!("{entry:?}").contains("\"lab\"")),
        "no password is recorded"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_that_collide_take_turns_or_say_who_was_in_the_way() {
    let cluster = Cluster::new(&tree::tree().unwrap()).unwrap();
    let journal = settings(&cluster);
    let mut lager = settings(&cluster);
    lager.database.name = "lager".into();
    lager.database.restart.calendar = vec!["2099-01-01".into()];
    lager.database.restart.give_up = 1_000;
    // On the same machine, and busy for longer than the other one has patience.
    let mut patient = journal.clone();
    patient.database.restart.give_up = 600_000;
    let serving = serve(&cluster, vec![patient, lager]).await;
    let database = &serving.database;
    // No password is needed where everybody is trusted, but one there must be.
    let _busy = {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(cluster.port)
            .user("postgres")
            .application_name("lonn");
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute("BEGIN; SELECT 1").await.unwrap();
        client
    };
    until("the warden is there", async || {
        database.set_credential("journal", "lab", "").await.ok()
    })
    .await;
    until("a run that waits for the busy session", async || {
        let status = database.get("journal").await.unwrap();
        (!status.uses.is_empty()).then_some(())
    })
    .await;

    database.restart("lager", 0, "").await.unwrap();
    let waits = until("it says whom it waits for", async || {
        let status = database.get("lager").await.unwrap();
        (status.state == DatabaseState::Running && !status.reason.is_empty()).then_some(status)
    })
    .await;
    assert!(waits.reason.nb.contains("omstarten av journal"), "{waits:?}");
    let put_off = run_after(database, "lager", 0).await;
    assert_eq!(put_off.outcome, "put_off", "{put_off:?}");
    assert!(put_off.reason.nb.contains("Omstarten av journal"), "{put_off:?}");
    assert!(
        put_off.reason.en.contains("The restart of journal"),
        "{put_off:?}"
    );

    // The calendar names one every five seconds; those that come due meanwhile are not begun, and say why.
    let missed = until("a run that came due meanwhile", async || {
        let runs = database.runs("journal", 1000).await.unwrap();
        runs.into_iter()
            .find(|run| run.reason.en.contains("already under way"))
    })
    .await;
    assert_eq!(missed.outcome, "missed", "{missed:?}");
    assert!(missed.reason.nb.contains("alt i gang"), "{missed:?}");

    database.cancel("journal", "").await.unwrap();
    until("the one that waited is called off", async || {
        let runs = database.runs("journal", 1000).await.unwrap();
        runs.into_iter().find(|run| run.outcome == "cancelled")
    })
    .await;
    serving.posts.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_machine_is_restarted_by_the_hypervisor_and_clients_that_come_meanwhile_wait() {
    let cluster = Cluster::new(&tree::tree().unwrap()).unwrap();
    let mut whole = settings(&cluster);
    whole.database.restart.what = RestartWhat::Machine;
    whole.database.restart.calendar = vec!["2099-01-01".into()];
    let serving = serve(&cluster, vec![whole]).await;
    let database = &serving.database;
    until("the warden is there", async || {
        database.set_credential("journal", "lab", "").await.ok()
    })
    .await;
    let before = cluster.pid();
    database.restart("journal", 0, "").await.unwrap();
    let run = run_after(database, "journal", 0).await;
    assert_eq!(run.outcome, "restarted", "{run:?}");
    assert!(run.restart > 0 && run.failed == 0, "{run:?}");
    assert_ne!(cluster.pid(), before);
    assert_eq!(
        *serving.asked.lock().unwrap(),
        [
            "shut down journal-db: scheduled database restart",
            "start journal-db: scheduled database restart"
        ]
    );
    serving.posts.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_another_engine_is_restarted_behind_its_relay_and_says_its_limit() {
    let cluster = Cluster::new(&tree::tree().unwrap()).unwrap();
    let mut other = settings(&cluster);
    other.database.engine = Engine::Tcp;
    other.database.restart.calendar = vec!["2099-01-01".into()];
    let serving = serve(&cluster, vec![other]).await;
    let database = &serving.database;
    let status = until("it is ready without a password", async || {
        let status = database.get("journal").await.ok()?;
        (status.state == DatabaseState::Ready).then_some(status)
    })
    .await;
    assert_eq!(status.engine, "tcp");
    assert!(status.limit.nb.contains("brytes"), "{status:?}");
    let refused: Failure = database
        .set_credential("journal", "x", "")
        .await
        .unwrap_err()
        .into();
    assert_eq!(refused.kind, FailureKind::Refused);

    // One that is inside, and at rest.
    let (inside, connection) = tokio_postgres::Config::new()
        .host("127.0.0.1")
        .port(cluster.gate_port)
        .user("postgres")
        .connect(tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    inside.batch_execute("SELECT 1").await.unwrap();
    let before = cluster.pid();
    database.restart("journal", 0, "").await.unwrap();
    let run = run_after(database, "journal", 0).await;
    assert_eq!(
        (run.outcome.as_str(), run.sessions_cut),
        ("restarted", 1),
        "{run:?}"
    );
    assert_ne!(cluster.pid(), before);
    assert!(
        inside.batch_execute("SELECT 1").await.is_err(),
        "it was cut, and knows it"
    );
    serving.posts.stop().await;
}
