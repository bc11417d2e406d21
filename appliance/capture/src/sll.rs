//! The header of 16 octets that LINKTYPE_LINUX_LAPD has before a frame: which way it went, and which end of the line saw
//! it. LINKTYPE_LAPD has neither, and Wireshark then takes who saw it for the user.
//!
//! | octets | what |
//! |---|---|
//! | 2 | 0 for a frame that came, 4 for one that went |
//! | 2 | kind of hardware, of no meaning here |
//! | 2 | length of the address below |
//! | 8 | first octet: 1 where the network saw it, 0 where the user did |
//! | 2 | 0x0030, which is LAPD |

use crate::Direction;

const LENGTH: usize = 16;
const CAME: u16 = 0;
const WENT: u16 = 4;
const ETH_P_LAPD: u16 = 0x0030;

pub fn wrap(network: bool, direction: Direction, frame: &[u8]) -> Vec<u8> {
    let kind = match direction {
        Direction::In => CAME,
        Direction::Out => WENT,
    };
    let mut bytes = Vec::with_capacity(LENGTH + frame.len());
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 0, 0, 1, u8::from(network), 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(ETH_P_LAPD.to_be_bytes());
    bytes.extend(frame);
    bytes
}

/// Which end saw the frame, which way it went, and the frame.
pub fn unwrap(bytes: &[u8]) -> Option<(bool, Direction, &[u8])> {
    let (header, frame) = bytes.split_at_checked(LENGTH)?;
    let half = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let direction = match half(0) {
        CAME => Direction::In,
        WENT => Direction::Out,
        _ => return None,
    };
    (half(14) == ETH_P_LAPD).then_some((header[6] != 0, direction, frame))
}
