//! The whole service: a declared database, its gate, its guest's agent, and clients on the bus.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use varde_bus::audit::{Entry, Record, Verdict};
use varde_bus::dbrestart::{DatabaseState, DbRestartProxy, PATH, RunRecord};
use varde_bus::hypervisor::HypervisorProxy;
use varde_bus::record::Recorder;
use varde_bus::testing::PrivateBus;
use varde_bus::{Failure, FailureKind};
use varde_dbrestart::service::{DbRestart, Posts, publish};
use varde_dbrestart::settings::{Paths, Settings};
use varde_dbrestart::warden::{Common, Leases};
use varde_dbrestart_lab::cluster::Cluster;
use varde_dbrestart_lab::tree;
use varde_site::{Database, DatabaseServer, Pool, Restart, RestartWhat};

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

/// What systemd would do on the appliance and in the guest, for the units that this needs.
fn systemctl(cluster: &Cluster) -> String {
    let (folder, tree) = (cluster.path(""), cluster.handle()[0].clone());
    let server = cluster.server().join(" ");
    format!(
        "#!/bin/sh\n\
         echo \"$*\" >>{folder}/systemctl.log\n\
         case \"$*\" in\n\
         'start varde-gate@journal.service')\n\
             [ -e {folder}/gate.pid ] && kill -0 $(cat {folder}/gate.pid) && exit 0\n\
             mkdir -p {folder}/run/varde/gate/journal && chmod -R a+rX {folder}/var {folder}/run\n\
             chroot {tree} chown -R postgres:postgres {folder}/run {folder}/var/lib/varde/gate\n\
             setsid -f sh -c 'echo $$ >{folder}/gate.pid; exec chroot --userspec=postgres:postgres {tree} \
             /usr/sbin/pgbouncer -q {folder}/var/lib/varde/gate/journal/pgbouncer.ini' >{folder}/gate.log 2>&1 </dev/null;;\n\
         'reload varde-gate@journal.service')\n\
             chroot {tree} chown -R postgres:postgres {folder}/var/lib/varde/gate; kill -HUP $(cat {folder}/gate.pid);;\n\
         'stop varde-gate@journal.service') kill -INT $(cat {folder}/gate.pid);;\n\
         'start --no-block postgresql@17-main.service') setsid -f {server} >>{folder}/postgres.log 2>&1 </dev/null;;\n\
         'reset-failed postgresql@17-main.service') ;;\n\
         *) exit 1;;\n\
         esac\n"
    )
}

/// An agent as QEMU has it, whose guest is this machine.
fn agent(socket: &Path, programs: String) {
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let listener = UnixListener::bind(socket).unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut output = None;
            loop {
                let mut line = Vec::new();
                if stream.read_until(b'\n', &mut line).await.unwrap() == 0 {
                    break;
                }
                let delimited = line.first() == Some(&0xFF);
                let asked: Value = serde_json::from_slice(&line[usize::from(delimited)..]).unwrap();
                let answer = match asked["execute"].as_str().unwrap() {
                    "guest-sync-delimited" => asked["arguments"]["id"].clone(),
                    "guest-exec" => {
                        let words = asked["arguments"]["arg"].as_array().unwrap();
                        let words: Vec<&str> = words.iter().map(|word| word.as_str().unwrap()).collect();
                        let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
                        let mut child = tokio::process::Command::new("sh")
                            .args(words)
                            .env("PATH", path)
                            .stdin(Stdio::null())
                            .stdout(Stdio::piped())
                            .spawn()
                            .unwrap();
                        let mut said = String::new();
                        child
                            .stdout
                            .take()
                            .unwrap()
                            .read_to_string(&mut said)
                            .await
                            .unwrap();
                        output = Some((child.wait().await.unwrap().code(), said));
                        json!({"pid": 7})
                    }
                    "guest-exec-status" => {
                        let (code, _) = output.clone().unwrap();
                        json!({"exited": true, "exitcode": code})
                    }
                    other => panic!("{other}"),
                };
                let mut bytes = if delimited { vec![0xFF] } else { vec![] };
                bytes.extend(json!({"return": answer}).to_string().bytes());
                bytes.push(b'\n');
                stream.get_mut().write_all(&bytes).await.unwrap();
            }
        }
    });
}

fn settings(cluster: &Cluster) -> Settings {
    Settings {
        database: Database {
            name: "journal".into(),
            title: "Pasientjournal".into(),
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declared_database_is_restarted_on_schedule_and_put_off_while_it_is_busy() {
    let cluster = Cluster::new(&tree::tree().unwrap()).unwrap();
    let hba = "local all all trust\nhost all postgres all trust\nhost all all all scram-sha-256\n";
    std::fs::write(cluster.folder.join("data/pg_hba.conf"), hba).unwrap();
    cluster.sql("SELECT pg_reload_conf()").unwrap();
    let programs = cluster.folder.join("bin");
    std::fs::create_dir(&programs).unwrap();
    let program = programs.join("systemctl");
    std::fs::write(&program, systemctl(&cluster)).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    agent(
        &cluster.folder.join("run/varde/vm/journal-db/agent.sock"),
        programs.display().to_string(),
    );

    let bus = PrivateBus::start();
    let entries = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let audit = bus.connect().await;
    audit
        .object_server()
        .at(varde_bus::audit::PATH, Audit(entries.clone()))
        .await
        .unwrap();
    audit.request_name(varde_bus::audit::NAME).await.unwrap();

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
    posts.follow(vec![settings(&cluster)], &common).await;
    connection
        .object_server()
        .at(PATH, DbRestart::new(posts.clone(), paths, recorder))
        .await
        .unwrap();
    connection.request_name(varde_bus::dbrestart::NAME).await.unwrap();
    let (told, for_news) = (posts.clone(), connection.clone());
    tokio::spawn(async move { publish(&for_news, &told, statuses).await });

    let client = bus.connect().await;
    let database = DbRestartProxy::new(&client).await.unwrap();

    // Without a password no run goes well, and it says what to do.
    let run = |number: usize| {
        let database = &database;
        async move {
            until("a run", async || {
                let runs: Vec<RunRecord> = database.runs("journal", 100).await.unwrap();
                let place = runs.len().checked_sub(number)?;
                runs.into_iter().nth(place)
            })
            .await
        }
    };
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
    let first = run(1).await;
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
    let put_off = run(known + 1).await;
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
    posts.stop().await;
    let entries = entries.lock().unwrap();
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
    let gate = std::fs::read_to_string(cluster.folder.join("gate.pid")).unwrap();
    Command::new("kill")
        .args(["-KILL", gate.trim()])
        .status()
        .unwrap();
}
