//! An independent ISDN exchange at the far end of a line: what the bridge is tested with, on this machine and in QEMU.
//!
//! The exchange is libpri, in a process of its own ([`Pbx`]). Nothing of this is in the product.
#![allow(
    clippy::unwrap_used,
    reason = "a test has no use for a peer that did not start but to say why"
)]

mod pbx;

pub use pbx::{PATIENCE, Pbx};
