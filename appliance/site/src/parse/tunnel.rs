//! `[tunnel]` and `[[tunnel.site]]`

use std::net::SocketAddrV4;

use super::access::AccessEntry;
use super::names::{self, LONGEST};
use super::reader::{At, Key, Reader, Table, Wrong, key};
use super::references::Names;
use super::words::{clip, instead_of};
use super::zone::ZoneEntry;
use crate::{Network, Text, Tunnel, TunnelKey, TunnelSite, ZoneAddress};

pub(super) const KEYS: &[Key] = &[
    key("address", "\"10.99.0.1/24\""),
    key("port", "51820"),
    key("endpoint", "\"vpn.example.no:51820\""),
    key("site", "[[tunnel.site]]"),
];

pub(super) const SITE_KEYS: &[Key] = &[
    key("name", "\"sykehus\""),
    key("title", "\"Sykehuset\""),
    key("key", "\"YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\""),
    key("next_key", "\"YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\""),
    key("endpoint", "\"192.0.2.9:51820\""),
    key("networks", "[\"10.50.0.0/16\"]"),
    key("reach", "[\"klinikk\"]"),
];

/// WireGuard's usual port.
const PORT: u64 = 51_820;

/// A tunnel as far as it could be read.
pub(super) struct TunnelEntry<'a> {
    address: Option<At<Network>>,
    sites: Vec<SiteEntry<'a>>,
    tunnel: Option<Tunnel>,
}

struct SiteEntry<'a> {
    name: Option<At<String>>,
    keys: Vec<At<TunnelKey>>,
    networks: Vec<At<Network>>,
    reach: Vec<At<&'a str>>,
    site: Option<TunnelSite>,
}

impl TunnelEntry<'_> {
    pub(super) fn finish(self) -> Option<Tunnel> {
        let sites = self.sites.into_iter().map(|entry| entry.site);
        Some(Tunnel {
            sites: sites.collect::<Option<_>>()?,
            ..self.tunnel?
        })
    }
}

pub(super) fn read<'a>(reader: &mut Reader<'_>, root: &Table<'a, '_>) -> Option<TunnelEntry<'a>> {
    let table = Table::open(reader, "[tunnel]", KEYS, root.get("tunnel")?)?;
    for key in ["address", "endpoint"] {
        table.require(reader, key);
    }
    let address = table.parsed(reader, "address", own_address);
    let port = table.integer(reader, "port", 1..=65_535);
    let endpoint = table.parsed(reader, "endpoint", outside);
    let sites: Vec<SiteEntry<'a>> = table
        .tables(reader, "site", "[[tunnel.site]]", SITE_KEYS)
        .iter()
        .map(|table| site(reader, table))
        .collect();
    let tunnel = match (&address, endpoint) {
        (Some(address), Some(endpoint)) => Some(Tunnel {
            address: address.value.address,
            prefix: address.value.prefix,
            // In range of a port.
            port: u16::try_from(port.map_or(PORT, |at| at.value)).unwrap_or(0),
            endpoint: endpoint.value,
            sites: Vec::new(),
        }),
        _ => None,
    };
    Some(TunnelEntry {
        address,
        sites,
        tunnel,
    })
}

fn network(text: &str) -> Option<Network> {
    let (address, prefix) = text.split_once('/')?;
    let plain = prefix.bytes().all(|byte| byte.is_ascii_digit());
    let prefix = prefix.parse().ok().filter(|prefix| plain && *prefix <= 32)?;
    Some(Network {
        address: address.parse().ok()?,
        prefix,
    })
}

fn own_address(text: &str) -> Result<Network, Wrong> {
    network(text)
        .filter(|own| {
            (8..=29).contains(&own.prefix) && own.address != own.first() && own.address != own.last()
        })
        .ok_or_else(|| {
            Wrong::new(
                format!(
                    "«{}» er ikke en adresse med nettets lengde (8 til 29)",
                    clip(text)
                ),
                format!(
                    "\"{}\" is not an address with the length of its network (8 to 29)",
                    clip(text)
                ),
            )
        })
}

fn elsewhere(text: &str) -> Result<Network, Wrong> {
    let wrong = Wrong::new(
        format!("«{}» er ikke et nett, som 10.50.0.0/16", clip(text)),
        format!("\"{}\" is not a network, such as 10.50.0.0/16", clip(text)),
    );
    let Some(network) = network(text).filter(|network| network.prefix >= 8) else {
        return Err(wrong);
    };
    if network.address == network.first() {
        return Ok(network);
    }
    Err(wrong.remedy(format!("Skriv \"{network}\""), format!("Write \"{network}\"")))
}

/// A name or an address, and a port: what devices outside are told.
fn outside(text: &str) -> Result<String, Wrong> {
    let good = text.rsplit_once(':').is_some_and(|(host, port)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        !host.is_empty()
            && host.len() <= 253
            && host.chars().all(plain)
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if good {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("«{}» er ikke et navn eller en adresse med port", clip(text)),
        format!("\"{}\" is not a name or address with a port", clip(text)),
    ))
}

