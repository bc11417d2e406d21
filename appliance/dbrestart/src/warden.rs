//! Looks after one database: follows its calendar, has its runs conducted, learns its load, and says how it is.

mod describe;
mod lease;
mod run;

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use varde_bus::dbrestart::DatabaseStatus;
use varde_bus::hypervisor::HypervisorProxy;
use varde_bus::record::Recorder;
use varde_bus::{Failure, FailureKind, Text};
use varde_calendar::Schedule;
use varde_site::Engine;

pub use self::lease::Leases;
use crate::Error;
use crate::gates;
use crate::ledger::{self, Cause, Entry};
use crate::load::Meter;
use crate::postgres::ANSWER;
use crate::procedure::{Ended, Progress, Strings, recover};
use crate::report;
use crate::run::Outcome;
use crate::service::not_postgresql;
use crate::settings::{Paths, SERVICE, Settings};
use crate::timetable::{Due, Once, Orders};

/// However far the next run: the clock may be set meanwhile.
const LONGEST_NAP: Duration = Duration::from_mins(1);
const MEASURE_MOST: Duration = Duration::from_secs(20);

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
    task: JoinHandle<Ended>,
    cause: Cause,
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
    /// Runs that the ledger did not take, because its disk was full.
    unkept: Vec<Entry>,
    status: Option<DatabaseStatus>,
}

