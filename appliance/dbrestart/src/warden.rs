//! Looks after one database: follows its calendar, conducts its runs, learns its load, and says how it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedMutexGuard, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use varde_bus::dbrestart::{DatabaseState, DatabaseStatus};
use varde_bus::hypervisor::HypervisorProxy;
use varde_bus::record::Recorder;
use varde_bus::{Failure, FailureKind, Text};
use varde_calendar::Schedule;
use varde_site::{DatabaseServer, RestartWhat};

use crate::Error;
use crate::gates;
use crate::journal::Head;
use crate::ledger::{self, Cause, Entry, Notice};
use crate::load::Meter;
use crate::procedure::{Progress, Strings, conduct, recover};
use crate::report;
use crate::run::{Outcome, Step};
use crate::settings::{Paths, SERVICE, Settings};
use crate::timetable::{Due, Once, Orders};

/// However far the next run: the clock may be set meanwhile.
const LONGEST_NAP: Duration = Duration::from_mins(1);

/// Servers of one machine are restarted one at a time: a lock for each machine.
#[derive(Clone, Debug, Default)]
pub struct Leases(Arc<Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>>);

impl Leases {
    async fn take(&self, key: &str, within: Duration) -> Option<OwnedMutexGuard<()>> {
        let lock = self
            .0
            .lock()
            .expect("nobody panics with it")
            .entry(key.to_owned())
            .or_default()
            .clone();
        timeout(within, lock.lock_owned()).await.ok()
    }
}

/// What somebody wants of a database.
#[derive(Debug)]
pub enum Wish {
    Restart { at: i64 },
    SkipNext,
    Hold(bool),
    Cancel,
    SetCredential(String),
}

#[derive(Debug)]
pub enum Order {
    Wish {
        wish: Wish,
        who: String,
        why: String,
        reply: oneshot::Sender<Result<(), Failure>>,
    },
    Settings(Box<Settings>),
    Stop,
}

/// What all wardens share.
#[derive(Clone, Debug)]
pub struct Common {
    pub paths: Paths,
    pub hypervisor: HypervisorProxy<'static>,
    pub recorder: Recorder,
    pub leases: Leases,
    pub news: mpsc::Sender<DatabaseStatus>,
}

struct Running {
    task: JoinHandle<Result<Entry, Error>>,
    cancel: watch::Sender<bool>,
    progress: watch::Receiver<Option<Progress>>,
    held_most: Duration,
}

pub struct Warden {
    settings: Settings,
    schedule: Schedule,
    common: Common,
    orders: Orders,
    meter: Meter,
    running: Option<Running>,
    /// The server was left down by the last run.
    down: Option<Text>,
    /// Why no run could go well now.
    trouble: Option<Text>,
    status: Option<DatabaseStatus>,
}

enum Happened {
    Order(Option<Order>),
    Progress,
    Ended(Box<Result<Entry, Error>>),
    Time,
}

impl Warden {
    pub fn new(settings: Settings, common: Common) -> Result<Self, Error> {
        let folder = common.paths.books(&settings.database.name);
        std::fs::create_dir_all(&folder).map_err(|error| Error::file(&folder, &error))?;
        Ok(Self {
            schedule: settings.schedule()?,
            orders: load(&folder.join("orders.json")),
            meter: Meter::new(load(&folder.join("week.json"))),
            settings,
            common,
            running: None,
            down: None,
            trouble: None,
            status: None,
        })
    }

    fn name(&self) -> &str {
        &self.settings.database.name
    }

    pub async fn work(mut self, mut orders: mpsc::Receiver<Order>) {
        self.provide().await;
        self.put_right().await;
        loop {
            self.publish().await;
            let nap = self.nap();
            let happened = tokio::select! {
                order = orders.recv() => Happened::Order(order),
                happened = watched(self.running.as_mut()) => happened,
                () = sleep(nap) => Happened::Time,
            };
            match happened {
                Happened::Order(None | Some(Order::Stop)) => break,
                Happened::Order(Some(Order::Settings(settings))) => self.change(*settings).await,
                Happened::Order(Some(Order::Wish {
                    wish,
                    who,
                    why,
                    reply,
                })) => {
                    let done = self.obey(wish, who, why).await;
                    // Whoever asked may have gone.
                    let _ = reply.send(done);
                }
                Happened::Progress => {}
                Happened::Ended(entry) => self.ended(*entry).await,
                Happened::Time => self.tick().await,
            }
        }
        self.leave().await;
    }

