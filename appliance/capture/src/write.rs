//! From packets to a file: one section, an interface for each line and one for SIP, the packets in their order.

use crate::block::{
    APPLICATION, BYTE_ORDER, COMMENT, END, FLAGS, INBOUND, INTERFACE, LAPD, NAME, OUTBOUND, PACKET, RAW,
    SECTION, filled,
};
use crate::{Direction, Frame, Packet};
use crate::{sll, udp};

/// What the interface of SIP is called.
const SIP: &str = "SIP";

const LONGEST_COMMENT: usize = 1000;

/// The file, and what it says about itself, such as which call it is of. Times of ours are microseconds, which is what
/// pcapng has where nothing else is said.
pub fn write<'p>(about: &str, packets: impl IntoIterator<Item = &'p Packet>) -> Vec<u8> {
    let mut bytes = section(about);
    let mut interfaces: Vec<(&str, u16)> = Vec::new();
    for packet in packets {
        let (name, link, data) = match &packet.frame {
            Frame::Lapd { line, network, bytes } => {
                (line.as_str(), LAPD, sll::wrap(*network, packet.direction, bytes))
            }
            Frame::Sip { local, remote, bytes } => {
                let data = match packet.direction {
                    Direction::In => udp::wrap(*remote, *local, bytes),
                    Direction::Out => udp::wrap(*local, *remote, bytes),
                };
                (SIP, RAW, data)
            }
        };
        let interface = interfaces.iter().position(|known| *known == (name, link));
        let interface = interface.unwrap_or_else(|| {
            bytes.extend(description(name, link));
            interfaces.push((name, link));
            interfaces.len() - 1
        });
        bytes.extend(enhanced(interface, packet, &data));
    }
    bytes
}

fn section(about: &str) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(BYTE_ORDER.to_le_bytes());
    body.extend(1_u16.to_le_bytes());
    body.extend(0_u16.to_le_bytes());
    // The section's length is not said.
    body.extend(u64::MAX.to_le_bytes());
    // An option has a length of 16 bits, and this is one line to be read.
    let about: String = about.chars().take(LONGEST_COMMENT).collect();
    option(&mut body, COMMENT, about.as_bytes());
    option(&mut body, APPLICATION, b"Varde");
    option(&mut body, END, &[]);
    block(SECTION, &body)
}

fn description(name: &str, link: u16) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(link.to_le_bytes());
    // Reserved; packets are not cut.
    body.extend([0, 0, 0, 0, 0, 0]);
    option(&mut body, NAME, name.as_bytes());
    option(&mut body, END, &[]);
    block(INTERFACE, &body)
}

fn enhanced(interface: usize, packet: &Packet, data: &[u8]) -> Vec<u8> {
    let number = u32::try_from(interface).unwrap_or(u32::MAX);
    let [high, low] = [packet.at >> 32, packet.at & 0xffff_ffff].map(|half| u32::try_from(half).unwrap_or(0));
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let flags = match packet.direction {
        Direction::In => INBOUND,
        Direction::Out => OUTBOUND,
    };
    let mut body = Vec::with_capacity(32 + data.len());
    for word in [number, high, low, length, length] {
        body.extend(word.to_le_bytes());
    }
    body.extend(data);
    body.resize(filled(body.len()), 0);
    option(&mut body, FLAGS, &flags.to_le_bytes());
    option(&mut body, END, &[]);
    block(PACKET, &body)
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend(u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
    body.extend(value);
    body.resize(filled(body.len()), 0);
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 12).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = Vec::with_capacity(body.len() + 12);
    bytes.extend(kind.to_le_bytes());
    bytes.extend(length);
    bytes.extend(body);
    bytes.extend(length);
    bytes
}
