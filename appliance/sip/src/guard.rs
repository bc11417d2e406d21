//! Keeps strangers cheap: who may be heard at all, and how often somebody may guess.
//!
//! Two measures, apart. An **address** that fails too often is not read for a while, longer each time. An **account**
//! that is guessed from many addresses is heard only from addresses that have proved themselves for it, so that nobody
//! can lock out the phone that belongs to it. Addresses of trunks, and of phones that are registered, are never blocked:
//! a datagram's sender is easily forged.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// The most addresses, and the most pairs of account and address, that are remembered.
const MOST: usize = 20_000;
const WINDOW: Duration = Duration::from_mins(1);
const FIRST_BLOCK: Duration = Duration::from_mins(1);
const LONGEST_BLOCK: Duration = Duration::from_hours(1);
/// Failures of an account in a minute, from all addresses, until only known ones are heard.
const ACCOUNT_FAILURES: u32 = 30;
/// How long an address counts as one that has proved itself.
const KNOWN_FOR: Duration = Duration::from_hours(24 * 30);

#[derive(Default)]
struct Source {
    window: Duration,
    requests: u32,
    failures: u32,
    blocked_until: Duration,
    blocks: u32,
    seen: Duration,
}

#[derive(Default)]
struct Guessed {
    window: Duration,
    failures: u32,
    closed_until: Duration,
}

#[derive(Default)]
pub(crate) struct Guard {
    sources: HashMap<IpAddr, Source>,
    accounts: HashMap<String, Guessed>,
    known: HashMap<(String, IpAddr), Duration>,
}

/// One subscriber's addresses are one source: an IPv6 network is as easily had as one address.
fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl Guard {
    /// Whether anything of this address is read.
    pub fn hears(&self, now: Duration, address: IpAddr) -> bool {
        self.sources
            .get(&source_of(address))
            .is_none_or(|source| source.blocked_until <= now)
    }

    /// Counts a request of somebody who has proved nothing. `Err` says for how long it is blocked from now on.
    pub fn request(&mut self, now: Duration, address: IpAddr, most: u32) -> Result<(), Duration> {
        let source = self.source(now, address);
        source.requests += 1;
        if source.requests > most.saturating_mul(60) {
            return Err(source.block(now));
        }
        Ok(())
    }

    /// Counts a failure of an address. Says for how long it is blocked, if it is from now on.
    pub fn failed(&mut self, now: Duration, address: IpAddr, most: u32) -> Option<Duration> {
        let source = self.source(now, address);
        source.failures += 1;
        (source.failures >= most).then(|| source.block(now))
    }

    /// Counts a failure for an account that exists. Says for how long only known addresses are heard, if that begins.
    pub fn guessed(&mut self, now: Duration, account: &str) -> Option<Duration> {
        let guessed = self.accounts.entry(account.into()).or_default();
        if now.saturating_sub(guessed.window) > WINDOW {
            guessed.window = now;
            guessed.failures = 0;
        }
        guessed.failures += 1;
        if guessed.failures >= ACCOUNT_FAILURES && guessed.closed_until <= now {
            guessed.closed_until = now + WINDOW * 10;
            guessed.failures = 0;
            return Some(WINDOW * 10);
        }
        None
    }

    /// Whether this address may try to prove itself for this account.
    pub fn may_try(&self, now: Duration, account: &str, address: IpAddr) -> bool {
        let closed = self
            .accounts
            .get(account)
            .is_some_and(|guessed| guessed.closed_until > now);
        !closed || self.knows(now, account, address)
    }

    fn knows(&self, now: Duration, account: &str, address: IpAddr) -> bool {
        self.known
            .get(&(account.into(), source_of(address)))
            .is_some_and(|since| now.saturating_sub(*since) < KNOWN_FOR)
    }

    pub fn proved(&mut self, now: Duration, account: &str, address: IpAddr) {
        let address = source_of(address);
        if let Some(source) = self.sources.get_mut(&address) {
            source.failures = 0;
            source.blocks = 0;
        }
        if self.known.len() >= MOST && !self.known.contains_key(&(account.into(), address)) {
            self.known
                .retain(|_, since| now.saturating_sub(*since) < KNOWN_FOR / 30);
            if self.known.len() >= MOST {
                return;
            }
        }
        self.known.insert((account.into(), address), now);
    }

    /// Forgets accounts that are no more.
    pub fn keep_accounts(&mut self, exists: impl Fn(&str) -> bool) {
        self.accounts.retain(|account, _| exists(account));
        self.known.retain(|(account, _), _| exists(account));
    }

    fn source(&mut self, now: Duration, address: IpAddr) -> &mut Source {
        let address = source_of(address);
        if self.sources.len() >= MOST && !self.sources.contains_key(&address) {
            self.sources
                .retain(|_, source| source.blocked_until > now || now.saturating_sub(source.seen) < WINDOW);
            if self.sources.len() >= MOST {
                // A flood of addresses: whoever is in the table is forgiven rather than the newest ignored.
                self.sources.clear();
            }
        }
        let source = self.sources.entry(address).or_default();
        source.seen = now;
        if now.saturating_sub(source.window) > WINDOW {
            source.window = now;
            source.requests = 0;
            source.failures = 0;
        }
        source
    }
}

