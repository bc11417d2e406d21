//! How a call's audio fares, for the records and the console.

use std::net::SocketAddr;
use std::time::Duration;

use crate::jitter::Counts;

/// One endpoint, since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets that came and were the peer's.
    pub received: u64,
    /// Packets that should have come and did not.
    pub lost: u64,
    /// Interarrival jitter of what comes (RFC 3550 §6.4.1).
    pub jitter: Duration,
    /// Datagrams that were not taken.
    pub refused: u64,
    pub sent: u64,
    /// Packets that the network did not take from us.
    pub unsent: u64,
    /// What the peer's last report says of what we send.
    pub peer: Option<PeerReport>,
    /// What happened on the way into a B channel.
    pub buffer: Option<Counts>,
    /// Where the peer's packets come from.
    pub from: Option<SocketAddr>,
}

/// What a peer says of the stream that it gets from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerReport {
    /// Packets; more came than were sent if it is negative (duplicates).
    pub lost: i32,
    /// Of 256, between its last two reports.
    pub fraction_lost: u8,
    pub jitter: Duration,
    /// From us to the peer and back, if the peer has got a report of ours.
    pub round_trip: Option<Duration>,
}
