//! Snapshots of machines: taken, listed, rolled back to, merged, watched.
//!
//! Files are the business of `varde-disks`, which runs as each machine's own user in the unit `varde-disk@NAME`
//! ([`errand`]); what a QEMU that runs has to do is asked of it ([`live`]). The [`Keeper`] puts the two in order. It keeps
//! nothing: each machine's `chain.json` says what there is and what was begun, so the next daemon goes on where this one
//! was killed ([`watch`]).

pub mod errand;
mod freeze;
mod keeper;
mod live;
mod merge;
mod price;
mod take;
mod watch;

pub use keeper::{Keeper, News};
pub(crate) use keeper::{blocks, by_dependency};
pub use price::price;
pub use watch::keep_watch;
