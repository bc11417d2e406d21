//! Tells how updates stand, and starts the units that write them.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use varde_bus::Failure;
use varde_bus::record::Recorder;
use varde_bus::update::{NAME, PATH};
use varde_lifecycle::install::Place;
use varde_lifecycle::ledger::Folder;
use varde_lifecycle::service::{Sources, Update};
use varde_lifecycle::source::FOLDER;
use varde_site::Store;
use zbus::Connection;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("varde-lifecycled: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Failure> {
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| Failure::from(zbus::Error::from(error)))?;
    let connection = Connection::system().await?;
    let sources = Sources {
        ledger: Folder::new("/var/lib/varde/update"),
        fetched: Folder::new(FOLDER),
        own: Folder::new("/var/lib/varde/lifecycle"),
        version: Place::here()?.running.to_string(),
        labels: "/dev/disk/by-partlabel".into(),
        sticks: "/dev/disk/by-label".into(),
        site: Store::PATH.into(),
    };
    let service = Update::new(sources, Recorder::new(&connection).await?);
    connection.object_server().at(PATH, service).await?;
    connection.request_name(NAME).await?;
    tokio::select! {
        _ = terminate.recv() => {}
        () = connection.closed() => {}
    }
    Ok(())
}
