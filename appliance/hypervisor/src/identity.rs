//! Names and numbers of a machine that follow from what it is called.

use sha2::{Digest, Sha256};

/// The unit of a machine.
pub fn unit(vm: &str) -> String {
    format!("varde-vm@{vm}.service")
}

/// The unit that works on a machine's disks.
pub fn disk_unit(vm: &str) -> String {
    format!("varde-disk@{vm}.service")
}

/// The machine that a unit is; `None` for other units.
pub fn vm_of_unit(unit: &str) -> Option<&str> {
    unit.strip_prefix("varde-vm@")?.strip_suffix(".service")
}

/// RFC 9562 UUID, version 8: the same as long as site and name are. A clone has that of its machine.
pub fn uuid(site: &str, vm: &str) -> String {
    let mut hash = Sha256::new();
    for part in [site, varde_site::original(vm)] {
        hash.update(part.as_bytes());
        hash.update([0xff]);
    }
    let hash = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// Its tap device; Linux allows 15 characters, so a long name is cut and told apart by a hash.
pub fn tap(vm: &str) -> String {
    if vm.len() <= 12 {
        return format!("vm-{vm}");
    }
    let hash = Sha256::digest(vm.as_bytes());
    format!("vm-{}-{:02x}{:02x}{:02x}", &vm[..5], hash[0], hash[1], hash[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_machines_name_each_other() {
        assert_eq!(vm_of_unit(&unit("journal-db")), Some("journal-db"));
        assert_eq!(vm_of_unit("varde-hypervisord.service"), None);
    }

    #[test]
    fn a_uuid_says_version_and_variant_and_differs_by_site_and_name() {
        let uuid = super::uuid("nord", "db");
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "8");
        assert!(matches!(&uuid[19..20], "8" | "9" | "a" | "b"), "{uuid}");
        assert_ne!(uuid, super::uuid("sor", "db"));
        assert_ne!(uuid, super::uuid("nord", "db2"));
    }

    #[test]
    fn tap_devices_of_long_names_that_begin_alike_differ_and_fit() {
        let one = tap("reservasjon-database");
        let other = tap("reservasjon-datalager");
        assert_ne!(one, other);
        assert!(one.len() <= 15 && tap("abcdefghijkl").len() <= 15, "{one}");
    }
}
