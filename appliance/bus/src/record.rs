//! How a service has a change recorded: before it is done, and its outcome after.

use std::time::Duration;

use tokio::time::timeout;
use zbus::Connection;

use crate::audit::{AuditProxy, Entry};
use crate::caller::Caller;
use crate::{Failure, FailureKind, Verb};

/// A disk that hangs must not hang every change with it.
const PATIENCE: Duration = Duration::from_secs(20);

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
        entry.of = append(&self.audit, &entry).await.map_err(|failure| {
            let cause = failure.text;
            Failure::new(
                FailureKind::Refused,
                format!(
                    "Ikke utført, fordi handlingen ikke kunne føres i «Hvem gjorde hva»: {}",
                    cause.nb
                ),
                format!(
                    "Not done, because it could not be entered in “Who did what”: {}",
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
        append(&self.audit, &entry).await?;
        Ok(())
    }
}

/// Its number, once it is on disk.
async fn append(audit: &AuditProxy<'_>, entry: &Entry) -> Result<u64, Failure> {
    match timeout(PATIENCE, audit.append(entry)).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failure::new(
            FailureKind::Unknown,
            format!("ingen svar på {} sekunder", PATIENCE.as_secs()),
            format!("no answer within {} seconds", PATIENCE.as_secs()),
        )),
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
        let Err(failure) = append(&self.audit, &self.entry).await else {
            return result;
        };
        let (verb, of, cause) = (&self.entry.verb, self.entry.of, failure.text);
        // The caller of a failed change hears why that failed; the journal keeps that its outcome is missing.
        eprintln!(
            "{verb} (record {of}) ended {}, which could not be recorded: {cause}",
            self.entry.outcome
        );
        result.and(Err(Failure::new(
            FailureKind::Unknown,
            format!(
                "Utført, men utfallet kunne ikke føres i «Hvem gjorde hva»: {}",
                cause.nb
            ),
            format!(
                "Done, but the outcome could not be entered in “Who did what”: {}",
                cause.en
            ),
        )))
    }
}
