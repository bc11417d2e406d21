//! Reports about streams (RFC 3550 §6): a sender or receiver report, and the name that goes with it.
//!
//! Of what a peer sends we read its report about our stream, and how much it says it has sent; feedback and extended
//! reports are passed over.

use std::time::Duration;

use rtcp_types::{
    Compound, Packet, ReceiverReport, ReportBlock, RtcpPacketWriterExt, Sdes, SdesChunk, SdesItem,
    SenderReport,
};

use crate::Refused;
use crate::g711::RATE;
use crate::reception::Loss;

/// What a peer says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Its SSRC.
    pub ssrc: u32,
    /// If it sends.
    pub sent: Option<Sent>,
    /// If it has heard our stream.
    pub about_us: Option<AboutUs>,
    pub bye: bool,
}

/// What a peer says of its own stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Middle 32 bits of its NTP time.
    pub time: u32,
    pub packets: u32,
}

/// What a peer says of our stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AboutUs {
    pub loss: Loss,
    /// The time of the last report of ours that it got, 0 for none, and how long it had that; both in 1/65536 s.
    pub last_report: u32,
    pub since: u32,
}

/// Reads a compound packet.
pub fn parse(datagram: &[u8], our_ssrc: u32) -> Result<Heard, Refused> {
    let compound = Compound::parse(datagram).map_err(|_| Refused::NotRtcp)?;
    let mut heard = Heard::default();
    let mut has_report = false;
    for packet in compound {
        match packet.map_err(|_| Refused::NotRtcp)? {
            Packet::Sr(report) => {
                has_report = true;
                heard.ssrc = report.ssrc();
                heard.sent = Some(Sent {
                    time: middle(report.ntp_timestamp()),
                    packets: report.packet_count(),
                });
                heard.about_us = report
                    .report_blocks()
                    .find_map(|block| about_us(&block, our_ssrc))
                    .or(heard.about_us);
            }
            Packet::Rr(report) => {
                has_report = true;
                heard.ssrc = report.ssrc();
                heard.about_us = report
                    .report_blocks()
                    .find_map(|block| about_us(&block, our_ssrc))
                    .or(heard.about_us);
            }
            Packet::Bye(_) => heard.bye = true,
            _ => {}
        }
    }
    if has_report {
        Ok(heard)
    } else {
        Err(Refused::NotRtcp)
    }
}

fn about_us(block: &ReportBlock<'_>, our_ssrc: u32) -> Option<AboutUs> {
    (block.ssrc() == our_ssrc).then(|| AboutUs {
        loss: Loss {
            fraction: block.fraction_lost(),
            // 24 bits with a sign.
            cumulative: (block.cumulative_lost() << 8).cast_signed() >> 8,
            highest: block.extended_sequence_number(),
            jitter: block.interarrival_jitter(),
        },
        last_report: block.last_sender_report_timestamp(),
        since: block.delay_since_last_sender_report_timestamp(),
    })
}

/// What we say.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    pub ssrc: u32,
    /// A name for us that says nothing of us (RFC 7022).
    pub name: &'a str,
    pub sent: Option<OurSent>,
    /// About the peer's stream: its SSRC, what came, its last report's time and how long ago that was.
    pub about: Option<(u32, AboutUs)>,
    pub bye: bool,
}

/// What we say of our own stream.
#[derive(Clone, Copy, Debug)]
pub struct OurSent {
    /// Seconds since 1900 in the upper half, their fraction in the lower one.
    pub ntp: u64,
    pub timestamp: u32,
    pub packets: u32,
    pub octets: u32,
}

