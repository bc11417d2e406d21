//! One PostgreSQL with its gate, on loopback, in a folder of its own below the tree's `/tmp`.
//!
//! The servers run in the tree by chroot. The same folder has the same path on both sides, by a symbolic link outside,
//! so that a path that PostgreSQL tells is one that scripts outside can use.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use varde_dbrestart::gate::Gate;
use varde_dbrestart::postgres::Postgres;
use varde_dbrestart::rig::{Log, Parts, Rig, Target};
use varde_dbrestart::server::{Server, Start, Via};

use crate::Result;

const BIN: &str = "/usr/lib/postgresql/17/bin";
/// postgres in the tree.
const OWNER: &str = "--userspec=postgres:postgres";

/// What an operator runs once in a database before its restarts are scheduled.
const PREPARE: &str = include_str!("../../prepare.sql");

#[derive(Debug)]
pub struct Cluster {
    tree: PathBuf,
    /// The link outside, and the path inside.
    pub folder: PathBuf,
    pub port: u16,
    pub gate_port: u16,
    /// Where gate and controller reach the server; another one than its own where a wire lies between.
    pub way: u16,
    /// Seconds for which the gate holds a client at most.
    pub held_most: u64,
    supervisor: Option<Child>,
    attached: bool,
}

impl Cluster {
    /// Makes one, prepared for scheduled restarts, with a table that takes the load's rows.
    pub fn new(tree: &Path) -> Result<Self> {
        let name = format!("varde-lab-{}-{}", std::process::id(), free_port()?);
        let folder = PathBuf::from("/tmp").join(&name);
        let real = tree.join("tmp").join(&name);
        std::fs::create_dir_all(&real)?;
        std::os::unix::fs::symlink(&real, &folder)?;
        let port = free_port()?;
        let cluster = Self {
            tree: tree.to_owned(),
            folder,
            port,
            gate_port: free_port()?,
            way: port,
            held_most: 60,
            supervisor: None,
            attached: false,
        };
        let owned = cluster
            .command(&["chown", "postgres:postgres", &cluster.path("")], false)
            .status()?;
        let data = cluster.path("data");
        let initdb = [
            &format!("{BIN}/initdb"),
            "-D",
            &data,
            "-U",
            "postgres",
            "--auth=trust",
            "--no-sync",
            "--locale=C.UTF-8",
        ];
        let made = cluster.command(&initdb, true).stdout(Stdio::null()).status()?;
        if !owned.success() || !made.success() {
            return Err("initdb failed".into());
        }
        let settings = format!(
            "port = {}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\n\
             dynamic_shared_memory_type = mmap\nmax_connections = 100\nshared_buffers = 256MB\n\
             max_prepared_transactions = 5\nwal_level = logical\n",
            cluster.port,
            cluster.path(""),
        );
        let file = real.join("data/postgresql.conf");
        let text = std::fs::read_to_string(&file)? + &settings;
        std::fs::write(&file, text)?;
        cluster.start()?;
        cluster.wait()?;
        cluster.sql(PREPARE)?;
        cluster.sql("CREATE TABLE work (client int, number int, PRIMARY KEY (client, number)); GRANT ALL ON work TO PUBLIC; ALTER ROLE varde PASSWORD 'lab'; CREATE ROLE app LOGIN PASSWORD 'app'")?;
        Ok(cluster)
    }

    pub fn path(&self, below: &str) -> String {
        self.folder.join(below).display().to_string()
    }

    fn command(&self, words: &[&str], as_owner: bool) -> Command {
        let mut command = Command::new("chroot");
        if as_owner {
            command.arg(OWNER);
        }
        command.arg(&self.tree).args(words).stdin(Stdio::null());
        command
    }

    /// The words that become the server.
    pub fn server(&self) -> Vec<String> {
        [
            "chroot",
            OWNER,
            &self.tree.display().to_string(),
            &format!("{BIN}/postgres"),
            "-D",
            &self.path("data"),
        ]
        .map(str::to_owned)
        .to_vec()
    }

