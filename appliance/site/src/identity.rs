//! What a machine or account is below its name: derived, so that users, DHCP, bridges and QEMU agree without asking
//! each other, at each boot, and nobody has to hand out numbers.

use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::{Account, Vm, Zone, original};

/// User numbers of accounts: within those that distributions leave to people.
pub const ACCOUNT_UIDS: Range<u32> = 20_000..60_000;

/// User numbers of machines: within those that systemd leaves to nobody. There are so many that a thousand machines
/// get different ones, because a number must never change: the machine's disks on the data partition belong to it.
pub const VM_UIDS: Range<u32> = 0x7000_0000..0x7fff_0000;

/// The Ethernet address of a virtual machine: locally administered (IEEE 802), the same as long as site and name are. A
/// clone has that of its machine.
pub fn mac(site: &str, vm: &str) -> [u8; 6] {
    let hash = hash(&["mac", site, original(vm)]);
    [0x02, hash[0], hash[1], hash[2], hash[3], hash[4]]
}

/// `02:…` as tools write it.
pub fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

pub(crate) fn account_uid(name: &str) -> u32 {
    within(&ACCOUNT_UIDS, &["account", name])
}

pub(crate) fn vm_uid(name: &str) -> u32 {
    within(&VM_UIDS, &["vm", name])
}

fn within(range: &Range<u32>, parts: &[&str]) -> u32 {
    let count = u64::from(range.end - range.start);
    let hash = hash(parts);
    let number = hash[..8]
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    let place = number % count;
    range.start + u32::try_from(place).expect("less than the length of the range")
}

/// Over the parts, with a separator that no name can hold.
fn hash(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0xff]);
    }
    hash.finalize().into()
}

impl Account {
    pub fn uid(&self) -> u32 {
        account_uid(&self.name)
    }
}

impl Zone {
    /// Name of its bridge.
    pub fn bridge(&self) -> String {
        format!("br-{}", self.name)
    }

    /// The interface that is one VLAN of the uplink.
    pub fn vlan_interface(&self) -> String {
        format!("vl-{}", self.name)
    }
}

impl Vm {
    /// Name of the user that QEMU runs as, and of that user's group.
    pub fn user(&self) -> String {
        format!("varde-vm-{}", self.name)
    }

    /// Number of both. A clone has that of its machine, on whose disks its own stand.
    pub fn uid(&self) -> u32 {
        vm_uid(original(&self.name))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_address_is_a_single_station_and_locally_administered() {
        for name in ["a", "b", "journal-db", "x"] {
            assert_eq!(mac("nord", name)[0] & 0b11, 0b10, "{name}");
        }
    }

    #[test]
    fn machines_sites_and_shifted_borders_have_addresses_of_their_own() {
        let all = [
            mac("nord", "db"),
            mac("nord", "db2"),
            mac("sor", "db"),
            mac("nordd", "b"),
        ];
        for (place, one) in all.iter().enumerate() {
            assert!(!all[..place].contains(one), "{}", mac_text(*one));
        }
    }

    /// Files on a data partition belong to these numbers: another number would take a machine's disks from it.
    #[test]
    fn numbers_stay_what_they_were() {
        assert_eq!(account_uid("kari"), 44_793);
        assert_eq!(vm_uid("journal-db"), 1_905_489_374);
    }

    #[test]
    fn a_thousand_machines_have_a_thousand_users() {
        let uids: BTreeSet<u32> = (0..1000).map(|number| vm_uid(&format!("vm-{number}"))).collect();
        assert_eq!(uids.len(), 1000);
        assert!(uids.iter().all(|uid| VM_UIDS.contains(uid)));
    }
}
