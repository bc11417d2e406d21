//! Rehearsals: an upgrade is tried on clones of a group of machines, and promoted to the machines themselves if it went
//! well.
//!
//! A rehearsal begins with a snapshot of the group at one instant. The clones' disks stand on what lies below it
//! ([`varde_disks::Chains::lent_to`]), their network looks like that of production and leads nowhere. The
//! [`Director`] puts the parts in order; what a guest is to do is asked of its agent ([`guest`]). What is written down
//! ([`Record`]) lets the next service finish or undo what this one was killed in.

mod director;
mod guest;
mod promotion;
mod record;
mod run;
mod service;

pub use director::{Director, News};
pub use record::{Record, records};
pub use service::{Rehearsals, tell};
