//! What can go wrong while a scenario talks to an appliance.

use std::path::{Path, PathBuf};
use std::time::Duration;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {what} {path}: {source}")]
    File {
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot {what}: {source}")]
    Io { what: String, source: std::io::Error },
    #[error("{what}; {remedy}")]
    Setup { what: String, remedy: String },
    #[error("{command} failed ({status}): {stderr}")]
    Tool {
        command: String,
        status: String,
        stderr: String,
    },
    #[error("the key notation {notation:?} is wrong at {at:?}: {why}")]
    Keys {
        notation: String,
        at: String,
        why: &'static str,
    },
    #[error("the pattern {pattern:?} is no regular expression: {why}")]
    Pattern { pattern: String, why: String },
    #[error("{0}")]
    Machine(#[from] varde_machine::Error),
    #[error("{0}")]
    Dialogue(Box<Mismatch>),
    #[error("QMP {command}: {why}")]
    Qmp { command: String, why: String },
    #[error("the debug shell did not finish {command:?} within {bound:?}; it said:\n{said}")]
    Shell {
        command: String,
        bound: Duration,
        said: String,
    },
    #[error("{command:?} in the appliance ended with {code}:\n{output}")]
    Command {
        command: String,
        code: i32,
        output: String,
    },
    #[error("the appliance's QEMU is gone ({status}); it said:\n{said}")]
    Gone { status: String, said: String },
    #[error("the appliance's processor fell over, which is the emulator's doing:\n{registers}")]
    Fault { registers: String },
    #[error("{what} did not come within {bound:?}; last seen: {last}")]
    Bound {
        what: String,
        bound: Duration,
        last: String,
    },
    #[error("{0}")]
    Golden(String),
}

/// A step of a dialogue that did not come about.
pub struct Mismatch {
    /// Place of the step, from 1, and how many there are.
    pub place: (usize, usize),
    pub step: String,
    pub bound: Duration,
    pub closed: bool,
    pub screen: String,
    /// The last that came over the line, escapes made visible.
    pub recent: String,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (place, all) = self.place;
        let why = if self.closed {
            "the line was closed".to_owned()
        } else {
            format!("not within {:?}", self.bound)
        };
        write!(
            f,
            "step {place} of {all}, {}: {why}\nscreen:\n{}\nlast on the line:\n{}",
            self.step, self.screen, self.recent
        )
    }
}

/// A failed scenario prints its error with `Debug`; a screen must be readable there too.
impl std::fmt::Debug for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Says what was tried on which file.
pub(crate) trait Context<T> {
    fn on(self, what: &'static str, path: &Path) -> Result<T>;
    fn doing(self, what: impl Into<String>) -> Result<T>;
}

impl<T> Context<T> for std::io::Result<T> {
    fn on(self, what: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::File {
            what,
            path: path.to_owned(),
            source,
        })
    }

    fn doing(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::Io {
            what: what.into(),
            source,
        })
    }
}
