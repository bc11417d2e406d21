//! The gate of servers whose protocol Varde does not know, before a real Valkey that writes down what it acknowledges.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use varde_dbrestart::forecast::Forecast;
use varde_dbrestart::journal::Head;
use varde_dbrestart::ledger::{Cause, Entry, Notice};
use varde_dbrestart::procedure::{Books, Performs, Strings, conduct, recover};
use varde_dbrestart::relay::Config;
use varde_dbrestart::relay::control::Relay;
use varde_dbrestart::relay::rig::{Parts, RelayRig, answers};
use varde_dbrestart::relay::serve::serve;
use varde_dbrestart::rig::Target;
use varde_dbrestart::run::{self, Event, Outcome, Plan};
use varde_dbrestart::server::{Server, Start, Via};
use varde_dbrestart_lab::tree;

const SOON: Duration = Duration::from_secs(5);
const UNIT: &str = "valkey-server.service";
const COMMANDS: [&str; 8] = [
    "Preflight",
    "Look",
    "Pause",
    "Stop",
    "Start",
    "Probe",
    "Resume",
    "Verify",
];

/// What systemd would do for the server's unit.
const SYSTEMCTL: &str = r#"#!/bin/sh
case "$*" in
*property=ActiveState*) kill -0 "$(cat FOLDER/pid)" 2>/dev/null && echo active || echo inactive ;;
*property=MainPID*) cat FOLDER/pid ;;
*property=ActiveEnterTimestampMonotonic*) echo 1000000 ;;
*property=ControlGroup*) echo /none ;;
stop*) pid=$(cat FOLDER/pid); kill "$pid" || exit 0; while readlink "/proc/$pid/exe" >/dev/null; do sleep 0.01; done ;;
start*) setsid -f sh -c 'echo $$ >FOLDER/pid; exec chroot TREE valkey-server --bind 127.0.0.1 --port PORT --dir /tmp/NAME \
    --save "" --appendonly yes --appendfsync always' >>FOLDER/log 2>&1 </dev/null ;;
reset-failed*) ;;
*) exit 1 ;;
esac
"#;

/// A Valkey, and its gate under a supervisor that starts it again as systemd does.
struct Site {
    folder: PathBuf,
    real: PathBuf,
    server: SocketAddr,
    gate: SocketAddr,
    relay: Relay,
    supervisor: Child,
}

fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
}

