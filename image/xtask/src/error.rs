use std::path::PathBuf;

/// What can go wrong, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{step} failed ({status}). The last it said:\n\n{tail}\n\nAll of it: {}\n{remedy}", .log.display())]
    Step {
        step: String,
        status: std::process::ExitStatus,
        tail: String,
        log: PathBuf,
        remedy: &'static str,
    },
    #[error("{what} {}: {source}", .path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{program} did not start: {source}. {remedy}")]
    Start {
        program: String,
        source: std::io::Error,
        remedy: &'static str,
    },
    #[error("{0}")]
    Refused(String),
    #[error("{what} is not the JSON expected: {source}")]
    Json {
        what: &'static str,
        source: serde_json::Error,
    },
    #[error("{0} of {1} steps failed: {2}")]
    Tests(usize, usize, String),
    #[error(transparent)]
    Machine(#[from] varde_machine::Error),
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// For `map_err`: says what was tried and on which path.
    pub fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
