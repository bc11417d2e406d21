//! What can go wrong on the way to a database, its gate or its server, in the operator's words.

use std::io;

use varde_bus::{Failure, FailureKind, Text};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bound passed: it may have happened or not.
    #[error("{0}")]
    Late(Text),
    #[error("{0}")]
    Failed(Text),
    /// The server answered, and the answer was no.
    #[error("{0}")]
    Refused(Text),
}

impl Error {
    pub fn failed(nb: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Failed(Text::new(nb, en))
    }

    pub fn late(what: &Text, millis: u64) -> Self {
        Self::Late(Text::new(
            format!("{}: ikke ferdig innen {millis} ms", what.nb),
            format!("{}: not done within {millis} ms", what.en),
        ))
    }

    /// A file could not be read or written.
    pub fn file(path: &std::path::Path, error: &io::Error) -> Self {
        Self::failed(
            format!("Filen {} kunne ikke brukes: {error}", path.display()),
            format!("The file {} could not be used: {error}", path.display()),
        )
    }

    pub fn text(&self) -> &Text {
        match self {
            Self::Late(text) | Self::Failed(text) | Self::Refused(text) => text,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (kind, text) = match error {
            Error::Late(text) => (FailureKind::Unknown, text),
            Error::Failed(text) | Error::Refused(text) => (FailureKind::Failed, text),
        };
        Self { kind, text }
    }
}
