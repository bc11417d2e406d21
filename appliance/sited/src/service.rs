//! `no.varde.Site1` on the bus.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use varde_bus::caller::Caller;
use varde_bus::record::Recorder;
use varde_bus::site::{Generation, PATH, SiteSummary};
use varde_bus::{Failure, FailureKind, Language, Verb};
use varde_site::{
    Active, Finding, Kept, Origin, Source, Store, StoreError, diff, filled, masked, parse_keeping, readable,
};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, interface};

use crate::activate;
use crate::error::failure;
use crate::first::first_of;

/// A reason is a sentence or two, and stays for good.
const LONGEST_WHY: usize = 500;

/// The object that answers on the bus.
#[derive(Debug)]
pub struct Service {
    store: Store,
    recorder: Recorder,
    /// One change at a time, from the record of its beginning to that of its end.
    changing: Arc<Mutex<()>>,
    /// One file of a caller's is looked at at a time: a large faulty one takes a while.
    looking: Arc<Mutex<()>>,
}

impl Service {
    pub async fn new(connection: &Connection, store: Store) -> Result<Self, Failure> {
        Ok(Self {
            store,
            recorder: Recorder::new(connection).await?,
            changing: Arc::default(),
            looking: Arc::default(),
        })
    }

    /// Puts the object on a connection.
    pub async fn serve(self, connection: &Connection) -> zbus::Result<()> {
        connection.object_server().at(PATH, self).await?;
        Ok(())
    }

    /// Works on the store where waiting for the disk holds up nothing else.
    async fn with<T: Send + 'static>(
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

    async fn active(&self) -> Result<Active, Failure> {
        self.with(Store::active).await?.ok_or_else(|| {
            Failure::new(
                FailureKind::Failed,
                "Det finnes ingen generasjon ennå. Se i loggen for varde-first-site.service",
                "There is no generation yet. See the log of varde-first-site.service",
            )
        })
    }

    /// A generation by its number; 0 means the active one.
    async fn generation(&self, number: u64) -> Result<Active, Failure> {
        if number == 0 {
            return self.active().await;
        }
        self.with(move |store| store.generation(number)).await
    }

    /// What `"keep"` means; nothing where the active generation cannot be read.
    async fn kept(&self) -> Kept {
        let active = self.with(Store::active).await.ok().flatten();
        active.map(|active| active.site.kept()).unwrap_or_default()
    }

    /// Looks at a caller's file beside everything else.
    async fn look<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
        let one = Arc::clone(&self.looking).lock_owned().await;
        let done = spawn_blocking(move || {
            let result = work();
            drop(one);
            result
        });
        done.await.map_err(|error| stopped(&error))
    }

    /// Makes a checked file the active generation and the system like it, or leaves both as they were.
    async fn activate(&self, connection: &Connection, text: String, origin: Origin) -> Result<u64, Failure> {
        let before = self.with(Store::active_number).await?;
        // Where the one before cannot be read, its order cannot be known to be the same.
        let order_before = self.with(Store::active).await.ok().flatten().map(order);
        let when = now();
        let number = self
            .with(move |store| {
                // The same file again is no new generation, but the system is made like it once more.
                match store.active() {
                    Ok(Some(active)) if active.text == text => Ok(active.record.number),
                    _ => store.writer()?.commit(&text, &origin, when),
                }
            })
            .await?;
        let reordered = order_before != Some(order(self.active().await?));
        if let Err(failure) = put_to_use(connection, reordered).await {
            return Err(self.go_back(connection, before, number, failure).await);
        }
        println!("generation {number} is active");
        Ok(number)
    }

    /// Takes the generation before into use again, and says why and whether that worked.
    async fn go_back(
        &self,
        connection: &Connection,
        before: Option<u64>,
        number: u64,
        cause: Failure,
    ) -> Failure {
        let (nb, en) = (&cause.text.nb, &cause.text.en);
        let Some(before) = before.filter(|before| *before != number) else {
            return cause;
        };
        match self.return_to(connection, before).await {
            Ok(()) => Failure::new(
                FailureKind::Failed,
                format!(
                    "Generasjon {number} kunne ikke tas i bruk, og generasjon {before} gjelder igjen: {nb}"
                ),
                format!(
                    "Generation {number} could not be put to use, and generation {before} is active again: {en}"
                ),
            ),
            Err(second) => Failure::new(
                FailureKind::Unknown,
                format!(
                    "Generasjon {number} kunne ikke tas i bruk ({nb}), og veien tilbake til generasjon {before} mislyktes også: {}",
                    second.text.nb
                ),
                format!(
                    "Generation {number} could not be put to use ({en}), and going back to generation {before} failed too: {}",
                    second.text.en
                ),
            ),
        }
    }

    async fn return_to(&self, connection: &Connection, before: u64) -> Result<(), Failure> {
        self.with(move |store| store.writer()?.activate(before)).await?;
        put_to_use(connection, true).await
    }

    /// Records, does and announces a change.
    async fn change(
        &self,
        connection: &Connection,
        emitter: &SignalEmitter<'_>,
        caller: &Caller,
        change: Change,
    ) -> Result<u64, Failure> {
        let begun = self
            .recorder
            .begin(caller, change.verb, &change.subject, &change.why)
            .await?;
        let origin = Origin {
            who: caller.name.clone(),
            why: change.why,
            source: Source::Applied,
            problem: None,
        };
        let result = self.activate(connection, change.text, origin).await;
        if let Ok(number) = &result
            && let Err(error) = Self::activated(emitter, *number).await
        {
            eprintln!("could not tell of generation {number}: {error}");
        }
        begun.end(result).await
    }
}

