//! How many connections there may be, in all and from one network, so that one who opens many leaves room for others.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// In all: a county's people at once, with some tabs each.
const MOST: usize = 4000;
/// From one address: an office of people behind one.
const FROM_ONE: usize = 400;

#[derive(Clone, Debug, Default)]
pub struct Limits(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// One connection's place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    limits: Limits,
    network: IpAddr,
}

impl Limits {
    pub fn take(&self, from: IpAddr) -> Option<Place> {
        // Who has an IPv6 subscription has half of its bits.
        let network = match from.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            address @ IpAddr::V4(_) => address,
        };
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let count = taken.entry(network).or_default();
        if all >= MOST || *count >= FROM_ONE {
            if *count == 0 {
                taken.remove(&network);
            }
            return None;
        }
        *count += 1;
        Some(Place {
            limits: self.clone(),
            network,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.limits.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_opens_many_leaves_room_for_others() {
        let limits = Limits::default();
        let greedy: IpAddr = "192.0.2.1".parse().unwrap();
        let mut places: Vec<Place> = std::iter::from_fn(|| limits.take(greedy)).collect();
        assert_eq!(places.len(), FROM_ONE);
        assert!(limits.take("192.0.2.2".parse().unwrap()).is_some());
        assert!(limits.take("::ffff:192.0.2.1".parse().unwrap()).is_none());
        places.pop();
        assert!(limits.take(greedy).is_some());
        drop(places);
        assert!(
            limits.0.lock().unwrap().is_empty(),
            "nothing is kept of who has gone"
        );
    }
}
