//! What a run asks for, performed on a real gate, a real PostgreSQL and a real server.

use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::time::{sleep, timeout};
use tokio_postgres::config::SslMode;
use varde_bus::Text;

use crate::Error;
use crate::gate::{Gate, Keeper, millis};
use crate::gates::systemctl;
use crate::ledger::Notice;
use crate::machine::Machine;
use crate::postgres::{Postgres, Session};
use crate::procedure::Performs;
use crate::reason::{self, Memory};
use crate::run::{Command, Event};
use crate::server::{Copy, Server};
use crate::usage::{Class, Use};

/// What is restarted when a run restarts.
#[derive(Clone, Debug)]
pub enum Target {
    /// The server's process.
    Process,
    /// The whole machine on which it runs.
    Machine,
}

/// Where the gate writes what it had to refuse.
#[derive(Clone, Debug)]
pub enum Log {
    Unit(String),
    File(PathBuf),
}

/// What the server's side told at preflight, and what has to be known when nobody can be asked.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Known {
    pub data: String,
    pub files: Vec<String>,
    /// When the server that is to be restarted began.
    #[serde(default)]
    pub began: String,
    /// What it took after its last start by a run of ours.
    #[serde(default)]
    pub memory: Option<Memory>,
}

#[derive(Debug)]
pub struct Rig {
    pub gate: Gate,
    /// The unit that is restarted when the gate does not obey.
    pub gate_unit: Option<String>,
    pub systemctl: PathBuf,
    pub log: Log,
    pub postgres: Postgres,
    pub server: Server,
    pub machine: Option<Machine>,
    pub target: Target,
    /// Transactions older than this are in use; milliseconds.
    pub oldest: u64,
    /// Where `known` is kept.
    pub memory: PathBuf,
    known: Known,
    looker: Option<Session>,
    keeper: Option<Keeper>,
    notice: Notice,
    log_from: u64,
}

const SHORT: Duration = Duration::from_secs(5);
/// Within what the procedure allows a command besides its own bound.
const ASIDE: Duration = Duration::from_millis(700);
/// An agent or a host that takes longer to say that it is there is not one to hold clients for.
const READY_MOST: Duration = Duration::from_secs(2);
const CHECKPOINT_MOST: Duration = Duration::from_mins(10);

/// All that a rig is made of but its memory of the run.
#[derive(Debug)]
pub struct Parts {
    pub gate: Gate,
    pub gate_unit: Option<String>,
    pub systemctl: PathBuf,
    pub log: Log,
    pub postgres: Postgres,
    pub server: Server,
    pub machine: Option<Machine>,
    pub target: Target,
    pub oldest: u64,
    pub memory: PathBuf,
}

impl Rig {
    pub fn new(parts: Parts) -> Self {
        let known = std::fs::read(&parts.memory)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Self {
            gate: parts.gate,
            gate_unit: parts.gate_unit,
            systemctl: parts.systemctl,
            log: parts.log,
            postgres: parts.postgres,
            server: parts.server,
            machine: parts.machine,
            target: parts.target,
            oldest: parts.oldest,
            memory: parts.memory,
            known,
            looker: None,
            keeper: None,
            notice: Notice::default(),
            log_from: 0,
        }
    }

    async fn preflight(&mut self) -> Result<Event, Error> {
        let fitness = self.postgres.fitness().await?;
        let memory = self.known.memory;
        self.known = Known {
            data: fitness.data.clone(),
            files: fitness.files.clone(),
            began: fitness.began.clone(),
            memory,
        };
        self.remember()?;
        let data = &self.known.data;
        // Also finds out whether the way to the server works, before anybody is held.
        self.server.room(data, SHORT * 2).await?;
        let mut reasons = fitness.reasons;
        let taken = self.server.memory(data, SHORT * 2).await?;
        reasons.extend(taken.and_then(|now| reason::of_memory(memory, now)));
        if fitness.settled {
            self.server
                .keep(Copy::Good, data, &self.known.files, SHORT * 2)
                .await?;
        }
        if self.gate.is_paused(SHORT).await? {
            // Nobody else holds it on purpose: a hand forgot it.
            self.gate.resume(None, SHORT).await?;
        }
        self.log_from = self.log_end().await;
        Ok(Event::Reasons(reasons))
    }

    fn remember(&self) -> Result<(), Error> {
        let bytes = serde_json::to_vec(&self.known).unwrap_or_default();
        std::fs::write(&self.memory, bytes).map_err(|error| Error::file(&self.memory, &error))
    }

