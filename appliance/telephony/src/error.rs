//! What can go wrong, and what to do about it.

use std::path::PathBuf;

use varde_site::Text;

/// A fault of the bridge itself; what goes wrong with a call is the call's cause.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("line {name} cannot be opened: {source}")]
    Line { name: String, source: varde_line::Error },
    #[error("the ports for audio cannot be used: {0}")]
    Media(varde_rtp::Error),
    #[error("SIP cannot be listened to: {0}")]
    Sip(varde_sip::Error),
    #[error("{path} cannot be {what}: {source}")]
    File {
        path: PathBuf,
        what: &'static str,
        source: std::io::Error,
    },
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn text(&self) -> Text {
        match self {
            Self::Line { name, source } => Text::new(
                format!("Linjen {name} kan ikke åpnes: {source}. Sjekk local og remote i site.toml"),
                format!("Line {name} cannot be opened: {source}. Check local and remote in site.toml"),
            ),
            Self::Media(source) => Text::new(
                format!("Portene for lyd kan ikke brukes: {source}. Sjekk listen og rtp_ports i site.toml"),
                format!(
                    "The ports for audio cannot be used: {source}. Check listen and rtp_ports in site.toml"
                ),
            ),
            Self::Sip(source) => Text::new(
                format!("Det kan ikke lyttes etter SIP: {source}. Sjekk listen i site.toml"),
                format!("SIP cannot be listened to: {source}. Check listen in site.toml"),
            ),
            Self::File { path, what, source } => {
                let path = path.display();
                let nb = match *what {
                    "read" => "leses",
                    "written" => "skrives",
                    _ => "lages",
                };
                Text::new(
                    format!("{path} kan ikke {nb}: {source}"),
                    format!("{path} cannot be {what}: {source}"),
                )
            }
        }
    }
}
