//! `no.varde.Site1` on the bus.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{Mutex, Notify};
use tokio::task::spawn_blocking;
use varde_bus::caller::Caller;
use varde_bus::record::Recorder;
use varde_bus::site::{Generation, PATH, SiteSummary, TrialStatus};
use varde_bus::{Failure, FailureKind, Language, Text, Verb};
use varde_site::{Active, Finding, Kept, Store, StoreError, diff, masked, parse_keeping, readable};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, interface};

use crate::error::failure;
use crate::first::first_of;
use crate::{boot, trial};

/// A reason is a sentence or two, and stays for good.
const LONGEST_WHY: usize = 500;

/// The object that answers on the bus.
#[derive(Clone, Debug)]
pub struct Service {
    store: Store,
    pub(crate) recorder: Recorder,
    /// One change at a time, from the record of its beginning to that of its end.
    pub(crate) changing: Arc<Mutex<()>>,
    /// A trial has begun or ended.
    pub(crate) turned: Arc<Notify>,
    /// The kernel's ID of this boot.
    pub(crate) boot: Arc<str>,
    /// One file of a caller's is looked at at a time: a large faulty one takes a while.
    looking: Arc<Mutex<()>>,
}

impl Service {
    pub async fn new(connection: &Connection, store: Store) -> Result<Self, Failure> {
        Ok(Self {
            store,
            recorder: Recorder::new(connection).await?,
            changing: Arc::default(),
            turned: Arc::default(),
            boot: boot::id()
                .map_err(|error| {
                    Failure::new(
                        FailureKind::Failed,
                        format!("Kunne ikke lese hvilken oppstart dette er: {error}"),
                        format!("Could not read which boot this is: {error}"),
                    )
                })?
                .into(),
            looking: Arc::default(),
        })
    }

    /// Puts the object on a connection.
    pub async fn serve(self, connection: &Connection) -> zbus::Result<()> {
        connection.object_server().at(PATH, self.clone()).await?;
        tokio::spawn(self.watch(connection.clone()));
        Ok(())
    }

    /// Works on the store where waiting for the disk holds up nothing else.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let store = self.store.clone();
        let done = spawn_blocking(move || work(&store))
            .await
            .map_err(|error| stopped(&error))?;
        done.map_err(|error| {
            eprintln!("{error}");
            failure(&error)
        })
    }

    pub(crate) async fn active(&self) -> Result<Active, Failure> {
        self.with(Store::active).await?.ok_or_else(|| {
            Failure::new(
                FailureKind::Failed,
                "Det finnes ingen generasjon ennå. Se i loggen for varde-first-site.service",
                "There is no generation yet. See the log of varde-first-site.service",
            )
        })
    }

    /// A generation by its number; 0 means the active one.
    pub(crate) async fn generation(&self, number: u64) -> Result<Active, Failure> {
        if number == 0 {
            return self.active().await;
        }
        self.with(move |store| store.generation(number)).await
    }

    /// What `"keep"` means; nothing where the active generation cannot be read.
    pub(crate) async fn kept(&self) -> Kept {
        let active = self.with(Store::active).await.ok().flatten();
        active.map(|active| active.site.kept()).unwrap_or_default()
    }

    /// Looks at a caller's file beside everything else.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let one = Arc::clone(&self.looking).lock_owned().await;
        let done = spawn_blocking(move || {
            let result = work();
            drop(one);
            result
        });
        done.await.map_err(|error| stopped(&error))
    }
}

