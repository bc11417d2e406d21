//! What is written reads back, and no bytes make the reader fall over.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::net::SocketAddrV4;

use proptest::prelude::*;
use varde_capture::{Direction, Error, Frame, Packet, read, write};

fn address() -> impl Strategy<Value = SocketAddrV4> {
    (any::<[u8; 4]>(), any::<u16>()).prop_map(|(address, port)| SocketAddrV4::new(address.into(), port))
}

fn frame() -> impl Strategy<Value = Frame> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..300);
    prop_oneof![
        ("[a-z]{1,5}", any::<bool>(), bytes()).prop_map(|(line, network, bytes)| Frame::Lapd {
            line,
            network,
            bytes
        }),
        (address(), address(), bytes()).prop_map(|(local, remote, bytes)| Frame::Sip {
            local,
            remote,
            bytes
        }),
    ]
}

fn packet() -> impl Strategy<Value = Packet> {
    (any::<u64>(), any::<bool>(), frame()).prop_map(|(at, out, frame)| Packet {
        at,
        direction: if out { Direction::Out } else { Direction::In },
        frame,
    })
}

fn one() -> Packet {
    Packet {
        at: 1_700_000_000_000_000,
        direction: Direction::In,
        frame: Frame::Lapd {
            line: "sentral".into(),
            network: true,
            bytes: vec![2, 1, 0x7f],
        },
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(about in "\\PC{0,40}", packets in proptest::collection::vec(packet(), 0..20)) {
        prop_assert_eq!(read(&write(&about, &packets)), Ok(packets));
    }

    #[test]
    fn no_damage_makes_the_reader_fall_over(
        packets in proptest::collection::vec(packet(), 1..5),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = write("", &packets);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = read(&bytes);
        let _ = read(&bytes[..cut.index(bytes.len())]);
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    let good = write("x", &[one()]);
    assert_eq!(read(&[]), Err(Error::NotPcapng));
    assert_eq!(read(b"#!/bin/sh\n\n\n"), Err(Error::NotPcapng));
    assert!(matches!(read(&good[..good.len() - 1]), Err(Error::CutOff(_))));
    let mut other = good.clone();
    other[8..12].reverse();
    assert_eq!(read(&other), Err(Error::ByteOrder));
    let section = usize::from(good[4]);
    let mut length = good.clone();
    length[section + 4] = 7;
    assert_eq!(read(&length), Err(Error::Length(section)));
}

#[test]
fn times_in_nanoseconds_and_blocks_of_others_are_taken_too() {
    let good = write("", &[one()]);
    let section = usize::from(good[4]);
    let interface = usize::from(good[section + 4]);
    // A description whose times are nanoseconds: its name becomes the resolution, and a packet follows.
    let mut bytes = good[..section].to_vec();
    let mut block = Vec::new();
    for part in [
        &1_u32.to_le_bytes()[..],
        &28_u32.to_le_bytes(),
        &177_u16.to_le_bytes(),
        &[0; 6],
    ] {
        block.extend_from_slice(part);
    }
    block.extend([9, 0, 1, 0, 9, 0, 0, 0]);
    block.extend(28_u32.to_le_bytes());
    assert_eq!(block.len(), 28);
    bytes.extend(&block);
    // Interface statistics (block type 5), which Wireshark adds.
    bytes.extend([5, 0, 0, 0, 12, 0, 0, 0, 12, 0, 0, 0]);
    bytes.extend(&good[section + interface..]);
    let packets = read(&bytes).unwrap();
    assert_eq!(packets.len(), 1);
    assert_eq!(packets[0].at, one().at / 1000);
}
