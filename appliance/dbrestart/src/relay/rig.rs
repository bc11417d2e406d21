//! What a run asks for, performed on a relay and a server of which only its address and its unit are known.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use varde_bus::Text;

use super::control::{Client, Relay};
use crate::Error;
use crate::gate::millis;
use crate::gates::systemctl;
use crate::ledger::Notice;
use crate::machine::Machine;
use crate::procedure::Performs;
use crate::reason::{self, Memory};
use crate::rig::{Target, told};
use crate::run::{Command, Event};
use crate::server::Server;
use crate::usage::{Class, Use};

const SHORT: Duration = Duration::from_secs(5);
const READY_MOST: Duration = Duration::from_secs(2);

/// All that a rig is made of but its memory of the run.
#[derive(Debug)]
pub struct Parts {
    pub relay: Relay,
    /// Where clients come.
    pub gate: SocketAddr,
    pub address: SocketAddr,
    /// The unit that is restarted when the gate does not obey.
    pub gate_unit: String,
    pub systemctl: PathBuf,
    pub server: Server,
    pub unit: String,
    pub machine: Option<Machine>,
    pub target: Target,
    /// Requests older than this are in use; milliseconds.
    pub oldest: u64,
    /// Where is kept what the server's memory was after its last start.
    pub memory: PathBuf,
}

#[derive(Debug)]
pub struct RelayRig {
    parts: Parts,
    /// Of the server that is to be restarted.
    began: String,
    keeper: Option<JoinHandle<()>>,
    notice: Notice,
}

impl RelayRig {
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            began: String::new(),
            keeper: None,
            notice: Notice::default(),
        }
    }

    async fn preflight(&mut self) -> Result<Event, Error> {
        let parts = &self.parts;
        answers(parts.address, SHORT).await?;
        let mut reasons = Vec::new();
        // The guest itself is what is restarted, and it says nothing of itself.
        if matches!(parts.target, Target::Process) {
            // Also finds out whether the way to the server works, before anybody is held.
            let unit = parts.server.unit_state(&parts.unit, SHORT * 2).await?;
            if !unit.active {
                let unit = &parts.unit;
                return Err(Error::failed(
                    format!(
                        "Tjenesten {unit} går ikke, så noe annet svarer på adressen. Se på unit i site.toml"
                    ),
                    format!(
                        "The unit {unit} does not run, so something else answers at the address. Look at unit in site.toml"
                    ),
                ));
            }
            self.began = unit.began;
            let before = Memory::load(&parts.memory);
            reasons.extend(reason::of_age(unit.age));
            reasons.extend(unit.memory.and_then(|now| reason::of_memory(before, now)));
        }
        if self.parts.relay.state(SHORT).await?.held {
            // Nobody else holds it on purpose: a hand forgot it.
            self.parts.relay.release(SHORT).await?;
        }
        Ok(Event::Reasons(reasons))
    }

    async fn look(&mut self) -> Result<Event, Error> {
        let uses = in_use(&self.parts.relay, self.parts.oldest).await?;
        if uses.is_empty() && matches!(self.parts.target, Target::Process) {
            // Found out while nobody is held.
            self.parts.server.is_there(READY_MOST).await?;
        }
        Ok(Event::InUse(uses))
    }

    async fn cut(&self, uses: &[Use]) -> Result<(), Error> {
        let clients = uses
            .iter()
            .filter_map(|found| u64::try_from(found.pid).ok())
            .collect();
        self.parts.relay.cut(clients, SHORT).await.map(drop)
    }

    async fn pause(&mut self, within: Duration) -> Result<(), Error> {
        self.parts.relay.hold(within).await?;
        // A session of the old server means nothing to the new one: its program connects again, and is held.
        self.notice.cut += self.parts.relay.cut(Vec::new(), SHORT).await?;
        let relay = self.parts.relay.clone();
        self.keeper = Some(tokio::spawn(async move {
            const EVERY: Duration = Duration::from_millis(20);
            loop {
                sleep(EVERY).await;
                let held = relay.state(Duration::from_secs(1)).await;
                if held.is_ok_and(|state| !state.held) {
                    // It died, and its successor holds nobody yet; one that is not back yet is tried again.
                    let _ = relay.hold(Duration::from_secs(1)).await;
                }
            }
        }));
        Ok(())
    }

    async fn stop(&self, within: Duration) -> Result<(), Error> {
        let parts = &self.parts;
        match (&parts.target, &parts.machine) {
            (Target::Machine, Some(machine)) => machine.shut_down(within).await,
            _ => parts.server.stop_unit(&parts.unit, within).await,
        }
    }

    async fn kill(&self, within: Duration) -> Result<(), Error> {
        let parts = &self.parts;
        match (&parts.target, &parts.machine) {
            (Target::Machine, Some(machine)) => machine.force_off(within).await,
            _ => parts.server.kill_unit(&parts.unit, within).await,
        }
    }

    async fn start(&self, within: Duration) -> Result<(), Error> {
        let parts = &self.parts;
        match (&parts.target, &parts.machine) {
            (Target::Machine, Some(machine)) => machine.start(within).await,
            _ => parts.server.start(within).await,
        }
    }

    async fn restart_machine(&self, within: Duration) -> Result<(), Error> {
        match &self.parts.machine {
            Some(machine) => machine.restart(within).await,
            None => Err(Error::failed("Ingen maskin", "No machine")),
        }
    }

    async fn resume(&mut self, within: Duration) -> Result<(), Error> {
        if let Some(keeper) = self.keeper.take() {
            keeper.abort();
            let _ = keeper.await;
        }
        if let Ok(state) = self.parts.relay.state(Duration::from_millis(200)).await {
            let waits: Vec<u64> = state.clients.iter().filter_map(|client| client.held).collect();
            let seen = Notice::of(&waits);
            if seen.longest >= self.notice.longest {
                self.notice = Notice {
                    cut: self.notice.cut,
                    ..seen
                };
            }
        }
        self.parts.relay.release(within).await
    }

    async fn restart_gate(&self, within: Duration) -> Result<(), Error> {
        let words = ["restart", self.parts.gate_unit.as_str()];
        let restart = systemctl(&self.parts.systemctl, &words);
        if let Ok(done) = timeout(within, restart).await {
            return done;
        }
        let what = Text::new("starte porten på nytt", "restarting the gate");
        Err(Error::late(&what, millis(within)))
    }

    /// That a client gets through the gate to another server than before, and that the gate holds nobody.
    async fn verify(&mut self, within: Duration) -> Result<Event, Error> {
        let parts = &self.parts;
        if parts.relay.state(SHORT).await?.held {
            parts.relay.release(SHORT).await?;
        }
        answers(parts.gate, within).await?;
        if matches!(parts.target, Target::Process) {
            let unit = parts.server.unit_state(&parts.unit, SHORT).await?;
            if unit.began == self.began {
                return Ok(Event::NotRestarted(Text::new(
                    "Tjeneren ble ikke startet på nytt",
                    "The server was not restarted",
                )));
            }
            if let Some(now) = unit.memory {
                now.keep(&parts.memory)?;
            }
        }
        Ok(Event::Done)
    }
}

