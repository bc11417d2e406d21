//! One bridge a zone, and what it stands on, for systemd-networkd.

use std::collections::BTreeMap;
use std::fmt::Write;

use varde_site::{Bond, BondMode, Site, Vm, Zone, ZoneAddress, mac, mac_text};

use super::{Tree, file};

pub(super) const FOLDER: &str = "/run/systemd/network";

/// Before the image's own `90-varde-ethernet.network`, which would take an uplink for itself.
pub(super) const PREFIX: &str = "50-varde-";

pub(super) fn render(site: &Site, tree: &mut Tree) {
    let path = |stem: &str, end: &str| format!("{FOLDER}/{PREFIX}{stem}.{end}");
    for zone in &site.zones {
        let name = &zone.name;
        file(tree, path(name, "netdev"), netdev(&zone.bridge()));
        file(tree, path(name, "network"), network(site, zone));
    }
    // What carries something: an uplink its bridge, or the VLANs of several.
    let mut carries: BTreeMap<&str, Vec<&Zone>> = BTreeMap::new();
    for zone in &site.zones {
        if let Some(uplink) = &zone.uplink {
            carries.entry(uplink).or_default().push(zone);
        }
    }
    for (uplink, zones) in &carries {
        let mut parts = String::new();
        for zone in zones {
            let Some(vlan) = zone.vlan else {
                add(&mut parts, format_args!("Bridge={}\n", zone.bridge()));
                continue;
            };
            let interface = zone.vlan_interface();
            add(&mut parts, format_args!("VLAN={interface}\n"));
            let stem = format!("{}.{VLAN}", zone.name);
            file(
                tree,
                path(&stem, "netdev"),
                format!("[NetDev]\nName={interface}\nKind=vlan\n\n[VLAN]\nId={vlan}\n"),
            );
            let bridge = format!("Bridge={}\n", zone.bridge());
            file(tree, path(&stem, "network"), port(&interface, &bridge));
        }
        file(
            tree,
            path(&format!("{uplink}.uplink"), "network"),
            port(uplink, &parts),
        );
    }
    for bond in &site.bonds {
        let name = &bond.name;
        file(tree, path(&format!("{name}.{BOND}"), "netdev"), bond_netdev(bond));
        let to_bond = format!("Bond={name}\n");
        for card in &bond.cards {
            file(
                tree,
                path(&format!("{card}.card"), "network"),
                port(card, &to_bond),
            );
        }
        if !carries.contains_key(name.as_str()) {
            file(tree, path(&format!("{name}.uplink"), "network"), port(name, ""));
        }
    }
}

/// Name of the device that a file declared which is no longer rendered.
pub(super) fn device(stem: &str) -> String {
    match stem.rsplit_once('.') {
        Some((zone, VLAN)) => format!("vl-{zone}"),
        Some((bond, BOND)) => bond.to_owned(),
        _ => format!("br-{stem}"),
    }
}

const VLAN: &str = "vlan";
const BOND: &str = "bond";

/// The cable is looked at ten times a second; LACP asks the switch every second rather than every thirty.
fn bond_netdev(bond: &Bond) -> String {
    let mode = match bond.mode {
        BondMode::ActiveBackup => "active-backup\n",
        BondMode::Lacp => "802.3ad\nTransmitHashPolicy=layer3+4\nLACPTransmitRate=fast\n",
    };
    let name = &bond.name;
    format!("[NetDev]\nName={name}\nKind=bond\n\n[Bond]\nMIIMonitorSec=100ms\nMode={mode}")
}

/// No spanning tree: a bridge has one uplink at most, and a machine that starts must not wait for it.
pub(super) fn netdev(bridge: &str) -> String {
    format!("[NetDev]\nName={bridge}\nKind=bridge\n\n[Bridge]\nSTP=no\nForwardDelaySec=0\n")
}

fn network(site: &Site, zone: &Zone) -> String {
    let mut text = format!(
        "[Match]\nName={}\n\n[Link]\nRequiredForOnline=no\n\n[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\n",
        zone.bridge()
    );
    match zone.address {
        ZoneAddress::Static { address, prefix } => {
            // The address is there before the first machine is, so that what listens on it can.
            add(
                &mut text,
                format_args!("ConfigureWithoutCarrier=yes\nAddress={address}/{prefix}\n"),
            );
            if let Some(gateway) = zone.gateway {
                add(&mut text, format_args!("Gateway={gateway}\n"));
            }
            // Where there is an uplink, the network outside has a DHCP server of its own, and a second one would give
            // wrong addresses to machines that are not ours.
            if zone.uplink.is_none() {
                dhcp_server(site, zone, &mut text);
            }
        }
        ZoneAddress::Dhcp => text.push_str("DHCP=ipv4\n"),
        ZoneAddress::None => text.push_str("ConfigureWithoutCarrier=yes\n"),
    }
    text
}

/// Only where the tunnel leads on is there a router to tell of, and that is us; there is no name server. Every machine has a lease of
/// its own in here, so none needs to be kept: a server that keeps leases would first wait to be told that `/var` is there.
pub(super) fn dhcp_server(site: &Site, zone: &Zone, text: &mut String) {
    let router = if is_reached(site, zone) { "yes" } else { "no" };
    add(
        text,
        format_args!(
            "DHCPServer=yes\n\n[DHCPServer]\nEmitDNS=no\nEmitNTP=no\nEmitSIP=no\nEmitRouter={router}\nPersistLeases=no\n"
        ),
    );
    let here = |vm: &&Vm| vm.zone == zone.name;
    for vm in site.vms.iter().filter(here) {
        if let Some(address) = vm.address {
            let mac = mac_text(mac(&site.site.name, &vm.name));
            add(
                text,
                format_args!(
                    "\n[DHCPServerStaticLease]\n# {}\nMACAddress={mac}\nAddress={address}\n",
                    vm.name
                ),
            );
        }
    }
}

/// Whether somebody comes to the zone by the tunnel, and has to be answered there.
fn is_reached(site: &Site, zone: &Zone) -> bool {
    let sites = site.tunnel.iter().flat_map(|tunnel| &tunnel.sites);
    let persons = site.persons.iter().filter(|_| site.tunnel.is_some());
    sites
        .map(|other| &other.reach)
        .chain(persons.map(|person| &person.reach))
        .any(|reach| reach.contains(&zone.name))
}

/// An interface that has no address of its own, and what it is a part of.
fn port(name: &str, part: &str) -> String {
    format!(
        "[Match]\nName={name}\n\n[Link]\nRequiredForOnline=no\n\n[Network]\n{part}LinkLocalAddressing=no\nLLDP=no\n"
    )
}

pub(super) fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("writing to a text does not fail");
}
