//! Debian trees of those that benches compare with, each made once.

use std::path::PathBuf;

use varde_machine::Tree;

use crate::error::Result;
use crate::{step, toolbox};

/// Root's daemon with the driver for QEMU, its command line, and QEMU as the appliance has it.
const LIBVIRT: [&str; 5] = [
    "libvirt-clients",
    "libvirt-daemon",
    "libvirt-daemon-driver-qemu",
    "qemu-system-x86",
    "qemu-utils",
];

/// The tree with websockify; made if it is missing. `None` for who may not make one.
pub fn websockify() -> Result<Option<PathBuf>> {
    if !toolbox::is_root()? {
        return Ok(None);
    }
    toolbox::ensure_on_host("mmdebstrap", "mmdebstrap")?;
    let tree = Tree::new("websockify", &["websockify"])?;
    let title = "Making the tree with websockify (Debian packages)";
    tree.ensure(|command| step::run(title, command, toolbox::NETWORK))
        .map(Some)
}

/// The tree with libvirt; made if it is missing. `None` for who may not make one: it needs root.
pub fn libvirt() -> Result<Option<PathBuf>> {
    if !toolbox::is_root()? {
        return Ok(None);
    }
    toolbox::ensure_on_host("mmdebstrap", "mmdebstrap")?;
    let tree = Tree::new("libvirt", &LIBVIRT)?;
    let title = "Making the tree with libvirt (Debian packages)";
    tree.ensure(|command| step::run(title, command, toolbox::NETWORK))
        .map(Some)
}
