//! `no.varde.DbRestart1` on the bus: who may, the record of it, and the wardens behind it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use varde_bus::caller::Caller;
use varde_bus::dbrestart::{DatabaseStatus, PATH, PlannedRun, QuarterLoad, RunRecord};
use varde_bus::record::Recorder;
use varde_bus::{Failure, FailureKind, Verb};
use varde_site::Engine;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, interface};

use crate::ledger;
use crate::load::Meter;
use crate::quiet::Week;
use crate::report;
use crate::settings::{Paths, Settings};
use crate::timetable::Orders;
use crate::warden::{Common, Order, Warden, Wish};

/// What has to be run once in a database.
pub const PREPARATION: &str = include_str!("../prepare.sql");

#[derive(Debug)]
struct Post {
    settings: Settings,
    orders: mpsc::Sender<Order>,
    task: JoinHandle<()>,
    status: Option<DatabaseStatus>,
}

/// The wardens, by the name of their database.
#[derive(Clone, Debug, Default)]
pub struct Posts(Arc<Mutex<BTreeMap<String, Post>>>);

impl Posts {
    fn with<T>(&self, use_it: impl FnOnce(&mut BTreeMap<String, Post>) -> T) -> T {
        use_it(&mut self.0.lock().expect("nobody panics with it"))
    }

    /// Makes the wardens match the site: new ones begin, those of databases that are gone end. Gives their names.
    pub async fn follow(&self, declared: Vec<Settings>, common: &Common) -> Vec<String> {
        let mut gone = Vec::new();
        self.with(|posts| {
            let names: Vec<String> = declared
                .iter()
                .map(|settings| settings.database.name.clone())
                .collect();
            let leaving: Vec<String> = posts
                .keys()
                .filter(|name| !names.contains(name))
                .cloned()
                .collect();
            gone.extend(
                leaving
                    .into_iter()
                    .filter_map(|name| Some((posts.remove(&name)?, name))),
            );
        });
        for settings in declared {
            let name = settings.database.name.clone();
            let known = self.with(|posts| {
                posts.get_mut(&name).map(|post| {
                    post.settings = settings.clone();
                    post.orders.clone()
                })
            });
            if let Some(orders) = known {
                // A warden that has ended by itself is found by whoever asks it.
                let _ = orders.send(Order::Settings(Box::new(settings))).await;
                continue;
            }
            match Warden::new(settings.clone(), common.clone()) {
                Ok(warden) => {
                    let (orders, receiver) = mpsc::channel(16);
                    let post = Post {
                        settings,
                        orders,
                        task: tokio::spawn(warden.work(receiver)),
                        status: None,
                    };
                    self.with(|posts| posts.insert(name, post));
                }
                Err(error) => eprintln!("{name}: {}", error.text().en),
            }
        }
        let mut names = Vec::new();
        for (post, name) in gone {
            let _ = post.orders.send(Order::Stop).await;
            let _ = post.task.await;
            if let Err(error) = crate::gates::withdraw(&post.settings, &common.paths).await {
                eprintln!("{name}: {}", error.text().en);
            }
            names.push(name);
        }
        names
    }

    /// Ends all of them, each when its run allows it.
    pub async fn stop(&self) {
        let posts: Vec<Post> = self.with(std::mem::take).into_values().collect();
        for post in &posts {
            let _ = post.orders.send(Order::Stop).await;
        }
        for post in posts {
            let _ = post.task.await;
        }
    }

    fn told(&self, status: &DatabaseStatus) {
        self.with(|posts| {
            if let Some(post) = posts.get_mut(&status.name) {
                post.status = Some(status.clone());
            }
        });
    }
}

/// The interface as it stands on the bus.
#[derive(Debug)]
pub struct DbRestart {
    posts: Posts,
    paths: Paths,
    recorder: Recorder,
}

impl DbRestart {
    pub fn new(posts: Posts, paths: Paths, recorder: Recorder) -> Self {
        Self {
            posts,
            paths,
            recorder,
        }
    }

