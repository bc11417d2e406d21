//! The pinned Debian tree that holds every tool but Rust: one version of QEMU, mkosi and the rest on every machine.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::keys::Key;
use crate::tree::{RELEASE, enter};
use crate::{Error, Result, cache_dir};

/// What is installed in the tree, one package a line.
const PACKAGES: &str = include_str!("../../toolbox.packages");

#[derive(Debug, Clone)]
pub struct Toolbox {
    tree: PathBuf,
}

impl Toolbox {
    /// The tree in the cache, or the one that `VARDE_TOOLBOX` names.
    pub fn find() -> Result<Self> {
        let tree = Self::place()?;
        if tree.join("usr/bin/qemu-system-x86_64").exists() {
            Ok(Self { tree })
        } else {
            Err(Error::NoToolbox(tree))
        }
    }

    /// Where the tree belongs: a change of the list of packages gives another place.
    pub fn place() -> Result<PathBuf> {
        if let Some(tree) = std::env::var_os("VARDE_TOOLBOX").filter(|tree| !tree.is_empty()) {
            return Ok(tree.into());
        }
        let key = Key::default().text(RELEASE).text(PACKAGES).finish();
        Ok(cache_dir()?.join(format!("toolbox-{key}")))
    }

    pub fn packages() -> impl Iterator<Item = &'static str> {
        PACKAGES.lines().map(str::trim).filter(|line| !line.is_empty())
    }

    pub fn tree(&self) -> &Path {
        &self.tree
    }

    /// The command `tool` inside the tree: [`enter`].
    pub fn command(&self, tool: impl AsRef<OsStr>) -> Command {
        enter(&self.tree, tool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_packages_is_sorted_and_each_is_named_once() {
        let packages: Vec<_> = Toolbox::packages().collect();
        let mut sorted = packages.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(packages, sorted);
    }
}
