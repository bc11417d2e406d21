//! Debian trees of those that benches compare with, each made once.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use varde_machine::keys::Key;
use varde_machine::toolbox::RELEASE;

use crate::error::{Error, Result};
use crate::{mirrors, place, step, toolbox};

/// Root's daemon with the driver for QEMU, its command line, and QEMU as the appliance has it.
const LIBVIRT: [&str; 5] = [
    "libvirt-clients",
    "libvirt-daemon",
    "libvirt-daemon-driver-qemu",
    "qemu-system-x86",
    "qemu-utils",
];

/// The tree with libvirt; made if it is missing. `None` for who may not make one: it needs root.
pub fn libvirt() -> Result<Option<PathBuf>> {
    if !toolbox::is_root()? {
        return Ok(None);
    }
    let key = Key::default().text(RELEASE).text(&LIBVIRT.join(" ")).finish();
    let tree = place::cache("")?.join(format!("libvirt-{key}"));
    if tree.exists() {
        return Ok(Some(tree));
    }
    toolbox::ensure_on_host("mmdebstrap", "mmdebstrap")?;
    let part = tree.with_extension("part");
    place::remove_tree(&part)?;
    let mut command = Command::new("mmdebstrap");
    command.arg("--variant=apt");
    command.arg("--aptopt=APT::Install-Recommends \"false\"");
    command.arg(format!("--include={}", LIBVIRT.join(",")));
    command.args([
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
    ]);
    command.arg(RELEASE).arg(&part).args(mirrors::sources());
    step::run(
        "Making the tree with libvirt (Debian packages)",
        &mut command,
        "Look at the network and at the mirror in /etc/apt, then run the same command again.",
    )?;
    fs::rename(&part, &tree).map_err(Error::io("cannot put in its place", &tree))?;
    Ok(Some(tree))
}
