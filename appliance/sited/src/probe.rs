//! What has to work with a generation on trial: bridges, services, the clock, and the caller's own account.
//!
//! Everything is asked over the bus, all at once and within a bound; what does not answer is unknown, not bad.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use varde_bus::caller::Caller;
use varde_bus::site::{Probe, ProbeState};
use varde_bus::{Failure, Text, Verb};
use varde_site::Site;
use zbus::{Connection, OwnedObjectPath, Type};

/// An operator is waiting, and the trial's time runs.
const PATIENCE: Duration = Duration::from_secs(3);

/// Those that have to run once somebody has asked them something. They are started by the first question, so one that
/// does not run yet is as it should be.
const SERVICES: [&str; 5] = [
    "systemd-networkd.service",
    "varde-auditd.service",
    "varde-hostd.service",
    "varde-hypervisord.service",
    "varde-dbrestartd.service",
];

/// What `ListUnitsByNames` has for each unit, org.freedesktop.systemd1(5).
#[derive(Clone, Debug, Deserialize, Serialize, Type)]
struct UnitRow {
    name: String,
    description: String,
    load: String,
    active: String,
    sub: String,
    following: String,
    path: OwnedObjectPath,
    job: u32,
    job_type: String,
    job_path: OwnedObjectPath,
}

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    fn list_units_by_names(&self, names: &[&str]) -> zbus::Result<Vec<UnitRow>>;
}

#[zbus::proxy(
    interface = "org.freedesktop.network1.Manager",
    default_service = "org.freedesktop.network1",
    default_path = "/org/freedesktop/network1"
)]
trait Network {
    fn get_link_by_name(&self, name: &str) -> zbus::Result<(i32, OwnedObjectPath)>;
}

#[zbus::proxy(
    interface = "org.freedesktop.network1.Link",
    default_service = "org.freedesktop.network1"
)]
trait Link {
    #[zbus(property(emits_changed_signal = "false"))]
    fn administrative_state(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn operational_state(&self) -> zbus::Result<String>;
}

#[zbus::proxy(
    interface = "org.freedesktop.timesync1.Manager",
    default_service = "org.freedesktop.timesync1",
    default_path = "/org/freedesktop/timesync1"
)]
trait TimeSync {
    /// Of the server that answered last; empty where none has.
    #[zbus(property(emits_changed_signal = "false"))]
    fn server_name(&self) -> zbus::Result<String>;
    /// The last answer, with the count of answers last but one. org.freedesktop.timesync1(5)
    #[zbus(property(emits_changed_signal = "false"), name = "NTPMessage")]
    fn ntp_message(&self) -> zbus::Result<Answer>;
}

#[derive(
    Clone, Debug, Default, Deserialize, Serialize, Type, zbus::zvariant::Value, zbus::zvariant::OwnedValue,
)]
struct Answer {
    leap: u32,
    version: u32,
    mode: u32,
    stratum: u32,
    precision: i32,
    root_delay: u64,
    root_dispersion: u64,
    reference: Vec<u8>,
    originated: u64,
    received: u64,
    transmitted: u64,
    arrived: u64,
    ignored: bool,
    packets: u64,
    jitter: u64,
}

/// In the order of their weight: the caller's own way in first.
pub(crate) async fn all(connection: &Connection, site: &Site, caller: &Caller) -> Vec<Probe> {
    let (mut bridges, services, clock) = tokio::join!(
        bridges(connection, site),
        services(connection, site),
        clock(connection, site)
    );
    let mut probes = vec![account(site, caller)];
    probes.append(&mut bridges);
    probes.extend(services);
    probes.extend(clock);
    probes
}

fn account(site: &Site, caller: &Caller) -> Probe {
    let what = Text::new(
        format!("kontoen {}", caller.name),
        format!("account {}", caller.name),
    );
    if caller.uid == 0 {
        return probe(what, ProbeState::Good, "når tjenestene", "reaches the services");
    }
    match site.accounts.iter().find(|account| account.name == caller.name) {
        Some(account) if account.role >= Verb::ConfirmSite.needs() => probe(
            what,
            ProbeState::Good,
            "når tjenestene, og er administrator fortsatt",
            "reaches the services, and is an administrator still",
        ),
        Some(_) => probe(
            what,
            ProbeState::Bad,
            "er ikke administrator",
            "is no administrator",
        ),
        None => probe(what, ProbeState::Bad, "finnes ikke", "is not there"),
    }
}

