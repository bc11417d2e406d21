//! The console: what operators log in to on a serial line, at any hour and at any speed.
//!
//! ```text
//! bytes ─▶ terminal::Parser ─▶ Event ─▶ on(&mut State) ─▶ Effect ─▶ runner ─▶ bus, guest, line
//!                                ▲           │                         │
//!                                └───────────┼───── answers, signals ──┘
//!                                            ▼
//!                       draw(&State) ─▶ ratatui ─▶ terminal::Serial ─▶ the fewest bytes
//!                                 or ─▶ lines::Lines ─▶ plain text
//! ```
//!
//! All that comes in is one [`event::Event`] on one channel. [`on::on`] changes the [`state::State`] and says what is
//! to be done; only the [`runner`] does it. [`draw::draw`] cannot change the state. The [`recorder`] keeps the events,
//! so that a test can play a session again to the same screen.

mod canvas;
mod charset;
mod clock;
mod command;
mod dialog;
pub mod draw;
pub mod error;
pub mod event;
mod field;
mod format;
mod guest;
mod keys;
pub mod lines;
mod list;
mod lock;
pub mod on;
mod page;
mod power;
pub mod recorder;
mod reload;
pub mod runner;
pub mod secret;
mod services;
mod since;
pub mod state;
mod support;
pub mod terminal;
mod unlock;
mod update;
pub mod wake;
mod words;

pub use command::Cmd;
pub use keys::{command as command_of, resolve};
pub use page::PageId;
