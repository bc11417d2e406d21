//! Packets of RTP (RFC 3550 §5.1): read where they lie, and given another head in place.

use std::ops::Range;

use rtp_types::{RtpPacket, RtpPacketBuilder};

use crate::Refused;

/// The head that we write: no contributing sources, no extension.
pub const HEAD: usize = 12;

/// What stands in the head of a packet, and where its payload lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    /// Within the datagram: without contributing sources, extension and padding.
    pub payload: Range<usize>,
}

/// Reads a datagram.
pub fn parse(datagram: &[u8]) -> Result<Packet, Refused> {
    let packet = RtpPacket::parse(datagram).map_err(|_| Refused::NotRtp)?;
    let start = packet.payload_offset();
    Ok(Packet {
        marker: packet.marker_bit(),
        payload_type: packet.payload_type(),
        sequence: packet.sequence_number(),
        timestamp: packet.timestamp(),
        ssrc: packet.ssrc(),
        payload: start..start + packet.payload_len(),
    })
}

/// Writes a head into the 12 octets before a payload.
///
/// # Panics
/// If there are not exactly 12.
pub fn write_head(packet: &Packet, head: &mut [u8]) {
    assert_eq!(
        head.len(),
        HEAD,
        "a head without sources and extension has 12 octets"
    );
    let written = RtpPacketBuilder::<&[u8], &[u8]>::new()
        .marker_bit(packet.marker)
        .payload_type(packet.payload_type)
        .sequence_number(packet.sequence)
        .timestamp(packet.timestamp)
        .ssrc(packet.ssrc)
        .write_into(head);
    debug_assert!(matches!(written, Ok(HEAD)), "{written:?}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            marker: bool, payload_type in 0_u8..128, sequence: u16, timestamp: u32, ssrc: u32,
            payload in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let packet = Packet {
                marker, payload_type, sequence, timestamp, ssrc, payload: HEAD..HEAD + payload.len(),
            };
            let mut datagram = vec![0; HEAD];
            write_head(&packet, &mut datagram);
            datagram.extend_from_slice(&payload);
            prop_assert_eq!(parse(&datagram).unwrap(), packet);
        }

        #[test]
        fn a_payload_lies_within_its_datagram(datagram in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(packet) = parse(&datagram) {
                prop_assert!(packet.payload.start >= HEAD && packet.payload.end <= datagram.len());
            }
        }
    }

    #[test]
    fn sources_extension_and_padding_are_not_payload() {
        let mut datagram = vec![0xb1, 0x88, 0x12, 0x34, 0, 0, 0, 5, 0, 0, 0, 6];
        datagram.extend([1, 1, 1, 1]);
        datagram.extend([0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
        datagram.extend([0xd5, 0xd6, 0, 0, 3]);
        let packet = parse(&datagram).unwrap();
        assert_eq!(datagram[packet.payload.clone()], [0xd5, 0xd6]);
        assert!(packet.marker);
        assert_eq!((packet.payload_type, packet.sequence), (8, 0x1234));
        assert_eq!((packet.timestamp, packet.ssrc), (5, 6));
    }
}