    pub fn start(&self) -> Result<()> {
        let server = self.server();
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("postgres.log"))?;
        Command::new("setsid")
            .arg("-f")
            .args(server)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()?;
        Ok(())
    }

    pub fn pid(&self) -> Option<i32> {
        let text = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).ok()?;
        text.lines().next()?.parse().ok()
    }

    /// `pg_ctl` in the tree, such as `restart -m fast`.
    pub fn control(&self, words: &[&str]) -> Result<()> {
        let program = format!("{BIN}/pg_ctl");
        let (data, log) = (self.path("data"), self.path("pg_ctl.log"));
        let mut all = vec![program.as_str(), "-D", &data, "-l", &log, "-w", "-s"];
        all.extend(words);
        let status = self.command(&all, true).status()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("pg_ctl {words:?}: {status}").into())
        }
    }

    pub fn wait(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_mins(1);
        while Instant::now() < deadline {
            if self.sql("SELECT 1").is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(format!("PostgreSQL does not answer; see {}", self.path("postgres.log")).into())
    }

    /// Statements as the superuser, past the gate.
    pub fn sql(&self, statements: &str) -> Result<String> {
        let port = self.port.to_string();
        let psql = [
            &format!("{BIN}/psql"),
            "-X",
            "-q",
            "-At",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            "postgres",
            "-c",
            statements,
        ];
        let output = self.command(&psql, true).output()?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned().into())
        }
    }

    /// Starts the gate, in this pool mode; `stock` leaves PgBouncer's own choices where ours are for restarts.
    pub fn open_gate(&mut self, pool_mode: &str, stock: bool) -> Result<()> {
        let config = varde_dbrestart::bouncer::Config {
            listen: "127.0.0.1".into(),
            port: self.gate_port,
            server_host: "127.0.0.1".into(),
            server_port: self.way,
            user: "varde".into(),
            database: "postgres".into(),
            admin: "root".into(),
            folder: self.path(""),
            socket: self.path(""),
            pool_mode: pool_mode.into(),
            pool_size: 20,
            held_most: self.held_most,
            certificate: None,
            log: Some(self.path("pgbouncer.log")),
        };
        let ours = [
            "server_login_retry",
            "query_wait_timeout",
            "cancel_wait_timeout",
            "client_login_timeout",
        ];
        let ini: String = config
            .ini()
            .lines()
            .filter(|line| !stock || !ours.iter().any(|key| line.starts_with(key)))
            .map(|line| format!("{line}\n"))
            .chain([format!("pidfile = {}\n", self.path("pgbouncer.pid"))])
            .collect();
        std::fs::write(self.folder.join("pgbouncer.ini"), ini)?;
        std::fs::write(
            self.folder.join("pgbouncer.hba"),
            varde_dbrestart::bouncer::hba("root", false),
        )?;
        std::fs::write(
            self.folder.join("userlist.txt"),
            varde_dbrestart::bouncer::userlist("varde", "lab", "root"),
        )?;
        let owned = self
            .command(
                &["chown", "-R", "postgres:postgres", &self.path("pgbouncer.ini")],
                false,
            )
            .status()?;
        if !owned.success() {
            return Err("chown failed".into());
        }
        self.start_gate()
    }

    /// Under a supervisor that starts it again, as its unit does.
    fn start_gate(&mut self) -> Result<()> {
        let ini = self.path("pgbouncer.ini");
        let tree = self.tree.display().to_string();
        let script = "while :; do \"$@\" & wait $!; sleep 0.1; done";
        let words = [
            "-c",
            script,
            "gate",
            "chroot",
            OWNER,
            &tree,
            "/usr/sbin/pgbouncer",
            "-q",
            &ini,
        ];
        let mut supervisor = Command::new("sh");
        supervisor
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.supervisor = Some(supervisor.process_group(0).spawn()?);
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if std::net::TcpStream::connect(("127.0.0.1", self.gate_port)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(format!("the gate does not answer; see {}", self.path("pgbouncer.log")).into())
    }

    /// Kills the gate; its supervisor starts another one.
    pub fn kill_gate(&self) -> Result<()> {
        let pid: i32 = std::fs::read_to_string(self.folder.join("pgbouncer.pid"))?
            .trim()
            .parse()?;
        let pid = rustix::process::Pid::from_raw(pid).ok_or("no process")?;
        rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
        Ok(())
    }

    /// What another process needs to work on the same servers.
    pub fn handle(&self) -> Vec<String> {
        let (tree, folder) = (self.tree.display().to_string(), self.folder.display().to_string());
        vec![tree, folder, self.port.to_string(), self.gate_port.to_string()]
    }

    /// The same servers, in another process; they stay when this is dropped.
    pub fn attach(handle: &[String]) -> Result<Self> {
        let [tree, folder, port, gate_port] = handle else {
            return Err("not a handle of a cluster".into());
        };
        Ok(Self {
            tree: tree.into(),
            folder: folder.into(),
            port: port.parse()?,
            gate_port: gate_port.parse()?,
            way: port.parse()?,
            held_most: 60,
            supervisor: None,
            attached: true,
        })
    }

    pub fn gate(&self) -> Gate {
        Gate {
            socket: self.folder.clone(),
            port: self.gate_port,
            user: "root".into(),
        }
    }

    pub fn postgres(&self) -> Postgres {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(self.way)
            .user("varde")
            .password("lab")
            .dbname("postgres");
        Postgres::new(config)
    }

    /// The rig of the product on these servers.
    pub fn rig(&self) -> Rig {
        Rig::new(Parts {
            gate: self.gate(),
            gate_unit: None,
            systemctl: "systemctl".into(),
            log: Log::File(self.folder.join("pgbouncer.log")),
            postgres: self.postgres(),
            server: Server {
                via: Via::Local { prefix: vec![] },
                start: Start::Command(self.server()),
            },
            machine: None,
            target: Target::Process,
            oldest: 200,
            memory: self.folder.join("known.json"),
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.attached {
            return;
        }
        if let Some(mut supervisor) = self.supervisor.take() {
            let _ = supervisor.kill();
            let _ = supervisor.wait();
            let _ = self.kill_gate();
        }
        let _ = self.control(&["stop", "-m", "immediate"]);
        let _ = std::fs::remove_dir_all(
            self.tree
                .join("tmp")
                .join(self.folder.file_name().unwrap_or_default()),
        );
        let _ = std::fs::remove_file(&self.folder);
    }
}

/// Below those that the kernel gives to connections, and none twice in a process: what is to listen there comes later.
pub(crate) fn free_port() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 20_000;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let start = std::process::id().wrapping_mul(97);
        let port = u16::try_from(FIRST + start.wrapping_add(step) % COUNT)?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no port is free".into())
}
