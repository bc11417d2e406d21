//! The audio of calls: RTP, the B channel's side of it, tones, and the SDP that agrees on them.
//!
//! ```text
//! SDP  ──▶ sdp::answer ──▶ Agreed ─┐
//!                                  ▼
//! peer ◀── RTP, RTCP ──▶ Endpoint ◀── bridge ──▶ Endpoint ◀── RTP, RTCP ──▶ peer
//!                        Endpoint ◀── Channel ──▶ a B channel of a line
//!                           │
//!                           └──▶ Happened: buttons pressed, audio that goes one way only
//! ```
//!
//! **How an exchange uses it.** [`Media::start`] once. For each side of a call that is RTP, [`Media::open`] an
//! [`Endpoint`]; put its [`Endpoint::local`] into an [`sdp::offer`] or [`sdp::answer`]; give what these agree on to
//! [`Endpoint::agree`], again at each re-INVITE (hold is part of it). Then [`Endpoint::bridge`] two of them, or take the
//! [`Channel`] of one and, at each tick of the line, [`Channel::play`] what goes out on the B channel and
//! [`Channel::hear`] what came. A tone for a peer is [`Endpoint::play`]; one for a B channel without an endpoint is a
//! [`tone::Player`]. What happens comes out of the receiver that [`Media::start`] gave. An endpoint closes when it is
//! dropped.
//!
//! **Audio is not touched** between two peers of the same codec, nor between A-law and a B channel: octets come out as
//! they went in. µ-law is converted ([`g711`]); push buttons become tones where no events are taken.
//!
//! **Inside.** A [`session::Session`] is one RTP session without IO: bytes and time in, bytes and events out; the
//! [`jitter::JitterBuffer`] is what stands between it and a channel. One thread carries the audio of all calls: it
//! sleeps in epoll, and what has come is sent on in the buffer that it was read into, with another head. It is a thread
//! and not a task so that nothing else that the exchange does adds to the delay.
//!
//! **Limits.** No SRTP, no RTCP on RTP's port, no comfort noise of our own, no detection of tones in audio.

mod error;
pub mod event;
pub mod g711;
pub mod jitter;
mod media;
mod outgoing;
mod packets;
mod ports;
mod reception;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod session;
mod source;
mod statistics;
mod switch;
mod taken;
pub mod tone;
mod watch;

pub use error::{Error, Refused, Result, SdpError};
pub use event::Press;
pub use jitter::Counts;
pub use media::{Channel, Config, Endpoint, EndpointId, Happened, Media};
pub use reception::Loss;
pub use session::Event;
pub use statistics::{PeerReport, Statistics};
pub use taken::{Kind, Taken};
pub use watch::{Notice, Way};