async fn bridges(connection: &Connection, site: &Site) -> Vec<Probe> {
    let mut probes = Vec::new();
    for zone in &site.zones {
        let what = Text::new(format!("sonen {}", zone.name), format!("zone {}", zone.name));
        probes.push(match bounded(bridge(connection, &zone.bridge())).await {
            // From networkctl(1): what has no carrier has no machine on it yet.
            Ok((setup, operation)) => {
                let state = match setup.as_str() {
                    "configured" => ProbeState::Good,
                    "failed" => ProbeState::Bad,
                    _ => ProbeState::Waiting,
                };
                let found = format!("{}: {setup}, {operation}", zone.bridge());
                probe(what, state, &found, &found)
            }
            Err(Missing::NotThere) => probe(
                what,
                ProbeState::Bad,
                &format!("broen {} finnes ikke", zone.bridge()),
                &format!("there is no bridge {}", zone.bridge()),
            ),
            Err(Missing::NoAnswer(why)) => unknown(what, &why),
        });
    }
    probes
}

async fn bridge(connection: &Connection, name: &str) -> zbus::Result<(String, String)> {
    let (_, path) = NetworkProxy::new(connection)
        .await?
        .get_link_by_name(name)
        .await?;
    let link = LinkProxy::builder(connection).path(path).build().await?;
    Ok((
        link.administrative_state().await?,
        link.operational_state().await?,
    ))
}

async fn services(connection: &Connection, site: &Site) -> Vec<Probe> {
    let gates: Vec<String> = site
        .databases
        .iter()
        .map(|database| format!("varde-gate@{}.service", database.name))
        .collect();
    let names: Vec<&str> = SERVICES
        .into_iter()
        .chain(gates.iter().map(String::as_str))
        .collect();
    let ask = async {
        let manager = ManagerProxy::new(connection).await?;
        manager.list_units_by_names(&names).await
    };
    let what = Text::new("tjenestene", "services");
    let rows = match bounded(ask).await {
        Ok(rows) => rows,
        Err(Missing::NotThere) => return vec![unknown(what, &Text::same("systemd"))],
        Err(Missing::NoAnswer(why)) => return vec![unknown(what, &why)],
    };
    let down: Vec<&UnitRow> = rows
        .iter()
        .filter(|row| {
            let gate = gates.contains(&row.name);
            row.active == "failed" || (gate && row.active != "active")
        })
        .collect();
    if down.is_empty() {
        return vec![probe(
            what,
            ProbeState::Good,
            "ingen har feilet",
            "none has failed",
        )];
    }
    down.into_iter()
        .map(|row| {
            let state = if row.active == "activating" {
                ProbeState::Waiting
            } else {
                ProbeState::Bad
            };
            let found = format!("{} ({})", row.active, row.sub);
            probe(Text::same(row.name.clone()), state, &found, &found)
        })
        .collect()
}

/// Only where the site names time servers: what DHCP gives is not ours to judge.
async fn clock(connection: &Connection, site: &Site) -> Option<Probe> {
    if site.site.ntp.is_empty() {
        return None;
    }
    let ask = async {
        let time = TimeSyncProxy::new(connection).await?;
        Ok((time.server_name().await?, time.ntp_message().await?))
    };
    let what = Text::new("klokken", "clock");
    Some(match bounded(ask).await {
        Ok((server, answer)) if answer.packets > 0 => probe(
            what,
            ProbeState::Good,
            &format!("{server} svarer"),
            &format!("{server} answers"),
        ),
        Ok(_) => probe(
            what,
            ProbeState::Waiting,
            "ingen tidstjener har svart ennå",
            "no time server has answered yet",
        ),
        Err(Missing::NotThere) => probe(
            what,
            ProbeState::Bad,
            "tidstjenesten går ikke",
            "the time service does not run",
        ),
        Err(Missing::NoAnswer(why)) => unknown(what, &why),
    })
}

/// Why there is nothing to tell.
enum Missing {
    NotThere,
    NoAnswer(Text),
}

async fn bounded<T>(ask: impl Future<Output = zbus::Result<T>>) -> Result<T, Missing> {
    match timeout(PATIENCE, ask).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(zbus::Error::MethodError(name, ..))) if name.as_str().contains("NoSuch") => {
            Err(Missing::NotThere)
        }
        Ok(Err(error)) => Err(Missing::NoAnswer(Failure::from(error).text)),
        Err(_) => Err(Missing::NoAnswer(Text::new(
            format!("ingen svar på {} sekunder", PATIENCE.as_secs()),
            format!("no answer within {} seconds", PATIENCE.as_secs()),
        ))),
    }
}

fn unknown(what: Text, why: &Text) -> Probe {
    probe(
        what,
        ProbeState::Unknown,
        &format!("kunne ikke undersøkes: {}", why.nb),
        &format!("could not be looked at: {}", why.en),
    )
}

fn probe(what: Text, state: ProbeState, nb: &str, en: &str) -> Probe {
    Probe {
        what,
        state,
        found: Text::new(nb, en),
    }
}
