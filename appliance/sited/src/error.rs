//! Why a site could not be stored or rendered.

use std::io;
use std::path::{Path, PathBuf};

use varde_bus::{Failure, FailureKind};
use varde_site::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not {tried} {path}: {cause}")]
    Io {
        tried: &'static str,
        path: PathBuf,
        cause: io::Error,
    },
    #[error("the store of generations: {0}")]
    Store(#[from] StoreError),
    /// There is nothing to render.
    #[error("there is no generation of the site; varde-first-site.service says why")]
    NoGeneration,
    /// The image lacks a good demo site.
    #[error("the demo site {path} is not usable: {detail}")]
    Demo { path: PathBuf, detail: String },
}

impl Error {
    pub(crate) fn io(tried: &'static str, path: &Path, cause: io::Error) -> Self {
        Self::Io {
            tried,
            path: path.to_owned(),
            cause,
        }
    }
}

/// For the caller of a service.
pub(crate) fn failure(error: &StoreError) -> Failure {
    let kind = match error {
        StoreError::NotFound(_) => FailureKind::NotFound,
        StoreError::Busy(_) => FailureKind::Refused,
        _ => FailureKind::Failed,
    };
    let text = error.text();
    Failure::new(kind, text.nb, text.en)
}
