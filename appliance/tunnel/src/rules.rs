//! Who reaches what: nft(8) rules, as text.
//!
//! Nothing is forwarded but what stands here. A device's way in is an element with a time-out of its own; the kernel takes
//! it away when that is over.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use serde_json::Value;
use varde_bus::tunnel::LEASE;
use varde_site::{Network, Site, Tunnel};

/// The interface of the tunnel.
pub const INTERFACE: &str = "wg-varde";
const TABLE: &str = "inet varde_tunnel";

/// A device's way to a zone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    pub address: Ipv4Addr,
    pub bridge: String,
    /// Seconds that it is open yet.
    pub seconds: u64,
}

/// A zone, as the tunnel sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    pub name: String,
    pub bridge: String,
    /// Our own address there.
    pub address: Ipv4Addr,
    pub network: Network,
}

/// The zones that have an address to be reached by.
pub fn zones(site: &Site) -> Vec<Zone> {
    site.zones
        .iter()
        .filter_map(|zone| match zone.address {
            varde_site::ZoneAddress::Static { address, prefix } => Some(Zone {
                name: zone.name.clone(),
                bridge: zone.bridge(),
                address,
                network: Network { address, prefix },
            }),
            _ => None,
        })
        .collect()
}

/// The whole table anew, at one instant.
pub fn whole(tunnel: &Tunnel, zones: &[Zone], ways: &[Way]) -> String {
    let pairs = || {
        tunnel.sites.iter().flat_map(|site| {
            let reached = zones.iter().filter(|zone| site.reach.contains(&zone.name));
            reached.flat_map(|zone| site.networks.iter().map(move |network| (network, zone)))
        })
    };
    let sites: Vec<String> = pairs()
        .map(|(network, zone)| format!("{network} . \"{}\"", zone.bridge))
        .collect();
    let here: Vec<String> = pairs()
        .map(|(network, zone)| format!("{network} . {}", zone.address))
        .collect();
    let people: Vec<String> = ways.iter().map(element).collect();
    let elements = |all: &[String]| match all {
        [] => String::new(),
        all => format!(" elements = {{ {} }};", all.join(", ")),
    };
    format!(
        r#"table {TABLE} {{}}
delete table {TABLE}
table {TABLE} {{
    set people {{ type ipv4_addr . ifname; flags timeout;{people} }}
    set sites {{ type ipv4_addr . ifname; flags interval;{sites} }}
    set here {{ type ipv4_addr . ipv4_addr; flags interval;{here} }}
    chain forward {{
        type filter hook forward priority filter; policy drop;
        iifname "{INTERFACE}" oifname "{INTERFACE}" drop
        iifname "{INTERFACE}" ip saddr . oifname @people accept
        oifname "{INTERFACE}" ip daddr . iifname @people ct state established,related accept
        iifname "{INTERFACE}" ip saddr . oifname @sites accept
        oifname "{INTERFACE}" ip daddr . iifname @sites accept
    }}
    chain input {{
        type filter hook input priority filter; policy accept;
        iifname "{INTERFACE}" ip daddr {own} icmp type echo-request limit rate 20/second accept
        iifname "{INTERFACE}" ct state established,related accept
        iifname "{INTERFACE}" ip saddr . ip daddr @here accept
        iifname "{INTERFACE}" drop
    }}
}}
"#,
        own = tunnel.address,
        people = elements(&people),
        sites = elements(&sites),
        here = elements(&here),
    )
}

fn element(way: &Way) -> String {
    format!(
        "{} . \"{}\" timeout {}s",
        way.address,
        way.bridge,
        way.seconds.clamp(1, LEASE)
    )
}

/// These ways are open, and those are not any more.
pub fn change(open: &[Way], shut: &[(Ipv4Addr, String)]) -> String {
    let mut text = String::new();
    // A time-out is not made longer by adding again.
    let again = open.iter().map(|way| (way.address, way.bridge.clone()));
    for (address, bridge) in shut.iter().cloned().chain(again) {
        writeln!(
            text,
            "destroy element {TABLE} people {{ {address} . \"{bridge}\" }}"
        )
        .expect("writing to a text does not fail");
    }
    for way in open {
        writeln!(text, "add element {TABLE} people {{ {} }}", element(way))
            .expect("writing to a text does not fail");
    }
    text
}

/// No rules any more.
pub fn none() -> String {
    format!("table {TABLE} {{}}\ndelete table {TABLE}\n")
}

/// Arguments of nft that list the ways.
pub const LIST: [&str; 6] = ["-j", "list", "set", "inet", "varde_tunnel", "people"];

/// What it says to that.
pub fn listed(json: &str) -> Vec<Way> {
    let Ok(said) = serde_json::from_str::<Value>(json) else {
        return Vec::new();
    };
    let sets = said["nftables"].as_array().into_iter().flatten();
    let elements = sets.filter_map(|one| one["set"]["elem"].as_array()).flatten();
    elements
        .filter_map(|one| {
            let one = &one["elem"];
            let pair = one["val"]["concat"].as_array()?;
            Some(Way {
                address: pair.first()?.as_str()?.parse().ok()?,
                bridge: pair.get(1)?.as_str()?.to_owned(),
                seconds: one["expires"].as_u64()?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = include_str!("../tests/site.toml");

    #[test]
    fn the_table_as_it_is_given_to_nft() {
        let site = varde_site::parse(SITE).unwrap();
        let ways = [Way {
            address: "10.99.0.2".parse().unwrap(),
            bridge: "br-klinikk".into(),
            seconds: 900,
        }];
        let text = whole(site.tunnel.as_ref().unwrap(), &zones(&site), &ways);
        assert_eq!(text, include_str!("../tests/rules.nft"), "{text}");
    }

    #[test]
    fn a_way_is_closed_before_it_is_opened_anew() {
        let way = Way {
            address: "10.99.0.2".parse().unwrap(),
            bridge: "br-a".into(),
            seconds: 60,
        };
        let gone = ("10.99.0.3".parse().unwrap(), "br-a".to_owned());
        assert_eq!(
            change(&[way], &[gone]),
            "destroy element inet varde_tunnel people { 10.99.0.3 . \"br-a\" }\n\
             destroy element inet varde_tunnel people { 10.99.0.2 . \"br-a\" }\n\
             add element inet varde_tunnel people { 10.99.0.2 . \"br-a\" timeout 60s }\n"
        );
    }

    #[test]
    fn what_nft_lists_is_read_and_rubbish_is_nothing() {
        let json = r#"{"nftables": [{"metainfo": {}}, {"set": {"family": "inet", "name": "people", "elem": [
            {"elem": {"val": {"concat": ["10.99.0.2", "br-klinikk"]}, "timeout": 300, "expires": 277}}]}}]}"#;
        assert_eq!(
            listed(json),
            [Way {
                address: "10.99.0.2".parse().unwrap(),
                bridge: "br-klinikk".into(),
                seconds: 277
            }]
        );
        assert_eq!(
            listed(r#"{"nftables": [{"set": {"elem": [7, {"elem": {}}]}}]}"#),
            []
        );
        assert_eq!(listed("rubbish"), []);
    }
}
