//! How often somebody may try. A bucket for each network, for each person as strangers see them, and for each device that
//! was here before: so nobody can lock a person out of a device that is known, however often a stranger tries that name.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What tries are counted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// An IPv4 address, or the first half of an IPv6 address.
    Network(IpAddr),
    /// Passwords for this person from devices that are not known.
    Stranger(String),
    /// Second factors of this person from devices that are not known: whoever tries them has the password.
    Code(String),
    /// A known device, by the hash of its cookie.
    Device(String),
}

impl Key {
    /// A whole network behind one IPv6 subscription counts as one.
    pub fn network(from: &str) -> Self {
        let address = from.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Self::Network(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            address @ IpAddr::V4(_) => address,
        })
    }

    /// Tries at once, and milliseconds until one more is allowed.
    fn rate(&self) -> (i64, i64) {
        match self {
            // An office of people behind one address that all mistype.
            Self::Network(_) => (30, 10_000),
            Self::Stranger(_) | Self::Device(_) => (10, 60_000),
            Self::Code(_) => (10, 600_000),
        }
    }
}

/// Entries beyond this are those of an attack from everywhere at once: then the newest wait.
const MOST: usize = 50_000;

/// When each bucket will be full again.
#[derive(Debug, Default)]
pub struct Throttle {
    /// Milliseconds since 1970, UTC. A bucket that is full has no entry.
    full: BTreeMap<Key, i64>,
}

impl Throttle {
    /// Takes a try of each, or of none. Else how many seconds until there is one.
    pub fn take(&mut self, keys: &[Key], now: i64) -> Result<(), u64> {
        if self.full.len() >= MOST {
            self.full.retain(|_, full| *full > now);
        }
        let mut wait = 0;
        for key in keys {
            let (burst, interval) = key.rate();
            // A clock that was set back must not keep anybody out for longer than a whole bucket takes.
            let full = self
                .full
                .get(key)
                .copied()
                .unwrap_or(now)
                .clamp(now, now + burst * interval);
            wait = wait.max(full + interval - (now + burst * interval));
        }
        if wait > 0 {
            return Err(u64::try_from(wait).unwrap_or(0).div_ceil(1000));
        }
        let new = keys.iter().filter(|key| !self.full.contains_key(*key)).count();
        if self.full.len() + new > MOST {
            return Err(60);
        }
        for key in keys {
            let (burst, interval) = key.rate();
            let full = self.full.entry(key.clone()).or_insert(now);
            *full = (*full).clamp(now, now + burst * interval) + interval;
        }
        Ok(())
    }

    /// It was no wrong try after all.
    pub fn give_back(&mut self, keys: &[Key]) {
        for key in keys {
            if let Some(full) = self.full.get_mut(key) {
                *full -= key.rate().1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tries(throttle: &mut Throttle, key: &Key, now: i64) -> usize {
        (0..1000)
            .take_while(|_| throttle.take(std::slice::from_ref(key), now).is_ok())
            .count()
    }

    #[test]
    fn a_bucket_is_emptied_and_fills_again() {
        let mut throttle = Throttle::default();
        let key = Key::Stranger("anne".into());
        assert_eq!(tries(&mut throttle, &key, 0), 10);
        assert_eq!(throttle.take(std::slice::from_ref(&key), 0), Err(60));
        assert_eq!(tries(&mut throttle, &key, 59_999), 0);
        assert_eq!(tries(&mut throttle, &key, 60_000), 1);
        assert_eq!(tries(&mut throttle, &key, 3_600_000), 10, "no more than a bucket");
    }

    #[test]
    fn who_is_stopped_by_one_bucket_takes_nothing_from_the_other() {
        let mut throttle = Throttle::default();
        let (stranger, network) = (Key::Stranger("anne".into()), Key::network("192.0.2.1"));
        assert_eq!(tries(&mut throttle, &stranger, 0), 10);
        for _ in 0..100 {
            assert!(throttle.take(&[stranger.clone(), network.clone()], 0).is_err());
        }
        assert_eq!(tries(&mut throttle, &network, 0), 30);
    }

    #[test]
    fn a_subscription_is_one_network_and_a_mapped_address_is_its_own() {
        assert_eq!(
            Key::network("2001:db8:1:2::1"),
            Key::network("2001:db8:1:2:ffff::9")
        );
        assert_ne!(Key::network("2001:db8:1:2::1"), Key::network("2001:db8:1:3::1"));
        assert_eq!(Key::network("::ffff:192.0.2.1"), Key::network("192.0.2.1"));
        assert_ne!(Key::network("192.0.2.1"), Key::network("192.0.2.2"));
    }

    #[test]
    fn an_attack_from_everywhere_takes_no_memory_without_end() {
        let mut throttle = Throttle::default();
        for number in 0..u32::try_from(MOST).unwrap() + 1000 {
            let _ = throttle.take(&[Key::Network(std::net::Ipv4Addr::from_bits(number).into())], 0);
        }
        assert!(throttle.full.len() <= MOST);
    }

    proptest! {
        #[test]
        fn a_clock_that_jumps_keeps_nobody_out_for_long(jumps in proptest::collection::vec(any::<i32>(), 1..50)) {
            let mut throttle = Throttle::default();
            let key = Key::Device("x".into());
            let mut now = 1_000_000_000_000;
            for jump in jumps {
                now += i64::from(jump);
                while throttle.take(std::slice::from_ref(&key), now).is_ok() {}
                if let Err(wait) = throttle.take(std::slice::from_ref(&key), now) {
                    prop_assert!(wait <= 600, "{}", wait);
                }
            }
        }
    }
}
