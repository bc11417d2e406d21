//! How a service has a change recorded: before it is done, and its outcome after.

use zbus::Connection;

use crate::audit::{AuditProxy, Entry};
use crate::caller::Caller;
use crate::{Failure, FailureKind, Verb};

/// Writes to the record of who did what, over the bus.
#[derive(Clone, Debug)]
pub struct Recorder {
    audit: AuditProxy<'static>,
}

/// A change that was recorded as begun.
#[must_use = "its outcome has to be recorded"]
#[derive(Debug)]
pub struct Begun {
    audit: AuditProxy<'static>,
    entry: Entry,
}

impl Recorder {
    pub async fn new(connection: &Connection) -> Result<Self, Failure> {
        Ok(Self {
            audit: AuditProxy::new(connection).await?,
        })
    }

    /// Records that `caller` begins `verb` on `subject`. A change that cannot be recorded must not be done.
    pub async fn begin(
        &self,
        caller: &Caller,
        verb: Verb,
        subject: &str,
        why: &str,
    ) -> Result<Begun, Failure> {
        let mut entry = Entry {
            who: caller.name.clone(),
            verb: verb.name().to_owned(),
            subject: subject.to_owned(),
            why: why.to_owned(),
            outcome: "begun".to_owned(),
            detail: String::new(),
            of: 0,
        };
        entry.of = self.audit.append(&entry).await.map_err(|error| {
            let cause = Failure::from(error).text;
            Failure::new(
                FailureKind::Refused,
                format!(
                    "Ikke utført, fordi handlingen ikke kunne føres i loggen over hvem som gjorde hva: {}",
                    cause.nb
                ),
                format!(
                    "Not done, because it could not be entered in the record of who did what: {}",
                    cause.en
                ),
            )
        })?;
        Ok(Begun {
            audit: self.audit.clone(),
            entry,
        })
    }

    /// Records something that happened without anybody asking for it.
    pub async fn event(&self, service: &str, verb: &str, subject: &str, detail: &str) -> Result<(), Failure> {
        let entry = Entry {
            who: service.to_owned(),
            verb: verb.to_owned(),
            subject: subject.to_owned(),
            why: String::new(),
            outcome: "event".to_owned(),
            detail: detail.to_owned(),
            of: 0,
        };
        self.audit.append(&entry).await?;
        Ok(())
    }
}

impl Begun {
    /// Records how it ended, and hands the result on.
    pub async fn end<T>(mut self, result: Result<T, Failure>) -> Result<T, Failure> {
        match &result {
            Ok(_) => "done".clone_into(&mut self.entry.outcome),
            Err(failure) => {
                let outcome = if failure.kind == FailureKind::Unknown {
                    "unknown"
                } else {
                    "failed"
                };
                outcome.clone_into(&mut self.entry.outcome);
                self.entry.detail.clone_from(&failure.text.en);
            }
        }
        let recorded = self.audit.append(&self.entry).await;
        if let (Ok(_), Err(error)) = (&result, recorded) {
            let cause = Failure::from(error).text;
            return Err(Failure::new(
                FailureKind::Unknown,
                format!("Utført, men utfallet kunne ikke føres i loggen: {}", cause.nb),
                format!("Done, but the outcome could not be recorded: {}", cause.en),
            ));
        }
        result
    }
}
