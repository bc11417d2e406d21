//! What the tables say about each other: names used twice, names that nobody has, addresses, the order of starting.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::reader::{At, Reader};
use super::vm::VmEntry;
use super::words::{clip, instead_of};
use super::zone::ZoneEntry;
use crate::{Network, SiteInfo, Text, ZoneAddress, identity};

/// The names of one kind of table, and where each was first.
#[derive(Default)]
pub(super) struct Names(BTreeMap<String, usize>);

impl Names {
    /// Whether the name is new; a fault where it is not.
    pub(super) fn add(&mut self, reader: &mut Reader<'_>, table: &str, name: &At<String>) -> bool {
        let Some(first) = self.0.get(&name.value) else {
            self.0.insert(name.value.clone(), name.at);
            return true;
        };
        let line = reader.line(*first);
        reader.fault(
            name.at,
            Text::new(
                format!("Navnet «{}» er brukt før, i {table} på linje {line}", name.value),
                format!(
                    "The name \"{}\" is used before, in {table} on line {line}",
                    name.value
                ),
            ),
            Text::new("Gi den ene et annet navn", "Give one of them another name"),
        );
        false
    }

    fn all(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

/// Two names that would come to the same number in the system.
pub(super) fn clash(reader: &mut Reader<'_>, name: &At<String>, other: &At<String>) {
    reader.fault(
        name.at,
        Text::new(
            format!(
                "Navnene «{}» og «{}» gir tilfeldigvis samme nummer i systemet",
                name.value, other.value
            ),
            format!(
                "The names \"{}\" and \"{}\" happen to give the same number in the system",
                name.value, other.value
            ),
        ),
        Text::new(
            format!("Gi «{}» et litt annet navn", name.value),
            format!("Give \"{}\" a slightly different name", name.value),
        ),
    );
}

pub(super) fn check(
    reader: &mut Reader<'_>,
    info: Option<&SiteInfo>,
    zones: &[ZoneEntry],
    vms: &[VmEntry<'_>],
) {
    let zone_names = zone_names(reader, zones);
    networks(reader, zones);
    gateways(reader, zones);
    let vm_names = vm_names(reader, info, vms);
    let mut addresses = BTreeMap::new();
    for vm in vms {
        zone_of(reader, vm, zones, &zone_names);
        if let Some(address) = vm.address
            && let Some(first) = addresses.insert(address.value, address.at)
        {
            taken(reader, address, first);
        }
        after(reader, vm, &vm_names);
    }
    cycles(reader, vms);
}

fn zone_names(reader: &mut Reader<'_>, zones: &[ZoneEntry]) -> Names {
    let mut names = Names::default();
    for name in zones.iter().filter_map(|zone| zone.name.as_ref()) {
        names.add(reader, "[[zone]]", name);
    }
    names
}

fn networks(reader: &mut Reader<'_>, zones: &[ZoneEntry]) {
    let mut seen: Vec<At<Network>> = Vec::new();
    for address in zones.iter().filter_map(|zone| zone.address) {
        let ZoneAddress::Static { address: own, prefix } = address.value else {
            continue;
        };
        let network = At {
            value: Network { address: own, prefix },
            at: address.at,
        };
        if let Some(other) = seen.iter().find(|other| other.value.overlaps(network.value)) {
            let line = reader.line(other.at);
            reader.fault(
                address.at,
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
                    "Gi hver sone sitt eget nett",
                    "Give each zone a network of its own",
                ),
            );
        }
        seen.push(network);
    }
}

/// One way out, by a router that the appliance reaches with its own address.
fn gateways(reader: &mut Reader<'_>, zones: &[ZoneEntry]) {
    let mut first: Option<usize> = None;
    for zone in zones {
        let Some(gateway) = zone.gateway else { continue };
        if let Some(other) = first {
            let line = reader.line(other);
            reader.fault(
                gateway.at,
                Text::new(
                    format!("Det står en ruter alt på linje {line}"),
                    format!("There is a router already, on line {line}"),
                ),
                Text::new(
                    "Bare én sone kan lede ut; ta bort den ene",
                    "Only one zone can lead out; remove one of them",
                ),
            );
        }
        first = first.or(Some(gateway.at));
        match zone.address.map(|at| at.value) {
            Some(ZoneAddress::Static { address, prefix }) => {
                let network = Network { address, prefix };
                let within = network.contains(gateway.value)
                    && gateway.value != address
                    && gateway.value != network.first()
                    && gateway.value != network.last();
                if !within {
                    let router = gateway.value;
                    reader.fault(
                        gateway.at,
                        Text::new(
                            format!("{router} er ingen annens adresse i nettet {network}"),
                            format!("{router} is nobody else's address in the network {network}"),
                        ),
                        Text::new(
                            "Skriv ruterens adresse i sonens eget nett",
                            "Write the router's address in the zone's own network",
                        ),
                    );
                }
            }
            Some(ZoneAddress::Dhcp | ZoneAddress::None) => reader.fault(
                gateway.at,
                Text::new(
                    "En ruter krever at Varde har en fast adresse i sonen",
                    "A router needs the appliance to have an address of its own in the zone",
                ),
                Text::new(
                    "Gi sonen en adresse, som \"10.20.0.1/24\"; med \"dhcp\" sier DHCP-tjeneren hvem ruteren er",
                    "Give the zone an address, such as \"10.20.0.1/24\"; with \"dhcp\" the DHCP server says who the router is",
                ),
            ),
            None => {}
        }
    }
}

fn vm_names(reader: &mut Reader<'_>, info: Option<&SiteInfo>, vms: &[VmEntry<'_>]) -> Names {
    let mut names = Names::default();
    let mut uids: BTreeMap<u32, &At<String>> = BTreeMap::new();
    let mut macs: BTreeMap<[u8; 6], &At<String>> = BTreeMap::new();
    for name in vms.iter().filter_map(|vm| vm.name.as_ref()) {
        if !names.add(reader, "[[vm]]", name) {
            continue;
        }
        let uid = uids.insert(identity::vm_uid(&name.value), name);
        let mac = info.and_then(|info| macs.insert(identity::mac(&info.name, &name.value), name));
        if let Some(other) = uid.or(mac) {
            clash(reader, name, other);
        }
    }
    names
}

/// The zone of a machine exists, and its address fits there.
fn zone_of(reader: &mut Reader<'_>, vm: &VmEntry<'_>, zones: &[ZoneEntry], names: &Names) {
    if let (Some(at), false) = (vm.tcp_check, vm.has_address) {
        reader.fault(
            at,
            Text::new(
                "En sjekk av en TCP-port krever at maskinen har en adresse",
                "A check of a TCP port needs the machine to have an address",
            ),
            Text::new(
                "Skriv for eksempel address = \"10.20.0.11\" under [[vm]]",
                "Write for instance address = \"10.20.0.11\" below [[vm]]",
            ),
        );
    }
    let Some(wanted) = vm.zone else {
        return;
    };
    let is_wanted = |zone: &&ZoneEntry| zone.name.as_ref().is_some_and(|name| name.value == wanted.value);
    let Some(zone) = zones.iter().find(is_wanted) else {
        reader.fault(
            wanted.at,
            Text::new(
                format!("Det finnes ingen sone «{}»", clip(wanted.value)),
                format!("There is no zone \"{}\"", clip(wanted.value)),
            ),
            instead_of(wanted.value, &names.all()),
        );
        return;
    };
    let (Some(address), Some(zone_address)) = (vm.address, zone.address) else {
        return;
    };
    match zone_address.value {
        ZoneAddress::Dhcp => {}
        ZoneAddress::None => reader.fault(
            address.at,
            Text::new(
                format!(
                    "Sonen «{}» har ingen adresse, så Varde kan verken gi maskinen denne adressen eller nå den der",
                    wanted.value
                ),
                format!(
                    "The zone \"{}\" has no address, so Varde can neither give the machine this address nor reach it there",
                    wanted.value
                ),
            ),
            Text::new(
                "Ta bort «address», eller gi sonen en adresse",
                "Remove \"address\", or give the zone an address",
            ),
        ),
        ZoneAddress::Static { address: own, prefix } => {
            let network = Network { address: own, prefix };
            in_network(reader, address, own, network);
        }
    }
}

fn in_network(reader: &mut Reader<'_>, address: At<Ipv4Addr>, own: Ipv4Addr, network: Network) {
    let shown = address.value;
    let (nb, en) = if !network.contains(shown) {
        (
            format!("{shown} er ikke i sonens nett {network}"),
            format!("{shown} is not in the zone's network {network}"),
        )
    } else if shown == own {
        (
            format!("{shown} er Vardes egen adresse i sonen"),
            format!("{shown} is Varde's own address in the zone"),
        )
    } else if shown == network.first() || shown == network.last() {
        (
            format!("{shown} er nettets egen adresse eller kringkastingsadressen"),
            format!("{shown} is the network's own or its broadcast address"),
        )
    } else {
        return;
    };
    let low = Ipv4Addr::from_bits(network.first().to_bits() + 1);
    let high = Ipv4Addr::from_bits(network.last().to_bits() - 1);
    reader.fault(
        address.at,
        Text::new(nb, en),
        Text::new(
            format!("Velg en ledig adresse fra {low} til {high}"),
            format!("Choose a free address from {low} to {high}"),
        ),
    );
}

fn taken(reader: &mut Reader<'_>, address: At<Ipv4Addr>, first: usize) {
    let line = reader.line(first);
    reader.fault(
        address.at,
        Text::new(
            format!(
                "Adressen {} er alt gitt til maskinen på linje {line}",
                address.value
            ),
            format!(
                "The address {} is already given to the machine on line {line}",
                address.value
            ),
        ),
        Text::new(
            "Gi hver maskin sin egen adresse",
            "Give each machine an address of its own",
        ),
    );
}

fn after(reader: &mut Reader<'_>, vm: &VmEntry<'_>, names: &Names) {
    let mut seen = BTreeSet::new();
    for other in &vm.after {
        if !names.0.contains_key(other.value) {
            reader.fault(
                other.at,
                Text::new(
                    format!("Det finnes ingen maskin «{}»", clip(other.value)),
                    format!("There is no machine \"{}\"", clip(other.value)),
                ),
                instead_of(other.value, &names.all()),
            );
        } else if !seen.insert(other.value) {
            reader.fault(
                other.at,
                Text::new(
                    format!("«{}» står to ganger i «after»", other.value),
                    format!("\"{}\" is twice in \"after\"", other.value),
                ),
                Text::new("Ta bort den ene", "Remove one of them"),
            );
        }
    }
}

/// Machines that wait for each other would never start. Each circle is told once, where it closes.
fn cycles(reader: &mut Reader<'_>, vms: &[VmEntry<'_>]) {
    let places: BTreeMap<&str, usize> = vms
        .iter()
        .enumerate()
        .filter_map(|(place, vm)| Some((vm.name.as_ref()?.value.as_str(), place)))
        .collect();
    let mut done = vec![false; vms.len()];
    for start in 0..vms.len() {
        // Depth first without recursion: a chain of a thousand machines is no reason to run out of stack.
        let mut path: Vec<(usize, usize)> = vec![(start, 0)];
        while let Some((vm, next)) = path.last_mut() {
            let Some(wanted) = vms[*vm].after.get(*next).filter(|_| !done[*vm]) else {
                done[*vm] = true;
                path.pop();
                continue;
            };
            *next += 1;
            let Some(target) = places.get(wanted.value).copied() else {
                continue;
            };
            if let Some(from) = path.iter().position(|(vm, _)| *vm == target) {
                circle(reader, wanted.at, vms, &path[from..], target);
            } else if !done[target] {
                path.push((target, 0));
            }
        }
    }
}

fn circle(reader: &mut Reader<'_>, at: usize, vms: &[VmEntry<'_>], path: &[(usize, usize)], target: usize) {
    let name = |place: usize| vms[place].name.as_ref().map_or("", |name| &name.value);
    let names: Vec<&str> = path
        .iter()
        .map(|(place, _)| *place)
        .chain([target])
        .map(name)
        .collect();
    let (nb, en) = if path.len() == 1 {
        (
            "Maskinen venter på seg selv".to_owned(),
            "The machine waits for itself".to_owned(),
        )
    } else {
        let chain = clip(&names.join(" → "));
        (
            format!("Disse maskinene venter på hverandre i ring: {chain}"),
            format!("These machines wait for each other in a circle: {chain}"),
        )
    };
    reader.fault(
        at,
        Text::new(nb, en),
        Text::new(
            "Ta bort ett av navnene i «after», så det finnes en maskin som kan starte først",
            "Remove one of the names in \"after\", so that there is a machine that can start first",
        ),
    );
}