impl Drop for RelayRig {
    fn drop(&mut self) {
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
    }
}

/// Clients that wait for an answer for longer than `oldest` milliseconds.
pub async fn in_use(relay: &Relay, oldest: u64) -> Result<Vec<Use>, Error> {
    let now = jiff::Timestamp::now().as_millisecond();
    let used = |client: &Client| {
        let asked = client.asked.filter(|asked| *asked >= oldest)?;
        Some(Use {
            class: Class::Request,
            whose: client.address.to_string(),
            since: now - i64::try_from(asked).unwrap_or(0),
            doing: "?".to_owned(),
            pid: i32::try_from(client.number).unwrap_or(0),
        })
    };
    let state = relay.state(SHORT).await?;
    Ok(state.clients.iter().filter_map(used).collect())
}

/// Until it takes a connection and does not close it at once, as those do that are not ready yet.
pub async fn answers(address: SocketAddr, within: Duration) -> Result<(), Error> {
    const EVERY: Duration = Duration::from_millis(5);
    const AT_ONCE: Duration = Duration::from_millis(10);
    let deadline = Instant::now() + within;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let attempt = async {
            let mut stream = TcpStream::connect(address).await?;
            match timeout(AT_ONCE, stream.read(&mut [0])).await {
                // Silent, as servers are that let the client begin, or it has said something.
                Err(_) | Ok(Ok(1..)) => Ok(()),
                Ok(Ok(0)) => Err(std::io::Error::other("it closes connections at once")),
                Ok(Err(error)) => Err(error),
            }
        };
        let cause = match timeout(left, attempt).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => String::new(),
        };
        if Instant::now() >= deadline {
            let within = millis(within);
            return Err(Error::Late(Text::new(
                format!("{address} svarer ikke innen {within} ms. {cause}"),
                format!("{address} does not answer within {within} ms. {cause}"),
            )));
        }
        sleep(EVERY).await;
    }
}

impl Performs for RelayRig {
    async fn perform(&mut self, command: &Command) -> Event {
        let ms = |within: &u64| Duration::from_millis(*within);
        let done = match command {
            Command::Preflight => return told(self.preflight().await),
            Command::Look => return told(self.look().await),
            Command::Wait { millis } => {
                sleep(ms(millis)).await;
                Ok(())
            }
            Command::Cut(uses) => self.cut(uses).await,
            Command::Pause { within } => self.pause(ms(within)).await,
            Command::Release { within } => self.parts.relay.release(ms(within)).await,
            Command::Stop { within } => self.stop(ms(within)).await,
            Command::Kill { within } => self.kill(ms(within)).await,
            Command::Start { within } => self.start(ms(within)).await,
            Command::RestartMachine { within } => self.restart_machine(ms(within)).await,
            Command::Probe { within } => answers(self.parts.address, ms(within)).await,
            Command::Resume { within } => self.resume(ms(within)).await,
            Command::RestartGate { within } => self.restart_gate(ms(within)).await,
            Command::Verify { within } => return told(self.verify(ms(within)).await),
            Command::FallBack { .. } | Command::RollBack { .. } => Err(Error::failed(
                "Varde kjenner ikke konfigurasjonen til denne tjeneren",
                "Varde does not know the configuration of this server",
            )),
            // It writes what it has when it stops.
            Command::Checkpoint | Command::Finish(_) => Ok(()),
        };
        told(done.map(|()| Event::Done))
    }

    fn notice(&self) -> Notice {
        self.notice.clone()
    }
}