fn site<'a>(reader: &mut Reader<'_>, table: &Table<'a, '_>) -> SiteEntry<'a> {
    for key in ["name", "title", "key", "networks", "reach"] {
        table.require(reader, key);
    }
    let name = table.parsed(reader, "name", |text| names::name(text, LONGEST));
    let title = table.parsed(reader, "title", |text| names::title(text, 40));
    let key = table.parsed(reader, "key", public_key);
    let next_key = table.parsed(reader, "next_key", public_key);
    let endpoint = table.parsed(reader, "endpoint", |text| {
        text.parse::<SocketAddrV4>().map_err(|_| {
            Wrong::new(
                format!("«{}» er ikke en IPv4-adresse med port", clip(text)),
                format!("\"{}\" is not an IPv4 address with a port", clip(text)),
            )
        })
    });
    let mut networks = Vec::new();
    for item in table.texts(reader, "networks") {
        match elsewhere(item.value) {
            Ok(value) => networks.push(At { value, at: item.at }),
            Err(wrong) => table.wrong(reader, "networks", item.at, wrong),
        }
    }
    let reach = table.texts(reader, "reach");
    let site = match (&name, title, &key) {
        (Some(name), Some(title), Some(key)) => Some(TunnelSite {
            name: name.value.clone(),
            title: title.value,
            key: key.value,
            next_key: next_key.as_ref().map(|at| at.value),
            endpoint: endpoint.map(|at| at.value),
            networks: networks.iter().map(|at| at.value).collect(),
            reach: reach.iter().map(|at| at.value.to_owned()).collect(),
        }),
        _ => None,
    };
    SiteEntry {
        name,
        keys: key.into_iter().chain(next_key).collect(),
        networks,
        reach,
        site,
    }
}

fn public_key(text: &str) -> Result<TunnelKey, Wrong> {
    TunnelKey::parse(text).ok_or_else(|| {
        Wrong::new(
            "Det er ingen offentlig nøkkel fra WireGuard: 44 tegn, det siste er «=»",
            "It is no public key of WireGuard: 44 characters, the last is \"=\"",
        )
    })
}

/// The tunnel against the zones, and persons against both.
pub(super) fn check(
    reader: &mut Reader<'_>,
    tunnel: Option<&TunnelEntry<'_>>,
    access: &AccessEntry<'_>,
    zones: &[ZoneEntry],
) {
    let all: Vec<&str> = zones
        .iter()
        .filter_map(|zone| Some(zone.name.as_ref()?.value.as_str()))
        .collect();
    for wanted in access.reach() {
        zone(reader, wanted, zones, &all);
        if tunnel.is_none() {
            reader.fault(
                wanted.at,
                Text::new(
                    "«reach» gjelder tunnelen, men det finnes ingen [tunnel]",
                    "\"reach\" is about the tunnel, but there is no [tunnel]",
                ),
                Text::new(
                    "Skriv en [tunnel], eller ta bort «reach»",
                    "Write a [tunnel], or remove \"reach\"",
                ),
            );
        }
    }
    let Some(tunnel) = tunnel else { return };
    let mut names = Names::default();
    let mut keys: Vec<At<TunnelKey>> = Vec::new();
    let mut taken: Vec<At<Network>> = zones
        .iter()
        .filter_map(|zone| match zone.address?.value {
            ZoneAddress::Static { address, prefix } => Some(At {
                value: Network { address, prefix },
                at: zone.address?.at,
            }),
            _ => None,
        })
        .collect();
    let networks = tunnel.sites.iter().flat_map(|site| &site.networks);
    for network in tunnel.address.iter().chain(networks) {
        if let Some(other) = taken.iter().find(|other| other.value.overlaps(network.value)) {
            overlap(reader, *network, *other);
        }
        taken.push(*network);
    }
    for site in &tunnel.sites {
        if let Some(name) = &site.name {
            names.add(reader, "[[tunnel.site]]", name);
        }
        for wanted in &site.reach {
            zone(reader, *wanted, zones, &all);
        }
        for key in &site.keys {
            if let Some(other) = keys.iter().find(|other| other.value == key.value) {
                twice(reader, key.at, other.at);
            }
            keys.push(*key);
        }
    }
}

/// It is there, and has an address by which what is in it finds the way back.
fn zone(reader: &mut Reader<'_>, wanted: At<&str>, zones: &[ZoneEntry], all: &[&str]) {
    let found = zones
        .iter()
        .find(|zone| zone.name.as_ref().is_some_and(|name| name.value == wanted.value));
    let Some(found) = found else {
        reader.fault(
            wanted.at,
            Text::new(
                format!("Det finnes ingen sone «{}»", clip(wanted.value)),
                format!("There is no zone \"{}\"", clip(wanted.value)),
            ),
            instead_of(wanted.value, all),
        );
        return;
    };
    if found
        .address
        .is_some_and(|at| !matches!(at.value, ZoneAddress::Static { .. }))
    {
        reader.fault(
            wanted.at,
            Text::new(
                format!("Sonen «{}» har ingen fast adresse å nå den ved", wanted.value),
                format!(
                    "The zone \"{}\" has no address of its own to reach it by",
                    wanted.value
                ),
            ),
            Text::new(
                "Gi sonen en adresse, som \"10.20.0.1/24\"",
                "Give the zone an address, such as \"10.20.0.1/24\"",
            ),
        );
    }
}

