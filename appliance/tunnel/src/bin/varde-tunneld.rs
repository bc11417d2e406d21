//! Keeps the tunnel: other sites, and the devices that the service of access lets in.

use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use varde_bus::record::Recorder;
use varde_bus::site::SiteProxy;
use varde_bus::tunnel::{NAME, PATH};
use varde_bus::{Failure, next};
use varde_site::Store;
use varde_tunnel::Keeper;
use varde_tunnel::kernel::Linux;
use varde_tunnel::keys::Keys;
use varde_tunnel::service::{Shared, Tunnel, lock};
use zbus::Connection;
use zbus::object_server::SignalEmitter;

const FOLDER: &str = "/var/lib/varde/tunnel";
/// A site that has changed its key is heard within this.
const TICK: Duration = Duration::from_secs(1);
/// How soon a generation that could not be read is tried again.
const RETRY: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("varde-tunneld: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Nothing: the generation cannot be read, and everything stays as it is. Else whether there is a tunnel.
fn follow(keeper: &Shared) -> Option<bool> {
    match Store::open(Store::PATH).active() {
        Ok(active) => {
            let site = active.map(|active| active.site);
            lock(keeper).follow(site.as_ref());
            Some(site.is_some_and(|site| site.tunnel.is_some()))
        }
        Err(error) => {
            eprintln!("the active generation cannot be read: {error}; the tunnel stays as it is");
            None
        }
    }
}

async fn serve() -> Result<(), Failure> {
    let keeper = Keeper::new(Box::new(Linux), Keys::open(FOLDER));
    let keeper: Shared = Arc::new(Mutex::new(keeper));
    let connection = Connection::system().await?;
    let recorder = Recorder::new(&connection).await?;
    // Listened to before the first reading, so that no generation falls between.
    let mut activations = SiteProxy::new(&connection).await?.receive_activated().await?;
    let mut read = follow(&keeper);
    let interface = Tunnel::new(Arc::clone(&keeper), recorder);
    connection.object_server().at(PATH, interface).await?;
    connection.request_name(NAME).await?;
    // Without systemd there is nobody to tell.
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        eprintln!("cannot tell systemd that the service is ready: {error}");
    }
    let emitter = SignalEmitter::new(&connection, PATH)?;
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| Failure::from(zbus::Error::from(error)))?;
    loop {
        tokio::select! {
            activated = next(&mut activations) => {
                if activated.is_none() {
                    return Ok(());
                }
                read = follow(&keeper);
                Tunnel::changed(&emitter).await?;
            }
            () = tokio::time::sleep(RETRY), if read.is_none() => read = follow(&keeper),
            // Without a tunnel nothing wakes.
            () = tokio::time::sleep(TICK), if read == Some(true) => {
                let changed = lock(&keeper).tick();
                if changed {
                    Tunnel::changed(&emitter).await?;
                }
            }
            _ = terminate.recv() => return Ok(()),
            () = connection.closed() => return Ok(()),
        }
    }
}
