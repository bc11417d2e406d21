//! Symmetric RTP (RFC 4961): where a peer's packets come from is where ours go, once that is plausible.
//!
//! Many peers stand behind address translation, so that the address in their session description is not the one that
//! their packets come from. Whoever believes every packet hands the call to the first stranger who sends one. The rule:
//!
//! 1. The address that was agreed on is believed at its first packet, while no other one is.
//! 2. Any other address has to send two packets in sequence with one SSRC (RFC 3550 A.1) and an agreed payload type. It
//!    is then believed if no one is yet, if the one that is has been silent for 2 s, if the stream is the very one that
//!    came from there (same SSRC: the translation has changed), or if it is the agreed address after all.
//! 3. Nothing else is believed. It is counted as refused, and neither heard nor answered.
//!
//! A new agreement with another address begins again at 1.

use std::net::SocketAddr;
use std::time::Duration;

/// Whoever is believed keeps that for so long without sending.
const SILENT: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
pub struct Source {
    agreed: SocketAddr,
    believed: Option<Believed>,
    trial: Option<Trial>,
}

#[derive(Clone, Copy, Debug)]
struct Believed {
    address: SocketAddr,
    ssrc: u32,
    heard: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trial {
    address: SocketAddr,
    ssrc: u32,
    next: u16,
}

impl Source {
    pub fn new(agreed: SocketAddr) -> Self {
        Self {
            agreed,
            believed: None,
            trial: None,
        }
    }

    /// Another agreement. What is believed stays if the address is the same.
    pub fn agree(&mut self, address: SocketAddr) {
        if address != self.agreed {
            *self = Self::new(address);
        }
    }

    /// Where to send.
    pub fn address(&self) -> SocketAddr {
        self.believed.map_or(self.agreed, |believed| believed.address)
    }

    /// Whether a packet with an agreed payload type is the peer's.
    pub fn accept(&mut self, now: Duration, address: SocketAddr, ssrc: u32, sequence: u16) -> bool {
        if let Some(believed) = &mut self.believed
            && believed.address == address
        {
            (believed.ssrc, believed.heard) = (ssrc, now);
            return true;
        }
        let is_agreed = address == self.agreed;
        let tried = Trial {
            address,
            ssrc,
            next: sequence,
        };
        let passed = self.trial == Some(tried);
        self.trial = Some(Trial {
            next: sequence.wrapping_add(1),
            ..tried
        });
        let accepted = match self.believed {
            None => is_agreed || passed,
            Some(believed) => {
                passed && (is_agreed || believed.ssrc == ssrc || now >= believed.heard + SILENT)
            }
        };
        if accepted {
            self.believed = Some(Believed {
                address,
                ssrc,
                heard: now,
            });
            self.trial = None;
        }
        accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn the_agreed_address_is_believed_at_once() {
        let mut source = Source::new(address(1));
        assert_eq!(source.address(), address(1));
        assert!(source.accept(NOW, address(1), 7, 100));
    }

    #[test]
    fn another_address_needs_two_packets_in_sequence_of_one_stream() {
        let mut source = Source::new(address(1));
        assert!(!source.accept(NOW, address(2), 7, 100));
        assert!(!source.accept(NOW, address(2), 7, 102));
        assert!(!source.accept(NOW, address(2), 8, 103));
        assert!(!source.accept(NOW, address(3), 8, 104));
        assert_eq!(source.address(), address(1));
        assert!(source.accept(NOW, address(3), 8, 105));
        assert_eq!(source.address(), address(3));
    }

    #[test]
    fn a_stranger_does_not_take_a_call_that_runs() {
        let mut source = Source::new(address(1));
        assert!(source.accept(NOW, address(1), 7, 100));
        for sequence in 0..50 {
            assert!(!source.accept(Duration::from_millis(1999), address(2), 8, sequence));
        }
        assert_eq!(source.address(), address(1));
    }

    #[test]
    fn another_address_is_believed_after_two_seconds_of_silence() {
        let mut source = Source::new(address(1));
        assert!(source.accept(NOW, address(1), 7, 100));
        assert!(!source.accept(Duration::from_secs(2), address(2), 8, 5));
        assert!(source.accept(Duration::from_secs(2), address(2), 8, 6));
    }

    #[test]
    fn a_stream_may_change_its_address() {
        let mut source = Source::new(address(1));
        assert!(source.accept(NOW, address(1), 7, 100));
        assert!(!source.accept(NOW, address(2), 7, 101));
        assert!(source.accept(NOW, address(2), 7, 102));
        assert!(!source.accept(NOW, address(3), 9, 102));
    }

    #[test]
    fn the_agreed_address_gets_the_call_back() {
        let mut source = Source::new(address(1));
        let _ = source.accept(NOW, address(2), 8, 1);
        assert!(source.accept(NOW, address(2), 8, 2));
        assert!(!source.accept(NOW, address(1), 7, 1));
        assert!(source.accept(NOW, address(1), 7, 2));
        assert_eq!(source.address(), address(1));
    }

    #[test]
    fn a_new_agreement_begins_again() {
        let mut source = Source::new(address(1));
        assert!(source.accept(NOW, address(1), 7, 100));
        source.agree(address(1));
        assert!(!source.accept(NOW, address(4), 9, 1));
        source.agree(address(4));
        assert_eq!(source.address(), address(4));
        assert!(source.accept(NOW, address(4), 9, 3));
    }
}
