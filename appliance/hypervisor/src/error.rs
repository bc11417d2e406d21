//! What can go wrong below the bus: each says what was tried and on what.

use std::path::{Path, PathBuf};

use varde_bus::{Failure, FailureKind};
use varde_site::Text;

use crate::qmp;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{program} {doing}: {said}")]
    Program {
        program: &'static str,
        doing: String,
        said: String,
    },
    #[error("site.toml: {0}")]
    Site(String),
    #[error("no virtual machine of the name {0} is declared")]
    NotDeclared(String),
    /// A start that must not be: said in both languages, because the operator reads it.
    #[error("{0}")]
    Blocked(Text),
    #[error("QMP: {0}")]
    Qmp(#[from] qmp::Error),
    #[error("bus: {0}")]
    Bus(#[from] zbus::Error),
    #[error("there is no user {0}; varde-render makes it from the active generation")]
    NoUser(String),
    #[error(transparent)]
    Disks(#[from] varde_disks::Error),
    #[error("wrong call: {0}")]
    Usage(String),
}

impl Error {
    pub fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { doing, path, source }
    }

    /// In the operator's words.
    pub fn text(&self) -> Text {
        match self {
            Self::Blocked(text) => text.clone(),
            Self::NotDeclared(name) => Text::new(
                format!("Den aktive generasjonen har ingen virtuell maskin med navnet {name}"),
                format!("The active generation has no virtual machine of the name {name}"),
            ),
            Self::File { doing, path, source } => Text::new(
                format!("Feil på {}: {source}", path.display()),
                format!("Cannot {doing} {}: {source}", path.display()),
            ),
            Self::Program { program, said, .. } => Text::new(
                format!("{program} mislyktes: {said}"),
                format!("{program} failed: {said}"),
            ),
            Self::Disks(error) => error.text(),
            Self::NoUser(user) => Text::new(
                format!(
                    "Brukeren {user} finnes ikke. Ta generasjonen i bruk på nytt, og se i loggen til varde-render"
                ),
                format!(
                    "The user {user} does not exist. Apply the generation again, and read varde-render's log"
                ),
            ),
            other => Text::new(format!("Feil: {other}"), format!("Failed: {other}")),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::NotDeclared(_) => FailureKind::NotFound,
            Error::Blocked(_) | Error::Disks(varde_disks::Error::Refused(_)) => FailureKind::Refused,
            Error::Qmp(qmp::Error::TimedOut { .. }) => FailureKind::Unknown,
            _ => FailureKind::Failed,
        };
        if let Error::Bus(error) = error {
            return Self::from(error);
        }
        let text = error.text();
        Self::new(kind, text.nb, text.en)
    }
}
