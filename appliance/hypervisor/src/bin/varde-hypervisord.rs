//! Looks after the virtual machines, and answers for them on the bus.

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use varde_bus::Failure;
use varde_bus::hypervisor::{NAME, PATH};
use varde_bus::site::SiteProxy;
use varde_hypervisor::daemon::{self, Handle};
use varde_hypervisor::desktops::{self, Desktops, Host};
use varde_hypervisor::paths::Paths;
use varde_hypervisor::rehearsal::{self, Director, Rehearsals};
use varde_hypervisor::service::{self, Hypervisor};
use varde_hypervisor::site;
use varde_hypervisor::snapshots::{Keeper, keep_watch};
use varde_hypervisor::systemd::Systemd;
use varde_hypervisor::unit::Units;
use zbus::Connection;
use zbus::export::futures_core::Stream;

/// How long the first callers may have to wait for a QEMU that does not answer.
const SETTLING: Duration = Duration::from_secs(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match Box::pin(serve()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("varde-hypervisord: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Failure> {
    let paths = Paths::from_environment();
    let connection = Connection::system().await?;
    let (systemd, unit_news) = Systemd::new(&connection).await?;
    let units: Arc<dyn Units> = Arc::new(systemd);
    let (handle, publications) = daemon::spawn(paths.clone(), Arc::clone(&units), unit_news);
    let (keeper, news) = Keeper::new(handle.clone(), units, paths.clone());
    let (director, endings) = Director::new(keeper.clone());
    let (host, happenings) = Host::new(keeper.clone());

    // Listened to before the first reading, so that no generation falls between.
    let activations = SiteProxy::new(&connection).await?.receive_activated().await?;
    read_site(&handle, &paths).await;
    handle.settled(SETTLING).await;
    let following = follow_site(activations, handle.clone(), paths.clone());

    let interface = Hypervisor::new(&connection, handle, keeper.clone(), paths).await?;
    connection.object_server().at(PATH, interface).await?;
    let rehearsals = Rehearsals::new(&connection, director.clone()).await?;
    connection
        .object_server()
        .at(varde_bus::rehearsal::PATH, rehearsals)
        .await?;
    let interface = Desktops::new(&connection, host.clone()).await?;
    connection
        .object_server()
        .at(varde_bus::desktop::PATH, interface)
        .await?;
    connection.request_name(NAME).await?;
    connection.request_name(varde_bus::desktop::NAME).await?;
    connection.request_name(varde_bus::rehearsal::NAME).await?;
    director.resume();
    // Without systemd there is nobody to tell.
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        eprintln!("cannot tell systemd that the service is ready: {error}");
    }

    let mut terminate = signal()?;
    tokio::select! {
        result = service::publish(&connection, publications) => result,
        result = service::tell(&connection, news) => result,
        result = rehearsal::tell(&connection, endings) => result,
        result = desktops::tell(&connection, happenings) => result,
        () = following => Ok(()),
        () = keep_watch(keeper) => Ok(()),
        () = host.keep_watch() => Ok(()),
        _ = terminate.recv() => Ok(()),
        () = connection.closed() => Ok(()),
    }
}

fn signal() -> Result<tokio::signal::unix::Signal, Failure> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(|error| Failure::from(zbus::Error::from(error)))
}

/// The machines of the active generation, and clones of them in rehearsals. A generation that cannot be read changes nothing.
async fn read_site(handle: &Handle, paths: &Paths) {
    match site::with_clones(paths) {
        Ok(Some(site)) => handle.site(site).await,
        Ok(None) => {}
        Err(error) => {
            eprintln!("the active generation cannot be read: {error}; the machines stay as they are");
        }
    }
}

async fn follow_site(mut activations: varde_bus::site::ActivatedStream, handle: Handle, paths: Paths) {
    while std::future::poll_fn(|context| Pin::new(&mut activations).poll_next(context))
        .await
        .is_some()
    {
        read_site(&handle, &paths).await;
    }
}
