//! The IPv4 and UDP headers that a message of SIP gets in the file (RFC 791 §3.1, RFC 768).

use std::net::{Ipv4Addr, SocketAddrV4};

const IP: usize = 20;
const UDP: usize = 8;
/// The longest message that one datagram holds.
pub const LONGEST: usize = u16::MAX as usize - IP - UDP;

const PROTOCOL_UDP: u8 = 17;

/// One datagram; what does not fit is cut.
pub fn wrap(from: SocketAddrV4, to: SocketAddrV4, message: &[u8]) -> Vec<u8> {
    let message = &message[..message.len().min(LONGEST)];
    let length = |headers: usize| u16::try_from(headers + message.len()).unwrap_or(u16::MAX);
    let mut bytes = Vec::with_capacity(IP + UDP + message.len());
    bytes.extend([0x45, 0]);
    bytes.extend(length(IP + UDP).to_be_bytes());
    // No identification, not to be fragmented, time to live of 64, checksum below.
    bytes.extend([0, 0, 0x40, 0, 64, PROTOCOL_UDP, 0, 0]);
    bytes.extend(from.ip().octets());
    bytes.extend(to.ip().octets());
    let sum = checksum(&bytes).to_be_bytes();
    bytes[10..12].copy_from_slice(&sum);
    bytes.extend(from.port().to_be_bytes());
    bytes.extend(to.port().to_be_bytes());
    bytes.extend(length(UDP).to_be_bytes());
    // A checksum of 0 is none.
    bytes.extend([0, 0]);
    bytes.extend(message);
    bytes
}

/// From, to and message of a datagram that is whole and not a fragment.
pub fn unwrap(bytes: &[u8]) -> Option<(SocketAddrV4, SocketAddrV4, &[u8])> {
    let first = *bytes.first()?;
    let header = usize::from(first & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
    let fragment = u16::from_be_bytes([*bytes.get(6)?, *bytes.get(7)?]) & 0x3fff;
    if first >> 4 != 4 || header < IP || fragment != 0 || *bytes.get(9)? != PROTOCOL_UDP {
        return None;
    }
    let address = |at: usize| -> Option<Ipv4Addr> {
        let octets: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(octets.into())
    };
    let udp = bytes.get(..total)?.get(header..)?;
    let port = |at: usize| Some(u16::from_be_bytes([*udp.get(at)?, *udp.get(at + 1)?]));
    let length = usize::from(port(4)?);
    let message = udp.get(UDP..length)?;
    Some((
        SocketAddrV4::new(address(12)?, port(0)?),
        SocketAddrV4::new(address(16)?, port(2)?),
        message,
    ))
}

/// RFC 1071, of an even number of octets.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks_exact(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}
