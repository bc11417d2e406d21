//! New versions of the appliance.
//!
//! A release is a folder: `release.toml` says which version it is and what its files must be, `release.toml.minisig` signs
//! that. It is taken in three steps, each of which may be cut off at any moment:
//!
//! 1. `varde-update install` (root, a unit that runs for this alone) checks the signature against the keys of the site,
//!    copies the files to the data partition while it checks their hashes, writes down what is healthy now, and has
//!    systemd-sysupdate(8) write the slot that is not in use. The boot loader's entry comes last.
//! 2. The machine is restarted, by whoever may. The boot loader counts three tries.
//! 3. `varde-update settle` (root, at each boot while something is pending, before the boot is marked as good) waits
//!    until what was healthy is so again, or goes back and says why. Where the new version did not come so far, the boot
//!    loader goes back by itself, and `settle` finds that out in the version before.
//!
//! `varde-lifecycled` tells what stands in the [`ledger`], starts the units for those who may, and records it.

pub mod error;
pub mod esp;
pub mod excerpt;
pub mod health;
pub mod install;
pub mod ledger;
pub mod plain;
pub mod release;
pub mod service;
pub mod settle;
pub mod source;
pub mod stick;
pub mod version;

pub use error::{Error, Result};
pub use version::Version;
