//! The pinned Debian tree that holds every tool but Rust: one version of QEMU, mkosi and the rest on every machine.
//!
//! A tool runs inside it: a mount namespace of its own, the tree made a mount point, the host's folders of data mounted
//! at the same paths, then `chroot`. The process started becomes the tool, so that its ID and its exit are the tool's.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::keys::Key;
use crate::tree::RELEASE;
use crate::{Error, Result, cache_dir};

/// What is installed in the tree, one package a line.
const PACKAGES: &str = include_str!("../../toolbox.packages");

/// `$1` is the tree, `$2` the working directory, the rest the command. Folders of the system itself (`/usr`, `/etc`, …)
/// are the tree's; everything else at the top of the host's root is data and is visible at its own path.
const ENTER: &str = r#"
tree=$1 dir=$2
shift 2
mount --bind "$tree" "$tree"
for top in /*; do
    case $top in
        /bin | /boot | /etc | /lib* | /lost+found | /sbin | /usr | /var) continue ;;
    esac
    [ -d "$top" ] && [ ! -L "$top" ] || continue
    mkdir -p "$tree$top"
    mount --rbind "$top" "$tree$top"
done
if [ -e /etc/resolv.conf ]; then
    [ -e "$tree/etc/resolv.conf" ] || : > "$tree/etc/resolv.conf"
    mount --bind "$(readlink -f /etc/resolv.conf)" "$tree/etc/resolv.conf"
fi
# Whom this host trusts, the tools trust: a network may have an authority of its own.
authorities=/etc/ssl/certs/ca-certificates.crt
if [ -e "$authorities" ] && [ -e "$tree$authorities" ]; then
    mount --bind "$authorities" "$tree$authorities"
fi
exec chroot "$tree" /bin/sh -c 'cd "$0" && exec "$@"' "$dir" "$@"
"#;

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

    /// The command `tool` inside the tree, in the current directory. The host's environment stays out but for what
    /// terminals and proxies need.
    pub fn command(&self, tool: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--propagation",
            "private",
            "--",
            "/bin/sh",
            "-eu",
            "-c",
            ENTER,
            "toolbox",
        ]);
        command.arg(&self.tree);
        command.arg(std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")));
        command.arg(tool);
        command.env_clear();
        command.env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        );
        command.env("LC_ALL", "C.UTF-8");
        for name in [
            "HOME",
            "TERM",
            "http_proxy",
            "https_proxy",
            "no_proxy",
            "SOURCE_DATE_EPOCH",
        ] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
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
