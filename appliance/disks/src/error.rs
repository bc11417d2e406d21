//! What can go wrong with images: each says what was tried and on what.

use std::path::{Path, PathBuf};

use varde_site::Text;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("qemu-img {doing}: {said}")]
    QemuImg { doing: String, said: String },
    /// What was asked for must not or cannot be done now.
    #[error("{0}")]
    Refused(Text),
}

impl Error {
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { doing, path, source }
    }

    pub(crate) fn refused(nb: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Refused(Text::new(nb, en))
    }

    /// In the operator's words.
    pub fn text(&self) -> Text {
        let full = |text: &str| text.contains("No space left") || text.contains("Disk quota");
        match self {
            Self::Refused(text) => text.clone(),
            Self::QemuImg { said, .. } if full(said) => disk_full(),
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => disk_full(),
            Self::QemuImg { doing, said } => Text::new(
                format!("qemu-img {doing} mislyktes: {said}"),
                format!("qemu-img {doing} failed: {said}"),
            ),
            Self::File { doing, path, source } => Text::new(
                format!("Feil på {}: {source}", path.display()),
                format!("Cannot {doing} {}: {source}", path.display()),
            ),
        }
    }
}

fn disk_full() -> Text {
    Text::new(
        "Datadisken er full. Ingenting er tapt. Frigjør plass, for eksempel ved å rulle tilbake et øyeblikksbilde, og prøv igjen",
        "The data disk is full. Nothing is lost. Free some space, for instance by rolling a snapshot back, and try again",
    )
}
