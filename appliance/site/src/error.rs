//! Why the store of generations cannot be read or written.

use std::io;
use std::path::{Path, PathBuf};

use crate::{Finding, Text};

/// A fault of the store; the active generation is what it was.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("could not {tried} {path}: {cause}")]
    Io {
        tried: &'static str,
        path: PathBuf,
        cause: io::Error,
    },
    /// Somebody else writes.
    #[error("{0} is being written by another process")]
    Busy(PathBuf),
    #[error("there is no generation {0}")]
    NotFound(u64),
    /// A trial must have something to go back to.
    #[error("there is no generation to go back to from a trial")]
    NothingBefore,
    /// The file is not what was written there.
    #[error("{path} was altered: its hash is {found} instead of {expected}")]
    Altered {
        path: PathBuf,
        expected: String,
        found: String,
    },
    /// A record or the link to it makes no sense.
    #[error("{path} is damaged: {detail}")]
    Damaged { path: PathBuf, detail: String },
    /// The file of a generation does not pass the checks of this version of Varde.
    #[error("generation {number} does not pass the checks of this version: {}", first(.findings))]
    Invalid { number: u64, findings: Vec<Finding> },
}

fn first(findings: &[Finding]) -> String {
    findings.first().map_or_else(String::new, |finding| {
        format!("line {}: {}", finding.line, finding.text.en)
    })
}

impl StoreError {
    pub(crate) fn io(tried: &'static str, path: &Path, cause: io::Error) -> Self {
        Self::Io {
            tried,
            path: path.to_owned(),
            cause,
        }
    }

    /// For an operator.
    pub fn text(&self) -> Text {
        match self {
            Self::Io { tried, path, cause } => {
                let path = path.display();
                if cause.kind() == io::ErrorKind::StorageFull || cause.kind() == io::ErrorKind::QuotaExceeded
                {
                    return Text::new(
                        format!(
                            "Datapartisjonen er full, så {path} ble ikke skrevet. Ingenting er endret. Frigjør plass og prøv igjen"
                        ),
                        format!(
                            "The data partition is full, so {path} was not written. Nothing was changed. Free some space and try again"
                        ),
                    );
                }
                Text::new(
                    format!("Fikk ikke {} {path}: {cause}", in_norwegian(tried)),
                    format!("Could not {tried} {path}: {cause}"),
                )
            }
            Self::Busy(_) => Text::new(
                "En annen endring av driftsstedet pågår. Prøv igjen om litt",
                "Another change of the site is under way. Try again in a moment",
            ),
            Self::NotFound(number) => Text::new(
                format!("Det finnes ingen generasjon {number}"),
                format!("There is no generation {number}"),
            ),
            Self::NothingBefore => Text::new(
                "Det finnes ingen generasjon å gå tilbake til, så denne kan ikke tas på prøve. Ta den i bruk for godt",
                "There is no generation to go back to, so this one cannot be taken on trial. Apply it for good",
            ),
            Self::Altered { path, .. } => Text::new(
                format!(
                    "{} er endret etter at den ble skrevet. Ta i bruk en annen generasjon, eller site.toml på nytt",
                    path.display()
                ),
                format!(
                    "{} was altered after it was written. Activate another generation, or apply site.toml anew",
                    path.display()
                ),
            ),
            Self::Damaged { path, detail } => Text::new(
                format!(
                    "{} er ødelagt ({detail}). Ta i bruk en annen generasjon, eller site.toml på nytt",
                    path.display()
                ),
                format!(
                    "{} is damaged ({detail}). Activate another generation, or apply site.toml anew",
                    path.display()
                ),
            ),
            Self::Invalid { number, findings } => {
                let first = findings.first().cloned();
                let line = first.as_ref().map_or(0, |finding| finding.line);
                let text = first.map(|finding| finding.text).unwrap_or_default();
                Text::new(
                    format!(
                        "Generasjon {number} består ikke kontrollen i denne versjonen av Varde (linje {line}: {})",
                        text.nb
                    ),
                    format!(
                        "Generation {number} does not pass the checks of this version of Varde (line {line}: {})",
                        text.en
                    ),
                )
            }
        }
    }
}

fn in_norwegian(tried: &str) -> &str {
    match tried {
        "read" => "lest",
        "write" => "skrevet",
        "sync" => "sikret på disk",
        "rename" => "gitt navn til",
        "link" => "pekt på",
        "create" => "opprettet",
        "remove" => "slettet",
        "lock" => "låst",
        other => other,
    }
}
