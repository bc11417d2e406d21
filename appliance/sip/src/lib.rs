//! The SIP side of the telephony bridge: a registrar, trunks, and calls as legs.
//!
//! ```text
//! phones, trunks ◀── UDP, TCP, TLS ──▶ rim ◀── bytes, time ──▶ agent ── Event ──▶ the exchange
//!                                                                  ◀── Command ──
//! ```
//!
//! Whoever routes sees legs, not SIP: [`Event`]s come out, [`Command`]s go in, both plain data; session descriptions are
//! text that is carried and not read. [`Directory`] says who may register and which trunks there are, and may be
//! replaced at any time without touching a call.
//!
//! [`Sip`] is the whole with its sockets: `Sip::start`, then `event` in a loop, with `command`, `call` and `configure` in
//! between; `examples/b2bua.rs` is the smallest exchange on it. [`Agent`] is the same without IO, for tests and fuzzing.
//!
//! **Bounds.** What comes is read only while somebody takes events; legs, contacts, connections, waiting responses and
//! what is remembered of strangers have limits, and each wait has an end: 64 T1 for an answer, the ringing time for a
//! person, the session timer for a peer that has gone.
//!
//! **What it leaves out.** Transfer (REFER), presence and messages are refused with 405. Of a body of several parts only the
//! session description is read.
//! No SRV records, strict routing, Path or mutual TLS; requests too large for UDP are not moved to TCP. No SHA-512-256.
//!
//! **The standards.** RFC 3261 and 6026 (transactions, dialogs, registrar), 8760 (digests), 3262 (100rel), 3311 (UPDATE),
//! 4028 (session timers), 3323 and 3325 (privacy, identity), 3326 (Reason), 5806 (Diversion).

mod admission;
mod agent;
mod api;
mod challenge;
mod client;
mod config;
mod core;
mod dialog;
mod digest;
mod error;
mod guard;
mod identity;
mod leg;
pub mod message;
mod reception;
mod registrar;
mod rim;
mod server;
mod session;
mod trunk;

pub use agent::Agent;
pub use api::{
    Alarm, Command, Direction, Diversion, Ended, Event, Flow, Identity, Incoming, LegId, Outgoing, Party,
    Tapped, Transport, TrunkTrouble, Why,
};
pub use config::{Account, Digests, Directory, Limits, Listener, Login, Secret, Setup, Timers, Tls, Trunk};
pub use core::Lookup;
pub use error::{Error, Malformed, Result};
pub use rim::Sip;
