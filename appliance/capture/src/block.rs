//! What pcapng files are made of (draft-ietf-opsawg-pcapng), as far as a recording needs it: blocks with options.
//!
//! | octets | what |
//! |---|---|
//! | 4 | type of block |
//! | 4 | length of the whole block, a multiple of 4 |
//! | … | body, then options: code, length, value, filled up to 4; code 0 ends them |
//! | 4 | length again |

/// Section header block (§4.1).
pub const SECTION: u32 = 0x0a0d_0d0a;
/// Interface description block (§4.2).
pub const INTERFACE: u32 = 1;
/// Enhanced packet block (§4.3).
pub const PACKET: u32 = 6;

/// What a section header begins with, in the writer's byte order.
pub const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// Link types (the registry of tcpdump.org): LAPD with a header of Linux, and IP from its header on.
pub const LAPD: u16 = 177;
pub const RAW: u16 = 101;

pub const END: u16 = 0;
pub const COMMENT: u16 = 1;
pub const NAME: u16 = 2;
pub const FLAGS: u16 = 2;
pub const APPLICATION: u16 = 4;
pub const RESOLUTION: u16 = 9;

/// `epb_flags`, its lowest two bits.
pub const INBOUND: u32 = 1;
pub const OUTBOUND: u32 = 2;

/// `length` filled up to a multiple of 4.
pub fn filled(length: usize) -> usize {
    length.next_multiple_of(4)
}