    /// A run that only waits is called off; one that holds clients is brought to its end.
    async fn leave(self) {
        if let Some(running) = self.running {
            running.cancel.send_replace(true);
            let _ = timeout(running.held_most * 2, running.task).await;
        }
    }

    fn nap(&self) -> Duration {
        let now = Timestamp::now();
        let next = self.schedule.next(now).map(|next| next.at);
        let once = self.orders.once.as_ref().map(|once| once.at);
        let until = [next, once].into_iter().flatten().min();
        let left = until.and_then(|at| Duration::try_from(at.duration_since(now)).ok());
        left.unwrap_or(LONGEST_NAP).min(LONGEST_NAP)
    }

    async fn provide(&mut self) {
        self.trouble = gates::provide(&self.settings, &self.common.paths)
            .await
            .err()
            .map(|error| error.text().clone());
    }

    async fn change(&mut self, settings: Settings) {
        if settings == self.settings {
            return;
        }
        match settings.schedule() {
            Ok(schedule) => {
                self.schedule = schedule;
                self.settings = settings;
                self.provide().await;
            }
            Err(error) => self.trouble = Some(error.text().clone()),
        }
    }

    /// Ends what a predecessor of this process left unfinished.
    async fn put_right(&mut self) {
        let books = self.settings.books(&self.common.paths);
        if !books.journal().exists() {
            return;
        }
        let recovered = match self.settings.rig(&self.common.paths, &self.common.hypervisor) {
            Ok(mut rig) => {
                let (_cancel, cancel) = watch::channel(false);
                let (progress, _) = watch::channel(None);
                recover(&mut rig, &books, Strings { cancel, progress }).await
            }
            // Without a way to the server at least nobody is held.
            Err(error) => {
                let gate = self.settings.gate(&self.common.paths);
                gate.resume(Duration::from_secs(10)).await.and(Err(error))
            }
        };
        match recovered {
            Ok(Some(entry)) => self.ended(Ok(entry)).await,
            Ok(None) => {}
            Err(error) => self.trouble = Some(error.text().clone()),
        }
    }

    async fn tick(&mut self) {
        if self.running.is_some() {
            return;
        }
        let before = self.orders.clone();
        let due = self
            .orders
            .due(&self.schedule, Timestamp::now(), self.settings.made_up());
        if self.orders != before {
            self.keep_orders();
        }
        match due {
            Due::Nothing => self.measure().await,
            Due::Run(cause) => self.begin(cause),
            Due::Missed(at) => self.missed(at).await,
        }
    }

    async fn measure(&mut self) {
        let local = self.schedule.zone.to_datetime(Timestamp::now());
        let learned = self
            .meter
            .measure(&self.settings, &self.common.paths, local)
            .await;
        match learned {
            Ok(learned) => {
                self.trouble = None;
                if learned {
                    self.keep("week.json", self.meter.week());
                }
            }
            Err(error) => self.trouble = Some(error.text().clone()),
        }
    }

    fn begin(&mut self, cause: Cause) {
        let (cancel, cancelled) = watch::channel(false);
        let (progress, watched) = watch::channel(None);
        let (settings, common) = (self.settings.clone(), self.common.clone());
        let strings = Strings {
            cancel: cancelled,
            progress,
        };
        self.running = Some(Running {
            task: tokio::spawn(run(settings, common, cause, strings)),
            cancel,
            progress: watched,
            held_most: Duration::from_millis(self.settings.database.restart.held_most),
        });
    }

    async fn missed(&mut self, at: Timestamp) {
        let books = self.settings.books(&self.common.paths);
        let now = Timestamp::now().as_millisecond();
        let entry = self.settings.forecast(&books).map(|forecast| Entry {
            cause: Cause::calendar(at.as_millisecond()),
            started: now,
            ended: now,
            outcome: Outcome::Missed,
            forecast,
            held: None,
            restart: None,
            failed_pauses: 0,
            longest_failed_pause: 0,
            notice: Notice::default(),
            cut: Vec::new(),
            reasons: Vec::new(),
            trouble: Vec::new(),
            avoided: 0,
        });
        let kept = entry.and_then(|entry| ledger::append(&books.ledger(), &entry).map(|()| entry));
        self.ended(kept).await;
    }

