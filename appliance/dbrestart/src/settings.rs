//! From a `[[database]]` of the site to what its restarts need.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use varde_bus::hypervisor::HypervisorProxy;
use varde_calendar::Schedule;
use varde_site::{Database, DatabaseServer, Engine, Pool, RestartWhat, Site};

use crate::Error;
use crate::agent::Agent;
use crate::bouncer::Config;
use crate::engine::EngineRig;
use crate::forecast::{Forecast, forecast};
use crate::gate::Gate;
use crate::ledger;
use crate::machine::Machine;
use crate::postgres::Postgres;
use crate::procedure::Books;
use crate::relay;
use crate::relay::control::Relay;
use crate::relay::rig::RelayRig;
use crate::rig::{Log, Parts, Rig, Target};
use crate::run::Plan;
use crate::server::{Server, Start, Via};
use crate::usage::Class;

/// The account by which the appliance logs in to a database.
pub const ACCOUNT: &str = "varde";
/// The Unix account of the service, which may pause gates.
pub const SERVICE: &str = "varde-dbrestart";

/// Where things lie; everything hangs below one root.
#[derive(Clone, Debug)]
pub struct Paths {
    root: PathBuf,
    /// The Unix account that may pause gates: this service's.
    pub admin: String,
    /// The program that starts units.
    pub systemctl: PathBuf,
}

impl Paths {
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            admin: SERVICE.to_owned(),
            systemctl: "systemctl".into(),
        }
    }

    pub fn site(&self) -> PathBuf {
        self.root.join("var/lib/varde/site")
    }

    /// Journal, ledger, orders, load and password of a database.
    pub fn books(&self, database: &str) -> PathBuf {
        self.root.join("var/lib/varde/dbrestart").join(database)
    }

    pub fn password(&self, database: &str) -> PathBuf {
        self.books(database).join("password")
    }

    /// Configuration of a gate.
    pub fn gate(&self, database: &str) -> PathBuf {
        self.root.join("var/lib/varde/gate").join(database)
    }

    pub fn gate_socket(&self, database: &str) -> PathBuf {
        self.root.join("run/varde/gate").join(database)
    }

    fn agent(&self, vm: &str) -> PathBuf {
        self.root.join("run/varde/vm").join(vm).join("agent.sock")
    }

    fn ssh(&self) -> PathBuf {
        self.root.join("var/lib/varde/dbrestart/ssh")
    }
}

/// One database, and what of the whole site it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub database: Database,
    pub timezone: String,
    pub downtime_cost: u64,
    pub counties: usize,
}

/// A first run has no history to go by; a server of ordinary size takes about this long, and its machine this long.
const GUESS_PROCESS: u64 = 150;
const GUESS_MACHINE: u64 = 60_000;

impl Settings {
    pub fn of(site: &Site) -> Vec<Self> {
        site.databases
            .iter()
            .map(|database| Self {
                database: database.clone(),
                timezone: site.site.timezone.clone(),
                downtime_cost: site.site.downtime_cost,
                counties: site.site.counties.len(),
            })
            .collect()
    }

    pub fn schedule(&self) -> Result<Schedule, Error> {
        let restart = &self.database.restart;
        let wrong = |what: &str, error: &dyn std::fmt::Display| {
            Error::failed(
                format!("«{what}» i site.toml kan ikke brukes: {error}"),
                format!("\"{what}\" in site.toml cannot be used: {error}"),
            )
        };
        Ok(Schedule {
            calendars: restart
                .calendar
                .iter()
                .map(|text| text.parse().map_err(|error| wrong(text, &error)))
                .collect::<Result<_, _>>()?,
            blackouts: restart
                .blackout
                .iter()
                .map(|text| text.parse().map_err(|error| wrong(text, &error)))
                .collect::<Result<_, _>>()?,
            skip_holidays: restart.skip_holidays,
            zone: TimeZone::get(&self.timezone).map_err(|error| wrong(&self.timezone, &error))?,
        })
    }

    pub fn made_up(&self) -> SignedDuration {
        SignedDuration::from_millis(i64::try_from(self.database.restart.missed).unwrap_or(0))
    }

    /// Servers on one machine are restarted one at a time.
    pub fn lease(&self) -> String {
        match &self.database.server {
            DatabaseServer::Vm(vm) => format!("vm {vm}"),
            DatabaseServer::Host(host) => format!("host {host}"),
        }
    }

    /// What the stall is expected to be, from the runs in the ledger.
    pub fn forecast(&self, books: &Books) -> Result<Forecast, Error> {
        let restarts: Vec<u64> = ledger::read(&books.ledger())?
            .iter()
            .filter_map(|entry| entry.restart)
            .collect();
        let guess = match self.database.restart.what {
            RestartWhat::Process => GUESS_PROCESS,
            RestartWhat::Machine => GUESS_MACHINE,
        };
        Ok(forecast(
            &restarts,
            guess.min(self.database.restart.stall_budget / 2),
        ))
    }

    pub fn plan(&self, forecast: Forecast) -> Plan {
        let restart = &self.database.restart;
        let may_cut: BTreeMap<Class, u64> = restart
            .cut
            .iter()
            .filter_map(|(name, after)| Some((Class::from_name(name)?, *after)))
            .collect();
        Plan {
            stall_budget: restart.stall_budget,
            give_up: restart.give_up,
            pause_most: 250,
            held_most: restart.held_most,
            stop_most: restart.held_most / 3,
            start_most: restart.held_most / 3,
            may_cut,
            only_with_reason: restart.only_with_reason,
            forecast,
            falls_back: self.database.engine == Engine::Postgresql,
            has_machine: matches!(self.database.server, DatabaseServer::Vm(_)),
        }
    }

