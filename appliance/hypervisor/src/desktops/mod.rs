//! Virtual desktops: machines of a pool, given to persons, shown, parked when nobody looks, made anew in between.
//!
//! A desktop is a machine like any other, derived from its pool ([`varde_site::DesktopPool::machines`]); what is
//! particular to it is here. Who has a floating one is written down ([`holders`]) and goes with the boot, as the desktops
//! do. Whether somebody looks at one is asked of its QEMU, which knows whatever else was restarted.

mod holders;
mod host;
mod service;

pub use host::{Host, News};
pub use service::{Desktops, tell};
