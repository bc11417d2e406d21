//! Lines that carry one D channel and its B channels, behind one trait.
//!
//! ```text
//! varde-lapd ◀── frames ──▶ ┌──────┐
//!                           │ Line │ ◀──▶ an exchange, a terminal, a kernel, a test
//! RTP        ◀── audio ───▶ └──────┘
//! ```
//!
//! - [`memory`]: two ends in one process, for tests and measurements.
//! - [`l1oip`]: the framing of the kernel's l1oip driver, without IO; [`udp`] puts it on a socket.
//!
//! **The door for others.** mISDN's D channel is a datagram socket of frames without FCS, each B channel one of octets
//! with their bits reversed, as here; osmo-e1d hands out a socket for each timeslot, on which HDLC is for the line to
//! do. Either is one more implementation of [`Line`] that maps its sockets to [`Received`].
//!
//! **No line has a clock.** Audio is 8000 octets a second for each channel, and who sends it must pace it: [`Ticker`].

mod access;
mod error;
pub mod l1oip;
pub mod memory;
mod pace;
pub mod udp;

pub use access::{Access, BChannel};
pub use error::{Error, L1oipError, Result};
pub use pace::{Pace, Ticker};

use std::future::poll_fn;
use std::task::{Context, Poll};

/// What comes from the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// The other end is there. Nothing else comes before it.
    Up,
    /// The other end has gone: data links on this line are to be released (PH-DEACTIVATE).
    Down,
    /// A frame of the D channel, without FCS.
    Frame(Vec<u8>),
    /// Audio of a B channel: octets as RTP has them (G.711), first sample first. `time` is the place of the first one
    /// in the channel's octets, modulo 2³²: a gap is what was lost, or silence that the other end did not send.
    Audio {
        channel: BChannel,
        time: u32,
        octets: Vec<u8>,
    },
}

/// A line, held at one end of it.
///
/// Sending never waits. What a line cannot take at once is lost, as on a real one: the data link repeats it, and audio
/// that comes late is worth nothing.
pub trait Line: Send {
    fn access(&self) -> Access;

    /// Sends a frame of the D channel, without FCS.
    fn send_frame(&mut self, frame: &[u8]) -> Result<()>;

    /// Sends audio on a B channel: octets as RTP has them, first sample first.
    fn send_audio(&mut self, channel: BChannel, octets: &[u8]) -> Result<()>;

    /// What comes next from the other end.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Result<Received>>;
}

impl dyn Line + '_ {
    /// What comes next from the other end. May be dropped before it is done: nothing is lost by that.
    pub async fn receive(&mut self) -> Result<Received> {
        poll_fn(|context| self.poll_receive(context)).await
    }
}
