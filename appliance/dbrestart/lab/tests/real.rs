//! The procedure on a real PostgreSQL 17 behind a real PgBouncer.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::process::Command;
use std::time::Duration;

use varde_dbrestart::ledger::Entry;
use varde_dbrestart::run::Outcome;
use varde_dbrestart::usage::Class;
use varde_dbrestart_lab::cluster::Cluster;
use varde_dbrestart_lab::fault::{COMMANDS, Fault, Faulty};
use varde_dbrestart_lab::load::{Load, Shape};
use varde_dbrestart_lab::{load, method, tree};

const LIGHT: Shape = Shape { clients: 8, rate: 80 };
const SOON: Duration = Duration::from_secs(5);

fn cluster(pool_mode: &str) -> Cluster {
    let mut cluster = Cluster::new(&tree::tree().unwrap()).unwrap();
    cluster.open_gate(pool_mode, false).unwrap();
    cluster
}

/// What must hold after every run, whatever happened in it.
async fn all_is_well(cluster: &Cluster, load: &Load) {
    assert!(!cluster.folder.join("journal").exists(), "the journal was left");
    cluster.postgres().probe(SOON).await.unwrap();
    // A gate that was killed comes back first.
    let settled = tokio::time::timeout(Duration::from_secs(30), load.settle()).await;
    assert!(settled.is_ok(), "clients do not go on; {}", said(cluster));
    assert!(
        !cluster.gate().is_paused(SOON).await.unwrap(),
        "the gate was left paused"
    );
}

async fn rows(cluster: &Cluster, load: Load) -> load::Balance {
    load.end(|| cluster.sql("SELECT client, number FROM work"))
        .await
        .unwrap()
}

/// What the gate said.
fn said(cluster: &Cluster) -> String {
    std::fs::read_to_string(cluster.folder.join("pgbouncer.log")).unwrap()
}