    async fn look(&mut self) -> Result<Event, Error> {
        let session = match self.looker.take().filter(|session| !session.is_closed()) {
            Some(session) => session,
            None => self.postgres.open().await?,
        };
        let gate = self.gate.backends(SHORT).await?;
        let mut uses = self.postgres.look(&session, self.oldest, &gate).await?;
        if uses.iter().any(|found| found.class == Class::Direct) {
            // The gate may have connected between the two looks.
            let later = self.gate.backends(SHORT).await?;
            uses.retain(|found| found.class != Class::Direct || !later.contains(&found.pid));
        }
        uses.extend(self.gate.session_clients(SHORT).await?);
        self.looker = Some(session);
        if uses.is_empty() {
            // Found out while nobody is held.
            self.server.is_there(READY_MOST).await?;
        }
        Ok(Event::InUse(uses))
    }

    async fn pause(&mut self, within: Duration) -> Result<(), Error> {
        // Our own look must not be one of the sessions that a fast stop has to end.
        self.looker = None;
        let session = self.gate.pause(within).await?;
        self.keeper = Some(Keeper::watch(self.gate.clone(), session));
        Ok(())
    }

    async fn stop(&mut self, within: Duration) -> Result<Event, Error> {
        if let (Target::Machine, Some(machine)) = (&self.target, &self.machine) {
            machine.shut_down(within).await?;
            return Ok(Event::Done);
        }
        match self.server.stop(&self.known.data, within).await {
            Ok(()) => Ok(Event::Done),
            // A server that stops lets nobody in any more; this one was not told.
            Err(error) if self.postgres.probe(ASIDE).await.is_ok() => {
                Ok(Event::NotRestarted(error.text().clone()))
            }
            Err(error) => Err(error),
        }
    }

    async fn probe(&mut self, within: Duration) -> Result<Event, Error> {
        let Err(error) = self.postgres.probe(within).await else {
            return Ok(Event::Done);
        };
        let cause = error.text();
        let state = self.server.state(&self.known.data, ASIDE).await;
        Ok(match state.as_deref() {
            Ok("starting") => Event::OutOfHands(Text::new(
                format!(
                    "Tjeneren er i gang med å komme opp, og trenger mer tid. {}",
                    cause.nb
                ),
                format!("The server is coming up, and needs more time. {}", cause.en),
            )),
            // It let us know nothing, and its own side says that it would.
            Ok("ready") if !matches!(error, Error::Refused(_)) => Event::OutOfHands(Text::new(
                format!(
                    "Tjeneren går, men nås ikke herfra. Se på nettet mellom. {}",
                    cause.nb
                ),
                format!(
                    "The server runs and is not reached from here. Look at the network between. {}",
                    cause.en
                ),
            )),
            _ => return Err(error),
        })
    }

    async fn start(&mut self, within: Duration) -> Result<(), Error> {
        match (&self.target, &self.machine) {
            (Target::Machine, Some(machine)) => machine.start(within).await,
            _ => self.server.start(within).await,
        }
    }

    async fn resume(&mut self, within: Duration) -> Result<(), Error> {
        let mut session = match self.keeper.take() {
            Some(keeper) => keeper.stop().await,
            None => self.gate.admin(Duration::from_millis(50)).await.ok(),
        };
        // What clients waited is seen now or never; it is not worth letting them wait longer.
        if let Some(open) = &session {
            match timeout(Duration::from_millis(50), self.gate.waits(open)).await {
                Ok(Ok(waits)) => {
                    let longest = Notice::of(&waits);
                    if longest.longest >= self.notice.longest {
                        self.notice = longest;
                    }
                }
                // What comes after it would wait behind it.
                _ => session = None,
            }
        }
        self.gate.resume(session, within).await
    }

    async fn restart_gate(&mut self, within: Duration) -> Result<(), Error> {
        let Some(unit) = &self.gate_unit else {
            return Err(Error::failed(
                "Porten har ingen enhet som kan startes på nytt",
                "The gate has no unit that could be restarted",
            ));
        };
        let Ok(done) = timeout(within, systemctl(&self.systemctl, &["restart", unit])).await else {
            let what = Text::new("starte porten på nytt", "restarting the gate");
            return Err(Error::late(&what, millis(within)));
        };
        done
    }