fn overlap(reader: &mut Reader<'_>, network: At<Network>, other: At<Network>) {
    let line = reader.line(other.at);
    reader.fault(
        network.at,
        Text::new(
            format!(
                "Nettet {} overlapper {} på linje {line}",
                network.value, other.value
            ),
            format!(
                "The network {} overlaps {} on line {line}",
                network.value, other.value
            ),
        ),
        Text::new(
            "Hvert nett kan bare finnes ett sted",
            "Each network can be in one place only",
        ),
    );
}

fn twice(reader: &mut Reader<'_>, at: usize, first: usize) {
    let line = reader.line(first);
    reader.fault(
        at,
        Text::new(
            format!("Nøkkelen er alt brukt på linje {line}"),
            format!("The key is used already on line {line}"),
        ),
        Text::new("Hver nøkkel hører til ett sted", "Each key belongs to one place"),
    );
}

#[cfg(test)]
mod tests {
    use crate::parse;

    const DEMO: &str = include_str!("../../../../image/demo/site.toml");
    const KEY: &str = "YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";

    /// The demo with these tables in the place of its own.
    fn with(tunnel: &str) -> Result<crate::Site, Vec<String>> {
        let plain = DEMO.split_once("[[database]]").map_or(DEMO, |(plain, _)| plain);
        parse(&format!("{plain}\n{tunnel}")).map_err(|findings| {
            let said = |finding: &crate::Finding| format!("{} | {}", finding.text.en, finding.remedy.en);
            findings.iter().map(said).collect()
        })
    }

    const TUNNEL: &str = "[tunnel]\naddress = \"10.99.0.1/24\"\nendpoint = \"vpn.example.no:51820\"\n";

    fn site(networks: &str, reach: &str) -> String {
        format!(
            "[[tunnel.site]]\nname = \"sykehus\"\ntitle = \"Sykehuset\"\nkey = \"{KEY}\"\n\
             networks = [\"{networks}\"]\nreach = [\"{reach}\"]\n"
        )
    }

    #[test]
    fn a_tunnel_has_a_port_and_its_people_addresses() {
        let site = with(&format!("{TUNNEL}{}", site("10.50.0.0/16", "klinikk"))).unwrap();
        let tunnel = site.tunnel.unwrap();
        assert_eq!((tunnel.port, tunnel.sites.len()), (51_820, 1));
        assert_eq!(tunnel.hosts().next(), Some("10.99.0.2".parse().unwrap()));
        assert_eq!(tunnel.hosts().count(), 253);
    }

    #[test]
    fn what_cannot_be_joined_is_refused_with_a_remedy() {
        for (tunnel, said) in [
            (
                format!("{TUNNEL}{}", site("10.20.0.0/16", "klinikk")),
                "overlaps 10.20.0.0/24",
            ),
            (
                format!("{TUNNEL}{}", site("10.50.0.1/16", "klinikk")),
                "Write \"10.50.0.0/16\"",
            ),
            (
                format!("{TUNNEL}{}", site("10.50.0.0/16", "kinikk")),
                "Did you mean \"klinikk\"?",
            ),
            (
                format!("{TUNNEL}{}", site("10.50.0.0/16", "klinikk")).replace(KEY, "kort"),
                "no public key",
            ),
            (
                format!(
                    "{TUNNEL}{0}{1}",
                    site("10.50.0.0/16", "klinikk"),
                    site("10.51.0.0/16", "klinikk").replace("\"sykehus\"", "\"to\"")
                ),
                "key is used already",
            ),
            (
                TUNNEL.replace("10.99.0.1/24", "10.99.0.0/24"),
                "length of its network",
            ),
            (TUNNEL.replace("vpn.example.no:51820", "vpn"), "with a port"),
        ] {
            let found = with(&tunnel).unwrap_err();
            assert!(found[0].contains(said), "{said}: {found:?}");
        }
    }

    #[test]
    fn a_person_reaches_zones_only_through_a_tunnel() {
        let person = "[portal]\nname = \"p.example.no\"\nlisten = \"0.0.0.0:443\"\n\
                      [[person]]\nname = \"anne\"\ntitle = \"Anne\"\nreach = [\"klinikk\"]\n";
        assert!(with(&format!("{TUNNEL}{person}")).is_ok());
        let said = with(person).unwrap_err();
        assert!(said[0].contains("no [tunnel]"), "{said:?}");
    }
}
