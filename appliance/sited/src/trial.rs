//! A generation on trial: who looks at its clock, how it is confirmed, and how it is taken back.
//!
//! The store knows what is on trial ([`varde_site::Trial`]). Here its time runs out: [`Service::watch`] sleeps until
//! then and makes the generation before the active one again. It begins with whatever trial the service finds when it
//! starts, so a service that was killed goes on with it. A restart of the appliance ends a trial before anything is
//! rendered ([`after_boot`]).

use std::time::Duration;

use tokio::time::timeout;
use varde_bus::caller::Caller;
use varde_bus::site::{PATH, TrialStatus};
use varde_bus::{Failure, FailureKind, Text, Verb};
use varde_site::{Active, Store, TakenBack, Terms, Trial, risks};
use zbus::Connection;
use zbus::object_server::SignalEmitter;

use crate::change::put_to_use;
use crate::service::{Service, now};
use crate::{Error, boot, probe};

/// The watch looks this often whatever it sleeps for: the machine itself may have slept.
const LOOK: Duration = Duration::from_secs(10);
/// Before something that failed is tried again.
const AGAIN: Duration = Duration::from_secs(10);
/// Under this the outcome stands in the record of changes, as an event.
const TAKEN_BACK: &str = "site.taken-back";

/// Takes back a trial that a restart of the appliance interrupted; gives the number of the generation that counts again.
/// There is no bus yet: the record of it is made when the service starts.
pub fn after_boot(store: &Store, boot: &str, when: i64) -> Result<Option<u64>, Error> {
    let Some(trial) = store.trial()?.filter(|trial| trial.terms.boot != boot) else {
        return Ok(None);
    };
    let mut writer = store.writer()?;
    writer.go_back(&trial)?;
    writer.end_trial(&taken_back(&trial, when, &restarted(), false))?;
    Ok(Some(trial.before))
}

fn restarted() -> Text {
    Text::new(
        "verten startet på nytt før noen bekreftet den",
        "the appliance restarted before anybody confirmed it",
    )
}

fn taken_back(trial: &Trial, when: i64, reason: &Text, recorded: bool) -> TakenBack {
    TakenBack {
        generation: trial.generation,
        before: trial.before,
        when,
        recorded,
        reason: reason.clone(),
    }
}

/// For the overview.
pub(crate) fn told(taken_back: &TakenBack) -> Text {
    let TakenBack {
        generation,
        before,
        reason,
        ..
    } = taken_back;
    Text::new(
        format!(
            "Generasjon {generation} ble tatt tilbake fra prøve: {}. Generasjon {before} gjelder igjen",
            reason.nb
        ),
        format!(
            "Generation {generation} was taken back from its trial: {}. Generation {before} counts again",
            reason.en
        ),
    )
}

pub(crate) fn terms(within: u32, boot: &str) -> Terms {
    Terms {
        within,
        boot: boot.to_owned(),
        until: boot::elapsed().saturating_add(u64::from(within) * 1000),
    }
}

impl Service {
    pub(crate) async fn on_trial(&self) -> Result<Option<Trial>, Failure> {
        self.with(Store::trial).await
    }

    /// Nothing else is changed while something is on trial.
    pub(crate) async fn require_no_trial(&self) -> Result<(), Failure> {
        let Some(trial) = self.on_trial().await? else {
            return Ok(());
        };
        let number = trial.generation;
        Err(Failure::new(
            FailureKind::Refused,
            format!(
                "Generasjon {number} er på prøve. Bekreft den eller ta den tilbake først (varde site confirm, varde site take-back)"
            ),
            format!(
                "Generation {number} is on trial. Confirm it or take it back first (varde site confirm, varde site take-back)"
            ),
        ))
    }

    /// Milliseconds that are left of a trial; none of one from another boot.
    fn left(&self, trial: &Trial) -> u64 {
        if *trial.terms.boot == *self.boot {
            trial.terms.until.saturating_sub(boot::elapsed())
        } else {
            0
        }
    }