    async fn ended(&mut self, entry: Result<Entry, Error>) {
        self.running = None;
        let said = match &entry {
            Ok(entry) => {
                let (name, reason, _) = report::outcome(&entry.outcome);
                match &entry.outcome {
                    Outcome::Down { why } => self.down = Some(why.clone()),
                    Outcome::Restarted { .. } => self.down = None,
                    _ => {}
                }
                format!(
                    "{name}: {} longest stall {} ms, {} delayed, {} failed",
                    reason.en, entry.notice.longest, entry.notice.delayed, entry.notice.failed
                )
            }
            Err(error) => {
                self.trouble = Some(error.text().clone());
                error.text().en.clone()
            }
        };
        eprintln!("{}: {said}", self.name());
        let recorded = self
            .common
            .recorder
            .event(SERVICE, "db.restart", self.name(), &said);
        if let Err(failure) = recorded.await {
            eprintln!(
                "{}: the run could not be entered in the record: {failure}",
                self.name()
            );
        }
    }

    async fn obey(&mut self, wish: Wish, who: String, why: String) -> Result<(), Failure> {
        match wish {
            Wish::Restart { at } => {
                if self.running.is_some() {
                    return Err(refused(
                        "En omstart er alt i gang",
                        "A restart is already under way",
                    ));
                }
                if self.orders.hold.is_some() {
                    return Err(refused(
                        "Omstarter er stilt i bero. Opphev det først",
                        "Restarts are on hold. Lift that first",
                    ));
                }
                let at = match at {
                    0 => Timestamp::now(),
                    at => {
                        Timestamp::from_millisecond(at).map_err(|_| refused("Ukjent tid", "No such time"))?
                    }
                };
                if at < Timestamp::now() - jiff::SignedDuration::from_mins(1) {
                    return Err(refused("Tidspunktet er forbi", "That moment has passed"));
                }
                self.orders.once = Some(Once { at, who, why });
            }
            Wish::SkipNext => {
                let now = Timestamp::now();
                let next = self
                    .schedule
                    .upcoming(now, 100)
                    .into_iter()
                    .find(|next| next.obstacle.is_none());
                let Some(next) = next else {
                    return Err(refused("Ingen omstart er planlagt", "No restart is planned"));
                };
                self.orders.skip = Some(next.at);
            }
            Wish::Hold(true) => {
                self.orders.hold = Some((who, why));
                self.call_off();
            }
            Wish::Hold(false) => self.orders.hold = None,
            Wish::Cancel => {
                let once = self.orders.once.take();
                if !self.call_off() && once.is_none() {
                    return Err(refused("Ingen omstart å avlyse", "No restart to call off"));
                }
            }
            Wish::SetCredential(password) => {
                let path = self.common.paths.password(self.name());
                gates::write(&path, &format!("{password}\n"))?;
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
                std::fs::set_permissions(&path, mode).map_err(|error| Error::file(&path, &error))?;
                self.provide().await;
                // Found out now, not at night.
                let postgres = self.settings.postgres(&self.common.paths)?;
                postgres.probe(Duration::from_secs(5)).await?;
            }
        }
        self.keep_orders();
        Ok(())
    }

    /// Whether there was a run.
    fn call_off(&self) -> bool {
        self.running
            .as_ref()
            .is_some_and(|running| running.cancel.send(true).is_ok())
    }

    fn keep_orders(&self) {
        self.keep("orders.json", &self.orders);
    }

    fn keep(&self, file: &str, value: &impl Serialize) {
        let path = self.common.paths.books(self.name()).join(file);
        let text = serde_json::to_string(value).unwrap_or_default();
        if let Err(error) = gates::write(&path, &text) {
            eprintln!("{}: {}", self.name(), error.text().en);
        }
    }

    async fn publish(&mut self) {
        let status = self.describe();
        if self.status.as_ref() != Some(&status) {
            self.status = Some(status.clone());
            // Nobody listens any more only when the service ends.
            let _ = self.common.news.send(status).await;
        }
    }