/// Makes the system like the active generation.
async fn put_to_use(connection: &Connection, reordered: bool) -> Result<(), Failure> {
    activate::render(connection).await?;
    if reordered {
        activate::reload_units(connection).await?;
    }
    activate::reload_network(connection).await
}

/// Which machines stop before which: each with those that it needs.
fn order(active: Active) -> Vec<(String, Vec<String>)> {
    let needs = active.site.vms.into_iter().map(|vm| (vm.name, vm.after));
    needs.filter(|(_, after)| !after.is_empty()).collect()
}

/// What is to become the active generation, and how that is recorded.
struct Change {
    verb: Verb,
    subject: String,
    why: String,
    text: String,
}

#[interface(name = "no.varde.Site1")]
impl Service {
    async fn summary(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<SiteSummary, Failure> {
        Caller::of(connection, &header).await?.require(Verb::ReadSite)?;
        Ok(summary(self.active().await?))
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
        let caller = Caller::of(connection, &header).await?;
        caller.require(Verb::ApplySite)?;
        let why = reason(why)?;
        let _one = self.changing.lock().await;
        let kept = self.kept().await;
        let (subject, text) = self
            .look(move || {
                // Checked as it came, so that places are those of the operator's file, and as it will be kept.
                let site = parse_keeping(&toml, &kept)?;
                let text = filled(&toml, &kept);
                varde_site::parse(&text).map(|_| (site.site.name, text))
            })
            .await?
            .map_err(|findings| bad_file(&findings))?;
        let change = Change {
            verb: Verb::ApplySite,
            subject,
            why,
            text,
        };
        self.change(connection, &emitter, &caller, change).await
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
        let caller = Caller::of(connection, &header).await?;
        caller.require(Verb::RollBackSite)?;
        let why = reason(why)?;
        let _one = self.changing.lock().await;
        let earlier = self.with(move |store| store.generation(generation)).await?;
        let change = Change {
            verb: Verb::RollBackSite,
            subject: generation.to_string(),
            why,
            text: earlier.text,
        };
        self.change(connection, &emitter, &caller, change).await
    }

    #[zbus(signal)]
    async fn activated(emitter: &SignalEmitter<'_>, generation: u64) -> zbus::Result<()>;
}

fn summary(active: Active) -> SiteSummary {
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
    }
}

fn bad_file(findings: &[Finding]) -> Failure {
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

fn reason(why: &str) -> Result<String, Failure> {
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