    /// That a client gets through the gate, and that the gate holds nobody.
    async fn verify(&mut self, within: Duration) -> Result<Event, Error> {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(&self.gate.socket)
            .port(self.gate.port)
            .ssl_mode(SslMode::Disable)
            .application_name(crate::usage::APPLICATION);
        if let Some(user) = self.postgres.config.get_user() {
            config.user(user);
        }
        if let Some(password) = self.postgres.config.get_password() {
            config.password(password);
        }
        if let Some(database) = self.postgres.config.get_dbname() {
            config.dbname(database);
        }
        if self.gate.is_paused(SHORT).await? {
            self.gate.resume(None, SHORT).await?;
        }
        Postgres::new(config).probe(within).await?;
        self.notice.failed = self.errors_told().await;
        if self.postgres.began().await? == self.known.began {
            return Ok(Event::NotRestarted(Text::new(
                "Tjeneren ble ikke startet på nytt",
                "The server was not restarted",
            )));
        }
        let data = &self.known.data;
        self.server
            .keep(Copy::Started, data, &self.known.files, SHORT)
            .await?;
        self.known.memory = self.server.memory(data, SHORT).await?;
        self.remember()?;
        Ok(Event::Done)
    }

    async fn log_end(&self) -> u64 {
        match &self.log {
            Log::File(path) => tokio::fs::metadata(path).await.map_or(0, |file| file.len()),
            Log::Unit(_) => jiff::Timestamp::now().as_second().unsigned_abs(),
        }
    }

    /// How many errors the gate had to tell clients since the preflight.
    async fn errors_told(&self) -> u32 {
        let text = match &self.log {
            Log::File(path) => tail(path, self.log_from).await,
            Log::Unit(unit) => {
                let since = format!("--since=@{}", self.log_from);
                let journal = tokio::process::Command::new("journalctl")
                    .args(["--quiet", "--no-pager", "--output=cat", &since, "--unit", unit])
                    .kill_on_drop(true)
                    .output();
                timeout(SHORT, journal)
                    .await
                    .ok()
                    .and_then(Result::ok)
                    .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
                    .unwrap_or_default()
            }
        };
        // What its admin console refused was said to us.
        let told = |line: &&str| line.contains("pooler error") && !line.contains(" pgbouncer/");
        let told = text.lines().filter(told).count();
        u32::try_from(told).unwrap_or(u32::MAX)
    }

    async fn cut(&mut self, uses: &[Use]) -> Result<(), Error> {
        self.postgres.cut(uses).await
    }

    async fn put_back(&self, copy: Copy, within: Duration) -> Result<(), Error> {
        let Known { data, files, .. } = &self.known;
        self.server.put_back(copy, data, files, within).await
    }

    async fn restart_machine(&mut self, within: Duration) -> Result<(), Error> {
        match &self.machine {
            Some(machine) => machine.restart(within).await,
            None => Err(Error::failed("Ingen maskin", "No machine")),
        }
    }
}

async fn tail(path: &PathBuf, from: u64) -> String {
    let read = async {
        let mut file = tokio::fs::File::open(path).await?;
        file.seek(std::io::SeekFrom::Start(from)).await?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&text).into_owned())
    };
    read.await.unwrap_or_default()
}

impl Performs for Rig {
    async fn perform(&mut self, command: &Command) -> Event {
        let ms = |within: &u64| Duration::from_millis(*within);
        let done = match command {
            Command::Preflight => return told(self.preflight().await),
            Command::Look => return told(self.look().await),
            Command::Checkpoint => self.postgres.checkpoint(CHECKPOINT_MOST).await,
            Command::Wait { millis } => {
                sleep(ms(millis)).await;
                Ok(())
            }
            Command::Cut(uses) => self.cut(uses).await,
            Command::Pause { within } => self.pause(ms(within)).await,
            Command::Release { within } => self.gate.resume(None, ms(within)).await,
            Command::Stop { within } => return told(self.stop(ms(within)).await),
            Command::Kill { within } => match (&self.target, &self.machine) {
                (Target::Machine, Some(machine)) => machine.force_off(ms(within)).await,
                _ => self.server.kill(&self.known.data, ms(within)).await,
            },
            Command::Start { within } => self.start(ms(within)).await,
            Command::FallBack { within } => self.put_back(Copy::Good, ms(within)).await,
            Command::RollBack { within } => self.put_back(Copy::Started, ms(within)).await,
            Command::RestartMachine { within } => self.restart_machine(ms(within)).await,
            Command::Probe { within } => return told(self.probe(ms(within)).await),
            Command::Resume { within } => self.resume(ms(within)).await,
            Command::RestartGate { within } => self.restart_gate(ms(within)).await,
            Command::Verify { within } => return told(self.verify(ms(within)).await),
            Command::Finish(_) => Ok(()),
        };
        told(done.map(|()| Event::Done))
    }

    fn notice(&self) -> Notice {
        self.notice.clone()
    }
}

pub(crate) fn told(result: Result<Event, Error>) -> Event {
    match result {
        Ok(event) => event,
        Err(Error::Late(why)) => Event::Late(why),
        Err(Error::Failed(why) | Error::Refused(why)) => Event::Failed(why),
    }
}
