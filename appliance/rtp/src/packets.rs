//! A channel's octets as packets of equal length.

use crate::g711::SILENCE;

/// Longest packet: 60 ms.
const LONGEST: usize = 480;
/// A gap longer than a second is another beginning.
const LONGEST_GAP: i32 = 8000;

/// What becomes of a channel's octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Out<'a> {
    /// A packet is full.
    Packet(&'a [u8]),
    /// So many octets are missing before the next packet.
    Gap(u32),
}

/// Gathers octets until a packet is full.
#[derive(Debug)]
pub struct Packets {
    gathered: [u8; LONGEST],
    filled: usize,
    length: usize,
    /// Place of the next octet in the channel, once some have come.
    next: Option<u32>,
    /// Octets of silence that stand in for what has not come.
    stood_in: u32,
}

impl Packets {
    /// Packets of so many milliseconds.
    pub fn new(ptime: u8) -> Self {
        let length = (usize::from(ptime) * 8).clamp(80, LONGEST);
        Self {
            gathered: [SILENCE; LONGEST],
            filled: 0,
            length,
            next: None,
            stood_in: 0,
        }
    }

    /// Takes octets whose first is at `time` in the channel.
    pub fn gather(&mut self, time: u32, octets: &[u8], out: &mut impl FnMut(Out<'_>)) {
        let mut octets = octets;
        let gap = self.next.map_or(0, |next| time.wrapping_sub(next).cast_signed());
        if (-LONGEST_GAP..0).contains(&gap) {
            // What has been there already is not taken again.
            let again = usize::try_from(gap.unsigned_abs()).unwrap_or(usize::MAX);
            octets = octets.get(again..).unwrap_or_default();
        }
        if octets.is_empty() {
            return;
        }
        let stood_in = std::mem::take(&mut self.stood_in);
        if (1..=LONGEST_GAP).contains(&gap) {
            self.leave_out(gap.unsigned_abs().saturating_sub(stood_in), out);
        }
        let [.., a, b, c, d] = octets.len().to_be_bytes();
        let (came, length) = (gap.min(0).unsigned_abs(), u32::from_be_bytes([a, b, c, d]));
        let skipped = if gap < -LONGEST_GAP { 0 } else { came };
        self.next = Some(time.wrapping_add(skipped).wrapping_add(length));
        self.push(octets.iter().copied(), out);
    }

    /// The channel has been silent for so many octets more: silence in their place.
    pub fn stand_in(&mut self, octets: usize, out: &mut impl FnMut(Out<'_>)) {
        let [.., a, b, c, d] = octets.to_be_bytes();
        self.stood_in = self.stood_in.saturating_add(u32::from_be_bytes([a, b, c, d]));
        self.push(std::iter::repeat_n(SILENCE, octets), out);
    }

    /// Fills the packet that is begun with silence, and leaves out the rest of a gap.
    fn leave_out(&mut self, gap: u32, out: &mut impl FnMut(Out<'_>)) {
        let begun = if self.filled == 0 {
            0
        } else {
            self.length - self.filled
        };
        let fill = usize::try_from(gap).unwrap_or(usize::MAX).min(begun);
        self.push(std::iter::repeat_n(SILENCE, fill), out);
        let [.., a, b, c, d] = fill.to_be_bytes();
        let rest = gap - u32::from_be_bytes([a, b, c, d]);
        if rest > 0 {
            out(Out::Gap(rest));
        }
    }

    fn push(&mut self, octets: impl Iterator<Item = u8>, out: &mut impl FnMut(Out<'_>)) {
        for octet in octets {
            self.gathered[self.filled] = octet;
            self.filled += 1;
            if self.filled == self.length {
                self.filled = 0;
                out(Out::Packet(&self.gathered[..self.length]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The packets and gaps of what came, each packet by its octets.
    fn gather(packets: &mut Packets, time: u32, octets: &[u8]) -> Vec<Result<Vec<u8>, u32>> {
        let mut outs = vec![];
        packets.gather(time, octets, &mut |out| {
            outs.push(match out {
                Out::Packet(octets) => Ok(octets.to_vec()),
                Out::Gap(gap) => Err(gap),
            });
        });
        outs
    }

    proptest! {
        #[test]
        fn octets_are_the_same_in_packets(start: u32, pieces in prop::collection::vec(1_usize..400, 1..50), ptime in 1_u8..7) {
            let mut packets = Packets::new(ptime * 10);
            let total: usize = pieces.iter().sum();
            let octets: Vec<u8> = (0..=250).cycle().take(total).collect();
            let (mut at, mut came) = (0, vec![]);
            for piece in pieces {
                let time = start.wrapping_add(u32::try_from(at).unwrap());
                for out in gather(&mut packets, time, &octets[at..at + piece]) {
                    let packet = out.unwrap();
                    prop_assert_eq!(packet.len(), usize::from(ptime) * 80);
                    came.extend(packet);
                }
                at += piece;
            }
            prop_assert_eq!(&came[..], &octets[..came.len()]);
            prop_assert!(total - came.len() < usize::from(ptime) * 80);
        }
    }

    #[test]
    fn a_gap_fills_the_packet_that_is_begun_and_is_left_out() {
        let mut packets = Packets::new(20);
        assert_eq!(gather(&mut packets, 0, &[1; 100]), []);
        let mut first = vec![1; 100];
        first.extend([SILENCE; 60]);
        assert_eq!(
            gather(&mut packets, 500, &[2; 160]),
            [Ok(first), Err(340), Ok(vec![2; 160])]
        );
    }

    #[test]
    fn what_comes_again_is_not_taken_again() {
        let mut packets = Packets::new(20);
        assert_eq!(gather(&mut packets, 0, &[1; 150]).len(), 0);
        assert_eq!(gather(&mut packets, 0, &[1; 150]).len(), 0);
        let mut packet = vec![1; 150];
        packet.extend([2; 10]);
        assert_eq!(gather(&mut packets, 100, &[2; 60]), [Ok(packet)]);
        assert_eq!(gather(&mut packets, 160, &[3; 160]), [Ok(vec![3; 160])]);
    }

    #[test]
    fn silence_that_stood_in_is_no_gap() {
        let mut packets = Packets::new(20);
        assert_eq!(gather(&mut packets, 0, &[1; 160]).len(), 1);
        let mut count = 0;
        packets.stand_in(320, &mut |out| {
            assert_eq!(out, Out::Packet(&[SILENCE; 160]));
            count += 1;
        });
        assert_eq!(count, 2);
        assert_eq!(gather(&mut packets, 480, &[2; 160]), [Ok(vec![2; 160])]);
        packets.stand_in(160, &mut |_| {});
        assert_eq!(
            gather(&mut packets, 1000, &[2; 160]),
            [Err(200), Ok(vec![2; 160])]
        );
    }

    #[test]
    fn a_channel_that_counts_anew_has_no_gap() {
        let mut packets = Packets::new(20);
        assert_eq!(gather(&mut packets, 0, &[1; 160]).len(), 1);
        assert_eq!(gather(&mut packets, 90_000, &[2; 160]), [Ok(vec![2; 160])]);
        assert_eq!(gather(&mut packets, 0, &[3; 160]), [Ok(vec![3; 160])]);
        assert_eq!(gather(&mut packets, 160, &[4; 160]), [Ok(vec![4; 160])]);
    }
}
