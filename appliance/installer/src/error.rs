//! Why nothing, or not all, was written; in the operator's words.

use std::io;
use std::path::{Path, PathBuf};

use varde_site::Text;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not {tried} {path}: {cause}")]
    Io {
        tried: &'static str,
        path: PathBuf,
        cause: io::Error,
    },
    /// Something that the operator can put right.
    #[error("{0}")]
    Refused(Text),
    #[error("{tool} failed: {said}")]
    Tool { tool: String, said: String },
}

impl Error {
    pub(crate) fn io(tried: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |cause| Self::Io { tried, path, cause }
    }

    pub(crate) fn refused(nb: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Refused(Text::new(nb, en))
    }

    pub fn text(&self) -> Text {
        match self {
            Self::Refused(text) => text.clone(),
            Self::Io { path, cause, .. } => Text::new(
                format!("{} kunne ikke leses eller skrives: {cause}", path.display()),
                self.to_string(),
            ),
            Self::Tool { tool, said } => Text::new(format!("{tool} gikk ikke: {said}"), self.to_string()),
        }
    }
}
