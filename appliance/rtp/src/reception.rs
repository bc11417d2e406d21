//! What RFC 3550 counts of a stream that comes: order, loss and jitter (§6.4.1, A.1, A.3, A.8).

use std::time::Duration;

use crate::g711::RATE;

/// A jump of the sequence number up to here is loss (A.1).
const MOST_LOST: u16 = 3000;
/// A step back up to here is a packet that came late (A.1).
const MOST_MISORDERED: u16 = 100;

/// One stream (one SSRC), from its first packet on.
#[derive(Clone, Debug)]
pub struct Reception {
    first: u32,
    /// Highest sequence number so far, with the rounds in the upper 16 bits.
    highest: u32,
    received: u32,
    /// The number that would follow a jump too far to be loss: two in a row are a stream that was started anew.
    after_jump: Option<u16>,
    /// Difference of arrival and timestamp of the packet before, in samples.
    transit: Option<u32>,
    /// Interarrival jitter in samples, times 16.
    jitter: u32,
    expected_before: u32,
    received_before: u32,
}

/// Where a packet stands in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// After all before it.
    Next,
    /// Before one that has come: late, or a second time.
    Back,
    /// The sequence begins anew: this packet is the first of another stream, and not counted in this one.
    Anew,
    /// So far away that it counts only if the next one follows it.
    Far,
}

/// What a report block says of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Of 256, since the report before.
    pub fraction: u8,
    /// Since the stream began; more came than were expected if it is negative (duplicates).
    pub cumulative: i32,
    pub highest: u32,
    /// In samples.
    pub jitter: u32,
}

impl Reception {
    pub fn new(sequence: u16) -> Self {
        Self {
            first: u32::from(sequence),
            highest: u32::from(sequence).wrapping_sub(1),
            received: 0,
            after_jump: None,
            transit: None,
            jitter: 0,
            expected_before: 0,
            received_before: 0,
        }
    }

    /// Counts a packet.
    pub fn receive(&mut self, now: Duration, sequence: u16, timestamp: u32) -> Place {
        let [_, _, high, low] = self.highest.to_be_bytes();
        let ahead = sequence.wrapping_sub(u16::from_be_bytes([high, low]));
        let place = if (1..MOST_LOST).contains(&ahead) {
            self.highest = self.highest.wrapping_add(u32::from(ahead));
            Place::Next
        } else if ahead == 0 || ahead >= MOST_MISORDERED.wrapping_neg() {
            Place::Back
        } else if self.after_jump == Some(sequence) {
            return Place::Anew;
        } else {
            self.after_jump = Some(sequence.wrapping_add(1));
            return Place::Far;
        };
        self.after_jump = None;
        self.received = self.received.wrapping_add(1);
        // A packet that was overtaken says nothing of the jitter of those in order.
        if place == Place::Next {
            self.count_jitter(now, timestamp);
        }
        place
    }

    fn count_jitter(&mut self, now: Duration, timestamp: u32) {
        let transit = samples(now).wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let difference = transit.wrapping_sub(before).cast_signed().unsigned_abs();
            // A timestamp that jumps is not jitter.
            if difference < RATE {
                self.jitter = self.jitter + difference - ((self.jitter + 8) >> 4);
            }
        }
    }

    pub fn received(&self) -> u32 {
        self.received
    }

    /// Packets that should have come by now and did not.
    pub fn lost(&self) -> u32 {
        u32::try_from(self.cumulative()).unwrap_or(0)
    }

    pub fn jitter(&self) -> Duration {
        Duration::from_micros(u64::from(self.jitter >> 4) * 125)
    }

    fn expected(&self) -> u32 {
        self.highest.wrapping_sub(self.first).wrapping_add(1)
    }

    fn cumulative(&self) -> i32 {
        self.expected().wrapping_sub(self.received).cast_signed()
    }

    /// What to report; the fraction is that since this was asked last.
    pub fn report(&mut self) -> Loss {
        let expected = self.expected().wrapping_sub(self.expected_before);
        let received = self.received.wrapping_sub(self.received_before);
        self.expected_before = self.expected();
        self.received_before = self.received;
        let lost = u64::from(expected.saturating_sub(received));
        let fraction = (lost * 256).checked_div(u64::from(expected)).unwrap_or(0);
        Loss {
            fraction: u8::try_from(fraction).unwrap_or(u8::MAX),
            cumulative: self.cumulative().clamp(-0x80_0000, 0x7f_ffff),
            highest: self.highest,
            jitter: self.jitter >> 4,
        }
    }
}

/// A time in samples, modulo 2³².
pub fn samples(time: Duration) -> u32 {
    let samples = time.as_micros() / 125;
    let [.., a, b, c, d] = samples.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(packet: u32) -> Duration {
        Duration::from_millis(20) * packet
    }

    proptest! {
        #[test]
        fn what_was_left_out_is_lost(first: u16, kept in prop::collection::vec(any::<bool>(), 1..500)) {
            let mut reception = Reception::new(first);
            let (mut count, mut last) = (0, 0);
            for (index, _) in kept.iter().enumerate().filter(|(index, kept)| **kept || *index == 0) {
                let index = u32::try_from(index).unwrap();
                let sequence = first.wrapping_add(u16::try_from(index).unwrap());
                let place = reception.receive(at(index), sequence, index * 160);
                prop_assert_eq!(place, Place::Next);
                (count, last) = (count + 1, index);
            }
            prop_assert_eq!(reception.received(), count);
            prop_assert_eq!(reception.lost(), last + 1 - count);
            prop_assert_eq!(reception.jitter(), Duration::ZERO);
            let fraction = u64::from(last + 1 - count) * 256 / u64::from(last + 1);
            prop_assert_eq!(u64::from(reception.report().fraction), fraction);
            prop_assert_eq!(reception.report().fraction, 0);
        }
    }

    #[test]
    fn packets_that_change_places_are_not_lost() {
        let mut reception = Reception::new(65_534);
        let places = [65_534, 0, 65_535, 1].map(|sequence| reception.receive(at(0), sequence, 0));
        assert_eq!(places, [Place::Next, Place::Next, Place::Back, Place::Next]);
        assert_eq!((reception.received(), reception.lost()), (4, 0));
        assert_eq!(reception.report().highest, 0x1_0001);
    }

    #[test]
    fn a_single_packet_from_far_away_does_not_count_and_two_begin_anew() {
        let mut reception = Reception::new(10);
        let _ = reception.receive(at(0), 10, 0);
        assert_eq!(reception.receive(at(1), 30_000, 160), Place::Far);
        assert_eq!(reception.received(), 1);
        assert_eq!(reception.receive(at(2), 11, 320), Place::Next);
        assert_eq!(reception.receive(at(3), 30_000, 480), Place::Far);
        assert_eq!(reception.receive(at(4), 30_001, 640), Place::Anew);
        assert_eq!((reception.received(), reception.lost()), (2, 0));
    }

    #[test]
    fn jitter_is_a_sixteenth_of_each_difference() {
        let mut reception = Reception::new(0);
        let _ = reception.receive(at(0), 0, 0);
        // 16 ms late: 128 samples, of which a sixteenth.
        let _ = reception.receive(at(1) + Duration::from_millis(16), 1, 160);
        assert_eq!(reception.jitter(), Duration::from_millis(1));
    }
}