fn restarted(entry: &Entry) {
    assert_eq!(
        entry.outcome,
        Outcome::Restarted { fell_back: false },
        "{entry:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_under_load_fails_nobody_and_loses_nothing() {
    let cluster = cluster("transaction");
    let load = Load::start(cluster.gate_port, LIGHT);
    load.settle().await;
    let before = cluster.pid();
    for _ in 0..3 {
        let entry = method::ours(&cluster).await.unwrap();
        restarted(&entry);
        assert_eq!(entry.notice.failed, 0, "{}", said(&cluster));
        all_is_well(&cluster, &load).await;
    }
    assert_ne!(cluster.pid(), before);
    let balance = rows(&cluster, load).await;
    assert_eq!(
        (balance.failed, balance.lost, balance.duplicated),
        (0, 0, 0),
        "{balance:?}"
    );
    assert!(balance.acknowledged > 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_killed_at_any_step_leaves_no_gate_paused_and_fails_no_client() {
    let cluster = cluster("transaction");
    let load = Load::start(cluster.gate_port, LIGHT);
    load.settle().await;
    for at in COMMANDS {
        for when in ["before", "after"] {
            let status = Command::new(env!("CARGO_BIN_EXE_varde-dbrestart-lab"))
                .arg("conduct")
                .args(cluster.handle())
                .args([at, when])
                .status()
                .unwrap();
            assert!(!status.success(), "it was killed {when} {at}");
            let entry = method::recovered(&cluster).await.unwrap();
            assert!(entry.is_some(), "{when} {at}: the ledger has the run");
            all_is_well(&cluster, &load).await;
        }
    }
    let balance = rows(&cluster, load).await;
    assert_eq!(
        (balance.failed, balance.lost, balance.duplicated),
        (0, 0, 0),
        "{balance:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_killed_at_any_step_comes_back_open_and_no_acknowledged_row_is_lost() {
    let cluster = cluster("transaction");
    let load = Load::start(cluster.gate_port, LIGHT);
    load.settle().await;
    for at in COMMANDS {
        for after in [false, true] {
            let mut rig = Faulty {
                rig: cluster.rig(),
                cluster: &cluster,
                fault: Fault::Gate,
                at: at.to_owned(),
                after,
                happened: false,
            };
            let entry = method::ours_with(&cluster, &mut rig).await.unwrap();
            assert!(rig.happened, "{at}");
            assert!(
                !matches!(entry.outcome, Outcome::Down { .. }),
                "{at} {after}: {entry:?}"
            );
            all_is_well(&cluster, &load).await;
        }
    }
    let balance = rows(&cluster, load).await;
    assert_eq!(balance.lost, 0, "{balance:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_use_is_seen_and_named() {
    let cluster = cluster("transaction");
    let seen = async |class: Class| {
        let session = cluster.postgres().open().await.unwrap();
        let gate = cluster.gate().backends(SOON).await.unwrap();
        let uses = cluster.postgres().look(&session, 0, &gate).await.unwrap();
        uses.into_iter().find(|found| found.class == class)
    };
    let direct = async || {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(cluster.port)
            .user("postgres")
            .dbname("postgres")
            .application_name("nightly");
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    };
    for class in [
        Class::Transaction,
        Class::Prepared,
        Class::Session,
        Class::Direct,
        Class::Standby,
    ] {
        assert_eq!(seen(class).await, None, "{class:?}");
    }
    let client = direct().await;
    assert!(seen(Class::Direct).await.unwrap().whose.contains("nightly"));
    client
        .batch_execute("BEGIN; SELECT 'Kari Nordmann'")
        .await
        .unwrap();
    let found = seen(Class::Transaction).await.unwrap();
    assert!(found.doing.starts_with("idle in transaction"), "{found:?}");
    assert!(!found.doing.contains("Kari"), "{found:?}");
    client
        .batch_execute("CREATE TABLE t (); PREPARE TRANSACTION 'p1'")
        .await
        .unwrap();
    assert!(seen(Class::Prepared).await.unwrap().doing.contains("p1"));
    client.batch_execute("ROLLBACK PREPARED 'p1'").await.unwrap();
    for statement in [
        "CREATE TEMPORARY TABLE mine ()",
        "SELECT pg_advisory_lock(7)",
        "LISTEN news",
    ] {
        let client = direct().await;
        client.batch_execute(statement).await.unwrap();
        let found = seen(Class::Session).await;
        assert!(found.is_some(), "{statement}");
        drop(client);
        while seen(Class::Session).await.is_some() {}
    }
    client
        .batch_execute("SELECT pg_create_physical_replication_slot('second')")
        .await
        .unwrap();
    assert!(seen(Class::Standby).await.unwrap().doing.contains("second"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_query_delays_the_run_and_not_the_others() {
    let cluster = cluster("transaction");
    let load = Load::start(cluster.gate_port, LIGHT);
    load.settle().await;
    let query = load::long_query(cluster.gate_port, 3);
    tokio::time::sleep(Duration::from_millis(300)).await;
    load.take();
    let entry = method::ours(&cluster).await.unwrap();
    restarted(&entry);
    assert!(query.await.unwrap(), "the query came to its end");
    all_is_well(&cluster, &load).await;
    assert_eq!(rows(&cluster, load).await.failed, 0);
    assert!(
        entry.notice.longest < 2500,
        "nobody waited for the query: {entry:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_in_session_mode_is_waited_for_and_named() {
    let cluster = cluster("session");
    let query = load::long_query(cluster.gate_port, 4);
    let found = loop {
        let found = cluster.gate().session_clients(SOON).await.unwrap();
        if let Some(found) = found.into_iter().next() {
            break found;
        }
    };
    assert!(found.whose.starts_with("app@127.0.0.1"), "{found:?}");
    assert!(found.pid > 0);
    restarted(&method::ours(&cluster).await.unwrap());
    assert!(query.await.unwrap(), "the query came to its end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_does_not_start_is_taken_back() {
    let cluster = cluster("transaction");
    let load = Load::start(cluster.gate_port, LIGHT);
    load.settle().await;
    restarted(&method::ours(&cluster).await.unwrap());
    // Parses, and is more than the machine has.
    cluster.sql("ALTER SYSTEM SET shared_buffers = '2TB'").unwrap();
    cluster.sql("SELECT pg_reload_conf()").unwrap();
    while cluster
        .sql("SELECT count(*) FROM pg_settings WHERE pending_restart")
        .unwrap()
        == "0"
    {}
    let entry = method::ours(&cluster).await.unwrap();
    assert_eq!(entry.outcome, Outcome::Restarted { fell_back: true }, "{entry:?}");
    assert!(
        entry
            .reasons
            .iter()
            .any(|reason| reason.en.contains("shared_buffers"))
    );
    assert_eq!(cluster.sql("SHOW shared_buffers").unwrap(), "256MB");
    all_is_well(&cluster, &load).await;
    assert_eq!(rows(&cluster, load).await.lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_before_the_run_stops_it_with_an_explanation() {
    let cluster = cluster("transaction");
    let refused = async || match method::ours(&cluster).await.unwrap().outcome {
        Outcome::Refused { why } => why.en,
        other => panic!("{other:?}"),
    };
    cluster.sql("ALTER ROLE varde PASSWORD 'other'").unwrap();
    std::fs::write(
        cluster.folder.join("data/pg_hba.conf"),
        "host all postgres all trust\nhost all all all scram-sha-256\n",
    )
    .unwrap();
    cluster.sql("SELECT pg_reload_conf()").unwrap();
    let mut why = refused().await;
    while !why.contains("password") {
        why = refused().await;
    }
    assert!(why.contains("varde db credential"), "{why}");
    cluster.control(&["stop", "-m", "fast"]).unwrap();
    assert!(refused().await.contains("does not answer"));
    assert!(!cluster.gate().is_paused(SOON).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_offers_tls_is_looked_at_and_restarted_over_it() {
    let cluster = cluster("transaction");
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-sha384", "-nodes", "-days", "2",
        ])
        .args([
            "-subj",
            "/CN=somebody",
            "-keyout",
            &cluster.path("data/server.key"),
        ])
        .args(["-out", &cluster.path("data/server.crt")])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let tree = &cluster.handle()[0];
    for name in ["data/server.key", "data/server.crt"] {
        let owned = Command::new("chroot")
            .args([tree, "chown", "postgres:postgres", &cluster.path(name)])
            .status();
        assert!(owned.unwrap().success());
    }
    // The password is asked for, and without TLS there is no way in.
    std::fs::write(
        cluster.folder.join("data/pg_hba.conf"),
        "local all all trust\nhost all postgres all trust\nhostssl all all all scram-sha-256\n",
    )
    .unwrap();
    cluster.sql("ALTER SYSTEM SET ssl = on").unwrap();
    cluster.sql("SELECT pg_reload_conf()").unwrap();
    let tls = async || {
        let _session = cluster.postgres().open().await.ok()?;
        let found = cluster.sql(
            "SELECT s.version FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
             WHERE a.application_name = 'varde-dbrestart' AND s.ssl",
        );
        found.ok().filter(|version| version.starts_with("TLSv1.3"))
    };
    while tls().await.is_none() {}
    restarted(&method::ours(&cluster).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_that_a_server_takes_for_itself_is_seen() {
    let cluster = cluster("transaction");
    let rig = cluster.rig();
    let taken = async || {
        rig.server
            .memory(&cluster.path("data"), SOON)
            .await
            .unwrap()
            .unwrap()
    };
    let before = taken().await;
    assert!(before.taken > 0 && before.taken < before.machine, "{before:?}");
    let port = cluster.port.to_string();
    let mut session = Command::new("chroot")
        .args([&cluster.handle()[0], "/usr/lib/postgresql/17/bin/psql", "-Xq"])
        .args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-c"])
        .arg("DO $$ DECLARE much text := repeat('x', 200000000); BEGIN PERFORM pg_sleep(600), length(much); END $$")
        .spawn()
        .unwrap();
    while taken().await.taken < before.taken + 150_000 {}
    session.kill().unwrap();
    session.wait().unwrap();
}
