//! Makes the toolbox, once for each list of packages.

use std::fs;
use std::path::Path;
use std::process::Command;

use varde_machine::{Toolbox, Tree};

use crate::error::{Error, Result};
use crate::step;

pub const NETWORK: &str =
    "Look at the network and at the mirror in /etc/apt, then run the same command again.";

/// The toolbox; made if it is missing.
pub fn ensure() -> Result<Toolbox> {
    if let Ok(toolbox) = Toolbox::find() {
        return Ok(toolbox);
    }
    if !is_root()? {
        return Err(Error::Refused(
            "The toolbox is a Debian tree whose files belong to root, and this is not root.\n\
             Type: sudo env \"PATH=$PATH\" \"HOME=$HOME\" cargo xtask image"
                .into(),
        ));
    }
    ensure_on_host("mmdebstrap", "mmdebstrap")?;
    let packages: Vec<_> = Toolbox::packages().collect();
    let tree = Tree::new("toolbox", &packages)?.at(Toolbox::place()?);
    tree.ensure(|command| step::run("Making the toolbox (Debian packages)", command, NETWORK))?;
    Ok(Toolbox::find()?)
}

/// Mounting and writing other users' files needs root.
pub fn is_root() -> Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let path = Path::new("/proc/self");
    Ok(fs::metadata(path).map_err(Error::io("cannot read", path))?.uid() == 0)
}

/// What the host must have beside Rust: mmdebstrap to make everything, dbus-daemon for the tests of services. Installs
/// the package where this is a Debian system.
pub fn ensure_on_host(program: &str, package: &str) -> Result<()> {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).exists()));
    if found { Ok(()) } else { install(program, package) }
}

/// The same for a library that a test's peer is built with, known by its header.
pub fn ensure_library_on_host(header: &str, package: &str) -> Result<()> {
    if Path::new("/usr/include").join(header).exists() {
        Ok(())
    } else {
        install(header, package)
    }
}

fn install(missing: &str, package: &str) -> Result<()> {
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(Error::Refused(format!(
            "{missing} is missing, and this is no Debian system that it could be installed on. Install it with this \
             system's package manager, for instance: dnf install {package}"
        )));
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    let install = ["install", "--yes", "--no-install-recommends", package];
    let title = format!("Installing {package}");
    if step::run(&title, &mut apt(&install), NETWORK).is_ok() {
        return Ok(());
    }
    // The lists of packages may be old, or not there at all in a fresh container.
    step::run("Updating apt's lists", &mut apt(&["update"]), NETWORK)?;
    step::run(&title, &mut apt(&install), NETWORK)
}