    pub fn books(&self, paths: &Paths) -> Books {
        Books {
            folder: paths.books(&self.database.name),
            downtime_cost: self.downtime_cost,
            counties: self.counties,
        }
    }

    /// The unit of the gate.
    pub fn gate_unit(&self) -> String {
        let name = &self.database.name;
        match self.database.engine {
            Engine::Postgresql => format!("varde-gate@{name}.service"),
            Engine::Tcp => format!("varde-relay@{name}.service"),
        }
    }

    /// Opens the gate, whichever it is.
    pub async fn let_go(&self, paths: &Paths, within: Duration) -> Result<(), Error> {
        match self.database.engine {
            Engine::Postgresql => self.gate(paths).resume(None, within).await,
            Engine::Tcp => self.relay(paths).release(within).await,
        }
    }

    pub fn gate(&self, paths: &Paths) -> Gate {
        Gate {
            socket: paths.gate_socket(&self.database.name),
            port: self.database.gate.1,
            user: paths.admin.clone(),
        }
    }

    /// The gate of a server whose protocol is not known.
    pub fn relay(&self, paths: &Paths) -> Relay {
        Relay {
            socket: paths.gate_socket(&self.database.name).join("relay.sock"),
        }
    }

    /// What that gate is told.
    pub fn relay_config(&self, paths: &Paths) -> relay::Config {
        relay::Config {
            listen: SocketAddr::from(self.database.gate),
            server: SocketAddr::from(self.database.address),
            control: self.relay(paths).socket,
            // This service's own account; nobody else drives it.
            admin: rustix::process::getuid().as_raw(),
            held_most: self.database.restart.held_most,
        }
    }

    /// How to log in; fails where no password was given yet.
    pub fn postgres(&self, paths: &Paths) -> Result<Postgres, Error> {
        let name = &self.database.name;
        let password = std::fs::read_to_string(paths.password(name)).map_err(|_| {
            Error::failed(
                format!("Varde har ikke passord til databasen. Kjør: varde db credential {name}"),
                format!("Varde has no password for the database. Run: varde db credential {name}"),
            )
        })?;
        let mut config = tokio_postgres::Config::new();
        config
            .host(self.database.address.0.to_string())
            .port(self.database.address.1)
            .user(ACCOUNT)
            .password(password.trim_end())
            .dbname(&self.database.database);
        Ok(Postgres::new(config))
    }

    pub fn rig(&self, paths: &Paths, hypervisor: &HypervisorProxy<'static>) -> Result<EngineRig, Error> {
        let database = &self.database;
        let (via, machine) = match &database.server {
            DatabaseServer::Vm(vm) => (
                Via::Guest(Agent {
                    socket: paths.agent(vm),
                }),
                Some(Machine {
                    name: vm.clone(),
                    hypervisor: hypervisor.clone(),
                }),
            ),
            DatabaseServer::Host(target) => {
                let below = |name: &str| paths.ssh().join(name).display().to_string();
                (
                    Via::Ssh {
                        target: target.clone(),
                        key: below("key"),
                        known_hosts: below("known_hosts"),
                    },
                    None,
                )
            }
        };
        let unit = database.restart.unit.clone();
        let server = Server {
            via,
            start: Start::Unit(unit.clone()),
        };
        let target = match database.restart.what {
            RestartWhat::Process => Target::Process,
            RestartWhat::Machine => Target::Machine,
        };
        let (oldest, memory) = (
            database.restart.oldest_transaction,
            paths.books(&database.name).join("server.json"),
        );
        let systemctl = paths.systemctl.clone();
        Ok(match database.engine {
            Engine::Postgresql => EngineRig::Postgres(Box::new(Rig::new(Parts {
                gate: self.gate(paths),
                gate_unit: Some(self.gate_unit()),
                systemctl,
                log: Log::Unit(self.gate_unit()),
                postgres: self.postgres(paths)?,
                server,
                machine,
                target,
                oldest,
                memory,
            }))),
            Engine::Tcp => EngineRig::Relay(Box::new(RelayRig::new(relay::rig::Parts {
                relay: self.relay(paths),
                gate: SocketAddr::from(database.gate),
                address: SocketAddr::from(database.address),
                gate_unit: self.gate_unit(),
                systemctl,
                server,
                unit,
                machine,
                target,
                oldest,
                memory,
            }))),
        })
    }

    /// What the gate is told; `certificate` and its key lie in its folder.
    pub fn bouncer(&self, paths: &Paths) -> Config {
        let database = &self.database;
        let folder = paths.gate(&database.name);
        let below = |name: &str| folder.join(name).display().to_string();
        Config {
            listen: database.gate.0.to_string(),
            port: database.gate.1,
            server_host: database.address.0.to_string(),
            server_port: database.address.1,
            user: ACCOUNT.to_owned(),
            database: database.database.clone(),
            admin: paths.admin.clone(),
            folder: folder.display().to_string(),
            socket: paths.gate_socket(&database.name).display().to_string(),
            pool_mode: match database.pool {
                Pool::Transaction => "transaction",
                Pool::Session => "session",
            }
            .to_owned(),
            pool_size: 40,
            held_most: database.restart.held_most / 1000,
            certificate: Some((below("gate.crt"), below("gate.key"))),
            log: None,
        }
    }
}
