//! What a change of the site could lock its operators out by, so that it is better taken on trial.

use serde::{Deserialize, Serialize};

use crate::{Database, Site, SiteInfo, Text};

/// A part of the site after whose change nobody may be able to come in and mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Who may log in, and as what.
    Accounts,
    /// The bridges, their addresses and uplinks.
    Zones,
    /// Where the clock is taken from: a calendar that is wrong restarts databases at the wrong time.
    Clock,
    /// Where clients of databases come in.
    Gates,
    /// Who is reached by which number, emergency numbers among them.
    Telephony,
    /// Other sites, and the way in from outside.
    Tunnel,
}

impl Risk {
    pub fn text(self) -> Text {
        match self {
            Self::Accounts => Text::new("kontoer", "accounts"),
            Self::Zones => Text::new("soner og nett", "zones and networks"),
            Self::Clock => Text::new("klokken", "the clock"),
            Self::Telephony => Text::new("telefoni", "telephony"),
            Self::Tunnel => Text::new("tunnelen", "the tunnel"),
            Self::Gates => Text::new("porter til databaser", "gates of databases"),
        }
    }
}

/// The risky parts that differ. A new table of the site does not compile here until it is said whether it is one.
pub fn risks(from: &Site, to: &Site) -> Vec<Risk> {
    let Site {
        site,
        accounts,
        bonds,
        zones,
        vms: _,
        databases,
        telephony,
        recipes: _,
        portal: _,
        persons: _,
        desktop_pools: _,
        tunnel,
        update: _,
        ssh,
    } = to;
    let SiteInfo {
        name: _,
        title: _,
        counties: _,
        language: _,
        timezone,
        downtime_cost: _,
        idle_lock: _,
        quiet_hours: _,
        ntp,
        // What operators come in by is declared by address.
        dns: _,
    } = site;
    let gate = |database: &Database| {
        (
            database.name.clone(),
            database.gate,
            database.address,
            database.pool,
        )
    };
    let differs = [
        (Risk::Accounts, *accounts != from.accounts || *ssh != from.ssh),
        (Risk::Zones, *zones != from.zones || *bonds != from.bonds),
        (
            Risk::Clock,
            *ntp != from.site.ntp || *timezone != from.site.timezone,
        ),
        (
            Risk::Gates,
            !databases.iter().map(gate).eq(from.databases.iter().map(gate)),
        ),
        (Risk::Telephony, *telephony != from.telephony),
        (Risk::Tunnel, *tunnel != from.tunnel),
    ];
    differs
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(risk, _)| risk)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    const DEMO: &str = include_str!("../../../image/demo/site.toml");

    fn of(site: &str, change: (&str, &str)) -> Vec<Risk> {
        let to = site.replace(change.0, change.1);
        assert_ne!(to, site, "{} is not in the site", change.0);
        risks(&parse(site).unwrap(), &parse(&to).unwrap())
    }

    /// The demo without its database.
    fn plain() -> &'static str {
        DEMO.split_once("[[database]]").unwrap().0
    }

    #[test]
    fn what_can_lock_operators_out_is_risky_and_nothing_else_is() {
        let of = |from, to| of(plain(), (from, to));
        assert_eq!(of("role = \"viewer\"", "role = \"operator\""), [Risk::Accounts]);
        assert_eq!(of("10.20.0.1/24", "10.20.0.2/24"), [Risk::Zones]);
        assert_eq!(of("Europe/Oslo", "Europe/Stockholm"), [Risk::Clock]);
        assert_eq!(of("Demodrift Sørøst", "Demodrift"), []);
        assert_eq!(of("cpus = 1", "cpus = 2"), []);
    }

    #[test]
    fn a_gate_elsewhere_is_risky_and_another_calendar_is_not() {
        assert_eq!(of(DEMO, ("03:30", "04:30")), []);
        assert_eq!(of(DEMO, ("10.20.0.1:5432", "10.20.0.1:5433")), [Risk::Gates]);
        assert_eq!(
            risks(&parse(plain()).unwrap(), &parse(DEMO).unwrap()),
            [Risk::Gates]
        );
    }
}
