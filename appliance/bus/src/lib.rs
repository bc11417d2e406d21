//! All that a client of the services needs to know, and what the services share on the bus.
//!
//! A client makes a [`Client`], reads through its proxies and changes things by [`Client::perform`] with an
//! [`Action`]. A service finds out who calls with [`caller::Caller`], asks [`role`] whether that person may, records
//! the change with [`record::Recorder`], and answers a [`Failure`] that is readable in both languages.

pub mod access;
pub mod audit;
pub mod caller;
mod client;
pub mod code;
pub mod dbrestart;
pub mod desktop;
pub mod door;
mod error;
pub mod health;
pub mod host;
pub mod hypervisor;
pub mod record;
pub mod rehearsal;
pub mod role;
pub mod site;
pub mod snapshot;
mod stream;
pub mod telephony;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tunnel;
pub mod update;

pub use client::{Action, Client, Done};
pub use error::{Failure, FailureKind};
pub use role::Verb;
pub use stream::next;
pub use varde_site::{Finding, Language, Role, Text};
