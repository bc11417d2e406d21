//! What matters on this site, and whether it is well.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use varde_bus::dbrestart::DatabaseState;
use varde_bus::hypervisor::VmState;
use varde_bus::telephony::Health as Line;
use varde_bus::{Client, Text};
use zbus::{OwnedObjectPath, Type};

/// A service that does not answer within this is not well.
const PATIENCE: Duration = Duration::from_secs(15);
/// A site of the tunnel that was not heard for so long is away: two handshakes of WireGuard and some. Milliseconds.
const AWAY: i64 = 300_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Service,
    Machine,
    Database,
    Line,
    Trunk,
    Peer,
}

/// Something that can be well or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Thing {
    pub kind: Kind,
    pub name: String,
}

/// How everything is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// What there is: a machine that is no longer declared is missed by nobody.
    pub known: BTreeSet<Thing>,
    pub well: BTreeSet<Thing>,
    /// Units that have failed.
    pub failed: BTreeSet<String>,
}

impl Health {
    /// What was well before and is not now, in words.
    pub fn missing(&self, now: &Self) -> Vec<Text> {
        let things = self
            .well
            .intersection(&now.known)
            .filter(|thing| !now.well.contains(*thing));
        let units = now.failed.difference(&self.failed);
        let units = units.map(|unit| Text::new(format!("{unit} har feilet"), format!("{unit} has failed")));
        things.map(Thing::ill).chain(units).collect()
    }

    fn saw(&mut self, kind: Kind, name: &str, well: bool) {
        let thing = Thing {
            kind,
            name: name.to_owned(),
        };
        if well {
            self.well.insert(thing.clone());
        }
        self.known.insert(thing);
    }
}

impl Thing {
    fn ill(&self) -> Text {
        let name = &self.name;
        match self.kind {
            Kind::Service => Text::new(
                format!("tjenesten {name} svarer ikke"),
                format!("the service {name} does not answer"),
            ),
            Kind::Machine => Text::new(
                format!("maskinen {name} er ikke oppe"),
                format!("the machine {name} is not up"),
            ),
            Kind::Database => Text::new(
                format!("databasen {name} er ikke klar"),
                format!("the database {name} is not ready"),
            ),
            Kind::Line => Text::new(
                format!("linjen {name} er nede"),
                format!("the line {name} is down"),
            ),
            Kind::Trunk => Text::new(
                format!("trunken {name} er nede"),
                format!("the trunk {name} is down"),
            ),
            Kind::Peer => Text::new(
                format!("stedet {name} høres ikke i tunnelen"),
                format!("the site {name} is not heard in the tunnel"),
            ),
        }
    }
}

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    fn list_units_filtered(&self, states: &[&str]) -> zbus::Result<Vec<UnitRow>>;
}

/// What `ListUnitsFiltered` has for each unit, org.freedesktop.systemd1(5).
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

/// `now`: milliseconds since 1970, UTC.
pub async fn look(client: &Client, now: i64) -> Health {
    let mut health = Health::default();
    let site = asked(client.site.summary()).await;
    health.saw(Kind::Service, "no.varde.Site1", site.is_some());
    let host = asked(client.host.status()).await;
    health.saw(Kind::Service, "no.varde.Host1", host.is_some());
    let machines = asked(client.hypervisor.list()).await;
    health.saw(Kind::Service, "no.varde.Hypervisor1", machines.is_some());
    // Others do not come up by themselves.
    for machine in machines.iter().flatten().filter(|machine| machine.autostart) {
        health.saw(Kind::Machine, &machine.name, machine.state == VmState::Running);
    }
    let databases = asked(client.dbrestart.list()).await;
    health.saw(Kind::Service, "no.varde.DbRestart1", databases.is_some());
    for database in databases.iter().flatten() {
        let ill = matches!(database.state, DatabaseState::Blocked | DatabaseState::Down);
        health.saw(Kind::Database, &database.name, !ill);
    }
    let lines = asked(client.telephony.lines()).await;
    health.saw(Kind::Service, "no.varde.Telephony1", lines.is_some());
    for line in lines.iter().flatten() {
        health.saw(Kind::Line, &line.name, line.state == Line::Up);
    }
    for trunk in asked(client.telephony.trunks()).await.iter().flatten() {
        health.saw(Kind::Trunk, &trunk.name, trunk.state == Line::Up);
    }
    let peers = asked(client.tunnel.peers()).await;
    health.saw(Kind::Service, "no.varde.Tunnel1", peers.is_some());
    for peer in peers.iter().flatten().filter(|peer| peer.site) {
        health.saw(Kind::Peer, &peer.name, now - peer.handshake < AWAY);
    }
    let portal = asked(client.access.portal()).await;
    health.saw(Kind::Service, "no.varde.Access1", portal.is_some());
    let units = async {
        ManagerProxy::new(&client.connection)
            .await?
            .list_units_filtered(&["failed"])
            .await
    };
    let units = asked(units).await;
    // A machine's own unit is looked at as a machine.
    let units = units.into_iter().flatten().map(|unit| unit.name);
    health.failed = units.filter(|name| !name.starts_with("varde-vm@")).collect();
    health
}

async fn asked<T>(question: impl Future<Output = zbus::Result<T>>) -> Option<T> {
    timeout(PATIENCE, question).await.ok().and_then(Result::ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(kind: Kind, all: &[(&str, bool)]) -> Health {
        let mut health = Health::default();
        for (name, well) in all {
            health.saw(kind, name, *well);
        }
        health
    }

    fn missing(before: &Health, now: &Health) -> Vec<String> {
        before.missing(now).into_iter().map(|text| text.en).collect()
    }

    #[test]
    fn what_was_well_and_is_there_has_to_be_well_again() {
        let before = seen(
            Kind::Machine,
            &[("journal", true), ("rontgen", false), ("gone", true)],
        );
        let now = seen(
            Kind::Machine,
            &[("journal", false), ("rontgen", false), ("new", false)],
        );
        assert_eq!(missing(&before, &now), ["the machine journal is not up"]);
        assert_eq!(missing(&before, &before), [] as [&str; 0]);
    }

    #[test]
    fn a_unit_that_failed_before_already_says_nothing_of_the_new_version() {
        let mut before = seen(Kind::Line, &[("pri", true)]);
        before.failed.insert("a.service".into());
        let mut now = before.clone();
        assert_eq!(missing(&before, &now), [] as [&str; 0]);
        now.failed.insert("b.service".into());
        assert_eq!(missing(&before, &now), ["b.service has failed"]);
    }

    #[test]
    fn a_service_that_does_not_answer_is_named_itself() {
        let mut before = seen(Kind::Machine, &[("journal", true)]);
        before.saw(Kind::Service, "no.varde.Hypervisor1", true);
        let now = seen(Kind::Service, &[("no.varde.Hypervisor1", false)]);
        assert_eq!(
            missing(&before, &now),
            ["the service no.varde.Hypervisor1 does not answer"]
        );
    }
}
