//! Has the active generation rendered, and the service manager and the network told, over the bus.

use std::time::Duration;

use tokio::time::timeout;
use varde_bus::{Failure, FailureKind};
use zbus::names::BusName;
use zbus::{Connection, OwnedObjectPath};

const UNIT: &str = "varde-render.service";
/// Rendering takes milliseconds; after so long something is stuck.
const BOUND: Duration = Duration::from_secs(30);
const NETWORK: &str = "org.freedesktop.network1";

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    fn subscribe(&self) -> zbus::Result<()>;
    fn restart_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn reload(&self) -> zbus::Result<()>;

    #[zbus(signal)]
    fn job_removed(&self, id: u32, job: OwnedObjectPath, unit: String, result: String) -> zbus::Result<()>;
}

#[zbus::proxy(
    interface = "org.freedesktop.network1.Manager",
    default_service = "org.freedesktop.network1",
    default_path = "/org/freedesktop/network1"
)]
trait Network {
    fn reload(&self) -> zbus::Result<()>;
}

/// Runs `varde-render.service` and waits until it is done.
pub(crate) async fn render(connection: &Connection) -> Result<(), Failure> {
    timeout(BOUND, render_unbounded(connection)).await.map_err(|_| {
        Failure::new(
            FailureKind::Unknown,
            format!(
                "{UNIT} ble ikke ferdig på {} sekunder. Se i loggen hvorfor",
                BOUND.as_secs()
            ),
            format!(
                "{UNIT} was not done within {} seconds. The log says why",
                BOUND.as_secs()
            ),
        )
    })?
}

async fn manager(connection: &Connection) -> zbus::Result<ManagerProxy<'static>> {
    ManagerProxy::builder(connection)
        .cache_properties(zbus::proxy::CacheProperties::No)
        .build()
        .await
}

async fn render_unbounded(connection: &Connection) -> Result<(), Failure> {
    let manager = manager(connection).await?;
    match manager.subscribe().await {
        // By an earlier change over the same connection.
        Err(zbus::Error::MethodError(name, ..)) if name == "org.freedesktop.systemd1.AlreadySubscribed" => {}
        subscribed => subscribed?,
    }
    // Listening before asking, because a short job may be over before the answer is here.
    let mut removed = manager.receive_job_removed().await?;
    // Restarting rather than starting: a run that is under way may have read the generation before.
    let job = manager.restart_unit(UNIT, "replace").await?;
    loop {
        let Some(signal) = varde_bus::next(&mut removed).await else {
            return Err(Failure::new(
                FailureKind::Unknown,
                format!("Forbindelsen til systemd ble brutt mens {UNIT} gikk"),
                format!("The connection to systemd was lost while {UNIT} ran"),
            ));
        };
        let Ok(ended) = signal.args() else {
            continue;
        };
        if *ended.job() != job {
            continue;
        }
        if ended.result() == "done" {
            return Ok(());
        }
        return Err(Failure::new(
            FailureKind::Failed,
            format!("{UNIT} mislyktes ({}). Se i loggen hvorfor", ended.result()),
            format!("{UNIT} failed ({}). The log says why", ended.result()),
        ));
    }
}

/// Has systemd read its units anew: in which order machines stop has changed. It knows the order of those that run.
pub(crate) async fn reload_units(connection: &Connection) -> Result<(), Failure> {
    let manager = manager(connection).await?;
    match timeout(BOUND, manager.reload()).await {
        Ok(done) => done.map_err(Failure::from),
        Err(_) => Err(Failure::new(
            FailureKind::Unknown,
            "systemd svarte ikke på at maskinenes rekkefølge er endret",
            "systemd did not answer that the order of machines has changed",
        )),
    }
}

/// Tells systemd-networkd to read its files anew. Where it does not run yet, it will read them when it starts.
pub(crate) async fn reload_network(connection: &Connection) -> Result<(), Failure> {
    let bus = zbus::fdo::DBusProxy::new(connection).await?;
    let name = BusName::try_from(NETWORK)?;
    if !bus.name_has_owner(name).await.map_err(zbus::Error::from)? {
        return Ok(());
    }
    let network = NetworkProxy::new(connection).await?;
    match timeout(BOUND, network.reload()).await {
        Ok(done) => done.map_err(Failure::from),
        Err(_) => Err(Failure::new(
            FailureKind::Unknown,
            "Nettverkstjenesten svarte ikke på at nettene er endret",
            "The network service did not answer that the networks have changed",
        )),
    }
}
