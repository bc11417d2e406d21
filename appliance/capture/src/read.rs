//! From a file to packets, so that a call can be played again.
//!
//! It reads what [`write`](crate::write()) writes, also when Wireshark has saved it anew: blocks and options that a
//! recording does not have are passed over.

use crate::block::{
    BYTE_ORDER, END, FLAGS, INBOUND, INTERFACE, LAPD, NAME, OUTBOUND, PACKET, RAW, RESOLUTION, SECTION,
    filled,
};
use crate::{Direction, Error, Frame, Packet, Result};
use crate::{sll, udp};

/// Shortest block: type and its length twice.
const SHORTEST: usize = 12;
/// Interfaces that a section may have; a call has two or three.
const MOST_INTERFACES: usize = 1000;

/// Characters of an interface's name that are kept.
const LONGEST_NAME: usize = 100;

struct Interface {
    link: u16,
    name: String,
    /// What one microsecond is a multiple of, as a power of ten: 0 for microseconds, 3 for nanoseconds.
    finer: u32,
}

/// The packets of a file, in its order. Those of other kinds of links are passed over.
pub fn read(bytes: &[u8]) -> Result<Vec<Packet>> {
    if bytes.is_empty() {
        return Err(Error::NotPcapng);
    }
    let mut packets = Vec::new();
    let mut interfaces: Vec<Interface> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let kind = word(rest, 0).ok_or(Error::CutOff(at))?;
        if at == 0 && kind != SECTION {
            return Err(Error::NotPcapng);
        }
        if kind == SECTION {
            match word(rest, 8).ok_or(Error::CutOff(at))? {
                BYTE_ORDER => {}
                order if order == BYTE_ORDER.swap_bytes() => return Err(Error::ByteOrder),
                _ => return Err(Error::NotPcapng),
            }
            interfaces.clear();
        }
        let length = word(rest, 4).ok_or(Error::CutOff(at))? as usize;
        if length < SHORTEST || !length.is_multiple_of(4) {
            return Err(Error::Length(at));
        }
        let block = rest.get(..length).ok_or(Error::CutOff(at))?;
        if word(block, length - 4) != Some(word(block, 4).unwrap_or(0)) {
            return Err(Error::Length(at));
        }
        let body = &block[8..length - 4];
        match kind {
            INTERFACE => {
                let number = u32::try_from(interfaces.len()).unwrap_or(u32::MAX);
                if interfaces.len() == MOST_INTERFACES {
                    return Err(Error::Length(at));
                }
                interfaces.push(interface(body, at, number)?);
            }
            PACKET => packets.extend(packet(body, at, &interfaces)?),
            _ => {}
        }
        at += length;
    }
    Ok(packets)
}

fn interface(body: &[u8], at: usize, number: u32) -> Result<Interface> {
    let link = half(body, 0).ok_or(Error::Length(at))?;
    let mut found = Interface {
        link,
        name: String::new(),
        finer: 0,
    };
    for (code, value) in options(body.get(8..).ok_or(Error::Length(at))?) {
        match (code, value) {
            (NAME, name) => {
                let name = String::from_utf8_lossy(name);
                found.name = name.chars().take(LONGEST_NAME).collect();
            }
            (RESOLUTION, [power @ 6..=9]) => found.finer = u32::from(power - 6),
            (RESOLUTION, _) => return Err(Error::Resolution(number)),
            _ => {}
        }
    }
    Ok(found)
}

/// Nothing for a packet of a link that no recording has.
fn packet(body: &[u8], at: usize, interfaces: &[Interface]) -> Result<Option<Packet>> {
    let field = |place: usize| word(body, place * 4).ok_or(Error::Length(at));
    let interface = field(0)?;
    let known = interfaces
        .get(interface as usize)
        .ok_or(Error::Interface { at, interface })?;
    let time = u64::from(field(1)?) << 32 | u64::from(field(2)?);
    let length = field(3)? as usize;
    let data = body.get(20..).and_then(|rest| rest.get(..length));
    let data = data.ok_or(Error::Length(at))?;
    let after = body.get(20 + filled(length)..).unwrap_or_default();
    let flags = options(after)
        .find_map(|(code, value)| (code == FLAGS).then(|| word(value, 0)).flatten())
        .unwrap_or(0);
    let direction = match flags & 3 {
        INBOUND => Direction::In,
        OUTBOUND => Direction::Out,
        _ => return Err(Error::Direction(at)),
    };
    let frame = match known.link {
        LAPD => {
            let (network, _, frame) = sll::unwrap(data).ok_or(Error::Lapd(at))?;
            Frame::Lapd {
                line: known.name.clone(),
                network,
                bytes: frame.to_vec(),
            }
        }
        RAW => {
            let (from, to, message) = udp::unwrap(data).ok_or(Error::Datagram(at))?;
            let (local, remote) = match direction {
                Direction::In => (to, from),
                Direction::Out => (from, to),
            };
            Frame::Sip {
                local,
                remote,
                bytes: message.to_vec(),
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(Packet {
        at: time / 10_u64.pow(known.finer),
        direction,
        frame,
    }))
}

/// Code and value of each option, up to the end or to what is no option.
fn options(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let code = half(rest, 0).filter(|code| *code != END)?;
        let length = usize::from(half(rest, 2)?);
        let value = rest.get(4..4 + length)?;
        rest = rest.get(4 + filled(length)..).unwrap_or_default();
        Some((code, value))
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let octets = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(octets.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let octets = bytes.get(at..at + 2)?;
    Some(u16::from_le_bytes(octets.try_into().ok()?))
}