enum Happened {
    Order(Option<Order>),
    Progress,
    Ended(Box<Result<Ended, Error>>),
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
            unkept: Vec::new(),
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
                Happened::Ended(ended) => self.ended(*ended).await,
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
        // What is behind us is due now.
        let left = until.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO));
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
                if settings.database.engine != self.settings.database.engine {
                    // Another kind of gate takes the place of the one that stands there.
                    if let Err(error) = gates::withdraw(&self.settings, &self.common.paths).await {
                        eprintln!("{}: {}", self.name(), error.text().en);
                    }
                }
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
                let within = Duration::from_secs(10);
                let open = self.settings.let_go(&self.common.paths, within).await;
                open.and(Err(error))
            }
        };
        match recovered {
            Ok(Some(ended)) => self.ended(Ok(ended)).await,
            Ok(None) => {}
            Err(error) => self.trouble = Some(error.text().clone()),
        }
    }

    async fn tick(&mut self) {
        self.keep_entries();
        let before = self.orders.clone();
        let due = self
            .orders
            .due(&self.schedule, Timestamp::now(), self.settings.made_up());
        if self.orders != before {
            self.keep_orders();
        }
        let under_way = self.running.as_ref().map(|running| running.cause.planned);
        match (due, under_way) {
            (Due::Nothing, None) => self.measure().await,
            (Due::Nothing, Some(_)) => {}
            (Due::Run(cause), None) => self.begin(cause),
            (Due::Run(cause), Some(other)) => self.missed(cause, in_its_place(other)).await,
            (Due::Missed(at), other) => {
                let why = other.map_or_else(too_late, in_its_place);
                self.missed(Cause::calendar(at.as_millisecond()), why).await;
            }
        }
    }

    async fn measure(&mut self) {
        let local = self.schedule.zone.to_datetime(Timestamp::now());
        let measure = self.meter.measure(&self.settings, &self.common.paths, local);
        // A network that is lost answers nothing, not even no.
        let learned = timeout(MEASURE_MOST, measure).await.unwrap_or_else(|_| {
            let what = Text::new("se på databasen", "looking at the database");
            Err(Error::late(&what, 20_000))
        });
        match learned {
            Ok(learned) => {
                (self.trouble, self.down) = (None, None);
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
        let expected = self.expected_delayed();
        let strings = Strings {
            cancel: cancelled,
            progress,
        };
        self.running = Some(Running {
            task: tokio::spawn(run::run(settings, common, cause.clone(), expected, strings)),
            cause,
            cancel,
            progress: watched,
            held_most: Duration::from_millis(self.settings.database.restart.held_most),
        });
    }

    /// Transactions that a run at this moment would delay, as far as earlier weeks tell.
    fn expected_delayed(&self) -> Option<f64> {
        let books = self.settings.books(&self.common.paths);
        let stall = self.settings.forecast(&books).ok()?.restart;
        let expected = self.meter.expected(Timestamp::now(), stall, &self.schedule);
        (expected >= 0.0).then_some(expected)
    }

    /// Enters a run that was not begun in its time.
    async fn missed(&mut self, cause: Cause, why: Text) {
        let books = self.settings.books(&self.common.paths);
        let now = Timestamp::now().as_millisecond();
        let forecast = self.settings.forecast(&books).unwrap_or_default();
        let entry = Entry::unbegun(cause, now, forecast, Outcome::Missed { why });
        self.enter(Ended::unbegun(&books, entry)).await;
    }

    async fn ended(&mut self, ended: Result<Ended, Error>) {
        self.running = None;
        match ended {
            Ok(ended) => self.enter(ended).await,
            Err(error) => {
                self.trouble = Some(error.text().clone());
                self.say(&error.text().en.clone()).await;
            }
        }
    }

    async fn enter(&mut self, Ended { entry, unkept }: Ended) {
        let (name, reason, _) = report::outcome(&entry.outcome);
        match &entry.outcome {
            Outcome::Down { why } => self.down = Some(why.clone()),
            Outcome::Restarted { .. } => self.down = None,
            _ => {}
        }
        let said = format!(
            "{name}: {} longest stall {} ms, {} delayed, {} failed",
            reason.en, entry.notice.longest, entry.notice.delayed, entry.notice.failed
        );
        if let Some(error) = unkept {
            eprintln!("{}: {}", self.name(), error.text().en);
            self.unkept.push(entry);
        }
        self.say(&said).await;
    }

    /// Tries again to enter what the ledger did not take.
    fn keep_entries(&mut self) {
        let ledger = self.settings.books(&self.common.paths).ledger();
        while let Some(entry) = self.unkept.first() {
            if ledger::append(&ledger, entry).is_err() {
                return;
            }
            self.unkept.remove(0);
        }
    }

    async fn say(&self, said: &str) {
        eprintln!("{}: {said}", self.name());
        let recorded = self
            .common
            .recorder
            .event(SERVICE, "db.restart", self.name(), said);
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
            Wish::SetCredential(_) if self.settings.database.engine == Engine::Tcp => {
                return Err(not_postgresql(self.name()));
            }
            Wish::SetCredential(password) => {
                let path = self.common.paths.password(self.name());
                gates::write(&path, &format!("{password}\n"))?;
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
                std::fs::set_permissions(&path, mode).map_err(|error| Error::file(&path, &error))?;
                self.provide().await;
                // Found out now, not at night.
                let postgres = self.settings.postgres(&self.common.paths)?;
                postgres.probe(ANSWER).await?;
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
}

fn too_late() -> Text {
    Text::new(
        "Tidspunktet var forbi før den kunne begynne: tjenesten gikk ikke, eller klokken ble stilt",
        "Its time had passed before it could begin: the service did not run, or the clock was set",
    )
}

/// Why nothing was done: the run that was meant for `other` was under way.
fn in_its_place(other: i64) -> Text {
    let other = Timestamp::from_millisecond(other).unwrap_or_default();
    Text::new(
        format!("En annen omstart, planlagt {other}, var alt i gang"),
        format!("Another restart, planned for {other}, was already under way"),
    )
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
        ended = &mut running.task => Happened::Ended(Box::new(ended.map_err(|error| {
            Error::failed(format!("Kjøringen brøt sammen: {error}"), format!("The run broke down: {error}"))
        }))),
        Ok(()) = running.progress.changed() => Happened::Progress,
    }
}

/// What was kept; nothing where there is none or it cannot be read.
fn load<T: DeserializeOwned + Default>(path: &Path) -> T {
    std::fs::read(path)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}