#[interface(name = "no.varde.Site1")]
impl Service {
    async fn summary(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<SiteSummary, Failure> {
        Caller::of(connection, &header).await?.require(Verb::ReadSite)?;
        let taken_back = self.with(Store::taken_back).await?;
        Ok(summary(
            self.active().await?,
            taken_back.as_ref().map(trial::told).unwrap_or_default(),
        ))
    }

    async fn check(
        &self,
        toml: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<Finding>, Failure> {
        Caller::of(connection, &header).await?.require(Verb::CheckSite)?;
        let kept = self.kept().await;
        self.look(move || parse_keeping(&toml, &kept).err().unwrap_or_default())
            .await
    }

    async fn apply(
        &self,
        toml: String,
        why: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<u64, Failure> {
        self.apply_any((toml, why, None), header, connection, emitter)
            .await
    }

    async fn apply_on_trial(
        &self,
        toml: String,
        why: &str,
        within: u32,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<u64, Failure> {
        self.apply_any((toml, why, Some(within)), header, connection, emitter)
            .await
    }

    async fn risks_of_text(
        &self,
        toml: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<Text>, Failure> {
        Caller::of(connection, &header).await?.require(Verb::CheckSite)?;
        let kept = self.kept().await;
        let site = self
            .look(move || parse_keeping(&toml, &kept))
            .await?
            .map_err(|findings| bad_file(&findings))?;
        self.risks_to(&site).await
    }

    async fn risks(
        &self,
        generation: u64,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<Text>, Failure> {
        Caller::of(connection, &header).await?.require(Verb::ReadSite)?;
        self.risks_to(&self.generation(generation).await?.site).await
    }

    async fn trial(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<TrialStatus, Failure> {
        let caller = Caller::of(connection, &header).await?;
        caller.require(Verb::ReadSite)?;
        self.trial_status(connection, &caller).await
    }

    async fn confirm(
        &self,
        generation: u64,
        why: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Failure> {
        let caller = Caller::of(connection, &header).await?;
        caller.require(Verb::ConfirmSite)?;
        self.confirm_trial(connection, &caller, generation, &reason(why)?)
            .await
    }

    async fn take_back(
        &self,
        why: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<u64, Failure> {
        let caller = Caller::of(connection, &header).await?;
        caller.require(Verb::TakeBackSite)?;
        self.take_back_trial(connection, &caller, &reason(why)?).await
    }

    async fn show(
        &self,
        generation: u64,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Failure> {
        Caller::of(connection, &header).await?.require(Verb::ReadSite)?;
        Ok(masked(&self.generation(generation).await?.text))
    }

    async fn history(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<Generation>, Failure> {
        Caller::of(connection, &header).await?.require(Verb::ReadSite)?;
        self.with(|store| {
            let active = store.active_number()?;
            let mut generations = Vec::new();
            for record in store.history()? {
                match record {
                    Ok(record) => generations.push(Generation {
                        active: active == Some(record.number),
                        number: record.number,
                        hash: record.hash,
                        parent: record.parent,
                        when: record.when,
                        who: record.who,
                        why: record.why,
                    }),
                    // The others can still be gone back to.
                    Err(error) => eprintln!("{error}"),
                }
            }
            Ok(generations)
        })
        .await
    }

    async fn diff(
        &self,
        from: u64,
        to: u64,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Failure> {
        Caller::of(connection, &header).await?.require(Verb::ReadSite)?;
        let (from, to) = (self.generation(from).await?, self.generation(to).await?);
        let name = |active: &Active| format!("site.toml#{}", active.record.number);
        Ok(diff((&name(&from), &from.text), (&name(&to), &to.text)))
    }

    async fn diff_text(
        &self,
        toml: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Failure> {
        Caller::of(connection, &header).await?.require(Verb::CheckSite)?;
        readable(&toml).map_err(|findings| bad_file(&findings))?;
        let active = self.active().await?;
        let name = format!("site.toml#{}", active.record.number);
        self.look(move || diff((&name, &active.text), ("site.toml", &toml)))
            .await
    }

    async fn roll_back(
        &self,
        generation: u64,
        why: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<u64, Failure> {
        self.roll_back_any((generation, why, None), header, connection, emitter)
            .await
    }

    async fn roll_back_on_trial(
        &self,
        generation: u64,
        why: &str,
        within: u32,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<u64, Failure> {
        self.roll_back_any((generation, why, Some(within)), header, connection, emitter)
            .await
    }

    #[zbus(signal)]
    pub(crate) async fn activated(emitter: &SignalEmitter<'_>, generation: u64) -> zbus::Result<()>;
}

fn summary(active: Active, taken_back: Text) -> SiteSummary {
    let info = active.site.site;
    SiteSummary {
        generation: active.record.number,
        name: info.name,
        title: info.title,
        counties: info.counties,
        language: match info.language {
            Language::Nb => "nb",
            Language::En => "en",
        }
        .to_owned(),
        timezone: info.timezone,
        downtime_cost: info.downtime_cost,
        idle_lock: info.idle_lock,
        source: active.record.source.name().to_owned(),
        problem: active.record.problem.unwrap_or_default(),
        taken_back,
    }
}

pub(crate) fn bad_file(findings: &[Finding]) -> Failure {
    let (first, count) = (first_of(findings), findings.len());
    Failure::new(
        FailureKind::Invalid,
        format!(
            "Ingenting er endret: site.toml har {count} feil, den første på {}",
            first.nb
        ),
        format!(
            "Nothing was changed: site.toml has {count} faults, the first on {}",
            first.en
        ),
    )
}

pub(crate) fn reason(why: &str) -> Result<String, Failure> {
    let length = why.chars().count();
    if length <= LONGEST_WHY {
        return Ok(why.trim().to_owned());
    }
    Err(Failure::new(
        FailureKind::Invalid,
        format!("Grunnen har {length} tegn; høyst {LONGEST_WHY} får plass"),
        format!("The reason has {length} characters; at most {LONGEST_WHY} fit"),
    ))
}

fn stopped(error: &tokio::task::JoinError) -> Failure {
    Failure::new(
        FailureKind::Unknown,
        format!("Arbeidet med generasjonene stoppet underveis: {error}"),
        format!("The work on the generations stopped on the way: {error}"),
    )
}

/// Milliseconds since 1970.
pub fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
