//! `no.varde.Rehearsal1` on the bus: who may, and the record of it.

use tokio::sync::mpsc;
use varde_bus::caller::Caller;
use varde_bus::record::Recorder;
use varde_bus::rehearsal::{PATH, RecipeInfo, Rehearsal};
use varde_bus::{Failure, FailureKind, Verb};
use varde_site::Text;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, interface};

use super::director::{Director, News};

/// The interface as it stands on the bus.
#[derive(Debug)]
pub struct Rehearsals {
    director: Director,
    recorder: Recorder,
}

impl Rehearsals {
    pub async fn new(connection: &Connection, director: Director) -> Result<Self, Failure> {
        Ok(Self {
            director,
            recorder: Recorder::new(connection).await?,
        })
    }
}

async fn permitted(connection: &Connection, header: &Header<'_>, verb: Verb) -> Result<Caller, Failure> {
    let caller = Caller::of(connection, header).await?;
    caller.require(verb)?;
    Ok(caller)
}

fn reasoned(why: &str) -> Result<(), Failure> {
    if why.trim().is_empty() {
        return Err(Failure::new(
            FailureKind::Invalid,
            "Det krever en begrunnelse",
            "It needs a reason",
        ));
    }
    Ok(())
}

#[interface(name = "no.varde.Rehearsal1")]
impl Rehearsals {
    async fn recipes(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<RecipeInfo>, Failure> {
        permitted(connection, &header, Verb::ReadRehearsal).await?;
        self.director.recipes()
    }

    async fn list(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Rehearsal>, Failure> {
        let caller = permitted(connection, &header, Verb::ReadRehearsal).await?;
        let mut all = self.director.list().await;
        if caller.require(Verb::ReadOutcome).is_err() {
            for rehearsal in &mut all {
                for outcome in &mut rehearsal.outcomes {
                    outcome.said = Text::default();
                }
                if !rehearsal.state.is_busy() {
                    rehearsal.text = Text::default();
                }
            }
        }
        Ok(all)
    }

    async fn rehearse(
        &self,
        recipe: &str,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Failure> {
        let caller = permitted(connection, &header, Verb::Rehearse).await?;
        let begun = self.recorder.begin(&caller, Verb::Rehearse, recipe, why).await?;
        begun
            .end(self.director.rehearse(recipe, &caller.name, why).await)
            .await
    }

    async fn discard(
        &self,
        rehearsal: &str,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        let verb = Verb::DiscardRehearsal;
        let caller = permitted(connection, &header, verb).await?;
        let begun = self.recorder.begin(&caller, verb, rehearsal, why).await?;
        begun.end(self.director.discard(rehearsal).await).await
    }

    async fn price(
        &self,
        rehearsal: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Text, Failure> {
        permitted(connection, &header, Verb::ReadRehearsal).await?;
        self.director.price(rehearsal).await
    }

    async fn promote(
        &self,
        rehearsal: &str,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        let caller = permitted(connection, &header, Verb::Promote).await?;
        reasoned(why)?;
        let begun = self
            .recorder
            .begin(&caller, Verb::Promote, rehearsal, why)
            .await?;
        begun
            .end(self.director.promote(rehearsal, &caller.name, why).await)
            .await
    }

    async fn take_back(
        &self,
        rehearsal: &str,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        let verb = Verb::TakeBackPromotion;
        let caller = permitted(connection, &header, verb).await?;
        reasoned(why)?;
        let begun = self.recorder.begin(&caller, verb, rehearsal, why).await?;
        let by = Text::new(
            format!("{} tok det tilbake: {}", caller.name, why.trim()),
            format!("{} took it back: {}", caller.name, why.trim()),
        );
        begun.end(self.director.take_back(rehearsal, by).await).await
    }

    #[zbus(signal)]
    async fn changed(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}

/// Carries what the director has to tell to the bus and to the record, until it ends.
pub async fn tell(connection: &Connection, mut news: mpsc::UnboundedReceiver<News>) -> Result<(), Failure> {
    let emitter = SignalEmitter::new(connection, PATH)?;
    let recorder = Recorder::new(connection).await?;
    while let Some(one) = news.recv().await {
        match one {
            News::Changed => Rehearsals::changed(&emitter).await?,
            News::Ended {
                rehearsal,
                verb,
                detail,
            } => {
                eprintln!("{rehearsal}: {verb}: {detail}");
                let told = recorder.event("varde-hypervisord", verb, &rehearsal, &detail.en);
                if let Err(failure) = told.await {
                    eprintln!("{rehearsal}: {verb} is not in the record: {failure}");
                }
            }
        }
    }
    Ok(())
}