    fn settings(&self, database: &str) -> Result<Settings, Failure> {
        self.posts
            .with(|posts| posts.get(database).map(|post| post.settings.clone()))
            .ok_or_else(|| {
                Failure::new(
                    FailureKind::NotFound,
                    format!("Det finnes ingen database «{database}»"),
                    format!("There is no database \"{database}\""),
                )
            })
    }

    async fn wish(
        &self,
        call: Call<'_>,
        verb: Verb,
        database: &str,
        why: &str,
        wish: Wish,
    ) -> Result<(), Failure> {
        let caller = call.permitted(verb).await?;
        self.settings(database)?;
        let begun = self.recorder.begin(&caller, verb, database, why).await?;
        let result = self.ask(database, wish, caller.name, why).await;
        begun.end(result).await
    }

    async fn ask(&self, database: &str, wish: Wish, who: String, why: &str) -> Result<(), Failure> {
        let orders = self
            .posts
            .with(|posts| posts.get(database).map(|post| post.orders.clone()));
        let (reply, answer) = oneshot::channel();
        let order = Order::Wish {
            wish,
            who,
            why: why.to_owned(),
            reply,
        };
        if let Some(orders) = orders {
            // An end without an answer is told below.
            let _ = orders.send(order).await;
        }
        answer.await.unwrap_or_else(|_| {
            Err(Failure::new(
                FailureKind::Unknown,
                "Tjenesten ga ikke svar. Se på tilstanden før du prøver igjen",
                "The service gave no answer. Look at the state before trying again",
            ))
        })
    }
}

/// Where a call came from.
struct Call<'a> {
    connection: &'a Connection,
    header: Header<'a>,
}

impl Call<'_> {
    async fn permitted(&self, verb: Verb) -> Result<Caller, Failure> {
        let caller = Caller::of(self.connection, &self.header).await?;
        caller.require(verb)?;
        Ok(caller)
    }
}

