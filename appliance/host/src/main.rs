//! `varde-hostd`: tells how the appliance is, reads its journal, and restarts it or switches it off.

use std::error::Error;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use varde_bus::host::NAME;
use varde_host::facts::Sources;
use varde_host::journal::Journal;
use varde_host::service::Service;
use zbus::Connection;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("varde-hostd: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let connection = Connection::system().await?;
    let changes = Service::serve(&connection, Sources::new("/"), Journal::default()).await?;
    connection.request_name(NAME).await?;
    tokio::select! {
        _ = terminate.recv() => {}
        () = connection.closed() => return Err("the bus has closed the connection".into()),
    }
    // The machine goes down while the change that takes it down is still being recorded.
    changes.finished().await;
    Ok(())
}