    /// Takes back every trial whose time is out, for as long as the service runs.
    pub(crate) async fn watch(self, connection: Connection) {
        self.record_taken_back().await;
        loop {
            let wait = match self.look_after(&connection).await {
                Ok(None) => {
                    self.turned.notified().await;
                    continue;
                }
                Ok(Some(left)) => left.min(LOOK),
                Err(failure) => {
                    eprintln!("could not look after the trial: {failure}");
                    AGAIN
                }
            };
            // Whether woken or not: the trial itself says what is to be done.
            let _ = timeout(wait, self.turned.notified()).await;
        }
    }

    /// How long the trial under way has left. One whose time is out is taken back.
    async fn look_after(&self, connection: &Connection) -> Result<Option<Duration>, Failure> {
        let Some(trial) = self.on_trial().await? else {
            return Ok(None);
        };
        let left = self.left(&trial);
        if left > 0 {
            return Ok(Some(Duration::from_millis(left)));
        }
        let _one = self.changing.lock().await;
        // Somebody may have confirmed it while another change was waited for.
        if self.on_trial().await?.as_ref() == Some(&trial) {
            let reason = if *trial.terms.boot == *self.boot {
                let within = trial.terms.within;
                Text::new(
                    format!("ingen bekreftet den innen {within} s"),
                    format!("nobody confirmed it within {within} s"),
                )
            } else {
                restarted()
            };
            self.return_from(connection, &trial, &reason, false).await?;
            self.record_taken_back().await;
        }
        Ok(None)
    }

    /// Makes the generation before the trial the active one again and the system like it. Where that fails the trial
    /// stays, to be taken back once more.
    async fn return_from(
        &self,
        connection: &Connection,
        trial: &Trial,
        reason: &Text,
        recorded: bool,
    ) -> Result<(), Failure> {
        let (going, ended) = (trial.clone(), taken_back(trial, now(), reason, recorded));
        self.with(move |store| store.writer()?.go_back(&going)).await?;
        put_to_use(connection, true).await?;
        self.with(move |store| store.writer()?.end_trial(&ended)).await?;
        println!(
            "generation {} was taken back, {} is active: {reason}",
            trial.generation, trial.before
        );
        self.tell(connection, trial.before).await;
        Ok(())
    }

    async fn tell(&self, connection: &Connection, number: u64) {
        let told = async { Self::activated(&SignalEmitter::new(connection, PATH)?, number).await };
        if let Err(error) = told.await {
            eprintln!("could not tell of generation {number}: {error}");
        }
    }

    /// Enters what was taken back in the record of changes; where that fails, the next start tries again.
    async fn record_taken_back(&self) {
        let entered = async {
            let Some(taken_back) = self.with(Store::taken_back).await?.filter(|it| !it.recorded) else {
                return Ok(());
            };
            let (subject, detail) = (taken_back.generation.to_string(), taken_back.reason.en.clone());
            self.recorder
                .event("varde-site", TAKEN_BACK, &subject, &detail)
                .await?;
            self.with(move |store| store.writer()?.note_recorded(&taken_back))
                .await
        };
        if let Err(failure) = entered.await {
            eprintln!("could not record what was taken back: {failure}");
        }
    }

    pub(crate) async fn trial_status(
        &self,
        connection: &Connection,
        caller: &Caller,
    ) -> Result<TrialStatus, Failure> {
        let Some(trial) = self.on_trial().await? else {
            return Ok(TrialStatus::default());
        };
        let before = self.generation(trial.before).await?;
        let tried = self.generation(trial.generation).await?;
        Ok(TrialStatus {
            generation: trial.generation,
            before: trial.before,
            left: u32::try_from(self.left(&trial).div_ceil(1000)).unwrap_or(u32::MAX),
            within: trial.terms.within,
            risks: risks(&before.site, &tried.site)
                .into_iter()
                .map(varde_site::Risk::text)
                .collect(),
            probes: probe::all(connection, &tried.site, caller).await,
            who: tried.record.who,
            why: tried.record.why,
        })
    }

