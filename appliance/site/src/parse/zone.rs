//! `[[zone]]`

use std::net::Ipv4Addr;

use super::names::{self, LONGEST_ZONE};
use super::reader::{At, Key, Reader, Table, Wrong, key};
use super::words::clip;
use crate::{Network, Zone, ZoneAddress};

pub(super) const KEYS: &[Key] = &[
    key("name", "\"klinikk\""),
    key("title", "\"Kliniske systemer\""),
    key("address", "\"10.20.0.1/24\""),
    key("uplink", "\"eth1\""),
    key("vlan", "20"),
    key("gateway", "\"10.20.0.254\""),
];

/// A zone as far as it could be read.
pub(super) struct ZoneEntry {
    pub(super) name: Option<At<String>>,
    pub(super) address: Option<At<ZoneAddress>>,
    pub(super) uplink: Option<At<String>>,
    pub(super) vlan: Option<At<u16>>,
    pub(super) gateway: Option<At<Ipv4Addr>>,
    pub(super) zone: Option<Zone>,
}

pub(super) fn read(reader: &mut Reader<'_>, root: &Table<'_, '_>) -> Vec<ZoneEntry> {
    root.tables(reader, "zone", "[[zone]]", KEYS)
        .iter()
        .map(|table| zone(reader, table))
        .collect()
}

fn zone(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> ZoneEntry {
    for key in ["name", "title", "address"] {
        table.require(reader, key);
    }
    let name = table.parsed(reader, "name", |text| names::unreserved(text, LONGEST_ZONE));
    let title = table.parsed(reader, "title", |text| names::title(text, 40));
    let address = table.parsed(reader, "address", address);
    let uplink = table.parsed(reader, "uplink", names::interface);
    let vlan = vlan(reader, table, uplink.is_some());
    let gateway = table.parsed(reader, "gateway", router);
    let zone = match (&name, title, &address) {
        (Some(name), Some(title), Some(address)) => Some(Zone {
            name: name.value.clone(),
            title: title.value,
            address: address.value,
            uplink: uplink.clone().map(|at| at.value),
            vlan: vlan.map(|at| at.value),
            gateway: gateway.map(|at| at.value),
        }),
        _ => None,
    };
    ZoneEntry {
        name,
        address,
        uplink,
        vlan,
        gateway,
        zone,
    }
}

/// 1 to 4094: the others mean something else (IEEE 802.1Q, table 9-2).
fn vlan(reader: &mut Reader<'_>, table: &Table<'_, '_>, uplink: bool) -> Option<At<u16>> {
    let at = table.get("vlan")?.span().start;
    // One that cannot be is a fault already, and is no reason for another.
    let vlan = table
        .integer(reader, "vlan", 1..=4094)
        .unwrap_or(At { value: 0, at });
    if !uplink {
        let wrong = Wrong::new(
            "Et VLAN krever et nettverkskort som det går på",
            "A VLAN needs a network interface that it runs on",
        );
        let wrong = wrong.remedy(
            "Skriv uplink, som \"eth1\", eller ta bort vlan",
            "Write uplink, such as \"eth1\", or remove vlan",
        );
        table.wrong(reader, "vlan", vlan.at, wrong);
    }
    Some(vlan.map(|number| u16::try_from(number).unwrap_or(0)))
}

fn router(text: &str) -> Result<Ipv4Addr, Wrong> {
    text.parse().map_err(|_| {
        Wrong::new(
            format!("«{}» er ikke en adresse", clip(text)),
            format!("\"{}\" is not an address", clip(text)),
        )
        .remedy(
            "Skriv adressen til ruteren i nettet, som \"10.20.0.254\"",
            "Write the address of the router in the network, such as \"10.20.0.254\"",
        )
    })
}

fn address(text: &str) -> Result<ZoneAddress, Wrong> {
    match text {
        "dhcp" => return Ok(ZoneAddress::Dhcp),
        "none" => return Ok(ZoneAddress::None),
        _ => {}
    }
    let remedy_nb =
        "Skriv en adresse med nettets lengde, som \"10.20.0.1/24\", eller \"dhcp\" eller \"none\"";
    let remedy_en =
        "Write an address with the length of its network, such as \"10.20.0.1/24\", or \"dhcp\" or \"none\"";
    let Some((address, prefix)) = text.split_once('/').and_then(|(address, prefix)| {
        let plain = prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = prefix.parse::<u8>().ok().filter(|_| plain)?;
        Some((address.parse::<Ipv4Addr>().ok()?, prefix))
    }) else {
        return Err(Wrong::new(
            format!("«{}» er ikke en adresse for en sone", clip(text)),
            format!("\"{}\" is not an address of a zone", clip(text)),
        )
        .remedy(remedy_nb, remedy_en));
    };
    if !(8..=30).contains(&prefix) {
        return Err(Wrong::new(
            format!("Nettets lengde skal være fra 8 til 30, ikke {prefix}"),
            format!("The length of the network must be from 8 to 30, not {prefix}"),
        )
        .remedy(remedy_nb, remedy_en));
    }
    let network = Network { address, prefix };
    let special = address.is_loopback() || address.is_multicast() || address.is_link_local();
    if special || address.octets()[0] == 0 || address.octets()[0] >= 240 {
        return Err(Wrong::new(
            format!("{address} kan ikke brukes i et vanlig nett"),
            format!("{address} cannot be used in an ordinary network"),
        )
        .remedy(remedy_nb, remedy_en));
    }
    if address == network.first() || address == network.last() {
        let free = Ipv4Addr::from_bits(network.first().to_bits() + 1);
        return Err(Wrong::new(
            format!("{address} er nettets egen adresse eller kringkastingsadressen"),
            format!("{address} is the network's own or its broadcast address"),
        )
        .remedy(
            format!("Velg en adresse i nettet, for eksempel \"{free}/{prefix}\""),
            format!("Choose an address in the network, such as \"{free}/{prefix}\""),
        ));
    }
    Ok(ZoneAddress::Static { address, prefix })
}

/// The appliance's own address there, where the file says it.
pub(super) fn own_address(zone: &ZoneEntry) -> Option<Ipv4Addr> {
    match zone.address?.value {
        ZoneAddress::Static { address, .. } => Some(address),
        _ => None,
    }
}
