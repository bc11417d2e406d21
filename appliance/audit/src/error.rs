//! Why something could not be recorded, or the chain not be read.

use std::io;

use varde_bus::{Failure, FailureKind};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not {what} {file}: {source}")]
    Disk {
        what: &'static str,
        file: String,
        source: io::Error,
    },
    #[error("another process writes this chain: {0} is locked")]
    Locked(String),
    #[error("the entry is not one that can be recorded: {0}")]
    Entry(String),
    /// An append failed and so did taking it back; the next one starts by reading the disk again.
    #[error("{first}; and the unfinished record could not be taken back: {second}")]
    Stuck { first: Box<Error>, second: Box<Error> },
}

impl Error {
    pub(crate) fn disk(what: &'static str, file: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Disk {
            what,
            file: file.to_owned(),
            source,
        }
    }

    fn is_full(&self) -> bool {
        matches!(self, Self::Disk { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if error.is_full() {
            return Self::new(
                FailureKind::Refused,
                format!(
                    "Datadisken er full, så handlingen kan ikke føres. Slett det som ikke trengs, eller gjør disken større ({error})"
                ),
                format!(
                    "The data disk is full, so the action cannot be recorded. Delete what is not needed, or enlarge the disk ({error})"
                ),
            );
        }
        match &error {
            Error::Entry(_) => Self::new(
                FailureKind::Invalid,
                format!("Kan ikke føres: {error}"),
                format!("Cannot be recorded: {error}"),
            ),
            _ => Self::new(
                FailureKind::Failed,
                format!("Fikk ikke ført det i «Hvem gjorde hva»: {error}"),
                format!("Could not write to the record of who did what: {error}"),
            ),
        }
    }
}
