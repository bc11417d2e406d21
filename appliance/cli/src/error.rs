//! Why a command did not do what it was asked.

use std::fmt::Display;

use varde_bus::{Failure, FailureKind, Finding, Text};

#[derive(Debug)]
pub enum Error {
    /// A service said no, or could not be reached.
    Service(Failure),
    /// A file is not a sound site; each finding is printed with the file's name.
    Findings { file: String, findings: Vec<Finding> },
    /// The chain of records is not whole.
    Chain(Vec<Text>),
}

impl Error {
    /// Something of this machine did not work: what was tried, on what, and how it failed.
    pub fn io(tried: &str, on: impl Display, error: impl Display) -> Self {
        Self::Service(Failure::new(
            FailureKind::Failed,
            format!("Feil ({tried}): {on}: {error}"),
            format!("Could not {tried} {on}: {error}"),
        ))
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Service(failure)
    }
}
