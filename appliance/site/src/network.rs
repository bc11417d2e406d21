//! The arithmetic of an IPv4 network.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// A network, given by any of its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    pub address: Ipv4Addr,
    /// From 0 to 32.
    pub prefix: u8,
}

impl Network {
    fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0)
    }

    /// The network's own address.
    pub fn first(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() & self.mask())
    }

    /// The broadcast address.
    pub fn last(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() | !self.mask())
    }

    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask() == self.address.to_bits() & self.mask()
    }

    /// Whether any address is in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.first()) || other.contains(self.first())
    }
}

/// As in `10.20.0.0/24`.
impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.first(), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str, prefix: u8) -> Network {
        Network {
            address: address.parse().unwrap(),
            prefix,
        }
    }

    #[test]
    fn bounds() {
        let net = network("10.20.3.77", 22);
        assert_eq!(net.to_string(), "10.20.0.0/22");
        assert_eq!(net.last(), Ipv4Addr::new(10, 20, 3, 255));
        assert!(net.contains(Ipv4Addr::new(10, 20, 1, 0)));
        assert!(!net.contains(Ipv4Addr::new(10, 20, 4, 0)));
        assert_eq!(network("1.2.3.4", 0).last(), Ipv4Addr::BROADCAST);
        assert_eq!(network("1.2.3.4", 32).last(), Ipv4Addr::new(1, 2, 3, 4));
    }

    #[test]
    fn overlap_goes_both_ways() {
        let (wide, narrow) = (network("10.0.0.1", 8), network("10.20.0.1", 24));
        assert!(wide.overlaps(narrow) && narrow.overlaps(wide));
        assert!(!network("10.20.0.1", 24).overlaps(network("10.20.1.1", 24)));
    }
}
