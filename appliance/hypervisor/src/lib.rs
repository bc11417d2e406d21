//! Virtual machines: one unit each, reconciled with the active generation.
//!
//! `varde-vm-exec` is what a machine's unit runs: its root step [`prepare`]s the place, the main process becomes QEMU
//! with the command line that [`argv`] composes, and its last steps shut the guest down ([`ladder`]) and write down how
//! it ended ([`notes`]). All this works without the daemon.
//!
//! `varde-hypervisord` watches: what systemd says of the units ([`systemd`]), what each QEMU says ([`qmp`]), and what
//! the boot checks find ([`checks`]) goes as events into a [`machine::Machine`], which judges its state. [`daemon`]
//! carries events in and orders out, [`service`] answers on the bus. [`snapshots`] keeps instants to go back to, and
//! [`rehearsal`] tries upgrades on clones before machines have them, and [`desktops`] gives machines to persons. The daemon can die at any time: no machine is its
//! child, and it finds everything again.

pub mod admission;
pub mod agent;
pub mod argv;
pub mod autostart;
pub mod checks;
pub mod console;
pub mod daemon;
pub mod desktops;
mod error;
pub mod gate;
pub mod identity;
pub mod ladder;
pub mod machine;
pub mod notes;
pub mod paths;
pub mod prepare;
pub mod probe;
pub mod qmp;
pub mod reconcile;
pub mod rehearsal;
pub mod service;
pub mod site;
pub mod snapshots;
pub mod systemd;
#[cfg(test)]
mod test;
pub mod unit;
pub mod usage;

pub use error::Error;
