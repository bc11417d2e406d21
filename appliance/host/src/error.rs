//! Why the appliance cannot say how it is.

use std::io;

use varde_bus::{Failure, FailureKind};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not read {path}: {source}")]
    Read { path: String, source: io::Error },
    #[error("{path} does not say {what}")]
    Odd { path: String, what: &'static str },
    #[error("could not run {program}: {source}")]
    Run { program: String, source: io::Error },
    #[error("{program} failed: {said}")]
    Journal { program: String, said: String },
    /// Nothing was found as far back as there was time for.
    #[error("no match within {0}")]
    Searched(String),
    #[error("{0:?} is not the name of a unit")]
    Unit(String),
    #[error("{0:?} is not a place in the journal")]
    Cursor(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (kind, nb, en) = match &error {
            Error::Unit(_) | Error::Cursor(_) => (
                FailureKind::Invalid,
                "Loggen kan ikke vises",
                "The log cannot be shown",
            ),
            Error::Searched(_) => (
                FailureKind::Unknown,
                "Fant ingenting i loggen så langt tilbake som det var tid til. Begrens søket til en enhet eller til denne oppstarten",
                "Found nothing in the log as far back as there was time for. Narrow the search to a unit or to this boot",
            ),
            Error::Run { .. } | Error::Journal { .. } => (
                FailureKind::Failed,
                "Fikk ikke lest loggen",
                "Could not read the log",
            ),
            Error::Read { .. } | Error::Odd { .. } => (
                FailureKind::Failed,
                "Fikk ikke lest tilstanden til verten",
                "Could not read the state of the host",
            ),
        };
        Self::new(kind, format!("{nb} ({error})"), format!("{en} ({error})"))
    }
}
