//! What does not work with the tunnel.

use std::path::PathBuf;

use varde_bus::{Failure, FailureKind};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} could not be {what}: {source}", path.display())]
    File {
        path: PathBuf,
        what: &'static str,
        source: std::io::Error,
    },
    #[error("{program}: {said}")]
    Program { program: &'static str, said: String },
    #[error("WireGuard in the kernel: {0}")]
    Netlink(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(
            FailureKind::Failed,
            format!("Tunnelen kunne ikke settes opp: {error}"),
            format!("The tunnel could not be set up: {error}"),
        )
    }
}