#[interface(name = "no.varde.DbRestart1")]
impl DbRestart {
    async fn list(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<DatabaseStatus>, Failure> {
        Call { connection, header }.permitted(Verb::ReadDatabase).await?;
        Ok(self
            .posts
            .with(|posts| posts.values().filter_map(|post| post.status.clone()).collect()))
    }

    async fn get(
        &self,
        database: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<DatabaseStatus, Failure> {
        Call { connection, header }.permitted(Verb::ReadDatabase).await?;
        self.settings(database)?;
        let status = self
            .posts
            .with(|posts| posts.get(database).and_then(|post| post.status.clone()));
        status.ok_or_else(|| {
            Failure::new(
                FailureKind::Refused,
                "Databasen er nettopp lagt til; prøv igjen om litt",
                "The database has just been added; try again in a moment",
            )
        })
    }

    async fn runs(
        &self,
        database: &str,
        count: u32,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<RunRecord>, Failure> {
        Call { connection, header }.permitted(Verb::ReadDatabase).await?;
        let books = self.settings(database)?.books(&self.paths);
        let entries = ledger::read(&books.ledger())?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Ok(entries.iter().rev().take(count).map(report::record).collect())
    }

    async fn planned(
        &self,
        database: &str,
        count: u32,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<PlannedRun>, Failure> {
        Call { connection, header }.permitted(Verb::ReadDatabase).await?;
        let settings = self.settings(database)?;
        let books = settings.books(&self.paths);
        let orders: Orders = kept(&books.folder.join("orders.json"));
        let meter = Meter::new(kept::<Week>(&books.folder.join("week.json")));
        let stall = settings.forecast(&books)?.restart;
        let schedule = settings.schedule()?;
        let count = usize::try_from(count.min(1000)).unwrap_or(0);
        let calendar = schedule
            .upcoming(Timestamp::now(), count)
            .into_iter()
            .map(|next| PlannedRun {
                at: next.at.as_millisecond(),
                obstacle: orders.obstacle(next.at, next.obstacle.as_ref()),
                delays: meter.expected(next.at, stall, &schedule),
            });
        let once = orders.once.iter().map(|once| PlannedRun {
            at: once.at.as_millisecond(),
            obstacle: varde_bus::Text::default(),
            delays: meter.expected(once.at, stall, &schedule),
        });
        let mut planned: Vec<PlannedRun> = calendar.chain(once).collect();
        planned.sort_by_key(|run| run.at);
        planned.truncate(count);
        Ok(planned)
    }

    async fn load(
        &self,
        database: &str,
        weekday: u32,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<QuarterLoad>, Failure> {
        Call { connection, header }.permitted(Verb::ReadDatabase).await?;
        let books = self.settings(database)?.books(&self.paths);
        let week: Week = kept(&books.folder.join("week.json"));
        Ok(week
            .day(usize::try_from(weekday).unwrap_or(0))
            .iter()
            .map(|quarter| QuarterLoad {
                rate: if quarter.seen == 0 { -1.0 } else { quarter.rate },
                busy: quarter.busy,
            })
            .collect())
    }

    async fn preparation(
        &self,
        database: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Failure> {
        Call { connection, header }.permitted(Verb::ReadDatabase).await?;
        match self.settings(database)?.database.engine {
            Engine::Postgresql => Ok(PREPARATION.to_owned()),
            Engine::Tcp => Err(not_postgresql(database)),
        }
    }

    async fn restart(
        &self,
        database: &str,
        at: i64,
        why: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Failure> {
        let call = Call { connection, header };
        self.wish(call, Verb::RestartDatabase, database, why, Wish::Restart { at })
            .await
    }

    async fn skip_next(
        &self,
        database: &str,
        why: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Failure> {
        let call = Call { connection, header };
        self.wish(call, Verb::SkipDatabase, database, why, Wish::SkipNext)
            .await
    }

    async fn hold(
        &self,
        database: &str,
        hold: bool,
        why: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Failure> {
        let call = Call { connection, header };
        self.wish(call, Verb::HoldDatabase, database, why, Wish::Hold(hold))
            .await
    }

    async fn cancel(
        &self,
        database: &str,
        why: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Failure> {
        let call = Call { connection, header };
        self.wish(call, Verb::CancelDatabase, database, why, Wish::Cancel)
            .await
    }

    async fn set_credential(
        &self,
        database: &str,
        password: &str,
        why: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Failure> {
        let call = Call { connection, header };
        let wish = Wish::SetCredential(password.to_owned());
        self.wish(call, Verb::SetDatabaseCredential, database, why, wish)
            .await
    }

    #[zbus(signal)]
    async fn changed(emitter: &SignalEmitter<'_>, database: DatabaseStatus) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn removed(emitter: &SignalEmitter<'_>, name: String) -> zbus::Result<()>;
}

/// Asked for what only PostgreSQL has.
pub(crate) fn not_postgresql(database: &str) -> Failure {
    Failure::new(
        FailureKind::Refused,
        format!("{database} er ikke PostgreSQL: Varde logger ikke inn der"),
        format!("{database} is not PostgreSQL: Varde does not log in there"),
    )
}

fn kept<T: serde::de::DeserializeOwned + Default>(path: &std::path::Path) -> T {
    std::fs::read(path)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

/// Tells the bus what the wardens say, for as long as there are any.
pub async fn publish(
    connection: &Connection,
    posts: &Posts,
    mut news: mpsc::Receiver<DatabaseStatus>,
) -> Result<(), Failure> {
    let emitter = SignalEmitter::new(connection, PATH)?;
    while let Some(status) = news.recv().await {
        posts.told(&status);
        DbRestart::changed(&emitter, status).await?;
    }
    Ok(())
}

pub async fn tell_removed(connection: &Connection, names: Vec<String>) -> Result<(), Failure> {
    let emitter = SignalEmitter::new(connection, PATH)?;
    for name in names {
        DbRestart::removed(&emitter, name).await?;
    }
    Ok(())
}
