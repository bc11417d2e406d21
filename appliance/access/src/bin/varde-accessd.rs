//! Decides who comes in from devices of their own, and answers the portal and operators on the bus.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use varde_access::folder::Folder;
use varde_access::house::{House, now};
use varde_access::{Directory, Doorkeeper, door, service};
use varde_bus::site::SiteProxy;
use varde_bus::{Failure, FailureKind, access, door as door_bus, next, tunnel};
use varde_site::{Network, Site, Store, ZoneAddress};
use zbus::Connection;
use zbus::fdo::DBusProxy;

const FOLDER: &str = "/var/lib/varde/access";
/// Sessions end within this of their time.
const TICK: Duration = Duration::from_secs(5);
/// How often those who were turned away are recorded, and certificates looked at.
const MINUTE: Duration = Duration::from_mins(1);
/// How soon a generation that could not be read is tried again.
const RETRY: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("varde-accessd: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn directory(site: Site) -> Directory {
    Directory {
        portal: site.portal,
        persons: site.persons,
        pools: site.desktop_pools,
        zones: site
            .zones
            .iter()
            .filter_map(|zone| match zone.address {
                ZoneAddress::Static { address, prefix } => {
                    Some((zone.name.clone(), Network { address, prefix }))
                }
                _ => None,
            })
            .collect(),
        tunnel: site.tunnel,
        title: site.site.title,
        language: site.site.language,
    }
}

/// False: the generation cannot be read, and everything stays as it is.
async fn follow(house: &House) -> bool {
    match Store::open(Store::PATH).active() {
        Ok(active) => {
            let site = active.map(|active| directory(active.site));
            house.follow(site.unwrap_or_default()).await;
            true
        }
        Err(error) => {
            eprintln!("the active generation cannot be read: {error}; access stays as it is");
            false
        }
    }
}

async fn serve() -> Result<(), Failure> {
    let keeper = Doorkeeper::open(Folder::new(Path::new(FOLDER))).map_err(|error| {
        Failure::new(
            FailureKind::Failed,
            format!("Mappen til tjenesten kan ikke brukes: {error}"),
            format!("The folder of the service cannot be used: {error}"),
        )
    })?;
    let connection = Connection::system().await?;
    let house = Arc::new(House::new(&connection, keeper).await?);
    // Listened to before the first reading, so that no generation falls between.
    let mut activations = SiteProxy::new(&connection).await?.receive_activated().await?;
    let server = connection.object_server();
    server
        .at(access::PATH, service::Access::new(Arc::clone(&house)))
        .await?;
    server
        .at(door_bus::PATH, door::Door::new(Arc::clone(&house)))
        .await?;
    let mut read = follow(&house).await;
    connection.request_name(access::NAME).await?;
    connection.request_name(door_bus::NAME).await?;
    // Without systemd there is nobody to tell.
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        eprintln!("cannot tell systemd that the service is ready: {error}");
    }

    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| Failure::from(zbus::Error::from(error)))?;
    // Another service of the tunnel has heard of nobody.
    let bus = DBusProxy::new(&connection).await?;
    let mut owners = bus
        .receive_name_owner_changed_with_args(&[(0, tunnel::NAME)])
        .await?;
    let telling = async {
        while let Some(one) = next(&mut owners).await {
            if one.args().is_ok_and(|args| args.new_owner().is_some()) {
                house.hold().await;
            }
        }
    };
    let following = async {
        loop {
            tokio::select! {
                activated = next(&mut activations) => if activated.is_none() {
                    return;
                },
                () = tokio::time::sleep(RETRY), if !read => {}
            }
            read = follow(&house).await;
        }
    };
    let ending = async {
        loop {
            tokio::time::sleep(TICK).await;
            let ended = house.keeper().tick(now());
            house.over(ended, "its time was out").await;
        }
    };
    let recording = async {
        loop {
            tokio::time::sleep(MINUTE).await;
            house.record_denials().await;
            house.certificate_renewed().await;
            house.hear().await;
            house.hold().await;
        }
    };
    tokio::select! {
        () = following => {}
        () = telling => {}
        () = ending => {}
        () = recording => {}
        _ = terminate.recv() => house.record_denials().await,
        () = connection.closed() => {}
    }
    Ok(())
}