impl Site {
    async fn new(held_most: u64) -> Self {
        let tree = tree::tree().unwrap();
        let (server, gate) = (free(), free());
        let name = format!("varde-relay-{}-{}", std::process::id(), gate.port());
        let real = tree.join("tmp").join(&name);
        let folder = PathBuf::from("/tmp").join(&name);
        for folder in [&real, &folder] {
            std::fs::create_dir_all(folder.join("bin")).unwrap();
        }
        let script = SYSTEMCTL
            .replace("FOLDER", &folder.display().to_string())
            .replace("TREE", &tree.display().to_string())
            .replace("NAME", &name)
            .replace("PORT", &server.port().to_string());
        let systemctl = folder.join("bin/systemctl");
        std::fs::write(&systemctl, script).unwrap();
        std::fs::set_permissions(&systemctl, PermissionsExt::from_mode(0o755)).unwrap();
        assert!(Command::new(&systemctl).arg("start").status().unwrap().success());
        let relay = Relay {
            socket: folder.join("relay.sock"),
        };
        let config = Config {
            listen: gate,
            server,
            control: relay.socket.clone(),
            admin: 0,
            held_most,
        };
        let file = folder.join("relay.json");
        std::fs::write(&file, serde_json::to_vec(&config).unwrap()).unwrap();
        let script = "while :; do \"$0\" \"$1\" & echo $! >\"$2\"; wait $!; sleep 0.1; done";
        let supervisor = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_varde-relay")])
            .arg(&file)
            .arg(folder.join("relay.pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        answers(server, SOON).await.unwrap();
        let site = Self {
            folder,
            real,
            server,
            gate,
            relay,
            supervisor,
        };
        site.gate_is_back().await;
        site
    }

    async fn gate_is_back(&self) {
        let back = async {
            while self.relay.state(SOON).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(SOON * 4, back).await.unwrap();
    }

    fn rig(&self) -> RelayRig {
        let path = format!(
            "PATH={}:/usr/sbin:/usr/bin:/sbin:/bin",
            self.folder.join("bin").display()
        );
        RelayRig::new(Parts {
            relay: self.relay.clone(),
            gate: self.gate,
            address: self.server,
            gate_unit: "varde-relay@lager.service".into(),
            systemctl: "false".into(),
            server: Server {
                via: Via::Local {
                    prefix: vec!["env".into(), path],
                },
                start: Start::Unit(UNIT.into()),
            },
            unit: UNIT.into(),
            machine: None,
            target: Target::Process,
            oldest: 200,
            memory: self.folder.join("memory.json"),
        })
    }

    fn books(&self) -> Books {
        Books {
            folder: self.folder.clone(),
            downtime_cost: 50_000,
            counties: 3,
        }
    }

    async fn run(&self, rig: &mut impl Performs, give_up: u64) -> Entry {
        conduct(rig, &self.books(), head(give_up), strings()).await.entry
    }

    fn pid(&self) -> String {
        std::fs::read_to_string(self.folder.join("pid")).unwrap()
    }

    fn kill_gate(&self) {
        kill(&std::fs::read_to_string(self.folder.join("relay.pid")).unwrap());
    }

    async fn is_well(&self) {
        self.gate_is_back().await;
        assert!(!self.relay.state(SOON).await.unwrap().held, "clients are held");
        assert!(!self.books().journal().exists());
        assert!(Client::new(self.gate).await.unwrap().add("well").await.is_ok());
    }
}

/// Only what is a process of ours: 0 and below would be others'.
fn pid(text: &str) -> Option<Pid> {
    Pid::from_raw(text.trim().parse().ok()?).filter(|pid| pid.as_raw_nonzero().get() > 1)
}

fn kill(text: &str) {
    if let Some(pid) = pid(text) {
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::KILL);
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(group) = pid(&self.supervisor.id().to_string()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.supervisor.wait();
        kill(&self.pid());
        let _ = std::fs::remove_dir_all(&self.folder);
        let _ = std::fs::remove_dir_all(&self.real);
    }
}

fn head(give_up: u64) -> Head {
    Head {
        cause: Cause::calendar(0),
        plan: Plan {
            stall_budget: 20_000,
            give_up,
            pause_most: 250,
            held_most: 20_000,
            stop_most: 5_000,
            start_most: 5_000,
            may_cut: std::collections::BTreeMap::new(),
            only_with_reason: false,
            forecast: Forecast {
                restart: 100,
                runs: 0,
            },
            falls_back: false,
            has_machine: false,
        },
        started: 0,
        expected_delayed: None,
    }
}

fn strings() -> Strings {
    let (_, cancel) = watch::channel(false);
    let (progress, _) = watch::channel(None);
    Strings { cancel, progress }
}

/// A program that uses the server.
struct Client(BufReader<TcpStream>);

impl Client {
    async fn new(address: SocketAddr) -> std::io::Result<Self> {
        Ok(Self(BufReader::new(TcpStream::connect(address).await?)))
    }

    async fn ask(&mut self, words: &str) -> std::io::Result<String> {
        let line = format!("{words}\r\n");
        self.0.get_mut().write_all(line.as_bytes()).await?;
        let mut answer = String::new();
        if self.0.read_line(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(answer.trim().to_owned())
    }

    /// One more, acknowledged when it is on disk.
    async fn add(&mut self, what: &str) -> std::io::Result<u64> {
        let answer = self.ask(&format!("INCR {what}")).await?;
        answer[1..].parse().map_err(std::io::Error::other)
    }
}

/// Programs that connect, write and leave, as they come: what they were told.
struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<(u64, u64)>>,
}

impl Load {
    fn start(gate: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = (0..4)
            .map(|_| {
                let stop = stop.clone();
                tokio::spawn(async move {
                    let (mut told, mut failed) = (0, 0);
                    while !stop.load(Ordering::SeqCst) {
                        let done = async { Client::new(gate).await?.add("rows").await };
                        match done.await {
                            Ok(_) => told += 1,
                            Err(_) => failed += 1,
                        }
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    (told, failed)
                })
            })
            .collect();
        Self { stop, tasks }
    }

    async fn end(self) -> (u64, u64) {
        self.stop.store(true, Ordering::SeqCst);
        let (mut told, mut failed) = (0, 0);
        for task in self.tasks {
            let (more, bad) = task.await.unwrap();
            told += more;
            failed += bad;
        }
        (told, failed)
    }
}

fn restarted(entry: &Entry) {
    assert_eq!(
        entry.outcome,
        Outcome::Restarted { fell_back: false },
        "{entry:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_that_come_wait_for_the_new_server_and_sessions_that_were_inside_are_cut_and_counted() {
    let site = Site::new(20_000).await;
    let mut inside = Client::new(site.gate).await.unwrap();
    assert_eq!(inside.add("inside").await.unwrap(), 1);
    let load = Load::start(site.gate);
    let before = site.pid();
    for _ in 0..3 {
        restarted(&site.run(&mut site.rig(), 60_000).await);
    }
    assert_ne!(site.pid(), before);
    assert!(inside.add("inside").await.is_err(), "it was cut, and knows it");
    let (told, failed) = load.end().await;
    assert_eq!(failed, 0, "of {told}");
    let mut later = Client::new(site.gate).await.unwrap();
    assert_eq!(later.add("rows").await.unwrap(), told + 1, "each row once");

    // The ledger says how many were cut.
    let mut three = Vec::new();
    for _ in 0..3 {
        let mut client = Client::new(site.gate).await.unwrap();
        client.add("three").await.unwrap();
        three.push(client);
    }
    drop(later);
    let entry = site.run(&mut site.rig(), 60_000).await;
    restarted(&entry);
    assert!(entry.notice.cut >= 3, "{entry:?}");
    site.is_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_out_is_waited_for_and_nobody_behind_it() {
    let site = Site::new(20_000).await;
    let mut waiting = Client::new(site.gate).await.unwrap();
    let long = tokio::spawn(async move { waiting.ask("BLPOP nothing 60").await });
    let mut other = Client::new(site.gate).await.unwrap();
    let before = site.pid();
    while !site
        .relay
        .state(SOON)
        .await
        .unwrap()
        .clients
        .iter()
        .any(|client| client.asked.is_some_and(|for_| for_ > 200))
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut rig = site.rig();
    let run = site.run(&mut rig, 1_500);
    let others = async {
        for _ in 0..20 {
            other.add("rows").await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (entry, ()) = tokio::join!(run, others);
    let Outcome::PutOff { why, uses } = &entry.outcome else {
        panic!("{entry:?}");
    };
    assert!(why.nb.contains("forespørsel uten svar"), "{why}");
    assert!(
        uses[0].whose.starts_with("127.0.0.1:") && entry.held.is_none(),
        "{entry:?}"
    );
    assert_eq!(site.pid(), before);
    // Its answer comes, and then the way is free.
    other.ask("RPUSH nothing 1").await.unwrap();
    assert_eq!(long.await.unwrap().unwrap(), "*2");
    restarted(&site.run(&mut site.rig(), 60_000).await);
}

/// Does something to a run at a command, once.
struct Struck<'a> {
    rig: RelayRig,
    at: &'static str,
    after: bool,
    does: Option<Box<dyn FnOnce() + 'a>>,
    /// The controller is dead from there on.
    dies: Option<Arc<Notify>>,
}

impl Struck<'_> {
    async fn strike(&mut self, name: &str, after: bool) {
        if self.after != after || !name.starts_with(self.at) {
            return;
        }
        if let Some(does) = self.does.take() {
            does();
            if let Some(dies) = &self.dies {
                dies.notify_one();
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Performs for Struck<'_> {
    async fn perform(&mut self, command: &run::Command) -> Event {
        let name = format!("{command:?}");
        self.strike(&name, false).await;
        let event = self.rig.perform(command).await;
        self.strike(&name, true).await;
        event
    }

    fn notice(&self) -> Notice {
        self.rig.notice()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_killed_at_any_step_comes_back_open_and_loses_no_acknowledged_row() {
    let site = Site::new(20_000).await;
    let load = Load::start(site.gate);
    for at in COMMANDS {
        for after in [false, true] {
            let mut rig = Struck {
                rig: site.rig(),
                at,
                after,
                does: Some(Box::new(|| site.kill_gate())),
                dies: None,
            };
            let entry = site.run(&mut rig, 10_000).await;
            assert!(rig.does.is_none(), "{at}");
            assert!(
                !matches!(entry.outcome, Outcome::Down { .. }),
                "{at} {after}: {entry:?}"
            );
            site.is_well().await;
        }
    }
    let (told, failed) = load.end().await;
    let rows = Client::new(site.gate).await.unwrap().add("rows").await.unwrap() - 1;
    assert!(
        told <= rows && rows <= told + failed,
        "{told} told, {failed} failed, {rows} there"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_that_dies_at_any_step_leaves_nobody_held() {
    let site = Site::new(20_000).await;
    for at in COMMANDS {
        for after in [false, true] {
            let dies = Arc::new(Notify::new());
            let mut rig = Struck {
                rig: site.rig(),
                at,
                after,
                does: Some(Box::new(|| ())),
                dies: Some(dies.clone()),
            };
            tokio::select! {
                entry = site.run(&mut rig, 10_000) => panic!("{at} {after}: {entry:?}"),
                () = dies.notified() => {}
            }
            drop(rig);
            let ended = recover(&mut site.rig(), &site.books(), strings()).await.unwrap();
            assert!(ended.is_some(), "{at} {after}");
            site.is_well().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_everybody_forgot_are_let_go_by_the_gate_itself_and_strangers_cannot_drive_it() {
    let site = Site::new(300).await;
    site.relay.hold(SOON).await.unwrap();
    let mut client = Client::new(site.gate).await.unwrap();
    assert_eq!(client.add("patience").await.unwrap(), 1);
    assert!(!site.relay.state(SOON).await.unwrap().held);
    // Another one, that belongs to somebody else.
    let socket = site.folder.join("other.sock");
    let config = Config {
        listen: free(),
        server: site.server,
        control: socket.clone(),
        admin: 12_345,
        held_most: 300,
    };
    let ready = Arc::new(Notify::new());
    let told = ready.clone();
    let other = tokio::spawn(async move { serve(config, || told.notify_one()).await });
    ready.notified().await;
    assert!(Relay { socket }.hold(SOON).await.is_err());
    other.abort();
}