/// Writes a compound packet.
pub fn write(report: &Report<'_>) -> Vec<u8> {
    let block = report.about.map(|(ssrc, about)| {
        ReportBlock::builder(ssrc)
            .fraction_lost(about.loss.fraction)
            .cumulative_lost(about.loss.cumulative.cast_unsigned() & 0xff_ffff)
            .extended_sequence_number(about.loss.highest)
            .interarrival_jitter(about.loss.jitter)
            .last_sender_report_timestamp(about.last_report)
            .delay_since_last_sender_report_timestamp(about.since)
    });
    let name = SdesItem::builder(SdesItem::CNAME, report.name);
    let sdes = Sdes::builder().add_chunk(SdesChunk::builder(report.ssrc).add_item(name));
    let compound = if let Some(sent) = report.sent {
        let ours = SenderReport::builder(report.ssrc)
            .ntp_timestamp(sent.ntp)
            .rtp_timestamp(sent.timestamp)
            .packet_count(sent.packets)
            .octet_count(sent.octets);
        Compound::builder().add_packet(match block {
            Some(block) => ours.add_report_block(block),
            None => ours,
        })
    } else {
        let ours = ReceiverReport::builder(report.ssrc);
        Compound::builder().add_packet(match block {
            Some(block) => ours.add_report_block(block),
            None => ours,
        })
    };
    let compound = compound.add_packet(sdes);
    let compound = if report.bye {
        compound.add_packet(rtcp_types::Bye::builder().add_source(report.ssrc))
    } else {
        compound
    };
    let mut datagram = vec![0; 256];
    // Only a field beyond its bounds would be refused, and none is; an empty report is sent nowhere.
    let length = compound.write_into(&mut datagram).unwrap_or(0);
    datagram.truncate(length);
    datagram
}

/// Time as in a sender report (§4), from the time since 1970.
pub fn ntp(since_1970: Duration) -> u64 {
    const FROM_1900: u64 = 2_208_988_800;
    let fraction = (u64::from(since_1970.subsec_nanos()) << 32) / 1_000_000_000;
    (since_1970.as_secs().wrapping_add(FROM_1900) << 32) | fraction
}

/// The middle 32 bits of such a time: 1/65536 s.
pub fn middle(ntp: u64) -> u32 {
    let [_, _, a, b, c, d, _, _] = ntp.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// A duration in 1/65536 s.
pub fn short(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros() * 65_536 / 1_000_000).unwrap_or(u32::MAX)
}

/// How long a report and the one that answers it were on their way (§6.4.1), if the peer has got one.
pub fn round_trip(now: u32, about: AboutUs) -> Option<Duration> {
    if about.last_report == 0 {
        return None;
    }
    let trip = now.wrapping_sub(about.last_report).wrapping_sub(about.since);
    // The peer's clock has its own grain: a little less than nothing is nothing.
    let trip = u64::from(trip.cast_signed().max(0).unsigned_abs());
    Some(Duration::from_micros(trip * 1_000_000 / 65_536))
}

/// Jitter of a report, in samples, as a time.
pub fn jitter(samples: u32) -> Duration {
    Duration::from_secs(1) * samples / RATE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn about(cumulative: i32) -> AboutUs {
        AboutUs {
            loss: Loss {
                fraction: 3,
                cumulative,
                highest: 0x1_0007,
                jitter: 40,
            },
            last_report: 0x1234_5678,
            since: 65_536,
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            sends: bool, hears: bool, bye: bool, ssrc: u32, theirs: u32,
            cumulative in -0x80_0000..0x80_0000, ntp: u64, packets: u32,
        ) {
            let sent = OurSent { ntp, timestamp: 5, packets, octets: 9 };
            let datagram = write(&Report {
                ssrc, name: "a1b2", sent: sends.then_some(sent),
                about: hears.then(|| (theirs, about(cumulative))), bye,
            });
            let heard = parse(&datagram, theirs).unwrap();
            prop_assert_eq!(heard, Heard {
                ssrc,
                sent: sends.then(|| Sent { time: middle(ntp), packets }),
                about_us: hears.then(|| about(cumulative)),
                bye,
            });
            prop_assert_eq!(parse(&datagram, theirs ^ 1).unwrap().about_us, None);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes, 0);
        }
    }

    #[test]
    fn the_round_trip_is_without_the_time_that_the_peer_took() {
        let sent = 0x1234_5678;
        let now = sent + short(Duration::from_millis(1125));
        assert_eq!(round_trip(now, about(0)), Some(Duration::from_millis(125)));
        assert_eq!(round_trip(sent, about(0)), Some(Duration::ZERO));
        assert_eq!(
            round_trip(
                now,
                AboutUs {
                    last_report: 0,
                    ..about(0)
                }
            ),
            None
        );
    }

    #[test]
    fn time_counts_from_1900() {
        assert_eq!(ntp(Duration::from_millis(500)), 2_208_988_800 << 32 | 1 << 31);
    }
}
