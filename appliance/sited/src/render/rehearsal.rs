//! The places of rehearsals: for each one, networks that look like the zones of production and lead nowhere, and users for
//! the clones.
//!
//! They are there as soon as a recipe is declared, so that a rehearsal needs nobody who may make networks or users. The
//! bridges of one rehearsal are in a routing domain of their own (VRF, net-vrf in the kernel's documentation): they may
//! have the very addresses of production, nothing is forwarded between them and anything else, and what listens in the
//! appliance does not hear them.

use std::collections::BTreeSet;

use serde_json::json;
use varde_site::{REHEARSALS, Site, Vm, Zone, ZoneAddress, clone_name};

use super::network::{FOLDER, PREFIX, add, dhcp_server, netdev};
use super::{Tree, accounts, file};

/// Numbers of the routing tables, one a rehearsal.
const FIRST_TABLE: usize = 7001;

pub(super) fn render(site: &Site, tree: &mut Tree) {
    let vms: Vec<&Vm> = site.vms.iter().filter(|vm| is_rehearsed(site, vm)).collect();
    if vms.is_empty() {
        return;
    }
    let used: BTreeSet<&str> = vms.iter().map(|vm| vm.zone.as_str()).collect();
    for (place, rehearsal) in REHEARSALS.into_iter().enumerate() {
        let domain = domain(rehearsal);
        let path = |name: &str, end: &str| format!("{FOLDER}/{PREFIX}{name}.{end}");
        file(
            tree,
            path(&domain, "netdev"),
            format!(
                "[NetDev]\nName={domain}\nKind=vrf\n\n[VRF]\nTable={}\n",
                FIRST_TABLE + place
            ),
        );
        file(
            tree,
            path(&domain, "network"),
            format!(
                "[Match]\nName={domain}\n\n[Link]\nRequiredForOnline=no\nActivationPolicy=up\n\n\
                 [Network]\nLinkLocalAddressing=no\nConfigureWithoutCarrier=yes\n"
            ),
        );
        for zone in site.zones.iter().filter(|zone| used.contains(zone.name.as_str())) {
            let bridge = zone.bridge_in(rehearsal);
            file(tree, path(&bridge, "netdev"), netdev(&bridge));
            file(
                tree,
                path(&bridge, "network"),
                network(site, zone, &bridge, &domain),
            );
        }
        for vm in &vms {
            user(&clone_name(rehearsal, &vm.name), vm, tree);
        }
    }
}

fn domain(rehearsal: &str) -> String {
    format!("vrf-{rehearsal}")
}

/// Whether a device is named as one of those that are made here.
pub(super) fn is_device(name: &str) -> bool {
    varde_site::clone_of(name).is_some() || REHEARSALS.iter().any(|rehearsal| name == domain(rehearsal))
}

fn is_rehearsed(site: &Site, vm: &Vm) -> bool {
    site.recipes.iter().any(|recipe| recipe.group == vm.group)
}

/// As the zone itself, and nothing beyond. Whatever gives addresses in production, here the appliance does.
fn network(site: &Site, zone: &Zone, bridge: &str, domain: &str) -> String {
    let mut text = format!(
        "[Match]\nName={bridge}\n\n[Link]\nRequiredForOnline=no\n\n[Network]\nVRF={domain}\nLinkLocalAddressing=no\n\
         IPv6AcceptRA=no\nLLDP=no\nConfigureWithoutCarrier=yes\n"
    );
    if let ZoneAddress::Static { address, prefix } = zone.address {
        add(&mut text, format_args!("Address={address}/{prefix}\n"));
        dhcp_server(site, zone, &mut text);
    }
    text
}

/// With the number of the machine's own user, on whose disks the clone's stand.
fn user(clone: &str, vm: &Vm, tree: &mut Tree) {
    let name = format!("varde-vm-{clone}");
    let record = json!({
        "userName": name,
        "realName": format!("Clone of {}", vm.name),
        "disposition": "system",
        "uid": vm.uid(),
        "gid": vm.uid(),
        "homeDirectory": "/",
        "shell": "/usr/sbin/nologin",
        "locked": true,
    });
    file(
        tree,
        format!("{}/{name}.user", accounts::FOLDER),
        format!("{record:#}\n"),
    );
}