impl Source {
    fn block(&mut self, now: Duration) -> Duration {
        let lasts = (FIRST_BLOCK * 2u32.saturating_pow(self.blocks.min(10))).min(LONGEST_BLOCK);
        self.blocks += 1;
        self.failures = 0;
        self.requests = 0;
        self.blocked_until = now + lasts;
        lasts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn an_address_that_fails_is_not_heard_for_longer_each_time() {
        let mut guard = Guard::default();
        let mut now = Duration::from_secs(1000);
        for expected in [FIRST_BLOCK, FIRST_BLOCK * 2, FIRST_BLOCK * 4] {
            assert_eq!(guard.failed(now, address(1), 2), None);
            assert_eq!(guard.failed(now, address(1), 2), Some(expected));
            assert!(!guard.hears(now, address(1)));
            assert!(guard.hears(now, address(2)));
            now += expected;
            assert!(guard.hears(now, address(1)));
        }
    }

    #[test]
    fn failures_far_apart_are_forgotten() {
        let mut guard = Guard::default();
        for minute in 1..10 {
            let now = WINDOW * minute * 2;
            assert_eq!(guard.failed(now, address(1), 2), None);
        }
    }

    #[test]
    fn guessing_an_account_from_everywhere_leaves_its_own_phone_alone() {
        let mut guard = Guard::default();
        let now = Duration::from_secs(1000);
        guard.proved(now, "210", address(1));
        let closed = (0..ACCOUNT_FAILURES)
            .filter_map(|_| guard.guessed(now, "210"))
            .count();
        assert_eq!(closed, 1);
        assert!(guard.may_try(now, "210", address(1)));
        assert!(!guard.may_try(now, "210", address(2)));
        assert!(guard.may_try(now, "211", address(2)));
        assert!(guard.may_try(now + WINDOW * 10, "210", address(2)));
    }

    #[test]
    fn a_network_of_addresses_counts_as_one_and_a_flood_of_them_fills_no_memory() {
        let mut guard = Guard::default();
        let now = Duration::from_secs(1000);
        let v6 =
            |network: u16, host: u16| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, network, 0, 0, 0, host));
        assert_eq!(guard.failed(now, v6(1, 1), 2), None);
        assert!(guard.failed(now, v6(1, 2), 2).is_some());
        for flood in 0..=u16::MAX {
            let _ = guard.request(now, v6(flood, 1), 50);
        }
        assert!(guard.sources.len() <= MOST);
    }

    #[test]
    fn who_sends_too_much_is_not_heard() {
        let mut guard = Guard::default();
        let now = Duration::from_secs(1000);
        let refused = (0..121)
            .filter(|_| guard.request(now, address(1), 2).is_err())
            .count();
        assert_eq!(refused, 1);
        assert!(!guard.hears(now, address(1)));
    }
}
