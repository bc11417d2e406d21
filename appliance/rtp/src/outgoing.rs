//! The stream that we send: one SSRC for the whole call, whatever feeds it.
//!
//! What is passed on keeps its distances: sequence number and timestamp are moved by the same amount for every packet
//! of a stream, so that what was lost or came late on one side is seen so on the other. When something else takes over
//! (another stream, a tone, a digit), the sequence goes on without a gap, the timestamp by the time that has passed, and
//! the first packet has the marker.

use std::time::Duration;

use crate::reception::samples;
use crate::rtp::Packet;

#[derive(Clone, Debug)]
pub struct Outgoing {
    ssrc: u32,
    /// What follows the highest that was sent.
    sequence: u16,
    /// Timestamp of a packet that is sent at `at`.
    timestamp: u32,
    at: Duration,
    feed: Feed,
    packets: u32,
    octets: u32,
    last: Option<Duration>,
}

/// Where the stream comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feed {
    Nothing,
    /// We make it; `next` is the timestamp that follows.
    Own {
        next: u32,
    },
    /// Another stream, by its number; what is added to its sequence numbers and timestamps.
    Other {
        stream: u32,
        sequence: u16,
        timestamp: u32,
    },
}

impl Outgoing {
    /// Sequence number and timestamp begin anywhere (RFC 3550 §5.1).
    pub fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self {
            ssrc,
            sequence,
            timestamp,
            at: Duration::ZERO,
            feed: Feed::Nothing,
            packets: 0,
            octets: 0,
            last: None,
        }
    }

    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub fn packets(&self) -> u32 {
        self.packets
    }

    pub fn octets(&self) -> u32 {
        self.octets
    }

    /// When something was sent last.
    pub fn last(&self) -> Option<Duration> {
        self.last
    }

    /// The timestamp of now.
    pub fn timestamp(&self, now: Duration) -> u32 {
        self.timestamp.wrapping_add(samples(now.saturating_sub(self.at)))
    }

    /// What follows is another stream, even if it has the number of this one.
    pub fn cut(&mut self) {
        self.feed = Feed::Nothing;
    }

    /// The head of a packet that is passed on.
    pub fn pass(&mut self, now: Duration, stream: u32, packet: &Packet) -> Packet {
        let (sequence, timestamp, begins) = match self.feed {
            Feed::Other {
                stream: same,
                sequence,
                timestamp,
            } if same == stream => (sequence, timestamp, false),
            _ => {
                let sequence = self.sequence.wrapping_sub(packet.sequence);
                let timestamp = self.timestamp(now).wrapping_sub(packet.timestamp);
                self.feed = Feed::Other {
                    stream,
                    sequence,
                    timestamp,
                };
                (sequence, timestamp, true)
            }
        };
        let packet = Packet {
            marker: packet.marker || begins,
            payload_type: packet.payload_type,
            sequence: packet.sequence.wrapping_add(sequence),
            timestamp: packet.timestamp.wrapping_add(timestamp),
            ssrc: self.ssrc,
            payload: packet.payload.clone(),
        };
        self.count(now, packet.sequence, packet.timestamp, packet.payload.len());
        packet
    }

    /// The head of a packet of our own, of `length` octets that stand for `samples`.
    pub fn own(&mut self, now: Duration, payload_type: u8, length: usize, samples: u32) -> Packet {
        let (timestamp, begins) = self.own_timestamp(now);
        self.feed = Feed::Own {
            next: timestamp.wrapping_add(samples),
        };
        let packet = Packet {
            marker: begins,
            payload_type,
            sequence: self.sequence,
            timestamp,
            ssrc: self.ssrc,
            payload: 0..length,
        };
        self.count(now, packet.sequence, timestamp, length);
        packet
    }

    /// Leaves out time of our own feed, in samples.
    pub fn skip(&mut self, now: Duration, samples: u32) {
        let (timestamp, _) = self.own_timestamp(now);
        self.feed = Feed::Own {
            next: timestamp.wrapping_add(samples),
        };
    }

    /// Timestamp of our own next packet, and whether it is the first after something else.
    fn own_timestamp(&self, now: Duration) -> (u32, bool) {
        match self.feed {
            Feed::Own { next } => (next, false),
            _ => (self.timestamp(now), true),
        }
    }

    fn count(&mut self, now: Duration, sequence: u16, timestamp: u32, length: usize) {
        let after = sequence.wrapping_sub(self.sequence);
        if after.cast_signed() >= 0 {
            self.sequence = sequence.wrapping_add(1);
            (self.timestamp, self.at) = (timestamp, now);
        }
        self.packets = self.packets.wrapping_add(1);
        let [.., a, b, c, d] = length.to_be_bytes();
        self.octets = self.octets.wrapping_add(u32::from_be_bytes([a, b, c, d]));
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16, timestamp: u32) -> Packet {
        Packet {
            marker: false,
            payload_type: 8,
            sequence,
            timestamp,
            ssrc: 99,
            payload: 12..172,
        }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn loss_and_order_are_passed_on_as_they_are() {
        let mut outgoing = Outgoing::new(1, 65_535, 1000);
        let heads = [(10, 0), (13, 480), (12, 320), (14, 640)]
            .map(|(sequence, timestamp)| outgoing.pass(ms(0), 1, &packet(sequence, timestamp)));
        assert_eq!(heads.clone().map(|head| head.sequence), [65_535, 2, 1, 3]);
        assert_eq!(heads.clone().map(|head| head.timestamp), [1000, 1480, 1320, 1640]);
        assert_eq!(
            heads.map(|head| (head.marker, head.ssrc)),
            [(true, 1), (false, 1), (false, 1), (false, 1)]
        );
    }

    #[test]
    fn another_stream_goes_on_where_the_one_before_was() {
        let mut outgoing = Outgoing::new(1, 0, 0);
        let _ = outgoing.pass(ms(0), 1, &packet(500, 5000));
        let head = outgoing.pass(ms(100), 2, &packet(9, 77));
        assert_eq!((head.sequence, head.timestamp, head.marker), (1, 800, true));
        let head = outgoing.own(ms(120), 8, 160, 160);
        assert_eq!((head.sequence, head.timestamp, head.marker), (2, 960, true));
        let head = outgoing.own(ms(145), 8, 160, 160);
        assert_eq!((head.sequence, head.timestamp, head.marker), (3, 1120, false));
    }

    #[test]
    fn a_packet_that_was_overtaken_is_not_the_last() {
        let mut outgoing = Outgoing::new(1, 0, 0);
        for sequence in [10, 12, 11] {
            let _ = outgoing.pass(ms(0), 1, &packet(sequence, u32::from(sequence) * 160));
        }
        assert_eq!(outgoing.own(ms(20), 8, 160, 160).sequence, 3);
    }

    #[test]
    fn after_a_cut_the_same_number_is_another_stream() {
        let mut outgoing = Outgoing::new(1, 0, 0);
        let _ = outgoing.pass(ms(0), 1, &packet(500, 5000));
        outgoing.cut();
        let head = outgoing.pass(ms(20), 1, &packet(9, 77));
        assert_eq!((head.sequence, head.timestamp, head.marker), (1, 160, true));
    }

    #[test]
    fn time_that_is_left_out_is_in_the_timestamp() {
        let mut outgoing = Outgoing::new(1, 0, 0);
        let _ = outgoing.own(ms(0), 8, 160, 160);
        outgoing.skip(ms(20), 400);
        let head = outgoing.own(ms(70), 8, 160, 160);
        assert_eq!((head.sequence, head.timestamp), (1, 560));
        assert_eq!((outgoing.packets(), outgoing.octets()), (2, 320));
    }
}
