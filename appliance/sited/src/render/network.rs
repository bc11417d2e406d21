//! One bridge a zone, for systemd-networkd.

use std::fmt::Write;

use varde_site::{Site, Vm, Zone, ZoneAddress, mac, mac_text};

use super::{Tree, file};

pub(super) const FOLDER: &str = "/run/systemd/network";

/// Before the image's own `90-varde-ethernet.network`, which would take an uplink for itself.
pub(super) const PREFIX: &str = "50-varde-";

pub(super) fn render(site: &Site, tree: &mut Tree) {
    for zone in &site.zones {
        let path = |end: &str| format!("{FOLDER}/{PREFIX}{}.{end}", zone.name);
        file(tree, path("netdev"), netdev(&zone.bridge()));
        file(tree, path("network"), network(site, zone));
        if let Some(uplink) = &zone.uplink {
            file(tree, path("uplink.network"), uplink_network(zone, uplink));
        }
    }
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

fn uplink_network(zone: &Zone, uplink: &str) -> String {
    format!(
        "[Match]\nName={uplink}\n\n[Link]\nRequiredForOnline=no\n\n[Network]\nBridge={}\nLinkLocalAddressing=no\nLLDP=no\n",
        zone.bridge()
    )
}

pub(super) fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("writing to a text does not fail");
}
