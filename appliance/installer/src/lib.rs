//! Puts the appliance on a blade's disk.
//!
//! The medium is the image itself: `/usr/lib/varde/early` finds itself on a disk with a partition labelled
//! [`medium::LABEL`], and starts `varde-install.target` in place of everything else. What is written is what was started
//! and verified: the root, its verity tree, the kernel image.
//!
//! 1. [`check`] says whether this machine will do, and what to do where it won't.
//! 2. [`dialogue`] asks, line by line, on any terminal; or [`answers`] says it all: `install.toml` on a stick.
//! 3. [`write`] takes the disk. The boot loader comes last: what a power cut leaves starts whole or not at all, and
//!    then the firmware goes on to the medium, which begins again.

pub mod answers;
pub mod check;
pub mod dialogue;
pub mod disks;
pub mod error;
pub mod first;
pub mod medium;
pub mod terminal;
pub mod tool;
pub mod write;

pub use error::{Error, Result};
