//! Sockets for calls: an even port for RTP and the odd one above it for RTCP (RFC 3550 §11), from a range.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;

use rustix::net::sockopt::{set_ip_tos, set_ipv6_tclass};

use crate::{Error, Result};

/// Expedited forwarding (RFC 3246), as the octet that a packet has: DSCP 46.
const EXPEDITED: u8 = 46 << 2;

/// Gives a pair of ports after the other, so that a port that has just been given back rests for as long as it can:
/// what still comes for the call before must not be heard in the next one.
#[derive(Debug)]
pub struct Ports {
    address: IpAddr,
    /// First even port.
    first: u16,
    pairs: u16,
    next: u16,
}

impl Ports {
    /// Begins anywhere in the range, by a random number.
    pub fn new(address: IpAddr, range: &RangeInclusive<u16>, random: u32) -> Result<Self> {
        let (first, last) = (*range.start(), *range.end());
        let even = first.checked_next_multiple_of(2).unwrap_or(u16::MAX);
        let pairs = last.checked_sub(even).map_or(0, |most| most.div_ceil(2));
        let Some(next) = random.checked_rem(u32::from(pairs)) else {
            return Err(Error::NoPair { first, last });
        };
        let next = u16::try_from(next).unwrap_or(0);
        Ok(Self {
            address,
            first: even,
            pairs,
            next,
        })
    }

    /// The next pair that is free.
    pub fn take(&mut self) -> Result<(UdpSocket, UdpSocket)> {
        let mut in_use = io::Error::from(ErrorKind::AddrInUse);
        for _ in 0..self.pairs {
            let port = self.first + 2 * self.next;
            self.next = (self.next + 1) % self.pairs;
            match bind(self.address, port).and_then(|rtp| Ok((rtp, bind(self.address, port + 1)?))) {
                Ok(pair) => return Ok(pair),
                Err(error) if error.kind() == ErrorKind::AddrInUse => in_use = error,
                Err(source) => {
                    return Err(Error::Socket {
                        address: (self.address, port).into(),
                        source,
                    });
                }
            }
        }
        let last = self.first + 2 * self.pairs - 1;
        Err(Error::NoPorts {
            address: self.address,
            first: self.first,
            last,
            source: in_use,
        })
    }
}

fn bind(address: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(SocketAddr::new(address, port))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv4() {
        set_ip_tos(&socket, EXPEDITED)?;
    } else {
        set_ipv6_tclass(&socket, u32::from(EXPEDITED))?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use rustix::net::sockopt::ip_tos;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn ports(sockets: &(UdpSocket, UdpSocket)) -> (u16, u16) {
        (
            sockets.0.local_addr().unwrap().port(),
            sockets.1.local_addr().unwrap().port(),
        )
    }

    #[test]
    fn pairs_are_even_and_odd_and_marked_and_no_two_are_the_same() {
        let mut source = Ports::new(HERE, &(22_001..=22_006), 1).unwrap();
        let (one, other) = (source.take().unwrap(), source.take().unwrap());
        assert_eq!(ports(&one), (22_004, 22_005));
        assert_eq!(ports(&other), (22_002, 22_003));
        assert_eq!((ip_tos(&one.0).unwrap(), ip_tos(&one.1).unwrap()), (0xb8, 0xb8));
        let error = source.take().unwrap_err().to_string();
        assert!(
            error.starts_with("none of the ports 22002 to 22005 of 127.0.0.1 is free for another call"),
            "{error}"
        );
        drop(one);
        assert_eq!(ports(&source.take().unwrap()), (22_004, 22_005));
    }

    #[test]
    fn a_port_that_another_program_has_is_passed_over() {
        let other = UdpSocket::bind((HERE, 22_013)).unwrap();
        let mut source = Ports::new(HERE, &(22_012..=22_015), 0).unwrap();
        assert_eq!(ports(&source.take().unwrap()), (22_014, 22_015));
        drop(other);
    }

    #[test]
    fn a_range_without_a_pair_is_refused() {
        for range in [22_001..=22_002, 22_002..=22_002, 65_535..=65_535] {
            assert!(
                matches!(Ports::new(HERE, &range, 7), Err(Error::NoPair { .. })),
                "{range:?}"
            );
        }
        assert!(Ports::new(HERE, &(65_534..=65_535), 7).is_ok());
    }
}
