//! The telephone exchange: which call goes where, what happens when that fails, and what is written about it.
//!
//! ```text
//!  legs (lines, trunks, phones) ── incoming, signal ──▶ ┌──────────┐ ── Command::Leg ────▶ legs
//!  state of places (OPTIONS, data links) ── sight ────▶ │ Exchange │ ── Command::Join ───▶ media
//!  the plan, anew ────────────────────── set_plan ────▶ └──────────┘ ── Command::Record ─▶ records
//!  time: poll_timeout ──▶ handle_timeout
//! ```
//!
//! A *leg* is one party's side of a call, at a *place*: an ISDN line, a SIP trunk, a SIP phone. Nothing here knows which
//! of them it is, but for how much it is trusted. Nothing reads a clock, a socket or a random number; the same story
//! played again does the same.
//!
//! - [`Plan`] is the configuration; [`Plan::find`] says what a number means, also when it is not complete yet. A call
//!   keeps the plan that it began with, so that a new one drops no call.
//! - [`Exchange`] is the calls: `call.rs` is one of them, `attempt.rs` where it may go, `reach.rs` how it gets there, `exchange.rs` all.
//! - [`Health`] says whether a place can be used, without flapping; [`limits`] who may not call now.
//! - [`causes`] are the tables between Q.850 and SIP; [`Record`] is what is written about a call.
//!
//! **Emergency calls** go their own order of targets, past admission, barring and limits; their number is shown though
//! it be secret, with the place that is declared for it; where no channel is free they take one from another call.
//!
//! **No call hangs.** Each leg ends with exactly one of: it said [`Signal::Released`]; or it was told to release and
//! said so, or was given up after [`Terms::release`]. A call is over, and its record written, when its legs are. A test
//! walks all orders of events and finds no call that is left.

mod attempt;
mod call;
mod caller;
pub mod causes;
mod exchange;
mod health;
mod hours;
pub mod limits;
mod number;
mod plan;
mod primitive;
mod reach;
mod record;
mod terms;

pub use exchange::{CallView, Exchange, Phase};
pub use health::{Health, Standing};
pub use hours::{Hours, OnHolidays};
pub use number::canonical;
pub use plan::{
    Barring, Emergency, Extension, Forwarding, Found, Goal, Kind, Limit, Place, Plan, Route, Shows, Target,
};
pub use primitive::{
    Action, Bearer, CallId, Calling, Command, LegId, Moment, Notice, PlaceName, Refused, Setup, Signal, Test,
};
pub use record::{Attempt, EndedBy, Record};
pub use terms::Terms;
