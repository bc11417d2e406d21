//! Chains of disk images, kept so that a kill or a power cut at any step leaves the old or the new state.
//!
//! A machine's directory holds the layers of its disks and one file that says which they are, `chain.json`
//! ([`Chains`]). A snapshot freezes what is there and puts an overlay on each disk; to roll back is to drop overlays,
//! to merge is to write an overlay into the layer below. What is to be done is planned without IO ([`plan`]): a list of
//! [`Step`]s, each of which may be done twice. [`Executor`] does them, each one on disk before the next, under a lock.
//! `chain.json` holds what was begun; [`plan::recover`] finishes or undoes it at the next start.
//!
//! Nothing here speaks to a QEMU that runs. Whoever does (the hypervisor's service) orders the steps before and after
//! what QEMU itself does, and the order of the two is such that either may be killed in between.

mod error;
mod execute;
mod forecast;
mod image;
mod model;
pub mod plan;
mod store;

pub use error::Error;
pub use execute::{Executor, Told};
pub use forecast::{Forecast, Sample};
pub use image::{Image, inspect, virtual_size};
pub use model::{Base, Chain, Chains, DEEPEST, Keep, Snapshot, Work, number_of};
pub use plan::{Order, Step};
pub use store::{CHAINS, Lock, read, remember};
