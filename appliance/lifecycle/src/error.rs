//! Why a version was not taken, in the operator's words.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use varde_bus::{Failure, FailureKind, Text};

use crate::Version;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not {tried} {path}: {cause}")]
    Io {
        tried: &'static str,
        path: PathBuf,
        cause: io::Error,
    },
    /// Something that is as it should be everywhere but here.
    #[error("{0}")]
    Refused(Text),
    #[error("{0}")]
    Bus(#[from] Failure),
}

impl Error {
    pub(crate) fn io(tried: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |cause| Self::Io { tried, path, cause }
    }

    pub(crate) fn refused(nb: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Refused(Text::new(nb, en))
    }

    pub(crate) fn older(version: Version, running: Version) -> Self {
        let (nb, en) = if version == running {
            ("den som går", "the one that runs")
        } else {
            ("eldre enn den som går", "older than the one that runs")
        };
        Self::refused(
            format!(
                "Utgave {version} er {nb} ({running}). Skal den likevel skrives, så si det: «likevel» (--even-so)"
            ),
            format!(
                "Version {version} is {en} ({running}). If it is to be written all the same, say so: --even-so"
            ),
        )
    }

    pub fn text(&self) -> Text {
        match self {
            Self::Refused(text) => text.clone(),
            Self::Bus(failure) => failure.text.clone(),
            Self::Io { path, cause, .. } if cause.kind() == io::ErrorKind::StorageFull => Text::new(
                format!(
                    "Det er ikke plass til {}. Rydd på datadisken og prøv igjen",
                    path.display()
                ),
                format!(
                    "There is no room for {}. Make room on the data disk and try again",
                    path.display()
                ),
            ),
            Self::Io { path, cause, .. } => Text::new(
                format!("{} kunne ikke leses eller skrives: {cause}", path.display()),
                self.to_string(),
            ),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = error.text();
        let kind = match error {
            Error::Refused(_) => FailureKind::Refused,
            Error::Bus(failure) => return failure,
            Error::Io { .. } => FailureKind::Failed,
        };
        Self { kind, text }
    }
}

/// What the unit leaves for the service that started it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Empty: it succeeded.
    pub refusal: Text,
}
