//! The appliance itself: how it is, what its journal says, and its power switch.
//!
//! `varde-hostd` answers `no.varde.Host1` ([`service`]). Each status is read afresh: numbers from the kernel
//! ([`facts`]), failed units and the clock from systemd ([`systemd`]); [`problems`] says what of it is wrong. The
//! journal is read by `journalctl`, bounded in time and size ([`journal`]). A restart or power-off is recorded and then
//! asked of logind ([`power`]).

mod error;
pub mod facts;
pub mod journal;
pub mod power;
pub mod problems;
pub mod service;
pub mod systemd;

pub use error::Error;
