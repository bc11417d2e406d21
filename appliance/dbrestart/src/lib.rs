//! Scheduled database restarts that no user notices.
//!
//! Clients of a declared database reach it through its *gate* (PgBouncer, or [`relay`] for other engines), at one
//! address before, during and after. When the calendar says so, a run goes through one procedure:
//!
//! ```text
//! lease → preflight → checkpoint twice → look ─▶ pause ─▶ stop → start → probe → resume → verify
//!                                        ▲  │      │
//!                                        └──┴──────┘  something is in use, or the pause took too long
//! ```
//!
//! What is done behind a relay is less: it does not know transactions, and has no checkpoint to ask for.
//!
//! - [`usage`] says what is in use and stands in the way, as data: one probe query a class.
//! - [`run`] is the procedure as a state machine without IO; [`rig`] performs what it asks for on real servers.
//! - [`journal`] remembers an unfinished run, so that whatever dies, the gate is resumed ([`procedure::recover`]).
//! - [`ledger`] is what became of each run; [`forecast`] predicts the next stall from it, and [`quiet`] finds the
//!   quarter of an hour in which it would disturb least.

mod agent;
pub mod bouncer;
mod engine;
mod error;
pub mod forecast;
pub mod gate;
pub mod gates;
pub mod journal;
pub mod ledger;
pub mod load;
pub mod machine;
pub mod postgres;
pub mod procedure;
pub mod quiet;
pub mod reason;
pub mod relay;
pub mod report;
pub mod rig;
pub mod run;
pub mod server;
pub mod service;
pub mod settings;
pub mod timetable;
mod tls;
pub mod usage;
pub mod warden;

pub use agent::Agent;
pub use engine::EngineRig;
pub use error::Error;
