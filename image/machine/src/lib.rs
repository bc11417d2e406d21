//! The QEMU machine that the appliance runs in when developed and tested.
//!
//! One description of that machine serves `cargo xtask run`, the end-to-end tests and the benchmarks, so that what is
//! tested is what a developer sees. The flow: [`Toolbox`] finds the pinned Debian tree that holds QEMU and the firmware;
//! [`disks`] lays fresh overlays over the built image; [`Accel::probe`] learns whether hardware virtualisation works;
//! [`Machine::command`] gives the process to start, which becomes QEMU itself: its process ID is QEMU's.

pub mod accel;
pub mod disks;
mod error;
pub mod iso;
pub mod keys;
pub mod machine;
pub mod medium;
pub mod mirrors;
pub mod release;
pub mod toolbox;
pub mod tree;

pub use accel::Accel;
pub use error::{Error, Result};
pub use machine::{Credential, Drive, Forward, Machine, Medium, Serial};
pub use toolbox::Toolbox;
pub use tree::Tree;

use std::path::PathBuf;

/// Where toolbox, images and guests are kept between builds: `$XDG_CACHE_HOME/varde`, else `~/.cache/varde`.
pub fn cache_dir() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("VARDE_CACHE").filter(|dir| !dir.is_empty()) {
        return Ok(dir.into());
    }
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(std::env::var_os("HOME").ok_or(Error::NoHome)?).join(".cache"),
    };
    Ok(base.join("varde"))
}
