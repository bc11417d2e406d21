//! The bridge between exchanges made of libpri: real frames, real datagrams, a real clock.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

mod isdn;
mod phone;
mod rig;
mod sip;
mod status;
