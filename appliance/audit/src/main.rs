//! `varde-auditd`: keeps the record of who did what, and answers for it on the bus.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use varde_audit::service::Service;
use varde_bus::audit::NAME;
use zbus::Connection;

/// Where the chain is when systemd does not say.
const DIRECTORY: &str = "/var/lib/varde/audit";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("varde-auditd: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let directory =
        std::env::var_os("STATE_DIRECTORY").map_or_else(|| PathBuf::from(DIRECTORY), PathBuf::from);
    let service = Service::open(&directory)?;
    let connection = Connection::system().await?;
    service.serve(&connection).await?;
    connection.request_name(NAME).await?;
    connection.closed().await;
    Err("the bus has closed the connection".into())
}
