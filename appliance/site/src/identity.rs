//! What a machine is called below its name: derived, so that DHCP, bridge and QEMU agree without asking each other.

/// The Ethernet address of a virtual machine: locally administered (IEEE 802), the same as long as site and name are.
pub fn mac(site: &str, vm: &str) -> [u8; 6] {
    let hash = fnv1a(&[site, vm]).to_be_bytes();
    [0x02, hash[0], hash[1], hash[2], hash[3], hash[4]]
}

/// `02:…` as tools write it.
pub fn mac_text(mac: [u8; 6]) -> String {
    let [a, b, c, d, e, f] = mac;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// FNV-1a over the parts, with a separator that no name can hold.
fn fnv1a(parts: &[&str]) -> u64 {
    parts
        .iter()
        .flat_map(|part| part.bytes().chain([0xff]))
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

#[cfg(test)]
mod tests {
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
}