    pub(crate) async fn confirm_trial(
        &self,
        connection: &Connection,
        caller: &Caller,
        number: u64,
        why: &str,
    ) -> Result<(), Failure> {
        let _one = self.changing.lock().await;
        let tried = self.require_trial().await?;
        if tried.generation != number {
            return Err(Failure::new(
                FailureKind::Refused,
                format!("På prøve er generasjon {}, ikke {number}", tried.generation),
                format!("On trial is generation {}, not {number}", tried.generation),
            ));
        }
        // Its time is out, and it could not be taken back yet.
        if self.with(Store::active_number).await? != Some(number) {
            return Err(nothing());
        }
        may_confirm(&self.generation(number).await?, caller)?;
        let begun = self
            .recorder
            .begin(caller, Verb::ConfirmSite, &number.to_string(), why)
            .await?;
        let closed = self.with(|store| store.writer()?.close_trial()).await;
        self.turned.notify_one();
        if closed.is_ok() {
            println!("generation {number} is confirmed");
            self.tell(connection, number).await;
        }
        begun.end(closed).await
    }

    pub(crate) async fn take_back_trial(
        &self,
        connection: &Connection,
        caller: &Caller,
        why: &str,
    ) -> Result<u64, Failure> {
        let _one = self.changing.lock().await;
        let trial = self.require_trial().await?;
        let begun = self
            .recorder
            .begin(caller, Verb::TakeBackSite, &trial.generation.to_string(), why)
            .await?;
        let who = &caller.name;
        let reason = Text::new(format!("{who} tok den tilbake"), format!("{who} took it back"));
        let back = self.return_from(connection, &trial, &reason, true).await;
        self.turned.notify_one();
        begun.end(back.map(|()| trial.before)).await
    }

    async fn require_trial(&self) -> Result<Trial, Failure> {
        self.on_trial().await?.ok_or_else(nothing)
    }
}

fn nothing() -> Failure {
    Failure::new(
        FailureKind::Refused,
        "Ingen generasjon er på prøve",
        "No generation is on trial",
    )
}

/// A session keeps the groups that it began with; who could not log in again proves nothing.
pub(crate) fn may_confirm(tried: &Active, caller: &Caller) -> Result<(), Failure> {
    let needs = Verb::ConfirmSite.needs();
    let has = |account: &varde_site::Account| account.name == caller.name && account.role >= needs;
    if caller.uid == 0 || tried.site.accounts.iter().any(has) {
        return Ok(());
    }
    let (who, number) = (&caller.name, tried.record.number);
    Err(Failure::new(
        FailureKind::Refused,
        format!(
            "I generasjon {number} kan ikke {who} logge inn som administrator. En som kan det, må bekrefte den"
        ),
        format!(
            "In generation {number} {who} cannot log in as an administrator. Somebody who can has to confirm it"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use varde_site::{Record, Role, Source, parse};

    use super::*;

    const DEMO: &str = include_str!("../../../image/demo/site.toml");

    fn caller(uid: u32, name: &str) -> Caller {
        Caller {
            uid,
            name: name.into(),
            role: Some(Role::Admin),
        }
    }

    #[test]
    fn only_who_could_log_in_again_as_an_administrator_confirms() {
        let tried = Active {
            record: Record {
                number: 2,
                hash: String::new(),
                parent: 1,
                when: 0,
                who: "admin".into(),
                why: String::new(),
                source: Source::Applied,
                problem: None,
            },
            site: parse(DEMO).unwrap(),
            text: DEMO.into(),
        };
        assert!(may_confirm(&tried, &caller(0, "root")).is_ok());
        assert!(may_confirm(&tried, &caller(1000, "admin")).is_ok());
        // Their sessions still have the group; the site that they would confirm does not give it to them.
        for gone in ["operator", "ola"] {
            let refused = may_confirm(&tried, &caller(1000, gone)).unwrap_err();
            assert_eq!(refused.kind, FailureKind::Refused);
        }
    }
}
