//! How a generation becomes the active one: recorded, kept, put to use, and announced; or all as it was before.

use varde_bus::caller::Caller;
use varde_bus::site::TRIALS;
use varde_bus::{Failure, FailureKind, Text, Verb};
use varde_site::{Active, Origin, Risk, Site, Source, Store, filled, parse_keeping, risks};
use zbus::Connection;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;

use crate::service::{Service, bad_file, now, reason};
use crate::{activate, trial};

/// What is to become the active generation, and how that is recorded.
struct Change {
    verb: Verb,
    subject: String,
    why: String,
    text: String,
    /// Seconds of a trial; for good where there are none.
    within: Option<u32>,
}

impl Service {
    pub(crate) async fn apply_any(
        &self,
        (toml, why, within): (String, &str, Option<u32>),
        header: Header<'_>,
        connection: &Connection,
        emitter: SignalEmitter<'_>,
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
            within,
        };
        self.change(connection, &emitter, &caller, change).await
    }

    pub(crate) async fn roll_back_any(
        &self,
        (generation, why, within): (u64, &str, Option<u32>),
        header: Header<'_>,
        connection: &Connection,
        emitter: SignalEmitter<'_>,
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
            within,
        };
        self.change(connection, &emitter, &caller, change).await
    }

    /// What could lock operators out on the way from the active generation to another site.
    pub(crate) async fn risks_to(&self, to: &Site) -> Result<Vec<Text>, Failure> {
        let active = self.active().await?;
        Ok(risks(&active.site, to).into_iter().map(Risk::text).collect())
    }

    /// Makes a checked file the active generation and the system like it, or leaves both as they were.
    async fn activate(
        &self,
        connection: &Connection,
        text: String,
        origin: Origin,
        within: Option<u32>,
    ) -> Result<u64, Failure> {
        let before = self.with(Store::active_number).await?;
        // Where the one before cannot be read, its order cannot be known to be the same.
        let order_before = self.with(Store::active).await.ok().flatten().map(order);
        let when = now();
        let terms = within.map(|within| trial::terms(within, &self.boot));
        let number = self
            .with(move |store| {
                // The same file again is no new generation, but the system is made like it once more.
                match (store.active(), terms) {
                    (Ok(Some(active)), _) if active.text == text => Ok(active.record.number),
                    (_, Some(terms)) => store.writer()?.try_out(&text, &origin, when, &terms),
                    (_, None) => store.writer()?.commit(&text, &origin, when),
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
        put_to_use(connection, true).await?;
        // Where it was on trial, that is over. The caller hears why.
        self.with(|store| store.writer()?.close_trial()).await
    }

    /// Records, does and announces a change.
    async fn change(
        &self,
        connection: &Connection,
        emitter: &SignalEmitter<'_>,
        caller: &Caller,
        change: Change,
    ) -> Result<u64, Failure> {
        self.require_no_trial().await?;
        if let Some(within) = change.within.filter(|within| !TRIALS.contains(within)) {
            return Err(Failure::new(
                FailureKind::Invalid,
                format!(
                    "En prøve på {within} s går ikke; den kan vare fra {} til {} s",
                    TRIALS.start(),
                    TRIALS.end()
                ),
                format!(
                    "A trial of {within} s cannot be; it may take {} to {} s",
                    TRIALS.start(),
                    TRIALS.end()
                ),
            ));
        }
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
        let result = self
            .activate(connection, change.text, origin, change.within)
            .await;
        self.turned.notify_one();
        if let Ok(number) = &result
            && let Err(error) = Self::activated(emitter, *number).await
        {
            eprintln!("could not tell of generation {number}: {error}");
        }
        begun.end(result).await
    }
}

/// Makes the system like the active generation.
pub(crate) async fn put_to_use(connection: &Connection, reordered: bool) -> Result<(), Failure> {
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
