//! The telephony bridge: an old ISDN exchange, SIP trunks and phones call each other.
//!
//! ```text
//!  ISDN lines (l1oip) ◀──▶ line ── legs ──▶ ┌────────┐ ◀── legs ── sip ◀──▶ phones, trunks
//!                                           │ bridge │
//!  site.toml ── plan ─────────────────────▶ └────────┘ ── store ──▶ records on disk
//!                                             ▲    │
//!  no.varde.Telephony1 ── orders ─────────────┘    └── report ──▶ clients
//! ```
//!
//! - [`bridge`] is the one task that all of it runs on; [`varde_exchange`] decides, and here it is done.
//! - [`plan`] makes the exchange's plan of `[telephony]`; [`lines`] opens the lines, [`line`] is one of them, and
//!   [`isdn`] says the same in Q.931 and in the exchange's words.
//! - [`gate`] is phones and trunks: SIP and its audio; [`directory`] and [`secrets`] say who they are. [`sound`] is the
//!   audio of B channels.
//! - [`kept`] is what of the site was in use last. [`store`] keeps the records; [`testcall`] and [`emergency`] are calls that the site makes itself.
//! - [`service`] and [`report`] are the bus.

#![allow(
    clippy::similar_names,
    reason = "caller and called are the words of telephony"
)]

pub mod bridge;
pub mod directory;
pub mod emergency;
mod error;
pub mod gate;
pub mod isdn;
pub mod kept;
pub mod line;
pub mod lines;
pub mod plan;
pub mod report;
pub mod secrets;
pub mod service;
pub mod sound;
pub mod store;
pub mod testcall;
mod words;

pub use error::{Error, Result};