    fn describe(&self) -> DatabaseStatus {
        let database = &self.settings.database;
        let restart = &database.restart;
        let books = self.settings.books(&self.common.paths);
        let expected = self.settings.forecast(&books).ok();
        let stall = expected.map_or(0, |forecast| forecast.restart);
        let progress = self
            .running
            .as_ref()
            .and_then(|running| running.progress.borrow().clone());
        let (state, reason) = match (&self.running, &self.down, &self.trouble, &self.orders.hold) {
            (Some(_), ..) => (DatabaseState::Running, Text::default()),
            (_, Some(why), ..) => (DatabaseState::Down, why.clone()),
            (_, _, Some(why), _) => (DatabaseState::Blocked, why.clone()),
            (_, _, _, Some((who, why))) => (DatabaseState::Hold, Text::same(format!("{who}: {why}"))),
            _ => (DatabaseState::Ready, Text::default()),
        };
        let next = self.schedule.next(Timestamp::now());
        let before = self.status.as_ref().filter(|before| before.state == state);
        let (quietest, quietest_delays) = self.meter.quietest(stall, &self.schedule);
        DatabaseStatus {
            name: database.name.clone(),
            title: database.title.clone(),
            state,
            reason,
            since: before.map_or_else(|| Timestamp::now().as_millisecond(), |before| before.since),
            gate: format!("{}:{}", database.gate.0, database.gate.1),
            address: format!("{}:{}", database.address.0, database.address.1),
            server: match &database.server {
                DatabaseServer::Vm(name) | DatabaseServer::Host(name) => name.clone(),
            },
            what: match restart.what {
                RestartWhat::Process => "process",
                RestartWhat::Machine => "machine",
            }
            .to_owned(),
            step: progress
                .as_ref()
                .map_or("", |progress| report::step(progress.step))
                .to_owned(),
            uses: progress.map_or_else(Vec::new, |progress| report::in_use(&progress.uses)),
            next: next.as_ref().map_or(0, |next| next.at.as_millisecond()),
            obstacle: next.as_ref().map_or_else(Text::default, |next| {
                self.orders.obstacle(next.at, next.obstacle.as_ref())
            }),
            stall_budget: restart.stall_budget,
            expected: stall,
            expected_from: expected.map_or(0, |forecast| u32::try_from(forecast.runs).unwrap_or(u32::MAX)),
            quietest,
            quietest_delays,
            next_delays: next.map_or(-1.0, |next| self.meter.expected(next.at, stall, &self.schedule)),
        }
    }
}

fn refused(nb: &str, en: &str) -> Failure {
    Failure::new(FailureKind::Refused, nb, en)
}

/// What the run under way does next; never where there is none.
async fn watched(running: Option<&mut Running>) -> Happened {
    let Some(running) = running else {
        return std::future::pending().await;
    };
    tokio::select! {
        ended = &mut running.task => Happened::Ended(Box::new(ended.unwrap_or_else(|error| {
            Err(Error::failed(format!("Kjøringen brøt sammen: {error}"), format!("The run broke down: {error}")))
        }))),
        Ok(()) = running.progress.changed() => Happened::Progress,
    }
}

async fn run(settings: Settings, common: Common, cause: Cause, strings: Strings) -> Result<Entry, Error> {
    let books = settings.books(&common.paths);
    let restart = &settings.database.restart;
    strings.progress.send_replace(Some(Progress {
        step: Step::Preflight,
        uses: Vec::new(),
    }));
    let started = Timestamp::now();
    let Some(_lease) = common
        .leases
        .take(&settings.lease(), Duration::from_millis(restart.give_up))
        .await
    else {
        return Err(Error::failed(
            "Utsatt: en annen omstart på samme maskin ble ikke ferdig",
            "Put off: another restart on the same machine did not end",
        ));
    };
    let mut plan = settings.plan(settings.forecast(&books)?);
    // A run ends where the calendar closes, whatever is left of its time.
    let give_up = started + jiff::SignedDuration::from_millis(i64::try_from(restart.give_up).unwrap_or(0));
    if cause.who.is_empty()
        && let Some(closes) = settings.schedule()?.closes(started, give_up)
    {
        let open = closes.duration_since(Timestamp::now()).as_millis();
        plan.give_up = plan.give_up.min(u64::try_from(open).unwrap_or(0));
    }
    let mut rig = settings.rig(&common.paths, &common.hypervisor)?;
    let head = Head {
        cause,
        plan,
        started: started.as_millisecond(),
    };
    conduct(&mut rig, &books, head, strings).await
}

/// What was kept; nothing where there is none or it cannot be read.
fn load<T: DeserializeOwned + Default>(path: &Path) -> T {
    std::fs::read(path)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}
