use std::path::PathBuf;

/// What can go wrong before the machine runs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no place for caches: neither XDG_CACHE_HOME nor HOME is set; set one of them")]
    NoHome,
    #[error("the toolbox {} is not there; `cargo xtask image` makes it", .0.display())]
    NoToolbox(PathBuf),
    #[error("{what} {}: {source}", .path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{tool} failed ({status}): {stderr}")]
    Tool {
        tool: &'static str,
        status: std::process::ExitStatus,
        stderr: String,
    },
    #[error("the key or the signature is of no use: {0}")]
    Signature(String),
    #[error("{what} `{given}` is not understood: {remedy}")]
    Usage {
        what: &'static str,
        given: String,
        remedy: &'static str,
    },
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// For `map_err`: says what was tried and on which path.
    pub fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
